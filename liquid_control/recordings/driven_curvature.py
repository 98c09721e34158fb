"""Driven path curvature at the frames' stamps, from steering and wheelbase or from gyro and speed.

Lechner et al., "Neural circuit policies enabling auditable autonomy", Nature Machine Intelligence
2020, learn yaw rate over speed, since a curvature means the same on every vehicle. The steering
angle gives it earlier: the yaw rate follows when the tyres have built up their force.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from liquid_control.config import VehicleConfig, check, choice, number
from liquid_control.control.driving_scale import scale_of_drive
from liquid_control.errors import LiquidControlError
from liquid_control.recordings.motion import Motion, Track, at, smooth

STANDING = 0.05
"""Below this speed [m/s] the vehicle stands, and its gyro's reading is bias."""
BY_VEHICLE = -1.0
"""The value of `CurvatureSettings.slowest` that follows the vehicle."""
BY_STEERING = -1.0
"""The value of `CurvatureSettings.smoothing` that follows the steering."""
PULSE_WIDTH = 0.35
"""Width [s] of the mean over a steering in pulses. On two such recordings, widths of 0.25 to 0.5 s
predict the raw steering of held-out drives best."""
STEADY = 0.9
"""Least share of a steering's variance that its mean over `PULSE_WIDTH` keeps where it is not in
pulses: at least 0.96 for drives without, 0.83 and 0.70 for drivers with a stick or a trigger."""
LEAST_STANDING = 50
"""Fewest gyro samples at standstill to estimate a bias from; with fewer it is zero."""


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
        BY_STEERING,
        -1.0,
        5.0,
        "s",
        "width of the centred moving average over steering or yaw rate; -1: 0.35 s where the "
        "driver steers in pulses, else none",
    )
    delay: float = number(
        0.0,
        -2.0,
        2.0,
        "s",
        "reaction time of the driver: targets are taken this much later than the picture",
    )
    slowest: float = number(
        BY_VEHICLE,
        -1.0,
        50.0,
        "m/s",
        "frames below this speed get no target; -1: 1 m/s of a car, less of a smaller vehicle",
    )
    max_gap: float = number(
        0.3, 0.01, 10.0, "s", "no target between samples further apart than this"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Driven:
    """On N frames: curvature (N,) [1/m] and speed (N,) [m/s], NaN where unknown; `source` is
    steering or gyro. `instead`: why it is not the steering, which `auto` looks for first.
    `smoothing` [s]: width of the mean that was taken."""

    curvature: np.ndarray
    speed: np.ndarray
    source: str
    instead: str = ""
    smoothing: float = 0.0


def driven_curvature(
    stamp_ns: np.ndarray,
    motion: Motion,
    settings: CurvatureSettings | None = None,
    vehicle: VehicleConfig | None = None,
    absent: Mapping[str, str] | None = None,
) -> Driven:
    """The driven curvature at frames (N,) stamped `stamp_ns`, NaN where the vehicle is slower than
    `settings.slowest` (where that is -1, `DrivingScale.slowest`) or signals have gaps. A speed that
    never changes is an assumed one, and is never too slow.

    Steering angles are converted by `vehicle`'s kinematic bicycle. Without any recorded speed, no
    frame counts as too slow. Steering that is known on no frame, and a gyro that never changes, are
    not there. `absent`: by signal (`contributions.ROLE_OF`) the reason, where it contributes
    nothing. Raises NoCurvatureError when the recording lacks the signals of `settings.source`.
    """
    absent = absent or {}
    settings, vehicle = settings or CurvatureSettings(), vehicle or VehicleConfig()
    speed_track, steering = motion.speed.tidy(), motion.steering_angle.tidy()
    wanted_ns = np.asarray(stamp_ns, np.int64) + round(settings.delay * 1e9)
    speed = at(wanted_ns, speed_track, settings.max_gap)
    smoothing = settings.smoothing
    if smoothing < 0.0:
        smoothing = PULSE_WIDTH if pulsed(steering) else 0.0
    angle = at(wanted_ns, smooth(steering, smoothing), settings.max_gap)
    slowest = slowest_target(speed_track, settings, vehicle)
    steered = bool(np.isfinite(angle).any())
    source = ("steering" if steered else "gyro") if settings.source == "auto" else settings.source
    if source == "steering":
        if not steered:
            missing = _told("steering", absent.get("steering"))
            raise NoCurvatureError(
                source, missing, "Name its topic, or take the curvature from the gyro"
            )
        curvature = (
            np.tan(np.clip(angle, -vehicle.max_steering_angle, vehicle.max_steering_angle))
            / vehicle.wheelbase
        )
    else:
        yaw_rate = motion.yaw_rate.spread()
        missing = [
            _told(name, absent.get(key))
            for name, key, is_there in (
                ("gyro", "yaw_rate", len(yaw_rate) > 1 and np.ptp(yaw_rate.value) > 0.0),
                ("speed", "speed", len(speed_track) > 1),
            )
            if not is_there
        ]
        if missing:
            neither = [] if steered else [_told("steering either", absent.get("steering"))]
            raise NoCurvatureError(
                source,
                " and no ".join(missing + neither),
                "Name the topics that carry it, or record them",
            )
        unbiased = Track(
            yaw_rate.stamp_ns, yaw_rate.value - gyro_bias(yaw_rate, speed_track, settings.max_gap)
        )
        moving = np.abs(speed) > max(slowest, STANDING)
        rate = at(wanted_ns, smooth(unbiased, max(settings.smoothing, 0.0)), settings.max_gap)
        curvature = rate / np.where(moving, speed, np.nan)
    if len(speed_track) > 1:
        curvature = np.where(speed >= slowest, curvature, np.nan)
    instead = ""
    if settings.source == "auto" and source == "gyro":
        instead = absent.get("steering", "none is recorded")
    used = smoothing if source == "steering" else max(settings.smoothing, 0.0)
    return Driven(curvature, speed, source, instead, used)


def slowest_target(speed: Track, settings: CurvatureSettings, vehicle: VehicleConfig) -> float:
    """The speed [m/s] below which a frame of a drive with this tidy track has no target."""
    if _is_assumed(speed):
        return 0.0
    if settings.slowest < 0.0:
        return scale_of_drive(vehicle, fastest(speed)).slowest
    return settings.slowest


def pulsed(steering: Track) -> bool:
    """Whether a driver steers in pulses (stick, trigger, keys), whose mean is what the road asks
    for: when each begins, no picture says."""
    spread = np.var(steering.value) if len(steering) else 0.0
    left = np.var(steering.value - smooth(steering, PULSE_WIDTH).value) if spread else 0.0
    return bool(left > (1.0 - STEADY) * spread)


def fastest(speed: Track) -> float:
    """The speed [m/s] that a tidy track reaches, but for a hundredth of it; NaN without any."""
    return float(np.quantile(np.abs(speed.value), 0.99)) if len(speed) else math.nan


def _is_assumed(speed: Track) -> bool:
    """Whether a speed is the same throughout, and not that of a standing vehicle."""
    return bool(len(speed) and np.ptp(speed.value) == 0.0 and abs(speed.value[0]) > STANDING)


def _told(name: str, reason: str | None) -> str:
    return f"{name} ({reason})" if reason else name


def gyro_bias(yaw_rate: Track, speed: Track, max_gap: float) -> float:
    """Median yaw rate [rad/s] while the vehicle stands; 0 when it hardly ever does."""
    standing = np.abs(at(yaw_rate.stamp_ns, speed, max_gap)) < STANDING
    return (
        float(np.median(yaw_rate.value[standing]))
        if np.count_nonzero(standing) >= LEAST_STANDING
        else 0.0
    )
