"""A recording as roads of the recorded world: its unbroken stretches of good driving, read once and
mapped from disk."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.control.driving_scale import scale_of_drive
from liquid_control.data.estimates.start_camera import start_camera
from liquid_control.data.from_recording import Reading, RecordedDrive, read_drive
from liquid_control.errors import LiquidControlError
from liquid_control.recordings.driven_curvature import (
    CurvatureSettings,
    driven_curvature,
    gyro_bias,
)
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.motion import Motion, Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.signals import Frame
from liquid_control.sim.recorded.estimated import estimated
from liquid_control.sim.recorded.middle import with_middle
from liquid_control.sim.recorded.path import integrate
from liquid_control.sim.recorded.road import MappedPictures, RecordedRoad
from liquid_control.sim.recorded.stretches import LONGEST_GAP, TOO_SHORT, add, stretches_of

LEAST_WIDTH = 120
"""Of pictures from which a camera can be estimated [px]."""
LEAST_LENGTH = 4.0
"""Of a road, in shortest look-aheads of the expert."""


class NoRoadError(LiquidControlError):
    """A recording cannot be driven in."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: cannot be driven in: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedRoads:
    """`left_out`: seconds of the recording that no road has, by reason. `estimates`: what was not
    given, by name, as shown to a user."""

    roads: tuple[RecordedRoad, ...]
    left_out: Mapping[str, float]
    estimates: Mapping[str, str]

    @property
    def seconds(self) -> float:
        """Of all roads together."""
        return sum(road.path.seconds for road in self.roads)

    @property
    def length(self) -> float:
        """Of all roads together [m]."""
        return sum(road.path.length for road in self.roads)


def load_roads(
    path: Path,
    settings: RecordingSettings,
    preprocess: PreprocessConfig,
    cache: Path,
    curvature: CurvatureSettings | None = None,
) -> RecordedRoads:
    """The roads of recording `path`, whose pictures a policy sees through `preprocess`; decoded
    pictures are kept in folder `cache`. `curvature`: how the driver's command is taken, as in
    training on recordings.

    Raises NoRoadError where no stretch can be driven in, and the errors of `read_drive`.
    """
    path = Path(path)
    with open_recording(path, settings) as source:
        settings = source.settings
        rows, columns = _picture_size(source)
        start, given = start_camera(source.camera, settings, rows, columns)
    size = working_size(rows, columns, preprocess)
    drive = read_drive(path, Reading(settings, size, TimelineConfig()), cache)
    motion = _with_speed(drive.motion, drive.columns["stamp_ns"], settings)
    if not len(motion.speed):
        raise NoRoadError(
            path,
            "it holds no speed",
            "Give --constant-speed, `speed` in vehicle.yaml, or name its topic",
        )
    fastest = float(np.nanmax(np.abs(motion.speed.value), initial=0.0))
    scale = scale_of_drive(settings.vehicle, fastest, settings.lane_width)
    curvature = curvature or CurvatureSettings()
    driven = driven_curvature(drive.columns["stamp_ns"], motion, curvature, settings.vehicle)
    yaw_rate, start = _yaw_rate(drive, motion), start.preprocessed(size)
    found = estimated(drive, motion, yaw_rate, driven.curvature, start, given, settings)
    camera, delay = found.camera, found.response_delay
    if found.speed is not None:
        motion = dataclasses.replace(motion, speed=found.speed)
        driven = driven_curvature(drive.columns["stamp_ns"], motion, curvature, settings.vehicle)
    if not 0.0 < camera.height - camera.horizon:
        raise NoRoadError(
            path,
            f"its camera looks up: the horizon is at row {camera.horizon:.0f} of {camera.height}",
            "Give --mount.pitch and --mount.field-of-view",
        )
    stretches, left_out = stretches_of(drive, driven, scale)
    hold = half_period(motion.steering_angle) if driven.source == "steering" else 0.0
    roads, pictures = [], MappedPictures.of(drive.image)
    for rows_of in stretches:
        stamp_ns = drive.columns["stamp_ns"][rows_of]
        line = integrate(
            stamp_ns,
            driven.speed[rows_of],
            driven.curvature[rows_of],
            found.yaw_rate,
            delay,
            found.gain,
        )
        if line.length < LEAST_LENGTH * scale.shortest_look_ahead:
            add(left_out, TOO_SHORT, line.seconds)
            continue
        roads.append(
            RecordedRoad(
                f"{path.name}/{len(roads)}",
                line,
                pictures.part(rows_of.start, rows_of.stop),
                camera,
                settings.vehicle,
                delay,
                scale,
                dataclasses.replace(preprocess),
                measured(drive),
                found.gain,
                hold,
            )
        )
    if not roads:
        listed = "; ".join(f"{reason} {seconds:.1f} s" for reason, seconds in left_out.items())
        raise NoRoadError(
            path,
            f"no stretch of good driving is long enough ({listed})",
            "Record for longer without a stop, or give the vehicle's true speed and wheelbase",
        )
    roads, wander = with_middle(roads)
    words = dict(found.words)
    if wander is not None:
        words["lane_middle"] = (
            f"{wander:.2g} m (rms) from the driver's line, by lines on the ground"
        )
    return RecordedRoads(tuple(roads), left_out, words)


def working_size(rows: int, columns: int, preprocess: PreprocessConfig) -> PreprocessConfig:
    """The size (height, width), without a crop, to which a picture is reduced so that
    `preprocess`'s crop of it is hardly larger than the policy's picture, or a small whole number of
    times as large where that is less than `LEAST_WIDTH` wide; never enlarged."""
    for times in range(1, LEAST_WIDTH):
        height, width = times * preprocess.height, times * preprocess.width
        size = PreprocessConfig(
            height=_least(rows, height, preprocess.crop_top, preprocess.crop_bottom),
            width=_least(columns, width, preprocess.crop_left, preprocess.crop_right),
        )
        if size.width >= min(LEAST_WIDTH, columns):
            break
    return size


def half_period(steering: Track) -> float:
    """Half the usual time between two commands [s], 0 without any."""
    steps = np.diff(steering.tidy().stamp_ns) * 1e-9
    steps = steps[steps <= LONGEST_GAP]
    return float(np.median(steps)) / 2 if len(steps) else 0.0


def measured(drive: RecordedDrive) -> tuple[str, ...]:
    """The measurements that the recording holds."""
    return tuple(
        name for name, one in drive.contributions.items() if one.met and name != "steering"
    )


def _least(available: int, wanted: int, before: float, behind: float) -> int:
    """The least size of which the crop is as large as wanted, within what is available."""
    size = math.ceil(wanted / (1.0 - before - behind))
    while (
        size > wanted and size - 1 - int((size - 1) * before) - int((size - 1) * behind) >= wanted
    ):
        size -= 1
    return min(size, available)


def _picture_size(source: Source) -> tuple[int, int]:
    for _, sample in source.samples(kinds=(Frame,)):
        return sample.image.shape[:2]
    raise NoRoadError(source.path, "it holds no picture", "Record the camera")


def _with_speed(motion: Motion, stamp_ns: np.ndarray, settings: RecordingSettings) -> Motion:
    """The motion with the constant speed where none is recorded."""
    if len(motion.speed.tidy()) > 1 or not settings.constant_speed:
        return motion
    speed = Track(stamp_ns, np.full(len(stamp_ns), settings.constant_speed))
    return dataclasses.replace(motion, speed=speed)


def _yaw_rate(drive: RecordedDrive, motion: Motion) -> Track | None:
    """The measured yaw rate without its bias, None where none is measured."""
    track = motion.yaw_rate.spread()
    if len(track) < 2 or not drive.contributions["yaw_rate"].met or np.ptp(track.value) == 0.0:
        return None
    bias = gyro_bias(track, motion.speed.tidy(), LONGEST_GAP)
    return Track(track.stamp_ns, track.value - bias)
