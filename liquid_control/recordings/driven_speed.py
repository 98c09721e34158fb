"""The speed that a recorded driver chose, at the frames' stamps: what a policy that chooses its
speed learns."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings, Driven, slowest_target
from liquid_control.recordings.drivers import Driver, Drivers
from liquid_control.recordings.motion import Motion, at, smooth

AHEAD = 0.5
"""The speed that is measured this much later [s] counts as chosen at a frame: a vehicle takes time
to become faster or slower."""
SMOOTHING = 0.2
"""Width of the mean over the measured speed [s]."""
VARIED = 0.05
"""Least spread of chosen speeds, of which a twentieth is slower and one faster, as a share of their
median."""


@dataclasses.dataclass(frozen=True, eq=False)
class DrivenSpeed:
    """Of N frames `speed` (N,) [m/s], NaN where it teaches nothing. `without`: why there is none on
    any frame; frames by reason elsewhere."""

    speed: np.ndarray
    frames: int
    left_out: dict[str, int]
    without: str = ""


def driven_speed(
    stamp_ns: np.ndarray,
    motion: Motion,
    driven: Driven,
    drivers: Drivers | None,
    settings: CurvatureSettings,
    vehicle: VehicleConfig,
) -> DrivenSpeed:
    """The chosen speed at frames (N,) stamped `stamp_ns`. It is not known where the curvature is
    not; where the vehicle stands or is about to, which is slower than a curvature needs; where the
    gate brakes, or another drives `AHEAD` seconds later; and where no speed is measured then. A
    speed that hardly changes is that of a setting and was not chosen, so it teaches nothing."""
    ahead_ns = np.asarray(stamp_ns, np.int64) + round(AHEAD * 1e9)
    track = motion.speed.tidy()
    slowest = slowest_target(track, settings, vehicle)
    speed = at(ahead_ns, smooth(track, SMOOTHING), settings.max_gap)
    if len(track):
        speed[(ahead_ns < track.stamp_ns[0]) | (ahead_ns > track.stamp_ns[-1])] = np.nan
    left_out: dict[str, int] = {}

    def leave_out(reason: str, which: np.ndarray) -> None:
        which = which & np.isfinite(speed)
        if which.any():
            left_out[reason] = int(np.count_nonzero(which))
            speed[which] = np.nan

    missing = int(np.count_nonzero(np.isnan(speed)))
    if drivers is not None:
        now, later = drivers.at(stamp_ns), drivers.at(ahead_ns)
        leave_out("the gate brakes", (now == Driver.GATE) | (later == Driver.GATE))
        leave_out("another drives next", now != later)
    leave_out("reverse", speed < -slowest)
    leave_out("the vehicle stands", (np.abs(driven.speed) < slowest) | (speed < slowest))
    leave_out("no curvature is known", np.isnan(driven.curvature))
    if missing:
        left_out["no speed is measured"] = missing
    known = speed[np.isfinite(speed)]
    without = _why_nothing(known)
    if without:
        speed = np.full(len(speed), np.nan)
    return DrivenSpeed(speed, 0 if without else len(known), left_out, without)


def _why_nothing(known: np.ndarray) -> str:
    """Why speeds (K,) teach nothing; empty where they do."""
    if not len(known):
        return "no frame has a speed that its driver chose"
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95]).tolist()
    if high - low < VARIED * middle:
        return f"the speed is constant ({middle:.3g} m/s): its driver did not choose it"
    return ""
