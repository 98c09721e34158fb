"""The files of a rosbag2: which belong to it, their order, and decompressed copies of compressed
ones.

Of metadata.yaml only the list of files in its own directory is used. Everything else is read from
the files themselves.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backports import zstd

from liquid_control.errors import RecordingError
from liquid_control.recordings.plain_yaml import NOT_YAML, load_yaml
from liquid_control.recordings.values import Damage

STORAGES = (".mcap", ".db3")
COMPRESSED = (".zstd", ".zst")
LARGEST_METADATA = 2**20  # bytes
MOST_DAMAGE = 100
LEFT_FREE = 2**28  # bytes of disk that unpacking leaves
LARGEST_PIECE = 2**22  # bytes that are decompressed at a time
_PIECE = 2**14
_POINTER = b"version https://git-lfs.github.com/spec/"


def find_files(path: Path) -> tuple[list[Path], list[Damage]]:
    """(files of the recording at `path`, what is wrong with its metadata.yaml). Raises
    RecordingError where there is none."""
    if path.is_file():
        if storage_of(path) is None:
            remedy = (
                "Convert it with rosbags-convert."
                if path.suffix == ".bag"
                else "Name a rosbag2 directory, a .mcap or a .db3 file."
            )
            raise RecordingError(
                path,
                "a recording of ROS 1" if path.suffix == ".bag" else "neither .mcap nor .db3",
                remedy,
            )
        return [path], []
    if not path.is_dir():
        raise RecordingError(
            path, "no such file or directory", "Name a rosbag2 directory, a .mcap or a .db3 file."
        )
    here = sorted(
        (file for file in path.iterdir() if storage_of(file) is not None and file.is_file()),
        key=_natural,
    )
    here = [
        file for file in here if file.suffix not in COMPRESSED or file.with_suffix("") not in here
    ]
    if not here:
        raise RecordingError(
            path,
            "no .mcap or .db3 file in this directory",
            "Name a rosbag2 directory, a .mcap or a .db3 file.",
        )
    listed, damage = _listed(path / "metadata.yaml")
    used = [file for file in here if file.name in listed or file.with_suffix("").name in listed]
    if not used:
        return here, damage
    present = {name for file in here for name in (file.name, file.with_suffix("").name)}
    damage += [
        Damage(name, None, "listed in metadata.yaml, but not here", "the messages in it")
        for name in listed
        if name not in present
    ]
    unlisted = [file for file in here if file not in used]
    damage += [
        Damage(file.name, None, "not listed in metadata.yaml", "not read; name the file to read it")
        for file in unlisted
    ]
    return used, damage


def storage_of(path: Path) -> str | None:
    """'.mcap' or '.db3'; None for any other file."""
    if path.name.startswith("._"):  # macOS stores attributes of bag.mcap as ._bag.mcap
        return None
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSED else path.suffix
    return suffix if suffix in STORAGES else None


def unpack(path: Path, folder: Path) -> tuple[Path, list[Damage]]:
    """(the file's decompressed copy in `folder`, damage); a damaged one gives what precedes the
    damage. RecordingError where the disk is full."""
    out = folder / path.stem
    damage, written, checked = [], 0, 0
    with path.open("rb") as packed:
        try:
            size = zstd.get_frame_info(packed.read(64)).decompressed_size or 0
        except zstd.ZstdError:
            size = 0
    _check_space(path, folder, size)
    with path.open("rb") as packed, out.open("wb") as plain:
        try:
            for piece in _unpacked(packed):
                if written >= checked:
                    _check_space(path, folder, 0)
                    checked += 2**26
                written += plain.write(piece)
        except (zstd.ZstdError, EOFError) as error:
            problem = f"zstd data are damaged or cut ({error})"
            damage.append(
                Damage(
                    path.name,
                    packed.tell(),
                    problem,
                    f"what follows the first {written} bytes that were in it",
                )
            )
        except OSError as error:
            raise _full(path, folder, f"{error.strerror}") from error
    return out, damage


def _unpacked(packed: BinaryIO) -> Iterator[bytes]:
    """Decompressed pieces of a file of one or several frames; small ones, so that damage costs
    little of what precedes it."""
    machine, inside = zstd.ZstdDecompressor(), False
    while data := packed.read(_PIECE):
        while data:
            yield machine.decompress(data, max_length=LARGEST_PIECE)
            while not machine.needs_input and not machine.eof:
                yield machine.decompress(b"", max_length=LARGEST_PIECE)
            inside, data = not machine.eof, machine.unused_data
            machine = machine if inside else zstd.ZstdDecompressor()
    if inside:
        raise EOFError("its last frame ends early")


def copy_with_log(path: Path, folder: Path) -> Path:
    """A copy in `folder` of a database and its log: SQLite reads a log only with an index file in
    the same folder, and the recording's folder must not change."""
    log = log_of(path)
    _check_space(path, folder, path.stat().st_size + log.stat().st_size)
    for file in (path, log):
        shutil.copyfile(file, folder / file.name)
    return folder / path.name


def refuse_pointer(path: Path) -> None:
    """Raises RecordingError for the text that a clone without Git LFS holds in a file's place."""
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise RecordingError(
                path, "a Git LFS pointer in the place of the recording", "Fetch it: git lfs pull."
            )


def log_of(path: Path) -> Path:
    """The write-ahead log of a database, which may not exist."""
    return path.with_name(path.name + "-wal")


def has_log(path: Path) -> bool:
    """Whether a database has a write-ahead log, left by a recorder that was killed."""
    log = log_of(path)
    return log.is_file() and log.stat().st_size > 0


def _check_space(path: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + LEFT_FREE > free:
        raise _full(path, folder, f"{size / 1e9:.1f} GB to unpack, {free / 1e9:.1f} GB free")


def _full(path: Path, folder: Path, problem: str) -> RecordingError:
    remedy = (
        "Point TMPDIR to a larger disk, or decompress the file with zstd -d and name the result."
    )
    return RecordingError(path, f"cannot be unpacked into {folder.parent} ({problem})", remedy)


def _listed(metadata: Path) -> tuple[list[str], list[Damage]]:
    """File names in metadata.yaml, those of files elsewhere left out; nothing where there is no
    such file."""
    try:
        if metadata.stat().st_size > LARGEST_METADATA:
            raise ValueError(f"larger than {LARGEST_METADATA} bytes")
        loaded = load_yaml(metadata.read_bytes())
        names = loaded["rosbag2_bagfile_information"]["relative_file_paths"]
        names = [name for name in names if isinstance(name, str)]
    except FileNotFoundError:
        return [], []
    except (OSError, *NOT_YAML) as error:
        problem = f"cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        return [], [
            Damage(metadata.name, None, problem, "nothing: the files were used as they are")
        ]
    inside = [
        name
        for name in names
        if Path(name).name == name or Path(name).parts[:-1] == (metadata.parent.name,)
    ]
    damage = [
        Damage(
            metadata.name,
            None,
            f"lists {name[:200]!r}, a place outside of the recording",
            "that file",
        )
        for name in names
        if name not in inside
    ]
    return [Path(name).name for name in inside], damage[:MOST_DAMAGE]


def _natural(path: Path) -> tuple:
    """bag_10 comes after bag_9."""
    return tuple(
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)
    )
