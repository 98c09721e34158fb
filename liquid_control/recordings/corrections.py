"""Corrections of recorded steering and speed by the settings: offset, delay, scale, the source of
the speed, and a constant one where the steering comes without.

They act on entries of every format; the steering's scale acts where a format reads it.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator

from liquid_control.recordings.clock import Record
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.values import Entry
from liquid_control.signals import PlanarOdometry, SpeedSample, SteeringSample

WINDOW_NS = 100_000_000
"""Least time between the two positions that a speed is taken from; it lags by half of it."""
LONGEST_NS = 1_000_000_000
"""Longest such time: positions further apart give no speed."""


def corrected(records: Iterable[Record], settings: RecordingSettings) -> Iterator[Record]:
    """The records with all corrections but the steering's scale; those of the camera pass."""
    acting = {}
    if settings.steering_offset or settings.steering_delay or settings.constant_speed:
        acting["steering"] = lambda entry: _steering(entry, settings)
    if settings.speed_source != "twist" or settings.speed_scale != 1.0 or settings.speed_offset:
        acting["speed"] = _Speed(settings)
    if not acting:
        yield from records
        return
    for record in records:
        act = None if callable(record) or record.sample is None else acting.get(record.role)
        yield record if act is None else act(record)


def _steering(entry: Entry, settings: RecordingSettings) -> Entry:
    stamp_ns = entry.stamp_ns + round(settings.steering_delay * 1e9)
    angle = entry.sample.steering_angle + settings.steering_offset
    speed = entry.sample.speed
    if speed is None:
        speed = settings.constant_speed or None
    sample = SteeringSample(stamp_ns, angle, speed)
    return entry._replace(stamp_ns=stamp_ns, sample=sample)


class _Speed:
    def __init__(self, settings: RecordingSettings) -> None:
        self.settings = settings
        self._headed = False
        self._poses: collections.deque[tuple[int, PlanarOdometry]] = collections.deque()

    def __call__(self, entry: Entry) -> Entry:
        sample, source = entry.sample, self.settings.speed_source
        speed: float | None = sample.speed
        if source != "twist":
            odometry = sample.odometry
            if odometry is None:
                problem = f"no pose for --speed-source {source}: expected nav_msgs/msg/Odometry"
                return entry._replace(sample=None, problem=problem)
            if source == "world_twist":
                speed = sample.speed * math.cos(odometry.yaw)
                speed += odometry.lateral * math.sin(odometry.yaw)
            else:
                speed = self._by_pose(entry.stamp_ns, odometry)
        if speed is None:
            return entry._replace(sample=None)
        speed = speed * self.settings.speed_scale + self.settings.speed_offset
        return entry._replace(sample=SpeedSample(sample.stamp_ns, speed, sample.odometry))

    def _by_pose(self, stamp_ns: int, now: PlanarOdometry) -> float | None:
        """Movement since the youngest position that is `WINDOW_NS` old, negative against the
        heading, if one is filled in; None where there is no such position."""
        poses = self._poses
        while len(poses) > 1 and stamp_ns - poses[1][0] >= WINDOW_NS:
            poses.popleft()
        if poses and not 0 < stamp_ns - poses[0][0] <= LONGEST_NS:
            poses.clear()
        speed = None
        if poses and stamp_ns - poses[0][0] >= WINDOW_NS:
            before_ns, before = poses[0]
            middle = before.yaw + math.remainder(now.yaw - before.yaw, 2.0 * math.pi) / 2.0
            x, y = now.x - before.x, now.y - before.y
            self._headed = self._headed or now.yaw != before.yaw
            back = self._headed and x * math.cos(middle) + y * math.sin(middle) < 0.0
            speed = (-1.0 if back else 1.0) * math.hypot(x, y) / ((stamp_ns - before_ns) * 1e-9)
        poses.append((stamp_ns, now))
        return speed
