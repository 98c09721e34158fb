"""Condition by condition: every candidate's figures, its paired difference from the reference, and
where the circuits win and lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liquid_control.experiments.driving.claims import CIRCUITS, compare, verdict
from liquid_control.experiments.driving.drives import Grid
from liquid_control.experiments.driving.figures import (
    DEPARTURES,
    MEASURES,
    bounds,
    difference,
    pooled,
    row,
)
from liquid_control.model.cores import PRESETS
from liquid_control.sim.conditions.table import CONDITIONS

REFERENCE = "ltc"
"""Whom the others are compared with in the table, where it drove; else the first."""

WINS, LOSES, UNDECIDED = "wins", "loses", "undecided"


def rows(grid: Grid) -> list[dict]:
    """One row per candidate and condition; under `against` each measure's difference from the
    reference, with its 95 % interval."""
    names = list(dict.fromkeys(name for name, _ in grid))
    reference = REFERENCE if REFERENCE in names else names[0]
    found = []
    for name, condition in grid:
        columns = pooled(grid, name, [condition])
        told = {
            "candidate": name,
            "condition": condition,
            "family": CONDITIONS[condition].family,
        } | row(columns)
        if name != reference:
            other = pooled(grid, reference, [condition])
            told["against"] = {"reference": reference} | {
                key: _against(measure, columns, other) for key, measure in MEASURES.items()
            }
        found.append(told)
    return found


def standings(grid: Grid) -> dict[str, list[dict]]:
    """By circuit, for each condition: whether it `wins` against every rival that is not liquid,
    `loses` against one, or is `undecided`."""
    names, conditions = (
        list(dict.fromkeys(name for name, _ in grid)),
        list(dict.fromkeys(condition for _, condition in grid)),
    )
    rivals = [name for name in names if name in PRESETS and not PRESETS[name].liquid]
    return {
        who: [_standing(grid, who, rivals, condition) for condition in conditions]
        for who in CIRCUITS
        if who in names and rivals
    }


def _standing(grid: Grid, who: str, rivals: Sequence[str], condition: str) -> dict:
    compared = compare(grid, DEPARTURES, who, rivals, [condition])
    own = compared[0].rival_value + compared[0].difference
    found = {"supported": WINS, "not supported": LOSES}.get(verdict(compared), UNDECIDED)
    return {
        "condition": condition,
        "standing": found,
        "value": own,
        "better_than": [_one(one) for one in compared if one.outcome == "better"],
        "worse_than": [_one(one) for one in compared if one.outcome == "worse"],
        "rivals": len(compared),
    }


def _one(compared) -> dict:
    return {
        "rival": compared.rival,
        "value": compared.rival_value,
        "difference": compared.difference,
        "ci": [compared.low, compared.high],
    }


def _against(measure, columns: Mapping, other: Mapping) -> dict:
    value, interval = difference(measure, columns, other)
    outcome = "better" if interval.high < 0 else "worse" if interval.low > 0 else "undecided"
    return {"difference": value, "ci": bounds(interval), "outcome": outcome}
