"""The figures of a condition over all its roads, each with its confidence interval, and the same as
a text table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from liquid_control.sim.conditions.condition import Condition
from liquid_control.stats.bootstrap import Interval, rate_interval, ratio_interval, reciprocal

PER = 10_000.0
"""Departures and gate activations are counted per this many metres."""

COLUMNS: Sequence[tuple[str, str, Callable[[float], str]]] = (
    ("departures/10 km", "departures_per_10km", "{:.1f}".format),
    ("km/intervention", "metres_between_interventions", lambda metres: f"{metres / 1000:.2f}"),
    ("off road %", "off_road_share", lambda share: f"{100 * share:.2f}"),
    ("rmse m", "lateral_rmse_m", "{:.3f}".format),
)
"""Columns of the table with an interval: title, figure, format."""


@dataclasses.dataclass(frozen=True)
class RoadResult:
    """One road. Distances in metres, times in seconds.

    `departures`: entries beyond the departure threshold. `off_road`: times the task was terminated
    and the vehicle put back. `standstills`: times it stood still and was put back. `outside_m`:
    distance with the centre beyond the threshold. `frames_dropped`: lost before they arrived.
    `wall_s`, `cpu_s`: time of the computation by the clock, and of one core. `safe_stop_s`: time in
    which the gate had no usable action. `lateral_rmse_m` over distance; comfort as in
    `evaluate.closed_loop.comfort`, of lateral acceleration the 95th percentile and the largest, and
    the time beyond `control.controller.COMFORT`.
    """

    road: int
    seed: int
    stratum: int
    distance_m: float
    departures: int
    off_road: int
    lateral_rmse_m: float
    largest_offset_m: float
    frames_used: int
    gate_activations: int
    simulated_s: float
    wall_s: float
    cpu_s: float
    condition: str
    outside_m: float
    standstills: int
    frames_dropped: int
    safe_stop_s: float
    lateral_jerk_rms: float
    steering_rate_rms: float
    lateral_acceleration_p95: float
    lateral_acceleration_max: float
    beyond_comfort_s: float


def condition_row(condition: Condition, results: Sequence[RoadResult]) -> dict:
    """Figures of one condition, ready for JSON; NAME_ci is NAME's 95 % interval by bootstrap over
    roads, an infinite bound is None.

    An intervention is a vehicle put back after it left the road or stood still. `off_road_share`:
    of the distance, with a wheel over the edge of the lane (the centre beyond the departure
    threshold). `largest_offset_m` has no interval, because a bootstrap cannot give one for an
    extreme.
    """

    def column(name: str) -> np.ndarray:
        return np.array([getattr(result, name) for result in results], float)

    metres, seconds = np.maximum(column("distance_m"), 1e-9), column("simulated_s")
    interventions = column("off_road") + column("standstills")
    distance, put_back = metres.sum(), interventions.sum()
    row = {
        "condition": condition.name,
        "family": condition.family,
        "summary": condition.summary,
        "roads": len(results),
        "distance_m": round(float(distance), 1),
        "departures": int(column("departures").sum()),
        "interventions": int(put_back),
        "standstills": int(column("standstills").sum()),
    }
    row |= figure(
        "departures_per_10km",
        PER * column("departures").sum() / distance,
        rate_interval(column("departures"), metres / PER),
    )
    between = reciprocal(rate_interval(interventions, metres))
    row |= figure(
        "metres_between_interventions", distance / put_back if put_back else math.inf, between
    )
    row |= figure(
        "off_road_share",
        column("outside_m").sum() / distance,
        ratio_interval(column("outside_m"), metres),
    )
    for name, weight in (
        ("lateral_rmse_m", metres),
        ("lateral_jerk_rms", seconds),
        ("steering_rate_rms", seconds),
    ):
        row |= root_mean_square(name, column(name), weight)
    return row | {
        "largest_offset_m": float(column("largest_offset_m").max()),
        "gate_activations": int(column("gate_activations").sum()),
        "gate_activations_per_10km": float(PER * column("gate_activations").sum() / distance),
        "safe_stop_share": float(column("safe_stop_s").sum() / seconds.sum()),
        "mean_speed": float(distance / seconds.sum()),
        "lateral_acceleration_p95": float(
            np.average(column("lateral_acceleration_p95"), weights=seconds)
        ),
        "lateral_acceleration_max": float(column("lateral_acceleration_max").max()),
        "frames_used": int(column("frames_used").sum()),
        "frames_dropped": int(column("frames_dropped").sum()),
        "speed_up_per_core": float(seconds.sum() / column("cpu_s").sum()),
    }


def table(facts: Mapping) -> str:
    """The rows of `evaluate`'s answer as text, one condition a line; the other intervals are in the
    JSON."""
    titles = ["worst m", "jerk m/s³", "steer rad/s", "gate/10 km", "x real"]
    lines = [["condition", "km", *(title for title, _, _ in COLUMNS), *titles]]
    for row in facts["conditions"]:
        figures = [written(row[name], row[f"{name}_ci"], write) for _, name, write in COLUMNS]
        last = [
            f"{row['largest_offset_m']:.2f}",
            f"{row['lateral_jerk_rms']:.2f}",
            f"{row['steering_rate_rms']:.3f}",
        ]
        last += [f"{row['gate_activations_per_10km']:.0f}", f"{row['speed_up_per_core']:.0f}"]
        lines.append([row["condition"], f"{row['distance_m'] / 1000:.1f}", *figures, *last])
    return as_table(lines)


def as_table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells as text, the first cell to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )


def root_mean_square(name: str, values: np.ndarray, weight: np.ndarray) -> dict:
    """That of values (N,) weighted by (N,), and its interval."""
    squares = values**2 * weight
    interval = ratio_interval(squares, weight)
    return figure(
        name,
        math.sqrt(squares.sum() / weight.sum()),
        Interval(math.sqrt(interval.low), math.sqrt(interval.high)),
    )


def figure(name: str, value: float, interval: Interval) -> dict:
    """A value and its interval for JSON; what is infinite is None."""
    bounds = [
        float(bound) if math.isfinite(bound) else None for bound in (interval.low, interval.high)
    ]
    return {name: float(value) if math.isfinite(value) else None, f"{name}_ci": bounds}


def written(
    value: float | None, bounds: Sequence[float | None], write: Callable[[float], str]
) -> str:
    """A value with its interval; one that is None is more than its lower bound."""
    low, high = bounds
    if value is None:
        return f"> {write(low)}"
    return f"{write(value)} [{write(low)}, {'inf' if high is None else write(high)}]"
