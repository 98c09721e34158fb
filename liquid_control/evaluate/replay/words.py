"""What a replay's figures mean, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

NOTABLE_BIAS = 0.4
"""A mean error of this share of the RMSE is worth a sentence."""

NOTABLE_DELAY = 0.02  # s


def verdict(agreement: Mapping | None) -> tuple[str, bool]:
    """One line on a model, and whether it is good: measured by drivers who look at nothing."""
    if agreement is None:
        return "No recorded steering to compare with", True
    rmse, simple = agreement["steering"]["rmse"], agreement["trivial"]
    if rmse >= min(simple["straight_ahead"], simple["mean_angle"]):
        return "No better than holding the wheel still", False
    times = simple["straight_ahead"] / max(rmse, 1e-9)
    return f"{times:.1f} times closer to the driver than driving straight on", True


def sentences(model: str, agreement: Mapping | None, results: list[Mapping]) -> list[str]:
    """What to know of one model over all its recordings."""
    said = []
    if agreement is not None:
        said += [_error(agreement), *_bias(agreement), *_bends(agreement)]
    for result in results:
        if result["agreement"] is not None:
            where = f" on {result['bag']}" if len(results) > 1 else ""
            said += [_delay(result["agreement"], where), *_residual(result["agreement"], where)]
        if len(said) > 12:
            break
    said.append(_gate(results))
    rejected: dict[str, int] = {}
    for result in results:
        for reason, count in result["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + count
    frames, used = sum(r["frames"] for r in results), sum(r["frames_used"] for r in results)
    if rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
        said.append(f"{used} of {frames} frames were used; rejected: {reasons}.")
    return said


def degrees(angle: float | None, digits: int = 2) -> str:
    return "–" if angle is None else f"{math.degrees(angle):.{digits}f}°"


def lag(value: float) -> str:
    """With its sign, and no minus before zero."""
    return f"{round(value, 2) + 0.0:+.2f} s"


def _error(agreement: Mapping) -> str:
    simple, steering = agreement["trivial"], agreement["steering"]
    words = f"The policy's steering is {degrees(steering['rmse'])} from the driver's (RMSE; mean {degrees(steering['mae'])}). "
    words += f"Driving straight on would be {degrees(simple['straight_ahead'])} off"
    if simple["driver_before"] is not None:
        words += f", doing what the driver did one second before {degrees(simple['driver_before'])}"
    return words + "."


def _bias(agreement: Mapping) -> list[str]:
    bias, rmse = agreement["steering"]["bias"], agreement["steering"]["rmse"]
    if not rmse or abs(bias) < NOTABLE_BIAS * rmse:
        return []
    side = "left" if bias > 0 else "right"
    return [
        f"On average it steers {degrees(abs(bias))} further to the {side}: look at the zero of the recorded angle, "
        "at the camera's aim, or at a one-sided training set."
    ]


def _bends(agreement: Mapping) -> list[str]:
    rows = agreement["by_bend"]
    if len(rows) < 2:
        return []
    worst = max(rows, key=lambda row: row["rmse"])
    where = (
        f"of more than {worst['from']:g} 1/m"
        if worst["to"] is None
        else f"between {worst['from']:g} and {worst['to']:g} 1/m"
    )
    return [
        f"It is worst on curvatures {where}: {degrees(worst['rmse'])} over {worst['frames']} frames."
    ]


def _delay(agreement: Mapping, where: str) -> str:
    delay, after = agreement["delay"], agreement["steering_delay_compensated"]
    if delay is None:
        return f"No sure delay between policy and driver could be estimated{where}."
    spread = f" (± {delay['uncertainty']:.2f} s)"
    if abs(delay["seconds"]) < max(NOTABLE_DELAY, delay["uncertainty"]):
        return f"Policy and driver act at the same time{where}: {lag(delay['seconds'])}{spread}."
    order = "later" if delay["seconds"] > 0 else "earlier"
    words = f"The recorded steering comes {abs(delay['seconds']):.2f} s {order} than the policy's{where}{spread}"
    return words + (f"; with that taken out, RMSE is {degrees(after['rmse'])}." if after else ".")


def _residual(agreement: Mapping, where: str) -> list[str]:
    found = agreement["whiteness"]
    if found is None:
        return []
    if found["white"]:
        return [
            f"What is left is noise{where}: one error does not tell the next (Ljung-Box p = {found['probability']:.2f})."
        ]
    lasts = "more than 3 s" if found["memory"] is None else f"{found['memory']:.2f} s"
    return [
        f"What is left is not noise{where}: an error lasts for {lasts}, so part of it has a cause that can be found, such as another "
        "line through the bend, a delay, or the wrong wheelbase."
    ]


def _gate(results: list[Mapping]) -> str:
    acting: dict[str, float] = {}
    for result in results:
        for name, acted in result["gate"].items():
            acting[name] = acting.get(name, 0.0) + acted["seconds"]
    whole = acting.pop("any", 0.0)
    if not whole:
        return "The safety gate let everything through."
    limits = sorted(
        ((time, name) for name, time in acting.items() if name != "safe_stop"), reverse=True
    )
    words = ", ".join(f"{name.replace('_', ' ')} {time:.1f} s" for time, name in limits)
    stop = (
        f", {acting['safe_stop']:.1f} s of them as a safe stop" if acting.get("safe_stop") else ""
    )
    return f"The safety gate acted for {whole:.1f} s{stop}: {words}."
