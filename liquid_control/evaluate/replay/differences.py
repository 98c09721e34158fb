"""What moved between two files of commands: the golden ones and those of today."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from liquid_control.evaluate.replay.files import COLUMNS

COUNTED = {
    "moved": "beyond it",
    "missing": "missing",
    "surplus": "surplus",
    "otherwise_limited": "limited otherwise",
}
COMPARED = {"curvature": "1/m", "steering_angle": "rad", "speed": "m/s"}
SPEED_PER_RADIAN = 100.0
"""Speeds may move by so many m/s per radian of tolerance: they follow from the curvature, whose
square root they divide by."""


def differences(expected_file: Path, got_file: Path, tolerance: float) -> dict:
    """Whether two files of commands agree. Rows pair by cause and time of issue: `missing` and
    `surplus` have no partner, `moved` are beyond the tolerance (angles and curvature in rad and
    1/m, speed 100 times that); any of these fails. `first_ns`: when the first of them was issued.
    `largest`: the largest difference of each column, and where. `otherwise_limited`: other limits
    acted; only told."""
    expected, got = _rows(expected_file), _rows(got_file)
    of_got = {(row["cause"], row["issued_ns"]): row for row in got}
    keys = {(row["cause"], row["issued_ns"]) for row in expected}
    missing = [
        row["issued_ns"] for row in expected if (row["cause"], row["issued_ns"]) not in of_got
    ]
    surplus = [row["issued_ns"] for row in got if (row["cause"], row["issued_ns"]) not in keys]
    moved, limits = [], 0
    largest: dict[str, dict] = {
        name: {"difference": 0.0, "unit": unit, "at_ns": None} for name, unit in COMPARED.items()
    }
    for row in expected:
        other = of_got.get((row["cause"], row["issued_ns"]))
        if other is None:
            continue
        beyond = False
        for name, entry in largest.items():
            difference = _apart(row[name], other[name])
            beyond |= difference > tolerance * (SPEED_PER_RADIAN if name == "speed" else 1.0)
            if difference > entry["difference"]:
                entry.update(difference=difference, at_ns=row["issued_ns"])
        otherwise = row["limits"] != other["limits"] or row["safe_stop"] != other["safe_stop"]
        limits += otherwise
        if beyond:
            moved.append(row["issued_ns"])
    stamps = missing + surplus + moved
    return {
        "passed": not stamps,
        "commands": len(expected),
        "missing": len(missing),
        "surplus": len(surplus),
        "moved": len(moved),
        "otherwise_limited": limits,
        "identical": expected_file.read_bytes() == got_file.read_bytes(),
        "first_ns": min(stamps, default=None),
        "first_s": (min(stamps) - min(int(row["issued_ns"]) for row in expected + got)) / 1e9
        if stamps
        else None,
        "largest": largest,
    }


def table(facts: Mapping) -> str:
    """A line for each golden recording, and what to know of those that moved."""
    lines = []
    for one in facts["results"]:
        state = (
            "moved"
            if not one["passed"]
            else "identical"
            if one["identical"]
            else "within tolerance"
        )
        lines.append(
            f"{one['name']}: {state}, {one['commands']} commands of {one['model']} on {one['bag']}"
        )
        if one["passed"] and one["identical"]:
            continue
        biggest = ", ".join(
            f"{name} {entry['difference']:.3g} {entry['unit']}"
            for name, entry in one["largest"].items()
        )
        lines.append(f"  largest differences: {biggest}; tolerance {one['tolerance']:g} rad")
        if not one["passed"]:
            counts = ", ".join(f"{one[key]} {words}" for key, words in COUNTED.items())
            lines.append(
                f"  {counts}; first {one['first_s']:.3f} s after the start, at {one['first_ns']} ns"
            )
        changes = [f"the model's {name}" for name in one["model_changed"]]
        changes += [
            f"{name} {then} → {now}" for name, (then, now) in one["versions_changed"].items()
        ]
        lines.append(
            "  changed since: "
            + (
                ", ".join(changes)
                or "neither model nor libraries; so the code, the defaults or the bag"
            )
        )
    return "\n".join(lines + ["golden: " + ("all hold" if facts["passed"] else "commands moved")])


def _rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"columns {reader.fieldnames}, expected {', '.join(COLUMNS)}")
    for row in rows:
        row["issued_ns"] = int(row["issued_ns"])
        for name in COMPARED:
            row[name] = float(row[name]) if row[name] else math.nan
    return rows


def _apart(a: float, b: float) -> float:
    if math.isnan(a) and math.isnan(b):
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
