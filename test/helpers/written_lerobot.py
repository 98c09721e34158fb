"""Small datasets of LeRobot, versions 2 and 3, with pictures that say their own number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from pyarrow import parquet
from written_comma import numbered, write_video

RATE = 20.0
CAMERA = "observation.images.front"
ACTION, STATE = ("steering", "throttle"), ("speed", "yaw")


def steering(number: np.ndarray) -> np.ndarray:
    """Command [-1..1] in the row with this number."""
    return (0.8 * np.sin(np.asarray(number) / 7.0)).astype(np.float32)


def speed(number: np.ndarray) -> np.ndarray:
    return (1.5 + 0.1 * np.cos(np.asarray(number) / 5.0)).astype(np.float32)


def regular(count: int) -> np.ndarray:
    return (np.arange(count) / RATE).astype(np.float32)


def table_of(
    episode: int,
    first: int,
    seconds: Sequence[float],
    throttle: Sequence[float] | None = None,
    pictures: bool = False,
    size: tuple[int, int] = (48, 64),
) -> pa.Table:
    """The rows of an episode; `first`: number of its first one in the dataset."""
    count = len(seconds)
    number = first + np.arange(count)
    throttle = np.full(count, 0.4) if throttle is None else np.asarray(throttle)
    action = np.stack([steering(number), throttle], 1).astype(np.float32)
    state = np.stack([speed(number), 0.0 * number], 1).astype(np.float32)
    columns = {
        "action": pa.array(list(action), pa.list_(pa.float32())),
        "observation.state": pa.array(list(state), pa.list_(pa.float32(), 2)),
        "timestamp": pa.array(np.asarray(seconds), pa.float32()),
        "frame_index": pa.array(np.arange(count), pa.int64()),
        "episode_index": pa.array([episode] * count, pa.int64()),
        "index": pa.array(number, pa.int64()),
        "task_index": pa.array([0] * count, pa.int64()),
    }
    if pictures:
        files = [
            {
                "bytes": cv2.imencode(".png", numbered(int(one) % 256, size))[1].tobytes(),
                "path": None,
            }
            for one in number
        ]
        columns[CAMERA] = pa.array(files, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    return pa.table(columns)


def write_info(
    root: Path, version: str, count: int, cameras: Sequence[str] = (CAMERA,), **changes
) -> None:
    features = {
        "action": {"dtype": "float32", "shape": [2], "names": list(ACTION)},
        "observation.state": {"dtype": "float32", "shape": [2], "names": {"axes": list(STATE)}},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    } | {
        name: {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channels"]}
        for name in cameras
    }
    info = {"codebase_version": version, "fps": RATE, "total_episodes": count, "features": features}
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta" / "info.json").write_text(json.dumps(info | changes))


def write_v2(
    root: Path,
    lengths: Sequence[int] = (40, 30),
    times: Sequence[Sequence[float]] | None = None,
    pictures: str = "video",
    codec: str = "libx264",
    cameras: Sequence[str] = (CAMERA,),
    throttle: Sequence[Sequence[float]] | None = None,
    size: tuple[int, int] = (48, 64),
) -> Path:
    """Version 2.1: a file for each episode. `pictures`: of "video", or in "rows"."""
    write_info(root, "v2.1", len(lengths), cameras if pictures == "video" else ())
    first = 0
    lines = []
    for episode, count in enumerate(lengths):
        seconds = regular(count) if times is None else times[episode]
        driven = None if throttle is None else throttle[episode]
        table = table_of(episode, first, seconds, driven, pictures == "rows", size)
        file = root / "data" / "chunk-000" / f"episode_{episode:06d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, file, row_group_size=16)
        lines.append({"episode_index": episode, "tasks": ["drive"], "length": count})
        for camera in cameras if pictures == "video" else ():
            video = root / "videos" / "chunk-000" / camera / f"episode_{episode:06d}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            numbers = [number % 256 for number in range(first, first + count)]
            write_video(video, numbers, codec, RATE, size, group=2)
        first += count
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "meta" / "episodes.jsonl").write_text(text)
    return root


def write_v3(
    root: Path,
    lengths: Sequence[int] = (40, 30, 20),
    per_file: int = 2,
    size: tuple[int, int] = (48, 64),
) -> Path:
    """Version 3.0: several episodes in a file of rows and in a file of video."""
    write_info(root, "v3.0", len(lengths))
    episodes: list[dict] = []
    first = 0
    for number, begin in enumerate(range(0, len(lengths), per_file)):
        tables, numbers = [], []
        for episode in range(begin, min(begin + per_file, len(lengths))):
            count = lengths[episode]
            tables.append(table_of(episode, first, regular(count)))
            place = len(numbers) / RATE
            episodes.append(
                {
                    "episode_index": episode,
                    "tasks": ["drive"],
                    "length": count,
                    "data/chunk_index": 0,
                    "data/file_index": number,
                    "dataset_from_index": first,
                    f"videos/{CAMERA}/chunk_index": 0,
                    f"videos/{CAMERA}/file_index": number,
                    f"videos/{CAMERA}/from_timestamp": place,
                    f"videos/{CAMERA}/to_timestamp": place + count / RATE,
                    "stats/action/mean": [0.0, 0.0],
                }
            )
            numbers += [one % 256 for one in range(first, first + count)]
            first += count
        for file in (
            root / "data" / "chunk-000" / f"file-{number:03d}.parquet",
            root / "videos" / CAMERA / "chunk-000" / f"file-{number:03d}.mp4",
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".mp4":
                write_video(file, numbers, "libx264", RATE, size, group=2)
            else:
                parquet.write_table(pa.concat_tables(tables), file)
    file = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    file.parent.mkdir(parents=True)
    parquet.write_table(pa.Table.from_pylist(episodes), file)
    return root
