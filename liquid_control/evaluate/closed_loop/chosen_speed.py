"""How a policy that chooses its speed drives, in comparison with the expert on the same roads, or
with the driver of the recording that it drives in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.control.controller import COMFORT
from liquid_control.evaluate.closed_loop.condition_rows import RoadResult, figure
from liquid_control.evaluate.closed_loop.recorded import StretchResult
from liquid_control.stats.bootstrap import Interval, ratio_interval


def speed_figures(results: Sequence[RoadResult], experts: Sequence[RoadResult]) -> dict:
    """Of N roads that both drove, ready for JSON. `time_ratio`: time of the policy over that of the
    expert for the same way, with its 95 % interval over roads; lap times [s] are means over roads;
    of lateral acceleration [m/s²] the time-weighted mean of the roads' 95th percentiles and the
    largest; `beyond_comfort_share` of the time, beyond `comfort_lateral_acceleration`."""
    seconds, metres, p95, largest, beyond = _columns(results)
    expert_s, expert_m, expert_p95, expert_largest, expert_beyond = _columns(experts)
    same_way = seconds * expert_m / metres
    return {
        "roads": len(results),
        **figure("time_ratio", same_way.sum() / expert_s.sum(), ratio_interval(same_way, expert_s)),
        "lap_time_s": float(seconds.mean()),
        "expert_lap_time_s": float(expert_s.mean()),
        "mean_speed": float(metres.sum() / seconds.sum()),
        "expert_mean_speed": float(expert_m.sum() / expert_s.sum()),
        "comfort_lateral_acceleration": COMFORT,
        "lateral_acceleration_p95": float(np.average(p95, weights=seconds)),
        "expert_lateral_acceleration_p95": float(np.average(expert_p95, weights=expert_s)),
        "lateral_acceleration_max": float(largest.max()),
        "expert_lateral_acceleration_max": float(expert_largest.max()),
        "beyond_comfort_share": float(beyond.sum() / seconds.sum()),
        "expert_beyond_comfort_share": float(expert_beyond.sum() / expert_s.sum()),
    }


def sentence(found: Mapping) -> str:
    """The figures in words."""
    low, high = found["time_ratio_ci"]
    return (
        f"speed, chosen by the policy: {found['time_ratio']:.3f} [{low:.3f}, {high:.3f}] of the "
        f"expert's time ({found['mean_speed']:.1f} m/s, expert {found['expert_mean_speed']:.1f}); "
        f"lateral acceleration p95 {found['lateral_acceleration_p95']:.2f} m/s² (expert "
        f"{found['expert_lateral_acceleration_p95']:.2f}), largest "
        f"{found['lateral_acceleration_max']:.2f} (expert "
        f"{found['expert_lateral_acceleration_max']:.2f}), "
        f"{100 * found['beyond_comfort_share']:.1f} % of the time beyond "
        f"{found['comfort_lateral_acceleration']:g}"
    )


def against_driver(results: Sequence[StretchResult]) -> dict:
    """As `speed_figures`, of stretches of recordings: `time_ratio` to the time that the driver took
    for the same way, its interval over stretches, None where one stretch gives none."""
    seconds, expected = np.array([_times(result) for result in results]).T
    examined = [result.examined for result in results]
    driven = np.maximum([one.simulated_s for one in examined], 1e-9)
    ratio = seconds.sum() / expected.sum()
    several = len(results) > 1
    interval = ratio_interval(seconds, expected) if several else Interval(ratio, ratio)
    found = figure("time_ratio", ratio, interval)
    p95 = [one.lateral_acceleration_p95 for one in examined]
    return {
        "stretches": len(results),
        **(found if several else found | {"time_ratio_ci": None}),
        "mean_speed": float(sum(one.distance_m for one in examined) / driven.sum()),
        "lateral_acceleration_p95": float(np.average(p95, weights=driven)),
        "lateral_acceleration_max": max(one.lateral_acceleration_max for one in examined),
    }


def driver_sentence(found: Mapping) -> str:
    """The figures of `against_driver` in words."""
    bounds = found["time_ratio_ci"]
    interval = "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
    return (
        f"The policy chooses its speed: {found['time_ratio']:.3f}{interval} of the driver's "
        f"time, at {found['mean_speed']:.2g} m/s; lateral acceleration p95 "
        f"{found['lateral_acceleration_p95']:.2f} m/s², largest "
        f"{found['lateral_acceleration_max']:.2f}."
    )


def _times(result: StretchResult) -> tuple[float, float]:
    """Seconds of the vehicle and of the driver for the way between rows of the trace, without what
    was skipped by putting the vehicle back."""
    trace = result.trace
    metres, seconds = np.diff(trace.station), np.diff(trace.seconds)
    speed = (trace.driver_speed[1:] + trace.driver_speed[:-1]) / 2
    driven = trace.put_back[:-1] == 0.0
    expected = np.maximum(metres, 0.0) / np.maximum(speed, 1e-3)
    return max(float(seconds[driven].sum()), 1e-9), max(float(expected[driven].sum()), 1e-9)


def _columns(results: Sequence[RoadResult]) -> tuple[np.ndarray, ...]:
    """Seconds, metres, and of lateral acceleration p95, largest and seconds beyond comfort: (N,)
    each."""
    rows = [
        (
            max(result.simulated_s, 1e-9),
            max(result.distance_m, 1e-9),
            result.lateral_acceleration_p95,
            result.lateral_acceleration_max,
            result.beyond_comfort_s,
        )
        for result in results
    ]
    return tuple(np.array(rows, float).T)
