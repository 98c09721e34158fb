"""What the folder `meta` of a LeRobot dataset says, of versions 2.0, 2.1 and 3.0: features with the
names of their numbers, episodes, and where their pictures are.

    2.x  data/chunk-000/episode_000003.parquet   videos/chunk-000/KEY/episode_000003.mp4
         meta/info.json, meta/episodes.jsonl
    3.0  data/chunk-000/file-000.parquet         videos/KEY/chunk-000/file-000.mp4
         meta/info.json, meta/episodes/chunk-000/file-000.parquet

Files are found by looking; the templates of their paths in info.json are not used.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.values import Damage
from liquid_control.system.parquet import ParquetError, read_columns

INFO, DATA, VIDEOS, META = "meta/info.json", "data", "videos", "meta/episodes"
EPISODE_FILE = re.compile(r"episode_(\d{1,9})\.(?:parquet|mp4)")
NUMBERED = re.compile(r"(?:chunk|file)-(\d{1,9})(?:\.parquet|\.mp4)?")
LARGEST_INFO = 2**24  # bytes
LARGEST_EPISODE = 10**9


@dataclasses.dataclass(frozen=True)
class Clip:
    """The part of a file of video that is one episode's: [begin, end) [s], end None: all of it."""

    file: Path
    begin: float = 0.0
    end: float | None = None
    problem: str = ""


@dataclasses.dataclass(eq=False)
class Dataset:
    """`features`: by name, as info.json describes them. `lengths`: recorded rows by episode, as the
    index says. `data`: the parquet files, in order. `clips`: by camera and episode."""

    root: Path
    version: str = ""
    features: dict[str, dict] = dataclasses.field(default_factory=dict)
    lengths: dict[int, int] = dataclasses.field(default_factory=dict)
    data: list[Path] = dataclasses.field(default_factory=list)
    clips: dict[str, dict[int, Clip]] = dataclasses.field(default_factory=dict)
    damage: dict[tuple, Damage] = dataclasses.field(default_factory=dict)

    def lose(self, file: Path | str, problem: str, lost: str) -> None:
        name = str(file.relative_to(self.root)) if isinstance(file, Path) else file
        self.damage.setdefault((name, problem), Damage(name, None, problem, lost))


def root_of(path: Path) -> Path | None:
    """The folder of the dataset at or around `path`; None where there is none."""
    for folder in (path, *list(path.absolute().parents)[:3]):
        if (folder / INFO).is_file() or (folder / DATA).is_dir() and _data_files(folder):
            return folder
    return path if path.is_dir() and next(path.glob("*.parquet"), None) is not None else None


def read_dataset(path: Path) -> Dataset:
    """Raises RecordingError for a path without a parquet file and for another version."""
    root = root_of(path)
    if root is None:
        root = path.parent
    dataset = Dataset(root.absolute())
    path = path.absolute()
    info = _info(dataset)
    dataset.version = str(info.get("codebase_version", ""))
    if dataset.version and not re.match(r"v?[23]\.", dataset.version):
        raise RecordingError(
            root,
            f"a LeRobot dataset of version {dataset.version}, expected v2.0, v2.1 or v3.0",
            "Convert it with LeRobot's own scripts.",
        )
    features = info.get("features")
    if isinstance(features, Mapping):
        dataset.features = {name: one for name, one in features.items() if isinstance(one, Mapping)}
    dataset.data = _data_files(root.absolute()) or sorted(root.absolute().glob("*.parquet"))
    if path.suffix == ".parquet" and path.is_file():
        dataset.data = [path]
    if not dataset.data:
        raise RecordingError(root, "no parquet file in data/", "Copy the dataset again.")
    rows = _episodes(dataset)
    for row in rows:
        index, length = row.get("episode_index"), row.get("length")
        if _is_count(index) and _is_count(length):
            dataset.lengths[index] = length
    _find_clips(dataset, rows)
    return dataset


def _data_files(root: Path) -> list[Path]:
    folder = root / DATA
    try:
        return sorted(folder.rglob("*.parquet"), key=_order) if folder.is_dir() else []
    except OSError:
        return []


def _order(file: Path) -> tuple:
    numbers = [int(number) for number in re.findall(r"\d{1,9}", f"{file.parent.name}/{file.name}")]
    return numbers, str(file)


def _info(dataset: Dataset) -> Mapping:
    file = dataset.root / INFO
    try:
        with open(file, "rb") as stream:
            found = json.loads(stream.read(LARGEST_INFO))
    except FileNotFoundError:
        dataset.lose(INFO, "missing", "the names of features and their numbers")
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        dataset.lose(INFO, "not readable as JSON", "the names of features and their numbers")
        return {}
    return found


def _episodes(dataset: Dataset) -> list[dict]:
    """What the index of episodes says of each, by its own names."""
    lines = dataset.root / "meta" / "episodes.jsonl"
    files = sorted((dataset.root / META).rglob("*.parquet"), key=_order)
    found: list[dict] = []
    if lines.is_file():
        found = list(_json_lines(dataset, lines))
    for file in files:
        try:
            found += read_columns(file, _is_of_episodes).to_pylist()
        except ParquetError as error:
            dataset.lose(file, error.problem, "where the pictures of its episodes are")
    if not lines.is_file() and not files:
        dataset.lose("meta", "without an index of episodes", "how long each episode is")
    return found


def _is_of_episodes(name: str) -> bool:
    return not name.startswith("stats/") and name not in ("tasks",)


def _json_lines(dataset: Dataset, file: Path) -> Iterator[dict]:
    try:
        data = file.read_bytes()
    except OSError as error:
        return dataset.lose(file, error.strerror or "unreadable", "how long each episode is")
    bad = 0
    for line in data.splitlines():
        try:
            found = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and found:
            yield found
        bad += found is None or not isinstance(found, dict)
    if bad:
        dataset.lose(file, f"{bad} lines that are no JSON", "how long their episodes are")


def _find_clips(dataset: Dataset, rows: list[dict]) -> None:
    videos = dataset.root / VIDEOS
    files = sorted(videos.rglob("*.mp4"), key=_order) if videos.is_dir() else []
    by_place: dict[tuple[str, int, int], Path] = {}
    for file in files:
        parts = file.relative_to(videos).parts
        numbered = EPISODE_FILE.fullmatch(file.name)
        if numbered:
            key = next((one for one in parts[:-1] if not NUMBERED.fullmatch(one)), "")
            dataset.clips.setdefault(key, {})[int(numbered[1])] = Clip(file)
        elif len(parts) >= 3 and all(map(NUMBERED.fullmatch, parts[-2:])):
            chunk, number = (int(NUMBERED.fullmatch(part)[1]) for part in parts[-2:])
            by_place["/".join(parts[:-2]), chunk, number] = file
    for name, feature in dataset.features.items():
        if feature.get("dtype") == "video" and not is_depth(feature):
            dataset.clips.setdefault(name, {})
    for key, _, _ in by_place:
        dataset.clips.setdefault(key, {})
    for row in rows:
        for key, clips in dataset.clips.items():
            clip = _clip_of(dataset.root, row, key, by_place)
            if clip is not None:
                clips[row["episode_index"]] = clip
    for clips in dataset.clips.values():
        _refuse_overlaps(clips)


def _clip_of(
    root: Path, row: dict, key: str, by_place: Mapping[tuple[str, int, int], Path]
) -> Clip | None:
    """Where the index of version 3 says that the video of an episode is."""
    index = row.get("episode_index")
    place = [row.get(f"videos/{key}/{name}") for name in ("chunk_index", "file_index")]
    if not _is_count(index) or not all(map(_is_count, place)):
        return None
    chunk, number = place
    usual = root / VIDEOS / key / f"chunk-{chunk:03d}" / f"file-{number:03d}.mp4"
    file = by_place.get((key, chunk, number), usual)
    begin, end = (row.get(f"videos/{key}/{name}_timestamp") for name in ("from", "to"))
    numbers = all(isinstance(one, (int, float)) and 0 <= one < 1e7 for one in (begin, end))
    if not numbers or begin >= end:
        return Clip(file, problem=f"no part of {file.name} is named for it")
    return Clip(file, begin, end)


def _refuse_overlaps(clips: dict[int, Clip]) -> None:
    """Two episodes cannot have the same pictures: neither is believed."""
    placed = sorted(
        (str(clip.file), clip.begin, clip.end, index)
        for index, clip in clips.items()
        if clip.end is not None
    )
    for (file, _, end, one), (other_file, begin, _, other) in zip(placed, placed[1:], strict=False):
        if file == other_file and begin < end - 1e-3:
            for index in (one, other):
                problem = "the index names the same part of a video for two episodes"
                clips[index] = dataclasses.replace(clips[index], problem=problem)


def is_depth(feature: Mapping) -> bool:
    """Whether the pictures of a feature are distances."""
    for name in ("info", "video_info"):
        said = feature.get(name)
        if isinstance(said, Mapping) and (
            said.get("is_depth_map") or said.get("video.is_depth_map")
        ):
            return True
    return False


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST_EPISODE
