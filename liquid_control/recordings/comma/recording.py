"""Processed logs of openpilot as a Source: comma2k19's segments of a minute, a route of them, a
chunk of routes.

Every signal has times of its own, seconds since the phone was switched on, at 20 (pictures), some
85 (CAN) and 104 Hz (IMU): they are joined by these times. The steering is that of the steering
wheel, in degrees, positive to the left; the IMU's axes are forward, right, down. Facts of the
format: comma2k19's README.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.errors import ImageError, RecordingError, TopicError
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.clock import GAP_NS, Deferred, Record
from liquid_control.recordings.comma.pictures import index_of, placed_pictures
from liquid_control.recordings.comma.segments import (
    LOG,
    POSE,
    Segment,
    is_comma,
    root_of,
    segments_of,
)
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source, entry_of
from liquid_control.recordings.stretches import covered
from liquid_control.recordings.time_order import in_order, is_shuffled
from liquid_control.recordings.values import (
    ACCELEROMETER,
    CALIBRATION,
    Damage,
    Entry,
    StoredPicture,
    Stream,
    mean_rate,
)
from liquid_control.signals import NOT_MEASURED, ImuSample, SpeedSample, SteeringSample
from liquid_control.system.npy import ArrayError, read_array

if TYPE_CHECKING:
    from liquid_control.perception.video import av

FRAME_TIMES, VIDEO = f"{POSE}/frame_times", "video.hevc"
SIGNALS = {
    "imu": ("IMU/gyro", "IMU/gyro_uncalibrated"),
    ACCELEROMETER: ("IMU/accelerometer", "IMU/acceleration"),
    "speed": ("CAN/speed", "CAN/car_speed", "CAN/wheel_speed", f"{POSE}/frame_velocities"),
    "steering": ("CAN/steering_angle",),
}
"""By role the signals that it is read from, the best one first."""
UNITS = {
    "imu": "rad/s: forward, right, down",
    ACCELEROMETER: "m/s²: forward, right, down",
    "speed": "m/s",
    "steering": "degrees of the steering wheel",
}
COLUMNS = {"imu": 3, ACCELEROMETER: 3}
LATEST_S, FAR_S = 4e9, 90.0
"""Times [s] beyond the one are none, nor are those further than the other from the middle of their
segment."""
NO_NUMBER, NO_TIME = "a value that is no number", "a time that is none of its segment"
UNORDERED = "a time that is out of order"


class Car(NamedTuple):
    """What is public about a vehicle of comma2k19: steering ratio, wheelbase [m]."""

    name: str
    ratio: float
    wheelbase: float


CARS = {
    "b0c9d2329ad1606b": Car("Toyota RAV4", 16.3, 2.65),
    "99c94dc769b5d96e": Car("Honda Civic", 15.38, 2.7),
}
USUAL = Car("passenger car", 15.0, VehicleConfig().wheelbase)
EON = Intrinsics(1164, 874, (910.0, 0.0, 582.0, 0.0, 910.0, 437.0, 0.0, 0.0, 1.0))
"""The camera of comma2k19, as its authors publish it."""


class CommaRecording(Source):
    """Segments, open for reading: the arrays of one at a time, its video picture by picture.

    Raises RecordingError where no signal of the segments can be read, TopicError for a signal of
    the settings that is in none.
    """

    def __init__(self, path: Path, settings: RecordingSettings, guess: bool = False) -> None:
        self._segments = segments_of(path)
        self._damage: dict[tuple, Damage] = {}
        self._names = self._choose(settings)
        self._car = CARS.get(next((one.dongle for one in self._segments if one.dongle), ""), USUAL)
        self._scaled = settings.steering_scale != RecordingSettings().steering_scale
        settings = self._with_car(settings)
        self._shifts, counts, spans = self._index()
        if not spans:
            reasons = "; ".join(str(one) for one in list(self._damage.values())[:3])
            problem = f"no signal with times can be read ({reasons})"
            raise RecordingError(path, problem, "Copy the recording again.")
        self._seconds = covered(spans)
        start_ns, end_ns = min(begin for begin, _ in spans), max(end for _, end in spans)
        super().__init__(path, settings, self._streams(counts), start_ns, end_ns)

    @property
    def root(self) -> Path:
        return root_of(self.path)

    @property
    def seconds(self) -> float:
        return self._seconds

    @property
    def damage(self) -> list[Damage]:
        return list(self._damage.values())

    @property
    def camera(self) -> Intrinsics | None:
        return EON if self._car is not USUAL and "camera" in self._names else None

    @property
    def camera_missing(self) -> str:
        return "the log has no calibration of its camera, and its vehicle is none of comma2k19"

    @property
    def remarks(self) -> list[str]:
        found = super().remarks
        if "steering" in self._names and not self._scaled:
            found.append(
                f"steering: {self._names['steering']} is in degrees of the steering wheel, and no "
                f"file says its ratio to the front wheels: {self._car.ratio:g} of a "
                f"{self._car.name} is taken (--steering-scale {self.settings.steering_scale:.3g})"
            )
        return found

    def records(self, roles: Collection[str]) -> Iterator[Record]:
        names = self._names
        wanted = [role for role in ("imu", "speed", "steering") if role in roles and role in names]
        if "imu" in roles and ACCELEROMETER in names:
            wanted.insert(0, ACCELEROMETER)
        streams: list[Iterator[Record]] = [self._entries(role) for role in wanted]
        if "camera" in roles and "camera" in names:
            streams.append(self._pictures())
        return heapq.merge(*streams, key=lambda record: record.received_ns)

    def _choose(self, settings: RecordingSettings) -> dict[str, str]:
        """The signal of each role."""
        names = {}
        for role, known in SIGNALS.items():
            asked = getattr(settings.topics, role)
            there = [name for name in known if self._holds(name)]
            if asked and asked not in there:
                raise TopicError(role, asked, f"one of {', '.join(there) or 'none that is there'}")
            if asked or there:
                names[role] = asked or there[0]
        asked = settings.topics.camera
        if asked not in ("", VIDEO):
            raise TopicError("camera", asked, VIDEO)
        if any(one.video.exists() for one in self._segments):
            names["camera"] = VIDEO
        return names

    def _holds(self, name: str) -> bool:
        return any(all(one.exists() for one in _files(each, name)) for each in self._segments)

    def _with_car(self, settings: RecordingSettings) -> RecordingSettings:
        """The settings with what is known of the vehicle, where they have their defaults."""
        changes: dict[str, object] = {}
        if not self._scaled:
            changes["steering_scale"] = math.radians(1.0) / self._car.ratio
        if settings.vehicle.wheelbase == VehicleConfig().wheelbase:
            changes["vehicle"] = dataclasses.replace(
                settings.vehicle, wheelbase=self._car.wheelbase
            )
        return dataclasses.replace(settings, **changes)

    def _index(self) -> tuple[dict[str, int], dict[str, int], list[tuple[int, int]]]:
        """(what is added to the times of each route [ns], values by role, first and last time of
        each segment [ns])."""
        shifts: dict[str, int] = {}
        counts = dict.fromkeys(self._names, 0)
        spans: list[tuple[int, int]] = []
        several = len({one.folder.parent for one in self._segments}) > 1
        end_ns = 0
        for segment in self._segments:
            bounds = []
            for role, name in self._names.items():
                is_video = role == "camera"
                times = self._times(segment, FRAME_TIMES if is_video else name)
                counts[role] += len(times) if not is_video or segment.video.exists() else 0
                if len(times):
                    bounds += [int(times.min()), int(times.max())]
            if not bounds:
                continue
            route = str(segment.folder.parent)
            if route not in shifts:
                begin_ns = max(segment.began_ns, end_ns + GAP_NS if spans else 1)
                shifts[route] = begin_ns - min(bounds) if several else 0
            spans.append((min(bounds) + shifts[route], max(bounds) + shifts[route]))
            end_ns = max(end_ns, spans[-1][1])
        return shifts, counts, spans

    def _streams(self, counts: dict[str, int]) -> list[Stream]:
        streams = [
            Stream(
                name,
                UNITS.get(role, "video"),
                (role,),
                counts[role],
                mean_rate(counts[role], self._seconds),
                "angle" if role == "steering" else "",
            )
            for role, name in self._names.items()
        ]
        if self.camera is not None:
            streams.append(Stream("comma2k19's camera", "published", (CALIBRATION,), 1))
        used = {*self._names.values()}
        log = self._segments[0].folder / LOG
        others = sorted(str(one.parent.relative_to(log)) for one in log.glob("*/*/value"))
        return streams + [Stream(name, "signal") for name in others if name not in used]

    def _shift_ns(self, segment: Segment) -> int:
        return self._shifts.get(str(segment.folder.parent), 0)

    def _lose(self, segment: Segment, name: str, problem: str, lost: str) -> None:
        file = f"{segment.route}/{segment.number}/{name}"
        self._damage.setdefault((file, problem), Damage(file, None, problem, lost))

    def _array(self, segment: Segment, file: Path) -> np.ndarray:
        """(N, K) rows of a file; none where it cannot be read."""
        name = str(file.relative_to(segment.folder))
        try:
            values, missing = read_array(file)
        except ArrayError as error:
            self._lose(segment, name, error.problem, "its values")
            return np.zeros((0, 1))
        if missing:
            self._lose(segment, name, "cut", f"its last {missing} rows")
        return values if values.ndim == 2 else values[:, None]

    def _seconds_of(self, segment: Segment, file: Path) -> np.ndarray:
        """(N,) of a file of times, NaN for those that can be none of the segment."""
        seconds = self._array(segment, file)
        if seconds.shape[1] != 1:
            name = str(file.relative_to(segment.folder))
            self._lose(segment, name, f"{seconds.shape[1]} columns, expected 1", "its times")
            return np.zeros(0)
        return _possible(seconds[:, 0])

    def _times(self, segment: Segment, name: str) -> np.ndarray:
        """(N,) times of a signal that can be used [ns]."""
        seconds = self._seconds_of(segment, _files(segment, name)[0])
        return _nanoseconds(seconds[np.isfinite(seconds)])

    def _signal(self, segment: Segment, name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(times (N,) [ns], values (N, K), why a value of the rest is not used)."""
        times_file, values_file = _files(segment, name)
        seconds = self._seconds_of(segment, times_file)
        values = self._array(segment, values_file)
        if len(seconds) != len(values) and len(values):
            problem = f"{len(values)} values for {len(seconds)} times"
            self._lose(segment, name, problem, "those at the end that have no partner")
        count = min(len(seconds), len(values))
        seconds, values = seconds[:count], values[:count]
        usable = np.isfinite(seconds)
        problems = [NO_TIME] * int(count - usable.sum())
        seconds, values = seconds[usable], values[usable]
        if is_shuffled(seconds):
            order = np.argsort(seconds, kind="stable")
        else:
            order = in_order(seconds)
            problems += [UNORDERED] * (len(seconds) - len(order))
        return _nanoseconds(seconds[order]), values[order], problems

    def _entries(self, role: str) -> Iterator[Entry]:
        name = self._names[role]
        latest_ns = self.start_ns
        for segment in self._segments:
            shift_ns = self._shift_ns(segment)
            times, values, problems = self._signal(segment, name)
            columns = COLUMNS.get(role, 1)
            if len(times) and values.shape[1] < columns:
                problem = f"{values.shape[1]} columns, expected {columns}"
                self._lose(segment, name, problem, "its values")
                continue
            if name.endswith("frame_velocities"):
                values = np.linalg.norm(values, axis=1, keepdims=True)
            elif role == "speed":
                values = values.mean(axis=1, keepdims=True)
            latest_ns = int(times[0]) + shift_ns if len(times) else latest_ns
            for problem in problems:
                yield Entry(latest_ns, role, latest_ns, None, None, f"{name}: {problem}")
            for time_ns, value in zip((times + shift_ns).tolist(), values.tolist(), strict=True):
                latest_ns = time_ns
                yield self._entry(role, time_ns, value)

    def _entry(self, role: str, time_ns: int, value: list[float]) -> Entry:
        name = self._names[role]
        if not all(map(math.isfinite, value[:3])):
            return Entry(time_ns, role, time_ns, None, None, f"{name}: {NO_NUMBER}")
        if role == "speed":
            sample = SpeedSample(time_ns, value[0])
        elif role == "steering":
            sample = SteeringSample(time_ns, value[0], self.settings.constant_speed or None)
        else:
            vector = (value[0], -value[1], -value[2])
            vectors = (vector, NOT_MEASURED) if role == "imu" else (NOT_MEASURED, vector)
            sample = ImuSample(time_ns, *vectors)
        return entry_of(time_ns, sample, self.settings, name)._replace(role=role, own_ns=None)

    def _pictures(self) -> Iterator[Record]:
        from liquid_control.perception.video_file import VideoError

        latest_ns = self.start_ns
        for segment in self._segments:
            name = segment.video.name
            seconds = self._seconds_of(segment, segment.folder / FRAME_TIMES)
            if not len(seconds):
                self._lose(segment, name, f"no {FRAME_TIMES}", "its pictures: they have no times")
                continue
            try:
                index = index_of(segment.video)
                if len(index.keys) != len(seconds):
                    problem = f"{len(index.keys)} pictures for {len(seconds)} times"
                    self._lose(segment, name, problem, "those without a partner")
                shift_ns = self._shift_ns(segment)
                for place, frame, problem in placed_pictures(segment.video, index, seconds):
                    if place is not None:
                        latest_ns = round(seconds[place] * 1e9) + shift_ns
                    if problem:
                        problem = f"{name}: {problem}"
                        yield Entry(latest_ns, "camera", latest_ns, None, None, problem)
                    else:
                        make = functools.partial(_picture, latest_ns, frame, name)
                        yield Deferred(latest_ns, make)
            except VideoError as error:
                self._lose(segment, name, error.problem, "its pictures")


def _picture(time_ns: int, frame: av.VideoFrame, name: str) -> Entry:
    from liquid_control.perception.video_file import pixels

    try:
        picture = StoredPicture.from_image(pixels(frame))
    except ImageError as error:
        return Entry(time_ns, "camera", time_ns, None, None, f"{name}: {error}")
    return Entry(time_ns, "camera", time_ns, None, picture)


def _files(segment: Segment, name: str) -> tuple[Path, Path]:
    """The files of a signal's times and of its values."""
    if name.startswith(POSE):
        return segment.folder / FRAME_TIMES, segment.folder / name
    return segment.folder / LOG / name / "t", segment.folder / LOG / name / "value"


def _possible(seconds: np.ndarray) -> np.ndarray:
    """(N,) times, NaN for those that cannot be of one segment with the rest."""
    seconds = np.where((seconds > 0.0) & (seconds < LATEST_S), seconds, np.nan)
    if np.isfinite(seconds).any():
        seconds[np.abs(seconds - np.nanmedian(seconds)) > FAR_S] = np.nan
    return seconds


def _nanoseconds(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * 1e9).astype(np.int64)


COMMA = Format(
    "processed logs of openpilot",
    is_comma,
    CommaRecording,
    "a segment, a route or a chunk of comma2k19 (processed_log with video.hevc)",
)
