"""One pass over a recording: stamps, pictures and values of camera, IMU, speed and steering, in
memory that does not grow with its length."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable

from liquid_control.control.driving_scale import driving_scale, scale_of_drive
from liquid_control.inspection.inputs import Inputs
from liquid_control.inspection.interleaved import Interleaving
from liquid_control.inspection.pictures import PictureTrack
from liquid_control.inspection.series import SeriesTrack
from liquid_control.inspection.stamps import StampTrack
from liquid_control.inspection.vehicle_size import Sharpness
from liquid_control.recordings.source import Source
from liquid_control.recordings.stretches import PAUSE, Stretches
from liquid_control.recordings.values import ACCELEROMETER, ROLES, Entry
from liquid_control.signals import PlanarOdometry

MOST_REASONS = 32
ADVANCE_EVERY = 2.0  # s
LATEST_NS = 2**62  # the year 2116; differences of such stamps still fit into 64 bits


@dataclasses.dataclass(eq=False)
class Tracks:
    """Result of one pass. Rows: gyro (seconds, x y z [rad/s]), accelerometer (seconds, x y z
    [m/s²]), each without the samples that do not measure it; speed (seconds, [m/s]), steering
    (seconds, front-wheel angle [rad] after `steering_scale`), odometry (seconds, x, y [m], heading
    [rad] without jumps of a turn, speed to the left [m/s]). `moving`: by the speed received last;
    True before the first. `skipped`: unusable items by reason. `stretches`: of the
    receipts. `inputs`: what each contributes to the pictures. `sharpness`: of the steering. `yaw`:
    the last heading; `fastest`: the largest speed so far [m/s]."""

    origin_ns: int
    stamps: dict[str, StampTrack]
    pictures: PictureTrack
    gyro: SeriesTrack
    accelerometer: SeriesTrack
    speed: SeriesTrack
    steering: SeriesTrack
    odometry: SeriesTrack
    moving: bool
    skipped: collections.Counter
    stretches: Stretches
    interleaving: Interleaving
    inputs: Inputs
    sharpness: Sharpness
    yaw: float = 0.0
    fastest: float = 0.0

    def push(self, entry: Entry) -> None:
        """Takes an entry that could be read. Raises AttributeError, TypeError or ValueError where
        it holds other values than its type says."""
        sample, seconds = entry.sample, (entry.stamp_ns - self.origin_ns) * 1e-9
        if sample is None:
            pass  # in order, without a value for this role
        elif entry.role == "camera":
            received = (entry.received_ns - self.origin_ns) * 1e-9
            self.pictures.push(sample, seconds, received, self.moving)
        elif entry.role in ("imu", ACCELEROMETER):
            for track, values in (
                (self.gyro, sample.angular_velocity),
                (self.accelerometer, sample.linear_acceleration),
            ):
                if any(value == value for value in values):
                    track.push((seconds, *values), self.moving)
        elif entry.role == "speed":
            self.moving = self._moves(sample.speed)
            self.speed.push((seconds, sample.speed), self.moving)
            if sample.odometry is not None:
                self._push_odometry(seconds, sample.odometry)
        else:
            angle = float(sample.steering_angle)
            self.steering.push((seconds, angle))
            self.sharpness.push(angle)
        if sample is not None:
            self.interleaving.push(entry.role, seconds, sample)
        self.inputs.push(entry)
        self.stamps[entry.role].push(entry.stamp_ns, entry.received_ns, entry.own_ns)

    def _moves(self, speed: float) -> bool:
        if not math.isfinite(speed):
            return True
        self.fastest = max(self.fastest, abs(speed))
        return abs(speed) > scale_of_drive(self.sharpness.vehicle, self.fastest).compared

    def _push_odometry(self, seconds: float, odometry: PlanarOdometry) -> None:
        if math.isfinite(odometry.yaw):
            self.yaw += math.remainder(odometry.yaw - self.yaw, 2.0 * math.pi)
        self.odometry.push((seconds, odometry.x, odometry.y, self.yaw, odometry.lateral))

    def skip(self, reason: str) -> None:
        known = reason in self.skipped or len(self.skipped) < MOST_REASONS
        self.skipped[reason if known else "other reasons"] += 1


def read_tracks(
    source: Source, advance: Callable[[float], object] = lambda seconds: None
) -> Tracks:
    """Reads every entry once; a few hundred pictures are decoded. `advance` is called with the
    seconds of recording since its last call."""
    entries = iter(source.entries())
    first = next(entries, None)
    origin_ns = source.start_ns if first is None else first.received_ns
    if 0 <= origin_ns - source.start_ns <= PAUSE * 1e9:
        origin_ns = source.start_ns
    origin_ns = min(origin_ns, LATEST_NS)
    read = (*ROLES, ACCELEROMETER)
    names = {role: stream.name for role, stream in source.roles.items() if role in read}
    first_role = {name: role for role, name in reversed(names.items())}
    tracks = Tracks(
        origin_ns,
        {role: StampTrack(origin_ns) for role in names},
        PictureTrack(source.seconds or None),
        SeriesTrack(3, {"gyro": slice(0, 3)}),
        SeriesTrack(3, {"accelerometer": slice(0, 3)}),
        SeriesTrack(1),
        SeriesTrack(1),
        SeriesTrack(4),
        True,
        collections.Counter(),
        Stretches(),
        Interleaving(),
        Inputs(driving_scale(source.settings.vehicle).moving),
        Sharpness(source.settings.vehicle),
    )
    advanced = 0.0
    for entry in entries if first is None else itertools.chain([first], entries):
        if tracks.stretches.begins(entry.received_ns):
            for track in tracks.stamps.values():
                track.begin()
        name = names[entry.role]
        if entry.received_ns > LATEST_NS:
            if entry.role == first_role[name]:  # an item in two roles counts once
                tracks.skip(f"{name}: received after the year 2100")
        elif entry.problem and entry.sample is None:
            tracks.skip(entry.problem)
        else:
            try:
                tracks.push(entry)
            except (AttributeError, TypeError, ValueError) as error:
                tracks.skip(f"{name}: {error}")
        if tracks.stretches.seconds - advanced > ADVANCE_EVERY:
            advance(tracks.stretches.seconds - advanced)
            advanced = tracks.stretches.seconds
    return tracks
