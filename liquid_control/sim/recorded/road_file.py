"""Roads of recordings as one JSON file, for another process that drives in them. It refers to the
decoded pictures; nothing in it executes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.driving_scale import DrivingScale
from liquid_control.errors import ConfigError
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.sim.recorded.path import RecordedPath
from liquid_control.sim.recorded.road import MappedPictures, RecordedRoad


def write_roads(file: Path, roads: Sequence[RecordedRoad]) -> None:
    """Writes roads whose pictures are `MappedPictures`."""
    described = [_described(road) for road in roads]
    file.write_text(json.dumps(described), encoding="utf-8")


def read_roads(file: Path) -> list[RecordedRoad]:
    """The roads of a file of `write_roads`. Raises ConfigError for another file."""
    try:
        return [_road(one) for one in json.loads(file.read_text(encoding="utf-8"))]
    except OSError as error:
        raise ConfigError("recorded roads", str(file), f"a file ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        expected = "a file that liquid-control drive --world recording:PATH wrote"
        raise ConfigError("recorded roads", str(file), expected) from error


def _described(road: RecordedRoad) -> dict:
    path, pictures = road.path, road.pictures
    columns = {field.name: getattr(path, field.name) for field in dataclasses.fields(path)}
    return {
        "name": road.name,
        "path": {name: column.tolist() for name, column in columns.items()},
        "pictures": {
            "file": str(pictures.file.absolute()),
            "offset": pictures.offset,
            "shape": list(pictures.shape),
        },
        "camera": dataclasses.asdict(road.camera),
        "vehicle": dataclasses.asdict(road.vehicle),
        "response_delay": road.response_delay,
        "response_gain": road.response_gain,
        "hold": road.hold,
        "scale": dataclasses.asdict(road.scale),
        "preprocess": dataclasses.asdict(road.preprocess),
        "measured": list(road.measured),
    }


def _road(one: Mapping) -> RecordedRoad:
    camera, pictures = one["camera"], one["pictures"]
    camera |= {name: tuple(camera[name]) for name in ("focal", "centre")}
    scale = one["scale"] | {name: tuple(one["scale"][name]) for name in ("bends", "speeds")}
    shape = tuple(int(extent) for extent in pictures["shape"])
    return RecordedRoad(
        name=str(one["name"]),
        path=RecordedPath(**{name: np.array(column) for name, column in one["path"].items()}),
        pictures=MappedPictures(Path(pictures["file"]), int(pictures["offset"]), shape),
        camera=GroundCamera(**camera),
        vehicle=VehicleConfig(**one["vehicle"]),
        response_delay=float(one["response_delay"]),
        response_gain=float(one["response_gain"]),
        hold=float(one["hold"]),
        scale=DrivingScale(**scale),
        preprocess=PreprocessConfig(**one["preprocess"]),
        measured=tuple(one["measured"]),
    )
