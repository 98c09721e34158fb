"""What the field says of liquid policies, each claim with a rule fixed beforehand that makes it
supported, not supported or undecided.

One rule for all: intervals of paired differences, at 1 - 0.05 / k each where k rivals are compared
(Bonferroni), so that all k hold together with 95 %. Better, worse: the interval lies wholly below,
above 0. Supported: better than every rival. Not supported: worse than at least one. Undecided:
everything else, and all where a side has fewer than `LEAST_SEEDS` trainings, which say nothing of
the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.experiments.driving.drives import Grid
from liquid_control.experiments.driving.figures import (
    DEPARTURES,
    RMSE,
    Measure,
    bounds,
    difference,
    figure,
    pooled,
)
from liquid_control.model.cores import PRESETS
from liquid_control.stats.bootstrap import LEVEL

SUPPORTED, REFUTED, UNDECIDED = "supported", "not supported", "undecided"
CIRCUITS = {name: f"the {core.title} circuit" for name, core in PRESETS.items() if core.wired}
STRIPPED = {f"{name}_stripped": name for name in ("jitter", "dropped_50", "rate_10", "silence")}
LEAST_SEEDS = 3
MARGIN = 0.03
"""How much larger a lateral RMSE may be and still count as the same precision [m]."""

THEMES = (
    ("noise", "under image noise", ("noise_0.1", "noise_0.2", "noise_0.3")),
    ("drops", "when frames are lost", ("dropped_30", "dropped_50", "dropped_70")),
    (
        "irregular",
        "when time is irregular, or the camera slower or faster than in training",
        ("jitter", "stamps_wrong", "rate_5", "rate_10", "rate_60", "silence"),
    ),
    ("latency", "when frames come late", ("latency_50", "latency_100", "latency_200")),
    (
        "weather",
        "in weather never seen in training",
        ("shadows", "fog", "rain", "low_sun", "winter", "night"),
    ),
    (
        "body",
        "when camera, vehicle or inertial sensor are not as in training",
        (
            "camera_moved",
            "camera_tilted",
            "wheelbase_long",
            "wheelbase_wrong",
            "slippery",
            "speed_20",
            "imu_biased",
            "imu_lost",
        ),
    ),
)


@dataclasses.dataclass(frozen=True)
class Compared:
    """Claimant minus rival; `low`, `high` at the level that all of the claim's comparisons share.
    `seeds`: of the side with fewer."""

    rival: str
    rival_value: float
    difference: float
    low: float
    high: float
    seeds: int

    @property
    def outcome(self) -> str:
        if self.seeds < LEAST_SEEDS:
            return "undecided"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "undecided"


def compare(
    grid: Grid, measure: Measure, who: str, rivals: Sequence[str], conditions: Sequence[str]
) -> list[Compared]:
    """`who` against each rival over the conditions together, with intervals that hold together at
    `LEVEL`."""
    level = 1 - (1 - LEVEL) / max(len(rivals), 1)
    own, found = pooled(grid, who, conditions), []
    for rival in rivals:
        other = pooled(grid, rival, conditions)
        value, interval = difference(measure, own, other, level)
        found.append(
            Compared(
                rival,
                figure(measure, other)[0],
                value,
                interval.low,
                interval.high,
                min(_seeds(own), _seeds(other)),
            )
        )
    return found


def verdict(compared: Sequence[Compared]) -> str:
    """By the rule above; nothing compared is undecided."""
    outcomes = [one.outcome for one in compared]
    if "worse" in outcomes:
        return REFUTED
    return SUPPORTED if outcomes and set(outcomes) == {"better"} else UNDECIDED


def claims(grid: Grid) -> list[dict]:
    """Every claim that these drives can say something about, ready for JSON."""
    names, conditions = (
        list(dict.fromkeys(name for name, _ in grid)),
        {condition for _, condition in grid},
    )
    rivals = [name for name in names if name in PRESETS and not PRESETS[name].liquid]
    circuits = [name for name in CIRCUITS if name in names]
    found = []
    for who in circuits if rivals else ():
        for theme, words, wanted in THEMES:
            there = [name for name in wanted if name in conditions]
            if there:
                compared = compare(grid, DEPARTURES, who, rivals, there)
                told = (
                    f"{_capital(words)}, {CIRCUITS[who]} leaves the lane less often than every "
                    "core that is not liquid"
                )
                found.append(
                    _told(grid, theme, told, DEPARTURES, who, there, compared, verdict(compared))
                )
    found += [
        _uses_time(grid, who, conditions)
        for who in names
        if who in PRESETS and PRESETS[who].uses_time and _pairs(conditions)
    ]
    found += [
        _as_precise(grid, who) for who in circuits if "clean" in conditions and "lstm_64" in names
    ]
    return found


def blind_differences(grid: Grid) -> dict[str, float]:
    """RMSE with true stamps minus that with stripped ones [m] of the candidates that are not told
    time: any but 0 is a fault of ours."""
    names, pairs = (
        dict.fromkeys(name for name, _ in grid),
        _pairs({condition for _, condition in grid}),
    )
    return {
        who: difference(
            RMSE,
            pooled(grid, who, list(pairs.values())),
            pooled(grid, who, list(pairs)),
            same_models=True,
        )[0]
        for who in names
        if pairs and who in PRESETS and not PRESETS[who].uses_time
    }


def _uses_time(grid: Grid, who: str, conditions: set[str]) -> dict:
    """The same models with true stamps and with none: the intervals are paired by road and by
    model, and there is one comparison."""
    pairs = _pairs(conditions)
    true, stripped = pooled(grid, who, list(pairs.values())), pooled(grid, who, list(pairs))
    value, interval = difference(RMSE, true, stripped, same_models=True)
    compared = [
        Compared(
            "stamps stripped",
            figure(RMSE, stripped)[0],
            value,
            interval.low,
            interval.high,
            _seeds(true),
        )
    ]
    claimant = _capital(CIRCUITS[who]) if who in CIRCUITS else who
    words = (
        f"{claimant} uses time: it drives more precisely with true stamps than with a constant dt"
    )
    return _told(grid, "time", words, RMSE, who, list(pairs.values()), compared, verdict(compared))


def _as_precise(grid: Grid, who: str) -> dict:
    """Not inferior by more than `MARGIN`: another rule, since being better is not what is
    claimed."""
    compared = compare(grid, RMSE, who, ["lstm_64"], ["clean"])
    one = compared[0]
    found = SUPPORTED if one.high < MARGIN else REFUTED if one.low > MARGIN else UNDECIDED
    found = UNDECIDED if one.seeds < LEAST_SEEDS else found
    words = (
        f"{_capital(CIRCUITS[who])} of 19 neurons is as precise on clean roads as an LSTM of 64 "
        f"units, up to {MARGIN} m"
    )
    return _told(grid, "size", words, RMSE, who, ["clean"], compared, found)


def _pairs(conditions: set[str]) -> dict[str, str]:
    """Stripped condition → the same with true stamps, where both were driven."""
    return {stripped: true for stripped, true in STRIPPED.items() if {stripped, true} <= conditions}


def _seeds(columns: Mapping[str, np.ndarray]) -> int:
    return len(columns["distance_m"])


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _told(
    grid: Grid,
    theme: str,
    words: str,
    measure: Measure,
    who: str,
    conditions: Sequence[str],
    compared: Sequence[Compared],
    found: str,
) -> dict:
    value, interval = figure(measure, pooled(grid, who, conditions))
    return {
        "theme": theme,
        "claim": f"{words}.",
        "verdict": found,
        "measure": measure.name,
        "who": who,
        "conditions": list(conditions),
        "value": value,
        "value_ci": bounds(interval),
        "level": 1 - (1 - LEVEL) / max(len(compared), 1),
        "compared": [dataclasses.asdict(one) | {"outcome": one.outcome} for one in compared],
    }
