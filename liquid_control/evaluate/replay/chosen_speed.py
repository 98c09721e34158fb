"""How close the speed that a policy chooses is to the one that the recorded driver chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.control.driving_scale import scale_of_drive
from liquid_control.evaluate.replay.log import LONGEST_GAP, ReplayLog
from liquid_control.evaluate.replay.metrics import agreement
from liquid_control.recordings.driven_curvature import fastest
from liquid_control.recordings.driven_speed import AHEAD
from liquid_control.recordings.motion import Track, at


def chosen_speed(logs: Sequence[ReplayLog]) -> dict | None:
    """Of one model over its recordings, for JSON: `mae` and `bias` [m/s], `r2`, `correlation` and
    `frames`; the driver's speed is the measured one `AHEAD` seconds after a frame, of a vehicle
    that does not stand. None for a policy that chooses no speed."""
    pairs = [_pairs(log) for log in logs]
    if not any(np.isfinite(chosen).any() for chosen, _ in pairs):
        return None
    found = agreement(*(np.concatenate([pair[side] for pair in pairs]) for side in (0, 1)))
    return {
        "mae": found["mae"],
        "r2": found["r2"],
        "frames": found["pairs"],
        "bias": found["bias"],
        "correlation": found["correlation"],
    }


def of_speed(found: Mapping) -> str:
    """A sentence on `chosen_speed`."""
    if found["mae"] is None:
        return "The speed that the policy chooses has none to be compared with."
    r2 = "R² has no meaning" if found["r2"] is None else f"R² is {found['r2']:.3f}"
    return (
        f"The speed that the policy chooses is {found['mae']:.3g} m/s from the driver's (mean "
        f"error over {found['frames']} frames; {found['bias']:+.3g} m/s on average; {r2})."
    )


def _pairs(log: ReplayLog) -> tuple[np.ndarray, np.ndarray]:
    """Speeds (N,) [m/s] that the policy and the driver chose at the frames, NaN where unknown."""
    frames = log.issued.of_frames()
    track = Track(frames.stamp_ns, frames.measured_speed).tidy()
    slowest = scale_of_drive(log.vehicle, fastest(track)).slowest
    driver = at(frames.stamp_ns + round(AHEAD * 1e9), track, LONGEST_GAP)
    stands = (frames.measured_speed < slowest) | (driver < slowest)
    return frames.chosen_speed, np.where(stands, np.nan, driver)
