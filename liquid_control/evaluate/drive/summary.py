"""The figures of a drive: what summary.json says, the report shows and the exit code is decided
by."""

from __future__ import annotations

import numpy as np

from liquid_control.evaluate.drive.log import DriveLog, Track
from liquid_control.signals import Limit

FASTEST = 2.0
"""A change of place that is faster than this times the largest speed is the vehicle being put back,
not driving."""


def summarize(log: DriveLog) -> dict:
    """Figures by name, ready for JSON; None where the log does not hold what a figure needs.

    Latency is from a camera stamp to the receipt of the first command that this frame caused. The
    real-time factor is stamped time over received time. `success`: it moved, never departed and no
    process died. `unclean_exits`: the codes of processes that failed in ending once the drive was
    over.
    """
    track, counters = log.track, log.counters
    offset = track.lane_offset[np.isfinite(track.lane_offset)]
    departures = entries(np.abs(offset) > log.scale.departure)
    latency = latencies_ms(log)
    gate = gate_activations(log)
    distance = driven_distance(track)
    dead = sorted(log.died)
    used = counters.get("frames_used", len(np.unique(log.proposals.stamp_ns)))
    figures = {
        "distance_m": round(distance, 1),
        "departures": departures,
        "lateral_rmse_m": _rounded(np.sqrt(np.mean(offset**2)) if len(offset) else None, 4),
        "frames_sent": _count(counters.get("frames_sent")),
        "frames_received": _count(counters.get("frames_received")),
        "frames_used": _count(used),
        "latency_ms_p50": _percentile(latency, 50),
        "latency_ms_p99": _percentile(latency, 99),
        "gate_activations": gate.pop("any"),
        "real_time_factor": _rounded(
            _ratio(np.ptp(track.stamp_ns), np.ptp(track.received_ns))
            if len(track.stamp_ns) > 1
            else None,
            4,
        ),
        "processes_died": len(dead),
        "success": departures == 0 and not dead and distance > 0.0,
        "off_road": entries(np.abs(offset) > log.scale.off_road),
        "lateral_max_m": _rounded(np.abs(offset).max() if len(offset) else None, 4),
        "duration_s": _rounded(np.ptp(track.stamp_ns) / 1e9 if len(track.stamp_ns) else 0.0, 3),
        "mean_speed": _rounded(
            np.nanmean(track.speed) if np.isfinite(track.speed).any() else None, 3
        ),
        "latency_ms_max": _percentile(latency, 100),
        "gate_limits": gate,
        "dead_processes": dead,
        "unclean_exits": {
            name: code
            for name, code in sorted(log.exit_codes.items())
            if code != 0 and name not in dead
        },
    }
    others = {
        name: _count(counters[name])
        for name in sorted(counters)
        if name not in figures and not name.startswith("gate_")
    }
    return figures | others


def entries(inside: np.ndarray) -> int:
    """How many times a boolean series (T,) becomes true; a series that begins true counts once."""
    return int(np.count_nonzero(np.diff(np.asarray(inside, np.int8), prepend=0) == 1))


def driven_distance(track: Track) -> float:
    """Length of the driven path [m], without the leaps of a vehicle that was put back."""
    steps = np.hypot(np.diff(track.x), np.diff(track.y))
    fastest = FASTEST * np.nanmax(np.abs(track.speed), initial=0.0)
    possible = steps <= fastest * np.abs(np.diff(track.stamp_ns)) / 1e9
    return float(steps[possible & np.isfinite(steps)].sum())


def latencies_ms(log: DriveLog) -> np.ndarray:
    """Milliseconds from camera stamp to receipt of the first command of each frame (L,); repeats
    and held commands do not count."""
    commands = log.commands
    stamps, first = np.unique(commands.stamp_ns, return_index=True)
    return (commands.received_ns[first] - stamps)[stamps > 0] / 1e6


def gate_activations(log: DriveLog) -> dict[str, int]:
    """Commands on which a limit acted: `any`, and each limit that ever did by name; the safety
    node's own counts where it gave them."""
    limits = log.commands.limits
    acted = {"any": int(np.count_nonzero(limits))}
    acted |= {
        limit.name.lower(): int(np.count_nonzero(limits & limit.value))
        for limit in Limit
        if limit.value
    }
    counted = {
        name.removeprefix("gate_"): int(count)
        for name, count in log.counters.items()
        if name.startswith("gate_")
    }
    if "activations" in counted:
        acted = {"any": counted.pop("activations")} | counted
    return {name: count for name, count in acted.items() if count or name == "any"}


def _percentile(values: np.ndarray, share: float) -> float | None:
    return _rounded(np.percentile(values, share), 3) if len(values) else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def _count(value: float | None) -> float | int | None:
    return (
        int(value)
        if isinstance(value, (int, float, np.number)) and np.isfinite(value) and value == int(value)
        else value
    )
