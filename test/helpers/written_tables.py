"""Small recordings in the formats of tables, written as their programs write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

START_MS = 1_700_000_000_000
STEP_MS = 50


def jpeg(shade: int, size: tuple[int, int] = (16, 32)) -> bytes:
    """A picture of one shade with a brighter half."""
    image = np.full((*size, 3), shade % 200, np.uint8)
    image[:, : size[1] // 2] += 40
    return cv2.imencode(".jpg", image)[1].tobytes()


def record(index: int, **changes) -> dict:
    """A record of a tub of version 2; a change to None removes a key, __ stands for /."""
    values = {
        "_index": index,
        "_session_id": "23-11-14_0",
        "_timestamp_ms": START_MS + STEP_MS * index,
        "cam/image_array": f"{index}_cam_image_array_.jpg",
        "user/angle": round(0.8 * np.sin(index / 5), 3),
        "user/mode": "user",
        "user/throttle": 0.4,
    }
    values |= {name.replace("__", "/"): value for name, value in changes.items()}
    return {name: value for name, value in values.items() if value is not None}


def write_tub(
    folder: Path,
    records: Iterable[dict],
    deleted: Sequence[int] = (),
    per_catalog: int = 1000,
    size: tuple[int, int] = (16, 32),
    **index,
) -> Path:
    """A tub of version 2. `index`: changes of the manifest's last line."""
    records = list(records)
    (folder / "images").mkdir(parents=True)
    paths = []
    for number, begin in enumerate(range(0, len(records), per_catalog)):
        paths.append(f"catalog_{number}.catalog")
        lines = [json.dumps(one) + "\n" for one in records[begin : begin + per_catalog]]
        (folder / paths[-1]).write_text("".join(lines))
    for one in records:
        if "cam/image_array" in one:
            (folder / "images" / one["cam/image_array"]).write_bytes(jpeg(one["_index"], size))
    last = max((one["_index"] for one in records), default=-1)
    catalogs = {
        "paths": paths,
        "current_index": last + 1,
        "max_len": per_catalog,
        "deleted_indexes": list(deleted),
    } | index
    inputs = ["cam/image_array", "user/angle", "user/throttle", "user/mode"]
    lines = [inputs, ["image_array", "float", "float", "str"], {}, {"created_at": 1.0}, catalogs]
    (folder / "manifest.json").write_text("".join(json.dumps(one) + "\n" for one in lines) + "\n")
    return folder


def write_tub1(
    folder: Path,
    records: Mapping[int, dict],
    size: tuple[int, int] = (16, 32),
    start: float | None = 1.6e9,
) -> Path:
    """A tub of version 1 of records by number."""
    folder.mkdir(parents=True)
    meta = {"inputs": ["cam/image_array", "user/angle"], "types": ["image_array", "float"]}
    (folder / "meta.json").write_text(json.dumps(meta | ({"start": start} if start else {})))
    for number, one in records.items():
        (folder / f"record_{number}.json").write_text(json.dumps(one))
        (folder / one["cam/image_array"]).write_bytes(jpeg(number, size))
    return folder
