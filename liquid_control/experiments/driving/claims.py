"""Claims of the literature about liquid policies, each judged supported, not supported or undecided
by a rule that was fixed before, and the figures of every policy under every condition.

One rule for all: intervals of paired differences, at 1 - 0.05 / k each for k baselines
(Bonferroni), so that all k hold together with 95 %. Better, worse: the whole interval is below,
above 0. Supported: better than every baseline. Not supported: worse than at least one. Undecided:
everything else, and every comparison with fewer than `LEAST_SEEDS` trainings on a side.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.experiments.driving.figures import (
    DEPARTURES,
    MEASURES,
    RMSE,
    Measure,
    bounds,
    difference,
    figure,
    pooled,
    row,
)
from liquid_control.experiments.driving.trials import Results
from liquid_control.model.cores import PRESETS
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.stats.bootstrap import LEVEL

SUPPORTED, REFUTED, UNDECIDED = "supported", "not supported", "undecided"
CIRCUITS = {name: f"the {core.title} circuit" for name, core in PRESETS.items() if core.wired}
STRIPPED = {f"{name}_stripped": name for name in ("jitter", "dropped_50", "rate_10", "silence")}
LEAST_SEEDS = 3
MARGIN = 0.03
"""How much larger a lateral RMSE may be and still count as the same precision [m]."""

REFERENCE = "ltc"
"""The policy that the others are compared with in the table; without it, the first one."""

WINS, LOSES = "wins", "loses"

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
class Comparison:
    """Policy minus `baseline`; `low`, `high` at the level that all comparisons of a claim
    share. `seeds`: of the side with fewer."""

    baseline: str
    baseline_value: float
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
    results: Results,
    measure: Measure,
    who: str,
    baselines: Sequence[str],
    conditions: Sequence[str],
) -> list[Comparison]:
    """`who` against each baseline over the conditions together, with intervals that hold together
    at `LEVEL`."""
    level = 1 - (1 - LEVEL) / max(len(baselines), 1)
    own, found = pooled(results, who, conditions), []
    for baseline in baselines:
        other = pooled(results, baseline, conditions)
        value, interval = difference(measure, own, other, level)
        found.append(
            Comparison(
                baseline,
                figure(measure, other)[0],
                value,
                interval.low,
                interval.high,
                min(_seeds(own), _seeds(other)),
            )
        )
    return found


def verdict(compared: Sequence[Comparison]) -> str:
    """By the rule above; nothing compared is undecided."""
    outcomes = [one.outcome for one in compared]
    if "worse" in outcomes:
        return REFUTED
    return SUPPORTED if outcomes and set(outcomes) == {"better"} else UNDECIDED


def claims(results: Results) -> list[dict]:
    """Every claim that these results can judge, ready for JSON."""
    names, conditions = (
        list(dict.fromkeys(name for name, _ in results)),
        {condition for _, condition in results},
    )
    baselines = [name for name in names if name in PRESETS and not PRESETS[name].liquid]
    circuits = [name for name in CIRCUITS if name in names]
    found = []
    for who in circuits if baselines else ():
        for theme, words, wanted in THEMES:
            there = [name for name in wanted if name in conditions]
            if there:
                compared = compare(results, DEPARTURES, who, baselines, there)
                words_of_claim = (
                    f"{_capital(words)}, {CIRCUITS[who]} leaves the lane less often than every "
                    "core that is not liquid"
                )
                found.append(
                    _claim(
                        results,
                        theme,
                        words_of_claim,
                        DEPARTURES,
                        who,
                        there,
                        compared,
                        verdict(compared),
                    )
                )
    found += [
        _uses_time(results, who, conditions)
        for who in names
        if who in PRESETS and PRESETS[who].uses_time and _pairs(conditions)
    ]
    found += [
        _as_precise(results, who)
        for who in circuits
        if "clean" in conditions and "lstm_64" in names
    ]
    return found


def blind_differences(results: Results) -> dict[str, float]:
    """RMSE with true stamps minus that with stripped ones [m] of the presets that do not use time:
    any but 0 is a fault of the benchmark."""
    names, pairs = (
        dict.fromkeys(name for name, _ in results),
        _pairs({condition for _, condition in results}),
    )
    return {
        who: difference(
            RMSE,
            pooled(results, who, list(pairs.values())),
            pooled(results, who, list(pairs)),
            same_models=True,
        )[0]
        for who in names
        if pairs and who in PRESETS and not PRESETS[who].uses_time
    }


def rows(results: Results) -> list[dict]:
    """One row per policy and condition; under `against` each measure's difference from the
    reference, with its 95 % interval."""
    names = list(dict.fromkeys(name for name, _ in results))
    reference = REFERENCE if REFERENCE in names else names[0]
    found = []
    for name, condition in results:
        columns = pooled(results, name, [condition])
        facts = {
            "preset": name,
            "condition": condition,
            "family": CONDITIONS[condition].family,
        } | row(columns)
        if name != reference:
            other = pooled(results, reference, [condition])
            facts["against"] = {"reference": reference} | {
                key: _against(measure, columns, other) for key, measure in MEASURES.items()
            }
        found.append(facts)
    return found


def standings(results: Results) -> dict[str, list[dict]]:
    """By circuit, for each condition: whether it `wins` against every baseline, `loses` against
    one, or is `undecided`."""
    names, conditions = (
        list(dict.fromkeys(name for name, _ in results)),
        list(dict.fromkeys(condition for _, condition in results)),
    )
    baselines = [name for name in names if name in PRESETS and not PRESETS[name].liquid]
    return {
        who: [_standing(results, who, baselines, condition) for condition in conditions]
        for who in CIRCUITS
        if who in names and baselines
    }


def _uses_time(results: Results, who: str, conditions: set[str]) -> dict:
    """The same models with true stamps and with none: the intervals are paired by road and by
    model, and there is one comparison."""
    pairs = _pairs(conditions)
    true, stripped = pooled(results, who, list(pairs.values())), pooled(results, who, list(pairs))
    value, interval = difference(RMSE, true, stripped, same_models=True)
    compared = [
        Comparison(
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
    return _claim(
        results, "time", words, RMSE, who, list(pairs.values()), compared, verdict(compared)
    )


def _as_precise(results: Results, who: str) -> dict:
    """Not inferior by more than `MARGIN`: another rule, because the claim is not to be better."""
    compared = compare(results, RMSE, who, ["lstm_64"], ["clean"])
    one = compared[0]
    found = SUPPORTED if one.high < MARGIN else REFUTED if one.low > MARGIN else UNDECIDED
    found = UNDECIDED if one.seeds < LEAST_SEEDS else found
    words = (
        f"{_capital(CIRCUITS[who])} of 19 neurons is as precise on clean roads as an LSTM of 64 "
        f"units, up to {MARGIN} m"
    )
    return _claim(results, "size", words, RMSE, who, ["clean"], compared, found)


def _pairs(conditions: set[str]) -> dict[str, str]:
    """Stripped condition → the same with true stamps, where both were driven."""
    return {stripped: true for stripped, true in STRIPPED.items() if {stripped, true} <= conditions}


def _seeds(columns: Mapping[str, np.ndarray]) -> int:
    return len(columns["distance_m"])


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _claim(
    results: Results,
    theme: str,
    words: str,
    measure: Measure,
    who: str,
    conditions: Sequence[str],
    compared: Sequence[Comparison],
    found: str,
) -> dict:
    value, interval = figure(measure, pooled(results, who, conditions))
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


def _standing(results: Results, who: str, baselines: Sequence[str], condition: str) -> dict:
    compared = compare(results, DEPARTURES, who, baselines, [condition])
    own = compared[0].baseline_value + compared[0].difference
    found = {SUPPORTED: WINS, REFUTED: LOSES}.get(verdict(compared), UNDECIDED)
    return {
        "condition": condition,
        "standing": found,
        "value": own,
        "better_than": [_comparison(one) for one in compared if one.outcome == "better"],
        "worse_than": [_comparison(one) for one in compared if one.outcome == "worse"],
        "baselines": len(compared),
    }


def _comparison(compared: Comparison) -> dict:
    return {
        "baseline": compared.baseline,
        "value": compared.baseline_value,
        "difference": compared.difference,
        "ci": [compared.low, compared.high],
    }


def _against(measure, columns: Mapping, other: Mapping) -> dict:
    value, interval = difference(measure, columns, other)
    outcome = "better" if interval.high < 0 else "worse" if interval.low > 0 else "undecided"
    return {"difference": value, "ci": bounds(interval), "outcome": outcome}
