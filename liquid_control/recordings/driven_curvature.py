"""Driven path curvature at the frames' stamps, from steering and wheelbase or from gyro and speed.

Lechner et al., "Neural circuit policies enabling auditable autonomy", Nature Machine Intelligence
2020, learn yaw rate over speed, since a curvature means the same on every vehicle. The steering
angle gives it earlier: the yaw rate follows when the tyres have built up their force.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import VehicleConfig, check, choice, number
from liquid_control.errors import LiquidControlError

STANDING = 0.05
"""Below this speed [m/s] the vehicle stands, and its gyro's reading is bias."""
LEAST_STANDING = 50
"""Fewest gyro samples at standstill to estimate a bias from; with fewer it is zero."""
ABSURD = 1e6
"""No yaw rate, speed or angle is larger in any unit; one such value would cancel the digits of all
others in a mean."""


class NoCurvatureError(LiquidControlError):
    """A recording has no signals to compute the driven curvature from."""

    def __init__(self, source: str, missing: str, remedy: str) -> None:
        super().__init__(
            f"no driven curvature from {source}: the recording has no {missing}. {remedy}"
        )
        self.source, self.missing = source, missing


@dataclasses.dataclass(frozen=True)
class CurvatureSettings:
    """How the driven curvature is computed."""

    source: str = choice(
        "auto",
        ("auto", "steering", "gyro"),
        "source of the target; auto: steering where it was recorded, else the gyroscope",
    )
    smoothing: float = number(
        0.0, 0.0, 5.0, "s", "width of the centred moving average over steering or yaw rate"
    )
    delay: float = number(
        0.0,
        -2.0,
        2.0,
        "s",
        "reaction time of the driver: targets are taken this much later than the picture",
    )
    slowest: float = number(1.0, 0.0, 50.0, "m/s", "frames below this speed get no target")
    max_gap: float = number(
        0.3, 0.01, 10.0, "s", "no target between samples further apart than this"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A signal over time: stamp_ns (N,) int64, value (N,) float64. Order and repetitions do not
    matter."""

    stamp_ns: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def tidy(self) -> Track:
        """In order of stamps, without what is not finite or beyond `ABSURD`; the last of equal
        stamps: commands may be repeated."""
        finite = (np.abs(self.value) <= ABSURD)[::-1]
        stamp_ns, last = np.unique(self.stamp_ns[::-1][finite], return_index=True)
        return Track(stamp_ns, self.value[::-1][finite][last])


EMPTY = Track(np.zeros(0, np.int64), np.zeros(0))


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """Recorded motion of the vehicle: yaw rate [rad/s], speed [m/s], front-wheel steering angle
    [rad]."""

    yaw_rate: Track = EMPTY
    speed: Track = EMPTY
    steering_angle: Track = EMPTY


@dataclasses.dataclass(frozen=True, eq=False)
class Driven:
    """On N frames: curvature (N,) [1/m] and speed (N,) [m/s], NaN where unknown; `source` is
    steering or gyro."""

    curvature: np.ndarray
    speed: np.ndarray
    source: str


def driven_curvature(
    stamp_ns: np.ndarray,
    motion: Motion,
    settings: CurvatureSettings | None = None,
    vehicle: VehicleConfig | None = None,
) -> Driven:
    """The driven curvature at frames (N,) stamped `stamp_ns`, NaN where the vehicle is slower than
    `settings.slowest` or signals have gaps.

    Steering angles are converted by `vehicle`'s kinematic bicycle. Without any recorded speed, no
    frame counts as too slow. Raises NoCurvatureError when the recording lacks the signals of
    `settings.source`.
    """
    settings, vehicle = settings or CurvatureSettings(), vehicle or VehicleConfig()
    speed_track, steering = motion.speed.tidy(), motion.steering_angle.tidy()
    wanted_ns = np.asarray(stamp_ns, np.int64) + round(settings.delay * 1e9)
    speed = at(wanted_ns, speed_track, settings.max_gap)
    source = (
        ("steering" if len(steering) > 1 else "gyro")
        if settings.source == "auto"
        else settings.source
    )
    if source == "steering":
        if len(steering) < 2:
            raise NoCurvatureError(
                source, "steering", "Name its topic, or take the curvature from the gyro"
            )
        angle = at(wanted_ns, smooth(steering, settings.smoothing), settings.max_gap)
        curvature = (
            np.tan(np.clip(angle, -vehicle.max_steering_angle, vehicle.max_steering_angle))
            / vehicle.wheelbase
        )
    else:
        yaw_rate = motion.yaw_rate.tidy()
        missing = " and no ".join(
            name for name, track in (("gyro", yaw_rate), ("speed", speed_track)) if len(track) < 2
        )
        if missing:
            neither = "" if len(steering) > 1 else " and no steering either"
            raise NoCurvatureError(
                source, missing + neither, "Name the topics that carry it, or record them"
            )
        unbiased = Track(
            yaw_rate.stamp_ns, yaw_rate.value - gyro_bias(yaw_rate, speed_track, settings.max_gap)
        )
        moving = np.abs(speed) > max(settings.slowest, STANDING)
        rate = at(wanted_ns, smooth(unbiased, settings.smoothing), settings.max_gap)
        curvature = rate / np.where(moving, speed, np.nan)
    if len(speed_track) > 1:
        curvature = np.where(speed >= settings.slowest, curvature, np.nan)
    return Driven(curvature, speed, source)


def at(stamp_ns: np.ndarray, track: Track, max_gap: float) -> np.ndarray:
    """Linear interpolation of a tidy track at stamps (N,); NaN outside it and between samples more
    than `max_gap` s apart."""
    if len(track) < 2:
        return np.full(len(stamp_ns), np.nan)
    after = np.clip(np.searchsorted(track.stamp_ns, stamp_ns), 1, len(track) - 1)
    before_ns, after_ns = track.stamp_ns[after - 1], track.stamp_ns[after]
    share = (stamp_ns - before_ns) / (after_ns - before_ns)
    value = track.value[after - 1] * (1 - share) + track.value[after] * share
    # Signals are stamped a little before or after the pictures: the first and last frames may hold
    # on to the nearest sample.
    share_held = np.where(share < 0, track.value[after - 1], track.value[after])
    outside_ns = np.maximum(before_ns - stamp_ns, stamp_ns - after_ns)
    value = np.where(
        outside_ns > 0, np.where(outside_ns <= max_gap * 5e8, share_held, np.nan), value
    )
    exact = (stamp_ns == before_ns) | (stamp_ns == after_ns)
    return np.where(
        (after_ns - before_ns <= max_gap * 1e9) | exact | (outside_ns > 0), value, np.nan
    )


def smooth(track: Track, width: float) -> Track:
    """Mean of a tidy track over the samples within `width`/2 s to both sides of each; no lag."""
    if width <= 0 or len(track) < 2:
        return track
    half_ns = round(width * 5e8)
    first = np.searchsorted(track.stamp_ns, track.stamp_ns - half_ns, "left")
    last = np.searchsorted(track.stamp_ns, track.stamp_ns + half_ns, "right")
    total = np.concatenate([[0.0], np.cumsum(track.value)])
    return Track(track.stamp_ns, (total[last] - total[first]) / (last - first))


def gyro_bias(yaw_rate: Track, speed: Track, max_gap: float) -> float:
    """Median yaw rate [rad/s] while the vehicle stands; 0 when it hardly ever does."""
    standing = np.abs(at(yaw_rate.stamp_ns, speed, max_gap)) < STANDING
    return (
        float(np.median(yaw_rate.value[standing]))
        if np.count_nonzero(standing) >= LEAST_STANDING
        else 0.0
    )
