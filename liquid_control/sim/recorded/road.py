"""One stretch of a recording as a road: its path, its pictures, its camera and its vehicle."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path

import numpy as np

from liquid_control.config import GateConfig, PreprocessConfig, VehicleConfig
from liquid_control.control.driving_scale import DrivingScale, gate_for
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.sim.recorded.path import RecordedPath
from liquid_control.sim.road import Road

RESERVE = 1.5
"""Of the gate's limits above what the recorded driver did: a correction needs more."""
ACCELERATION, DECELERATION = 1.2, 2.4
"""Least limits of the vehicle, in wheelbases per second squared."""
USUALLY = 0.99
"""Share of the recorded changes of speed that the vehicle follows; the others may be noise."""


@dataclasses.dataclass(frozen=True)
class MappedPictures:
    """Pictures (N, H, W, 3) uint8 RGB on disk, from a byte of a file on. A value, which another
    process maps again."""

    file: Path
    offset: int
    shape: tuple[int, int, int, int]

    @classmethod
    def of(cls, mapped: np.memmap) -> MappedPictures:
        """All pictures of a map that is no part of another."""
        return cls(Path(mapped.filename), mapped.offset, mapped.shape)

    def part(self, first: int, last: int) -> MappedPictures:
        """Pictures `first` to `last`, exclusive."""
        offset = self.offset + first * math.prod(self.shape[1:])
        return MappedPictures(self.file, offset, (last - first, *self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        return self.array[index]

    @functools.cached_property
    def array(self) -> np.ndarray:
        return np.memmap(self.file, np.uint8, "r", self.offset, self.shape).view(np.ndarray)

    def __getstate__(self) -> dict:
        return {name: getattr(self, name) for name in ("file", "offset", "shape")}


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedRoad:
    """`pictures`: of the frames of `path`, (N, H, W, 3) uint8 RGB, the whole picture at a working
    size, so that `preprocess` crops more than it shrinks; an array or `MappedPictures`. `camera`:
    of these pictures. `response_delay` from a command until the vehicle turns [s], and
    `response_gain`: the curvature that it then drives per commanded one. `measured`: by name
    (`perception.timeline.MEASURABLE`) what the recording holds. `hold`: half the time for which a
    recorded command stays in effect [s]; the response delay, which counts from its stamp, includes
    it."""

    name: str
    path: RecordedPath
    pictures: np.ndarray | MappedPictures
    camera: GroundCamera
    vehicle: VehicleConfig
    response_delay: float
    scale: DrivingScale
    preprocess: PreprocessConfig
    measured: tuple[str, ...] = ()
    response_gain: float = 1.0
    hold: float = 0.0

    def part(self, first: int, last: int) -> RecordedRoad:
        """Frames `first` to `last`, exclusive, as a road of their own."""
        path, rows = self.path, slice(first, last)
        tracks = {field.name: getattr(path, field.name)[rows] for field in dataclasses.fields(path)}
        tracks["station"] = tracks["station"] - tracks["station"][0]
        pictures = self.pictures
        if isinstance(pictures, MappedPictures):
            pictures = pictures.part(first, last)
        else:
            pictures = pictures[rows]
        return dataclasses.replace(self, path=RecordedPath(**tracks), pictures=pictures)

    @functools.cached_property
    def line(self) -> Road:
        """The path, sampled evenly."""
        return self.path.road(self.vehicle.wheelbase)

    def command_at(self, station: float) -> float:
        """The driver's command [1/m] at a station, linear between frames. Where it is not known,
        the curvature that was driven a response delay later."""
        return float(np.interp(station, self.path.station, self._commands))

    def held_at(self, station: float) -> float:
        """The driver's command [1/m] that is in effect at a station: it stays until the next one,
        so that on average it is as old as `hold`."""
        return float(np.interp(station, self.path.station, self._held))

    def middle_at(self, station: float) -> tuple[float, float]:
        """How far to the left of the path the lane's middle is [m], and the angle between them
        [rad]."""
        path = self.path
        middle = float(np.interp(station, path.station, path.middle))
        return middle, float(np.interp(station, path.station, self.turned))

    def speed_at(self, station: float) -> float:
        """The recorded speed [m/s] at a station."""
        return float(np.interp(station, self.path.station, self.path.speed))

    @functools.cached_property
    def accelerations(self) -> tuple[float, float]:
        """How quickly the vehicle becomes faster and slower at most [m/s²]: as it did."""
        path, wheelbase = self.path, self.vehicle.wheelbase
        rate = np.gradient(path.speed, (path.stamp_ns - path.stamp_ns[0]) * 1e-9)
        slower, faster = np.quantile(rate, [1.0 - USUALLY, USUALLY]).tolist()
        return max(faster, ACCELERATION * wheelbase), max(-slower, DECELERATION * wheelbase)

    @functools.cached_property
    def gate(self) -> GateConfig:
        """Limits of a gate that lets the recorded driver and corrections of his line through. A
        vehicle without a speed sensor is judged at `max_speed`."""
        fastest = min(RESERVE * float(self.path.speed.max()), 60.0)
        judged = self.path.speed if "speed" in self.measured else fastest
        lateral = float(np.max(judged**2 * np.abs(self._commands)))
        given = gate_for(self.vehicle)
        acceleration = min(max(given.max_lateral_acceleration, RESERVE * lateral), 20.0)
        jerk = given.max_lateral_jerk * acceleration / given.max_lateral_acceleration
        return dataclasses.replace(
            given,
            max_steering_angle=self.vehicle.max_steering_angle,
            max_lateral_acceleration=acceleration,
            max_lateral_jerk=min(jerk / min(self.scale.size, 1.0), 1000.0),
            max_speed=fastest,
        )

    @functools.cached_property
    def _commands(self) -> np.ndarray:
        path = self.path
        later = path.station + path.speed * self.response_delay
        driven = np.interp(later, path.station, path.curvature)
        return np.where(np.isfinite(path.command), path.command, driven / self.response_gain)

    @functools.cached_property
    def turned(self) -> np.ndarray:
        """(N,) angle at the frames from the path to the lane's middle [rad]."""
        path = self.path
        along = np.gradient(path.station) * (1.0 - path.curvature * path.middle)
        return np.arctan2(np.gradient(path.middle), np.maximum(along, 1e-9))

    @functools.cached_property
    def _held(self) -> np.ndarray:
        seconds = (self.path.stamp_ns - self.path.stamp_ns[0]) * 1e-9
        return np.interp(seconds - self.hold, seconds, self._commands)
