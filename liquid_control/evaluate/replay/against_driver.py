"""How close a policy's steering is to the driver's, in the unit in which the driver's is recorded,
and what constant steering reaches on the same labels.

R² is 1 - (squared error) / (squared deviation of the labels from their mean): 1 is the driver, 0
the mean of the labels. Labels that are mostly 0 make a small mean error easy to reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.evaluate.replay.metrics import FEWEST, Comparison, agreement
from liquid_control.recordings.driven_curvature import PULSE_WIDTH

COMMAND, ANGLE = "command", "rad"
"""Units: a command of -1 to 1, front-wheel radians; both are positive to the left."""

BANG_BANG = 0.5
"""Share of labels at exactly 0 and at the ends from which on they are said to be bang-bang."""

SAME = 1e-9
"""Labels closer than this are equal."""


def against_driver(parts: Sequence[Comparison]) -> dict:
    """Of one model over its recordings, for JSON. `unit` of `mae` and `bias`: "command" where all
    steering is recorded as -1 to 1, else "rad"; `mae_curvature`, `bias_curvature` in 1/m. `zeros`,
    `at_ends`: shares of the labels. `without_pulses`, where the driver steers in pulses: `r2`,
    `mae` and `correlation` against his mean over `seconds`, and `kept`, the R² of this mean against
    his steering; else None. None where fewer than FEWEST frames can be compared; R² and
    correlation are None for a constant driver."""
    commands = bool(parts) and all(part.full_curvature for part in parts)
    policy, driver = (_joined(parts, name, commands) for name in ("angle", "recorded"))
    bends = [
        np.concatenate([np.zeros(0), *(np.tan(getattr(p, name)) / p.wheelbase for p in parts)])
        for name in ("angle", "recorded")
    ]
    found, bend = agreement(policy, driver), agreement(*bends)
    return {
        "r2": found["r2"],
        "mae": found["mae"],
        "correlation": found["correlation"],
        "bias": found["bias"],
        "frames": found["pairs"],
        "unit": COMMAND if commands else ANGLE,
        "mae_curvature": bend["mae"],
        "bias_curvature": bend["bias"],
        "without_pulses": _without_pulses(parts, commands),
        **_of_labels(driver),
    }


def _without_pulses(parts: Sequence[Comparison], commands: bool) -> dict | None:
    if not parts or any(part.without_pulses is None for part in parts):
        return None
    names = ("angle", "recorded", "without_pulses")
    policy, driver, mean = (_joined(parts, name, commands) for name in names)
    found = agreement(policy, mean)
    kept = agreement(mean, driver)["r2"]
    figures = {name: found[name] for name in ("r2", "mae", "correlation")}
    return {"seconds": PULSE_WIDTH, **figures, "kept": kept}


def of_driver(found: Mapping) -> list[str]:
    """Sentences on `against_driver`."""
    if found["mae"] is None:
        return []
    command = found["unit"] == COMMAND
    unit = "of a command of -1 to 1" if command else "rad"
    r2 = "R² has no meaning" if found["r2"] is None else f"R² is {found['r2']:.3f}"
    said = [
        f"Over {found['frames']} frames {r2}, the mean error {found['mae']:.3f} {unit} "
        f"({found['mae_curvature']:.3g} 1/m). Always the mean of the labels: R² 0, mean error "
        f"{found['always_mean']['mae']:.3f}; always 0: {_figure(found['always_zero']['r2'])}, "
        f"{found['always_zero']['mae']:.3f}."
    ]
    if steady := found["without_pulses"]:
        said.append(
            "The driver steers in pulses, and no picture says when each begins. Against his mean "
            f"over {steady['seconds']:g} s R² is {_figure(steady['r2'])}, the mean error "
            f"{_figure(steady['mae'])}; a policy that drove exactly like this mean would have R² "
            f"{_figure(steady['kept'])} against his steering."
        )
    if found["r2"] is None:
        said.append("The recorded steering never changes: check its topic and its scale.")
    elif found["zeros"] + found["at_ends"] > BANG_BANG:
        said.append(
            f"The labels are nearly bang-bang: {100 * found['zeros']:.0f} % are exactly 0 and "
            f"{100 * found['at_ends']:.0f} % at the ends. A mean error alone says nothing about "
            "such a driver; look at R² and at the closed loop."
        )
    return said


def _of_labels(label: np.ndarray) -> dict:
    """What constant steering reaches, and how the labels are distributed."""
    if len(label) < FEWEST:
        return {"always_mean": None, "always_zero": None, "zeros": None, "at_ends": None}
    mean = np.full_like(label, label.mean())
    ends = np.abs(label[:, None] - [label.min(), label.max()]).min(1) < SAME
    zeros = np.abs(label) < SAME
    return {
        "always_mean": _score(mean, label),
        "always_zero": _score(np.zeros_like(label), label),
        "zeros": float(zeros.mean()),
        "at_ends": float((ends & ~zeros).mean()),
    }


def _score(value: np.ndarray, label: np.ndarray) -> dict:
    found = agreement(value, label)
    return {"r2": found["r2"], "mae": found["mae"]}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _joined(parts: Sequence[Comparison], name: str, commands: bool) -> np.ndarray:
    """Angles [rad] of all parts, as commands of -1 to 1 where these are recorded."""
    angles = [
        np.tan(getattr(part, name)) / part.wheelbase / part.full_curvature
        if commands
        else getattr(part, name)
        for part in parts
    ]
    return np.concatenate([np.zeros(0), *angles])
