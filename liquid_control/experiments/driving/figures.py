"""Figures of one policy under one condition or several together, and paired differences between two
policies, each with its interval."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.experiments.driving.trials import Results
from liquid_control.stats.bootstrap import (
    LEVEL,
    Interval,
    difference_interval,
    rate_interval,
    ratio_interval,
    reciprocal,
)

PER = 10_000.0
"""Departures are counted per this many metres."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A ratio of sums over roads. `kind`: 'rate' of events, 'share', or 'root' of a mean square;
    less is better in all of them."""

    name: str
    title: str
    unit: str
    kind: str
    column: str
    weight: str
    factor: float = 1.0
    digits: int = 1

    @property
    def heading(self) -> str:
        """Title and unit as people read them."""
        return (
            f"{self.title} {self.unit}"
            if self.unit.startswith("per ")
            else f"{self.title}, {self.unit}"
        )

    def parts(self, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator, (S, N) each."""
        below = np.maximum(columns[self.weight], 1e-9)
        above = (
            np.square(columns[self.column]) * below if self.kind == "root" else columns[self.column]
        )
        return above, below / self.factor

    def written(self, value: float | None) -> str:
        return "none" if value is None else f"{value:.{self.digits}f}"


MEASURES = {
    measure.name: measure
    for measure in (
        Measure(
            "departures_per_10km",
            "Departures",
            "per 10 km",
            "rate",
            "departures",
            "distance_m",
            PER,
        ),
        Measure(
            "interventions_per_10km",
            "Interventions",
            "per 10 km",
            "rate",
            "interventions",
            "distance_m",
            PER,
        ),
        Measure(
            "off_road_share",
            "Off the lane",
            "% of the distance",
            "share",
            "outside_m",
            "distance_m",
            100.0,
            2,
        ),
        Measure(
            "lateral_rmse_m", "Lateral RMSE", "m", "root", "lateral_rmse_m", "distance_m", digits=3
        ),
        Measure(
            "lateral_jerk_rms",
            "Lateral jerk",
            "m/s³",
            "root",
            "lateral_jerk_rms",
            "simulated_s",
            digits=2,
        ),
        Measure(
            "steering_rate_rms",
            "Steering rate",
            "rad/s",
            "root",
            "steering_rate_rms",
            "simulated_s",
            digits=3,
        ),
    )
}
DEPARTURES, RMSE = MEASURES["departures_per_10km"], MEASURES["lateral_rmse_m"]


def pooled(results: Results, policy: str, conditions: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a policy over all `conditions` together, each road one block, because every
    condition has the same roads."""
    columns: dict[str, np.ndarray] = {}
    parts = [results[policy, condition] for condition in conditions]
    metres, seconds = (
        np.sum([part[name] for part in parts], 0) for name in ("distance_m", "simulated_s")
    )
    for name in parts[0]:
        columns[name] = np.sum([part[name] for part in parts], 0)
    for name, weight, total in (
        ("lateral_rmse_m", "distance_m", metres),
        ("lateral_jerk_rms", "simulated_s", seconds),
        ("steering_rate_rms", "simulated_s", seconds),
    ):
        squares = np.sum([np.square(part[name]) * part[weight] for part in parts], 0)
        columns[name] = np.sqrt(squares / np.maximum(total, 1e-9))
    columns["largest_offset_m"] = np.max([part["largest_offset_m"] for part in parts], 0)
    columns["interventions"] = columns["off_road"] + columns["standstills"]
    return columns


def figure(
    measure: Measure, columns: Mapping[str, np.ndarray], level: float = LEVEL
) -> tuple[float, Interval]:
    """A measure and its interval, over roads and training seeds."""
    above, below = measure.parts(columns)
    if measure.kind == "rate":
        return _value(measure, columns), rate_interval(above, below, level)
    interval = ratio_interval(above, below, level)
    return _value(measure, columns), _root(interval) if measure.kind == "root" else interval


def difference(
    measure: Measure,
    first: Mapping[str, np.ndarray],
    second: Mapping[str, np.ndarray],
    level: float = LEVEL,
    same_models: bool = False,
) -> tuple[float, Interval]:
    """The first's measure minus the second's, road by road; below 0 the first is better. Interval
    at `level`."""
    (above, below), (other, under) = measure.parts(first), measure.parts(second)
    interval = difference_interval(
        (above, other), (below, under), level, root=measure.kind == "root", same_seeds=same_models
    )
    return _value(measure, first) - _value(measure, second), interval


def row(columns: Mapping[str, np.ndarray]) -> dict:
    """All figures of a policy under one condition, ready for JSON; NAME_ci is the 95 % interval,
    an infinite bound is None."""
    metres = columns["distance_m"].sum()
    facts: dict[str, object] = {
        "models": len(columns["distance_m"]),
        "roads": columns["distance_m"].shape[1],
        "distance_m": round(float(metres), 1),
        "departures": int(columns["departures"].sum()),
        "interventions": int(columns["interventions"].sum()),
    }
    for name, measure in MEASURES.items():
        value, interval = figure(measure, columns)
        facts |= {name: value, f"{name}_ci": bounds(interval)}
    between = reciprocal(figure(MEASURES["interventions_per_10km"], columns)[1])
    return facts | {
        "metres_between_interventions": float(metres / facts["interventions"])
        if facts["interventions"]
        else None,
        "metres_between_interventions_ci": bounds(Interval(between.low * PER, between.high * PER)),
        "largest_offset_m": float(columns["largest_offset_m"].max()),
        "safe_stop_share": float(columns["safe_stop_s"].sum() / columns["simulated_s"].sum()),
        "mean_speed": float(metres / columns["simulated_s"].sum()),
        "speed_up_per_core": float(columns["simulated_s"].sum() / columns["cpu_s"].sum()),
    }


def bounds(interval: Interval) -> list[float | None]:
    """An interval for JSON, which knows no infinity."""
    return [
        float(bound) if math.isfinite(bound) else None for bound in (interval.low, interval.high)
    ]


def _value(measure: Measure, columns: Mapping[str, np.ndarray]) -> float:
    above, below = measure.parts(columns)
    value = float(above.sum() / below.sum())
    return math.sqrt(value) if measure.kind == "root" else value


def _root(interval: Interval) -> Interval:
    return Interval(math.sqrt(max(interval.low, 0.0)), math.sqrt(max(interval.high, 0.0)))
