"""Error of a replayed policy against the recorded driver: angle and curvature, by bend and speed,
and in comparison with trivial drivers.

The proposals are compared, before the gate: its limits would hide errors of the policy.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from liquid_control.control.driving_scale import DrivingScale, scale_of_drive
from liquid_control.evaluate.replay.log import LONGEST_GAP, ReplayLog
from liquid_control.recordings.driven_curvature import (
    PULSE_WIDTH,
    CurvatureSettings,
    Motion,
    Track,
    at,
    driven_curvature,
    fastest,
    pulsed,
)
from liquid_control.recordings.motion import smooth
from liquid_control.signals import Limit
from liquid_control.stats.delay import Delay, estimate_delay
from liquid_control.stats.whiteness import whiteness

BEFORE = 1.0
"""Delay of the trivial driver that repeats the recorded steering [s]."""

FEWEST = 3
CONSTANT = 1e-9
"""A reference that varies by no more has no R²."""

LONGEST_COMMAND = 1.0
"""The gate acts many times in this time [s], except where a stretch of the recording ends."""


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """The frames of one log on which model and driver can be compared, (N,) each; NaN where
    unknown.

    `seconds`: since the first frame. Angles [rad]: `angle` proposed, `allowed` by the gate,
    `recorded`; the driver's last one (`held`), `BEFORE` seconds earlier (`before`) and
    `delay.seconds` later (`delayed`), and where he steers in pulses their mean over `PULSE_WIDTH`
    (`without_pulses`), else None. Curvature [1/m]: proposed, `driven` by `source`, and by the
    recorded steering (`bend`). `speed` [m/s]. `standing`: number of frames left out as too slow:
    below `compared` of the vehicle's `scale`, where its wheels may be anywhere. `wheelbase` [m];
    `full_curvature` [1/m] of a steering recorded as -1 to 1, else None.
    """

    model: str
    bag: str
    stamp_ns: np.ndarray
    seconds: np.ndarray
    angle: np.ndarray
    allowed: np.ndarray
    recorded: np.ndarray
    held: np.ndarray
    before: np.ndarray
    delayed: np.ndarray
    without_pulses: np.ndarray | None
    curvature: np.ndarray
    driven: np.ndarray
    bend: np.ndarray
    speed: np.ndarray
    standing: int
    source: str
    delay: Delay | None
    scale: DrivingScale
    wheelbase: float
    full_curvature: float | None

    @property
    def error(self) -> np.ndarray:
        """Policy minus driver [rad]."""
        return self.angle - self.recorded


def compare(log: ReplayLog) -> Comparison | None:
    """None when the recorded steering says nothing on the frames that the policy used;
    `why_not_compared` gives the reason."""
    frames, steering = (
        log.issued.of_frames(),
        Track(log.recorded.stamp_ns, log.recorded.steering_angle).tidy(),
    )
    recorded = at(frames.stamp_ns, steering, LONGEST_GAP)
    scale = _scale(log)
    standing = np.abs(frames.measured_speed) < scale.compared
    there = np.isfinite(recorded) & np.isfinite(frames.proposed_angle)
    used = there & ~standing
    if np.count_nonzero(used) < FEWEST or log.contributions["steering"].reason:
        return None
    stamps, angle = frames.stamp_ns[used], frames.proposed_angle[used]
    delay = estimate_delay(stamps, angle, steering.stamp_ns, steering.value)
    delay = delay if delay is not None and delay.sure and delay.correlation > 0 else None
    later = stamps + round(delay.seconds * 1e9) if delay else None
    motion = Motion(
        Track(frames.stamp_ns, frames.yaw_rate),
        Track(frames.stamp_ns, frames.measured_speed),
        steering,
    )
    gyro = log.contributions.get("yaw_rate")
    measured = gyro is not None and gyro.met > 1 and not gyro.reason
    measured = measured and np.isfinite(frames.measured_speed).sum() > 1
    as_recorded = CurvatureSettings(source="gyro" if measured else "steering", smoothing=0.0)
    driven = driven_curvature(stamps, motion, as_recorded, log.vehicle)
    from_steering = driven_curvature(
        stamps,
        dataclasses.replace(motion, speed=Track(stamps[:0], stamps[:0].astype(float))),
        dataclasses.replace(as_recorded, source="steering"),
        log.vehicle,
    )
    return Comparison(
        model=log.model,
        bag=log.bag,
        stamp_ns=stamps,
        seconds=log.since_start(stamps),
        angle=angle,
        allowed=frames.steering_angle[used],
        recorded=recorded[used],
        held=_hold(stamps, steering),
        before=at(stamps - round(BEFORE * 1e9), steering, LONGEST_GAP),
        delayed=at(later, steering, LONGEST_GAP) if delay else np.full(len(stamps), np.nan),
        without_pulses=at(stamps, smooth(steering, PULSE_WIDTH), LONGEST_GAP)
        if pulsed(steering)
        else None,
        curvature=frames.curvature[used],
        driven=driven.curvature,
        bend=from_steering.curvature,
        speed=frames.measured_speed[used],
        standing=int(np.count_nonzero(there & standing)),
        source=driven.source,
        delay=delay,
        scale=scale,
        wheelbase=log.vehicle.wheelbase,
        full_curvature=log.full_curvature,
    )


def _scale(log: ReplayLog) -> DrivingScale:
    frames = log.issued.of_frames()
    speed = Track(frames.stamp_ns, frames.measured_speed).tidy()
    return scale_of_drive(log.vehicle, fastest(speed))


def why_not_compared(log: ReplayLog) -> str:
    """Why `compare` has nothing."""
    frames = log.issued.of_frames()
    if not len(frames):
        rejected = ", ".join(
            f"{count} {name.removeprefix('rejected_')}"
            for name, count in log.counts.items()
            if name.startswith("rejected_") and count
        )
        return f"no frame was used of {log.frames}" + (f" ({rejected})" if rejected else "")
    steering = log.contributions["steering"]
    if steering.reason:
        return steering.reason
    slowest = _scale(log).compared
    standing = int(np.count_nonzero(np.abs(frames.measured_speed) < slowest))
    if standing:
        return (
            f"the speed is below {slowest:.2g} m/s on {standing} of {len(frames)} frames, where "
            "the wheels may be anywhere"
        )
    return f"steering is known on {steering.met} frames, expected at least {FEWEST}"


def figures(parts: Sequence[Comparison]) -> dict:
    """All metrics of one model over one or several recordings, for JSON; angles in rad, curvature
    in 1/m."""
    angle, recorded, driven, curvature = (
        _joined(parts, name) for name in ("angle", "recorded", "driven", "curvature")
    )
    delays = [part.delay for part in parts]
    error = angle - recorded
    single = parts[0] if len(parts) == 1 else None
    scale = parts[0].scale
    return {
        "frames_compared": len(error),
        "frames_standing": sum(part.standing for part in parts),
        "steering": agreement(angle, recorded),
        "curvature": agreement(curvature, driven) | {"source": parts[0].source},
        "after_gate": agreement(_joined(parts, "allowed"), recorded),
        "delay": None
        if single is None or single.delay is None
        else dataclasses.asdict(single.delay),
        "steering_delay_compensated": agreement(angle, _joined(parts, "delayed"))
        if all(delays)
        else None,
        "trivial": trivial(parts),
        "by_bend": _binned(error, recorded, np.abs(_joined(parts, "bend")), scale.bends),
        "by_speed": _binned(error, recorded, np.abs(_joined(parts, "speed")), scale.speeds),
        "whiteness": whiteness(single.seconds, error) if single else None,
    }


def agreement(value: np.ndarray, reference: np.ndarray) -> dict:
    """MAE, RMSE, mean (`bias`) and largest of value minus reference (N,), their correlation, R²
    (None for a constant reference), and the number of finite pairs; None where there are fewer than
    FEWEST."""
    known = np.isfinite(value) & np.isfinite(reference)
    value, reference = value[known], reference[known]
    error = value - reference
    if len(error) < FEWEST:
        return {
            "mae": None,
            "rmse": None,
            "bias": None,
            "largest": None,
            "correlation": None,
            "r2": None,
            "pairs": len(error),
        }
    varies = np.ptp(value) > 0 and np.ptp(reference) > 0
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": _rms(error),
        "bias": float(np.mean(error)),
        "largest": float(np.max(np.abs(error))),
        "correlation": float(np.corrcoef(value, reference)[0, 1]) if varies else None,
        "r2": _r2(error, reference),
        "pairs": len(error),
    }


def trivial(parts: Sequence[Comparison]) -> dict:
    """Errors of trivial drivers on the same frames, RMSE in rad: straight ahead, the mean of all
    recorded angles, the recorded angle `BEFORE` seconds earlier, and the last recorded angle, which
    is the reference itself but for its age."""
    recorded, held, before = (_joined(parts, name) for name in ("recorded", "held", "before"))
    return {
        "straight_ahead": _rms(recorded),
        "mean_angle": float(np.std(recorded)),
        "driver_before": agreement(before, recorded)["rmse"],
        "last_recorded": agreement(held, recorded)["rmse"],
    }


def gate_figures(log: ReplayLog) -> dict:
    """Commands and seconds on which each limit acted, by name; `any`: at least one. A command lasts
    until the next one; the last one of a stretch counts as no time."""
    limits, issued = log.issued.limits, log.issued.issued_ns
    lasting = np.diff(issued, append=issued[-1:]) / 1e9
    lasting[(lasting < 0.0) | (lasting > LONGEST_COMMAND)] = 0.0
    acted = {"any": limits != 0, "safe_stop": log.issued.safe_stop != 0}
    acted |= {limit.name.lower(): (limits & limit.value) != 0 for limit in Limit if limit.value}
    return {
        name: {
            "commands": int(np.count_nonzero(where)),
            "seconds": round(float(lasting[where].sum()), 3),
        }
        for name, where in acted.items()
        if where.any() or name == "any"
    }


def worst(parts: Sequence[Comparison], count: int, apart: float = 5.0) -> list[dict]:
    """The frames of largest error over all recordings, at least `apart` seconds from one another:
    stamp, seconds, angles [rad], speed [m/s]."""
    places = [
        (abs(part.error[i]), part, i)
        for part in parts
        for i in _peaks(np.abs(part.error), part.seconds, count, apart)
    ]
    places.sort(key=lambda place: -place[0])
    return [
        {
            "model": part.model,
            "bag": part.bag,
            "stamp_ns": int(part.stamp_ns[i]),
            "seconds": float(part.seconds[i]),
            "angle": float(part.angle[i]),
            "recorded": float(part.recorded[i]),
            "error": float(part.error[i]),
            "speed": _known(part.speed[i]),
        }
        for _, part, i in places[:count]
    ]


def _peaks(size: np.ndarray, seconds: np.ndarray, count: int, apart: float) -> list[int]:
    size, found = size.copy(), []
    while len(found) < count and len(size) and size.max() > 0:
        found.append(int(np.argmax(size)))
        size[np.abs(seconds - seconds[found[-1]]) < apart] = 0.0
    return found


def _binned(
    error: np.ndarray, recorded: np.ndarray, by: np.ndarray, edges: Sequence[float]
) -> list[dict]:
    """A row per bin that holds frames: its edges, frames, RMSE and bias of the error, and RMSE of
    driving straight ahead."""
    rows = []
    for low, high in zip(edges, edges[1:], strict=False):
        inside = (by >= low) & (by < high)
        if np.count_nonzero(inside) >= FEWEST:
            rows.append(
                {
                    "from": low,
                    "to": None if math.isinf(high) else high,
                    "frames": int(np.count_nonzero(inside)),
                    "rmse": _rms(error[inside]),
                    "bias": float(np.mean(error[inside])),
                    "straight_ahead": _rms(recorded[inside]),
                }
            )
    return rows


def _hold(stamps: np.ndarray, steering: Track) -> np.ndarray:
    """The last recorded angle at or before each stamp; NaN before the first."""
    last = np.searchsorted(steering.stamp_ns, stamps, side="right") - 1
    return np.where(last >= 0, steering.value[np.maximum(last, 0)], np.nan)


def _joined(parts: Sequence[Comparison], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])


def _r2(error: np.ndarray, reference: np.ndarray) -> float | None:
    spread = float(np.sum((reference - reference.mean()) ** 2))
    if spread <= len(reference) * CONSTANT**2:
        return None
    return 1.0 - float(np.sum(error**2)) / spread


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
