"""Who drove in a recording, by the states that the safety gate publishes (`safety_node/state`): a
person, the policy, or the gate itself when it brakes."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping

import numpy as np

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.recordings.driven_curvature import (
    CurvatureSettings,
    Driven,
    NoCurvatureError,
    driven_curvature,
)
from liquid_control.recordings.motion import Motion, Track, at, smooth

HAND = "hand"
"""The value of `driver` in a state of the gate while a person drives through it."""
BY_POLICY, BY_PERSON = ("engaging", "engaged"), ("disengaged",)
"""States of the gate in which its commands follow proposals, and in which it has no commands."""

BEARABLE, LEAST_SPEED = GateConfig().max_lateral_acceleration, 1e-3
"""Of what a person steers [m/s²], and the speed [m/s] below which it is not judged."""


class Driver(enum.IntEnum):
    """`GATE`: degraded, stopped or in a fault, the gate brakes."""

    PERSON = 0
    POLICY = 1
    GATE = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Drivers:
    """From `stamp_ns` (S,) on, ascending, `driver` (S,) int8 drove; the first also before it."""

    stamp_ns: np.ndarray
    driver: np.ndarray

    @classmethod
    def of(cls, changes: Iterable[tuple[int, Driver]]) -> Drivers:
        """Of (stamp, driver) in any order, repetitions included. Raises ValueError for none."""
        ordered = sorted(changes, key=lambda change: change[0])
        if not ordered:
            raise ValueError("no driver is known")
        kept = [
            now
            for before, now in zip([None, *ordered], ordered, strict=False)
            if before is None or before[1] is not now[1]
        ]
        return cls(
            np.array([stamp for stamp, _ in kept], np.int64),
            np.array([driver for _, driver in kept], np.int8),
        )

    def at(self, stamp_ns: np.ndarray) -> np.ndarray:
        """Who drove at stamps (N,): (N,) int8."""
        index = np.searchsorted(self.stamp_ns, stamp_ns, side="right") - 1
        return self.driver[np.maximum(index, 0)]

    @property
    def takeovers(self) -> np.ndarray:
        """Stamps (K,) int64 from which a person drove after the policy, or after a gate that the
        policy had driven before."""
        found, by_policy = [], False
        for stamp, driver in zip(self.stamp_ns.tolist(), self.driver.tolist(), strict=True):
            if driver == Driver.PERSON:
                found += [stamp] * by_policy
                by_policy = False
            elif driver == Driver.POLICY:
                by_policy = True
        return np.array(found, np.int64)


def driver_of(state: str, driver: str) -> Driver:
    """Who drives in a state of the gate; `driver`: whose proposals count, as it says there."""
    if state in BY_PERSON or (state in BY_POLICY and driver == HAND):
        return Driver.PERSON
    return Driver.POLICY if state in BY_POLICY else Driver.GATE


def curvature_by_driver(
    stamp_ns: np.ndarray,
    motion: Motion,
    drivers: Drivers | None,
    settings: CurvatureSettings,
    vehicle: VehicleConfig,
    absent: Mapping[str, str] | None = None,
    asked: Track | None = None,
) -> Driven:
    """As `driven_curvature`, where no value at a handover is a mixture of two drivers: a frame's
    curvature follows from the steering of who drove then. Where a person drives and no steering is
    recorded (his remote control goes past the gate), it follows from gyro and speed; where he
    `asked` the gate for a curvature, it is that, since the gate's limits act on what a policy asks
    in the same way. A person's are within a lateral acceleration of `BEARABLE`, beyond which no
    gate with its presets follows. Raises NoCurvatureError."""
    whole = _by_driver(stamp_ns, motion, drivers, settings, vehicle, absent)
    if drivers is None:
        return whole
    found = whole.curvature
    if asked is not None:
        wanted_ns = np.asarray(stamp_ns, np.int64) + round(settings.delay * 1e9)
        curvature = at(wanted_ns, asked, settings.max_gap)
        # Not while the vehicle stands, of which there is no target.
        found = np.where(np.isfinite(curvature) & np.isfinite(found), curvature, found)
    bound = BEARABLE / np.maximum(np.nan_to_num(whole.speed), LEAST_SPEED) ** 2
    by_person = drivers.at(stamp_ns) == Driver.PERSON
    bounded = np.where(by_person, np.clip(found, -bound, bound), whole.curvature)
    return dataclasses.replace(whole, curvature=bounded)


def _by_driver(
    stamp_ns: np.ndarray,
    motion: Motion,
    drivers: Drivers | None,
    settings: CurvatureSettings,
    vehicle: VehicleConfig,
    absent: Mapping[str, str] | None,
) -> Driven:
    whole = driven_curvature(stamp_ns, motion, settings, vehicle, absent)
    if drivers is None or len(drivers.driver) < 2 or whole.source != "steering":
        return whole
    tidy = motion.steering_angle.tidy()
    apart = _apart(tidy, drivers, whole.smoothing, settings.max_gap)
    own = dataclasses.replace(settings, source="steering", smoothing=0.0)
    steered = dataclasses.replace(motion, steering_angle=apart)
    curvature = driven_curvature(stamp_ns, steered, own, vehicle, absent).curvature
    unsteered = np.isnan(curvature) & (drivers.at(stamp_ns) == Driver.PERSON)
    found = _by_gyro(stamp_ns, motion, settings, vehicle) if unsteered.any() else None
    if found is not None:
        curvature = np.where(unsteered, found.curvature, curvature)
    return dataclasses.replace(whole, curvature=curvature)


def _apart(steering: Track, drivers: Drivers, smoothing: float, max_gap: float) -> Track:
    """The steering, smoothed for each driver by itself; at each handover it steps from the last
    value of the one to the first of the other, where these are not too far from it."""
    edges = np.searchsorted(steering.stamp_ns, drivers.stamp_ns[1:])
    begins = drivers.stamp_ns.tolist()
    stamps, values, held_ns = [], [], max_gap * 5e8
    parts = zip(np.split(steering.stamp_ns, edges), np.split(steering.value, edges), strict=True)
    for number, (stamp_ns, value) in enumerate(parts):
        if not len(stamp_ns):
            continue
        part = smooth(Track(stamp_ns, value), smoothing)
        if number and 0 < stamp_ns[0] - begins[number] <= held_ns:
            stamps.append([begins[number]])
            values.append(part.value[:1])
        stamps.append(stamp_ns)
        values.append(part.value)
        end_ns = begins[number + 1] - 1 if number + 1 < len(begins) else stamp_ns[-1]
        if 0 < end_ns - stamp_ns[-1] <= held_ns:
            stamps.append([end_ns])
            values.append(part.value[-1:])
    return Track(np.concatenate(stamps).astype(np.int64), np.concatenate(values))


def _by_gyro(
    stamp_ns: np.ndarray, motion: Motion, settings: CurvatureSettings, vehicle: VehicleConfig
) -> Driven | None:
    try:
        by_gyro = dataclasses.replace(settings, source="gyro")
        return driven_curvature(stamp_ns, motion, by_gyro, vehicle)
    except NoCurvatureError:
        return None
