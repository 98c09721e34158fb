"""Findings of an inspection: each says what is wrong, what it means for each use and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

USES = ("replay", "train")
OK, WARNING, FAULT = "ok", "warning", "fault"
STATES = {OK: "ready", WARNING: "usable with warnings", FAULT: "not usable"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding. `code` is for programs; `replay` and `train` are its weight for that use: ok (a
    note), warning or fault."""

    code: str
    role: str
    text: str
    remedy: str
    replay: str
    train: str


def note(code: str, role: str, text: str, remedy: str = "") -> Finding:
    return Finding(code, role, text, remedy, OK, OK)


def warning(code: str, role: str, text: str, remedy: str = "") -> Finding:
    return Finding(code, role, text, remedy, WARNING, WARNING)


def fault(code: str, role: str, text: str, remedy: str = "") -> Finding:
    return Finding(code, role, text, remedy, FAULT, FAULT)


def graded(share: float, noted: float, faulty: float):
    """`note` up to one share, `fault` from another, `warning` between."""
    return fault if share > faulty else warning if share > noted else note


def verdicts(findings: Sequence[Finding]) -> dict[str, dict]:
    """By use: its state as text, and the findings behind it, faults first."""
    result = {}
    for use in USES:
        reasons = [
            one for weight in (FAULT, WARNING) for one in findings if getattr(one, use) == weight
        ]
        worst = getattr(reasons[0], use) if reasons else OK
        result[use] = {
            "state": STATES[worst],
            "reasons": [
                {
                    "weight": getattr(one, use),
                    "code": one.code,
                    "role": one.role,
                    "text": one.text,
                    "remedy": one.remedy,
                }
                for one in reasons
            ],
        }
    return result
