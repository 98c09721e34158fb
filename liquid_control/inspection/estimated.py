"""What a recording does not say of its camera and of how its vehicle answers the steering,
estimated from bursts of its pictures and its motion; with what was given and what cannot be told.
"""

from __future__ import annotations

import dataclasses
import math
from array import array
from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.data.estimates.camera_estimate import (
    ESTIMATED,
    GIVEN,
    CameraEstimate,
    estimate_camera,
)
from liquid_control.data.estimates.frame_motion import FrameMotion, frame_motion
from liquid_control.data.estimates.response_estimate import ResponseEstimate, estimate_response
from liquid_control.data.estimates.start_camera import start_camera
from liquid_control.data.estimates.visual_motion import steady, visual_motion
from liquid_control.errors import ImageError
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.driven_curvature import (
    CurvatureSettings,
    NoCurvatureError,
    driven_curvature,
    gyro_bias,
)
from liquid_control.recordings.motion import EMPTY, Motion, Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.vehicle_presets import starting_values
from liquid_control.system.plain_json import plain

BURSTS, LENGTH, LENGTH_WITH_GYRO = 24, 30, 12
"""Runs of pictures, spread over the recording, and the pictures of each: without a gyro their
rotation has to show how the vehicle answers."""
WIDTH = 160
"""To which pictures are reduced [px]."""
USUAL_DELAY = 0.1  # s
LONGEST_GAP = 0.5  # s
NO_SPEED = (
    "no speed is recorded or given (--constant-speed): 1 m/s is assumed, and heights and lengths "
    "are in proportion to it"
)
NO_CAMERA = "no pictures can be decoded"
NO_STEERING = "no steering is recorded"
UNITS = {
    "pitch": "rad",
    "field_of_view": "rad",
    "height": "m",
    "forward": "m",
    "yaw": "rad",
    "roll": "rad",
    "distortion": "",
}
SHOWN = {
    "field_of_view": "field of view",
    "forward": "ahead of the rear axle",
    "distortion": "lens distortion",
    "yaw": "turned to the left",
}
"""Words for values whose name is not theirs."""


def estimated(source: Source) -> dict:
    """Facts for JSON: `camera` with `values`, `horizon` (row of the recorded pictures) and
    `remarks`; `response` with `delay` [s] and `gain`; each value with `spread` (one standard
    deviation; null: cannot be told) and `source`. `unknown_because`: why there is none."""
    settings = source.settings
    if "camera" not in source.roles:
        return {"unknown_because": NO_CAMERA}
    read = _Bursts(LENGTH_WITH_GYRO if "imu" in source.roles else LENGTH, source.seconds)
    for entry in source.entries():
        if entry.sample is not None:
            read.push(entry)
    if len(read.pictures) < 2:
        return {"unknown_because": NO_CAMERA}
    without = not len(read.motion(settings).speed.tidy())
    if without:
        settings = dataclasses.replace(settings, constant_speed=1.0)
    moved = frame_motion(read.stamp_ns, np.array(read.is_first), read.motion(settings))
    pictures, (rows, columns) = np.stack(read.pictures), read.size
    start, given = start_camera(source.camera, settings, rows, columns)
    start = start.preprocessed(PreprocessConfig(*pictures.shape[1:3]))
    found = estimate_camera(pictures, moved, start, given, "field_of_view" not in given)
    response = _response(pictures, read, moved, start, found, settings)
    facts = dataclasses.asdict(found)
    share = rows / pictures.shape[1]
    facts["horizon"]["value"] = (found.horizon.value + 0.5) * share - 0.5
    facts["horizon"]["spread"] = found.horizon.spread * share
    facts["remarks"] = [*([NO_SPEED] if without else []), *found.remarks]
    del facts["camera"]
    return plain({"camera": facts | {"rows": rows}, "response": response})


def estimated_rows(facts: Mapping) -> Iterator[tuple[str, str]]:
    """(name, words) of what `estimated` gives."""
    if why := facts.get("unknown_because"):
        yield "camera", f"cannot be told: {why}"
        return
    camera, response = facts["camera"], facts["response"]
    assumed = ", in proportion to the assumed speed" if camera["assumed_speed"] else ""
    yield "horizon", f"row {_value(camera['horizon'], '')} of {camera['rows']}"
    for name, unit in UNITS.items():
        one = camera["values"][name]
        relative = assumed if name in ("height", "forward") and one["source"] == ESTIMATED else ""
        yield SHOWN.get(name, name), _value(one, unit) + relative
    for remark in camera["remarks"]:
        yield "camera", remark
    if why := response.get("unknown_because"):
        yield "steering", f"its delay cannot be told: {why}"
        return
    by = f", by the {response['by']}"
    yield "steering delay", _value(response["delay"], "s") + by
    inverse = ", in inverse proportion to the assumed speed" if assumed else ""
    yield "curvature per command", _value(response["gain"], "") + by + inverse
    for remark in response["remarks"]:
        yield "steering", remark


def _value(one: Mapping, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if one["source"] == GIVEN:
        return f"{one['value']:.4g}{unit}, given"
    if one["source"] != ESTIMATED:
        return f"cannot be told; {one['value']:.3g}{unit} is assumed"
    digits = max(0, 1 - math.floor(math.log10(max(one["spread"], 1e-6))))
    return f"{one['value']:.{digits}f} ± {one['spread']:.{digits}f}{unit}"


class _Bursts:
    """Pictures of some runs, and all motion. `size`: rows and columns of the recorded pictures."""

    def __init__(self, length: int, seconds: float) -> None:
        self.pictures: list[np.ndarray] = []
        self.stamps, self.is_first = array("q"), []
        self.size = (0, 0)
        self._length, self._every = length, seconds / BURSTS * 1e9
        self._left, self._begun, self._next_ns = 0, 0, -(2**62)
        self._tracks = {name: (array("q"), array("d")) for name in ("imu", "speed", "steering")}
        self._commanded = array("q"), array("d")

    @property
    def stamp_ns(self) -> np.ndarray:
        return np.array(self.stamps, np.int64)

    def push(self, entry) -> None:
        """Takes an entry with a sample."""
        sample, stamp_ns = entry.sample, entry.stamp_ns
        if entry.role == "camera":
            self._picture(sample, stamp_ns, entry.received_ns)
        elif entry.role == "imu":
            _add(self._tracks["imu"], stamp_ns, sample.angular_velocity[2])
        elif entry.role == "speed":
            _add(self._tracks["speed"], stamp_ns, sample.speed)
        elif entry.role == "steering":
            _add(self._tracks["steering"], stamp_ns, sample.steering_angle)
            if sample.speed is not None:
                _add(self._commanded, stamp_ns, sample.speed)

    def motion(self, settings: RecordingSettings) -> Motion:
        """Yaw rate without its bias, speed (a commanded or the constant one where none is measured)
        and steering."""
        yaw_rate, speed, angle = (
            Track(np.array(stamp_ns, np.int64), np.array(value))
            for stamp_ns, value in self._tracks.values()
        )
        if not len(speed.tidy()):
            speed = Track(*(np.array(one) for one in self._commanded))
        if not len(speed.tidy()) and settings.constant_speed:
            stamp_ns = self.stamp_ns
            speed = Track(stamp_ns, np.full(len(stamp_ns), settings.constant_speed))
        yaw_rate = yaw_rate.spread()
        if len(yaw_rate) < 2 or np.ptp(yaw_rate.value) == 0.0:
            return Motion(EMPTY, speed, angle)
        bias = gyro_bias(yaw_rate, speed.tidy(), LONGEST_GAP)
        return Motion(Track(yaw_rate.stamp_ns, yaw_rate.value - bias), speed, angle)

    def _picture(self, stored, stamp_ns: int, received_ns: int) -> None:
        begins = not self._left and received_ns >= self._next_ns and self._begun < BURSTS
        if begins:
            self._left, self._begun = self._length, self._begun + 1
            self._next_ns = received_ns + self._every
        if not self._left:
            return
        self._left -= 1
        try:
            picture = stored.decode()
        except ImageError:
            self._left = 0
            return
        rows, columns = picture.shape[:2]
        if self.pictures and (rows, columns) != self.size:
            return
        self.size = rows, columns
        if columns > WIDTH:
            height = max(8, round(rows * WIDTH / columns))
            picture = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
        self.pictures.append(np.array(picture))
        self.stamps.append(stamp_ns)
        self.is_first.append(begins)


def _add(track: tuple[array, array], stamp_ns: int, value: float) -> None:
    track[0].append(stamp_ns)
    track[1].append(float(value))


def _response(
    pictures: np.ndarray,
    read: _Bursts,
    moved: FrameMotion,
    start: GroundCamera,
    found: CameraEstimate,
    settings: RecordingSettings,
) -> ResponseEstimate | dict:
    motion = read.motion(settings)
    angle, speed, yaw_rate, by = motion.steering_angle.tidy(), motion.speed.tidy(), None, "gyro"
    if len(angle) < 2:
        return {"unknown_because": NO_STEERING}
    if moved.turns:
        yaw_rate = motion.yaw_rate
    elif found.values["pitch"].source in (ESTIMATED, GIVEN):
        seen, by = visual_motion(pictures, moved, start, found), "pictures"
        before, after = (read.stamp_ns[column] for column in seen.pairs.T)
        seconds = (after - before) * 1e-9
        middle = before + (after - before) // 2
        yaw_rate = Track(middle, seen.turn / seconds)
        if found.assumed_speed and len(middle):
            speed = Track(middle, steady(before, seen.distance / seconds))
    else:
        return {"unknown_because": "neither a gyro nor the pictures show how the vehicle turns"}
    try:  # as training takes it: steering in pulses is smoothed
        steering = CurvatureSettings("steering")
        asked = driven_curvature(angle.stamp_ns, motion, steering, settings.vehicle).curvature
    except NoCurvatureError:
        return {"unknown_because": NO_STEERING}
    known = np.isfinite(asked)
    usual = settings.response_delay or starting_values(settings).response_delay or USUAL_DELAY
    command = Track(angle.stamp_ns[known], asked[known])
    return estimate_response(command, yaw_rate, speed, by, usual)
