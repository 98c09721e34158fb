"""One pass over a recording: what the inspection knows of its camera, IMU, speed and steering.
Memory does not grow with its length."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable

from liquid_control.errors import MessageError
from liquid_control.inspection.pictures import PictureTrack
from liquid_control.inspection.series import SeriesTrack
from liquid_control.inspection.stamps import StampTrack
from liquid_control.perception import measurements
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.readings import SPEEDS, steering_reader
from liquid_control.recordings.rosbag.topics import Roles
from liquid_control.recordings.settings import RecordingSettings

MOVING = 0.5  # m/s
ROLES = ("camera", "imu", "speed", "steering")
GYRO, ACCELEROMETER = slice(0, 3), slice(3, 6)
MOST_REASONS = 32
TOLD_EVERY_NS = 2_000_000_000
LATEST_NS = 2**62  # the year 2116; differences of such stamps still fit into 64 bits


@dataclasses.dataclass(eq=False)
class Tracks:
    """What one pass gathered. Rows: imu (seconds, gyro x y z [rad/s], acceleration x y z [m/s²]),
    speed (seconds, [m/s]), steering (seconds, front-wheel angle [rad] as `steering_scale` makes
    it)."""

    origin_ns: int
    stamps: dict[str, StampTrack]
    pictures: PictureTrack
    imu: SeriesTrack
    speed: SeriesTrack
    steering: SeriesTrack
    skipped: collections.Counter


def read_tracks(
    reader: BagReader,
    roles: Roles,
    settings: RecordingSettings,
    advance: Callable[[float], object] = lambda seconds: None,
) -> Tracks:
    """Reads every message of the roles' topics once; pictures are decoded here and there only.
    `advance` is told seconds of recording."""
    origin_ns, end_ns = min(reader.start_ns, LATEST_NS), min(reader.end_ns, LATEST_NS)
    duration = (end_ns - origin_ns) * 1e-9 if end_ns > origin_ns else None
    tracks = Tracks(
        origin_ns,
        {role: StampTrack(origin_ns) for role in ROLES if getattr(roles, role)},
        PictureTrack(duration),
        SeriesTrack(6, {"gyro": GYRO, "accelerometer": ACCELEROMETER}),
        SeriesTrack(1),
        SeriesTrack(1),
        collections.Counter(),
    )
    take = _Takers(tracks, settings)
    by_topic: dict[str, list[tuple[str, Callable]]] = {}
    for role in ROLES:
        if topic := getattr(roles, role):
            by_topic.setdefault(topic.name, []).append((role, getattr(take, role)))
    told = origin_ns
    for message in reader.messages(by_topic.keys()):
        try:
            if message.receive_ns > LATEST_NS:
                raise ValueError("received after the year 2100")
            decoded = reader.decode(message)
            stamp_ns = _stamp_ns(decoded)
            for role, taker in by_topic[message.topic]:
                used = (
                    message.receive_ns
                    if stamp_ns is None or settings.stamps == "receive"
                    else stamp_ns
                )
                taker(
                    message.kind,
                    decoded,
                    (used - origin_ns) * 1e-9,
                    (message.receive_ns - origin_ns) * 1e-9,
                )
                tracks.stamps[role].push(used, message.receive_ns, stamp_ns)
        except (MessageError, AttributeError, TypeError, ValueError) as error:
            reason = f"{message.topic}: {error}"
            tracks.skipped[
                reason
                if reason in tracks.skipped or len(tracks.skipped) < MOST_REASONS
                else "other reasons"
            ] += 1
        if TOLD_EVERY_NS < message.receive_ns - told and message.receive_ns <= end_ns:
            advance((message.receive_ns - told) * 1e-9)
            told = message.receive_ns
    return tracks


class _Takers:
    """One method per role. Whether the vehicle moves is known from the last speed received; without
    any, it is taken to."""

    def __init__(self, tracks: Tracks, settings: RecordingSettings) -> None:
        self.tracks, self.settings = tracks, settings
        self.moving = True
        self.readers: dict[str, Callable] = {}

    def camera(self, kind: str, message, seconds: float, receive: float) -> None:
        self.tracks.pictures.push(kind, message, seconds, receive, self.moving)

    def imu(self, kind: str, message, seconds: float, receive: float) -> None:
        rate, force = message.angular_velocity, message.linear_acceleration
        self.tracks.imu.push(
            (seconds, rate.x, rate.y, rate.z, force.x, force.y, force.z), self.moving
        )

    def speed(self, kind: str, message, seconds: float, receive: float) -> None:
        value = float(SPEEDS[kind](message))
        self.moving = not math.isfinite(value) or abs(value) > MOVING
        self.tracks.speed.push((seconds, value), self.moving)

    def steering(self, kind: str, message, seconds: float, receive: float) -> None:
        if kind not in self.readers:
            self.readers[kind] = steering_reader(
                kind,
                self.settings.vehicle,
                self.settings.steering_scale,
                self.settings.topics.joint,
            )
        steering = self.readers[kind](message)
        if steering is not None:
            self.tracks.steering.push((seconds, float(steering[0])))


def _stamp_ns(message) -> int | None:
    stamp = message.header.stamp if hasattr(message, "header") else getattr(message, "stamp", None)
    return None if stamp is None else measurements.stamp_ns(stamp)
