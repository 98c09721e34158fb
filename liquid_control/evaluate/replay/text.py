"""Results of a replay as text: the table for the terminal, and sentences on the figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from liquid_control.evaluate.replay.against_driver import of_driver
from liquid_control.evaluate.replay.chosen_speed import of_speed
from liquid_control.evaluate.replay.golden import table as golden_table

NOTABLE_BIAS = 0.4
"""Share of the RMSE from which on a mean error is mentioned."""

NOTABLE_DELAY = 0.02  # s; shorter ones are no difference

HEAD = (
    "",
    "frames used",
    "RMSE",
    "MAE",
    "bias",
    "corr.",
    "R²",
    "driver later",
    "gate",
    "rejected",
    "step 50 %",
    "99 %",
)


def table(facts: Mapping) -> str:
    """A line for each model and recording and for each trivial driver, then the sentences."""
    if "golden" in facts:
        return golden_table(facts)
    lines = [HEAD]
    several = len(facts["bags"]) > 1
    for model in facts["models"]:
        results = [result for result in facts["results"] if result["model"] == model]
        lines += [_line(f"{model} on {r['bag']}", r, r["agreement"]) for r in results]
        if several and model in facts["overall"]:
            lines.append(_line(f"{model}, all", None, facts["overall"][model]))
    for overall in list(facts["overall"].values())[:1]:
        names = {
            "straight_ahead": "straight on",
            "mean_angle": "the mean angle",
            "driver_before": "the driver 1 s before",
        }
        lines += [
            (words, "", degrees(overall["trivial"][name]), *[""] * 9)
            for name, words in names.items()
        ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    for model in facts["models"]:
        overall = facts["overall"].get(model)
        results = [result for result in facts["results"] if result["model"] == model]
        text += ["", f"{model}: {verdict(overall, results)[0]}."]
        text += ["  " + sentence for sentence in sentences(model, overall, results)]
        if model in facts["chosen_speed"]:
            text.append("  " + of_speed(facts["chosen_speed"][model]))
    speed = facts["speed"]
    text += [
        "",
        "Units, signs and axes are taken as recorded; liquid-control inspect checks them.",
        f"{speed['frames_per_second']:.0f} frames a second, "
        f"{speed['times_real_time']:.1f} times real time",
    ]
    if facts["learned_from"]:
        text += [f"learned from: {', '.join(facts['learned_from'])}; the figures there flatter"]
    if facts["closed_loop"]:
        text += [f"how it drives there: {facts['closed_loop']}"]
    return "\n".join(text + ([f"report: {facts['out']}/report.html"] if "out" in facts else []))


def _line(name: str, result: Mapping | None, agreement: Mapping | None) -> tuple[str, ...]:
    steering = (
        agreement["steering"]
        if agreement
        else dict.fromkeys(("rmse", "mae", "bias", "correlation"))
    )
    delay = agreement["delay"] if agreement else None
    close = (
        degrees(steering["rmse"]),
        degrees(steering["mae"]),
        "–" if steering["bias"] is None else f"{math.degrees(steering['bias']):+.2f}°",
        figure(steering["correlation"]),
        figure(agreement["against_driver"]["r2"] if agreement else None),
        "–" if delay is None else lag(delay["seconds"]),
    )
    if result is None:
        return (name, str(agreement["frames_compared"]), *close, "", "", "", "")
    step = result["step_ms"]
    times = (
        ("–", "–") if step["p50"] is None else (f"{step['p50']:.2f} ms", f"{step['p99']:.2f} ms")
    )
    gate = f"{result['gate']['any']['seconds']:.1f} s"
    return (
        name,
        f"{result['frames_used']}/{result['frames']}",
        *close,
        gate,
        str(sum(result["rejected"].values())),
        *times,
    )


def verdict(agreement: Mapping | None, results: Sequence[Mapping] = ()) -> tuple[str, bool]:
    """One line on a model, and whether it is better than trivial drivers. `results`: of its
    recordings, for the reason of a missing comparison."""
    if agreement is None:
        reasons = "; ".join(dict.fromkeys(result["not_compared"] for result in results))
        return "No recorded steering to compare with" + (f": {reasons}" if reasons else ""), True
    rmse, simple = agreement["steering"]["rmse"], agreement["trivial"]
    if rmse >= min(simple["straight_ahead"], simple["mean_angle"]):
        return "No better than holding the wheel still", False
    times = simple["straight_ahead"] / max(rmse, 1e-9)
    return f"{times:.1f} times closer to the driver than driving straight on", True


def sentences(model: str, agreement: Mapping | None, results: list[Mapping]) -> list[str]:
    """Sentences on one model over all its recordings."""
    found = []
    if agreement is not None:
        found += [_error(agreement), *of_driver(agreement["against_driver"])]
        found += [*_bias(agreement), *_bends(agreement)]
    for result in results:
        if result["agreement"] is not None:
            where = f" on {result['bag']}" if len(results) > 1 else ""
            found += [_delay(result["agreement"], where), *_residual(result["agreement"], where)]
        if len(found) > 12:
            break
    found.append(_gate(results))
    rejected: dict[str, int] = {}
    for result in results:
        for reason, count in result["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + count
    frames, used = sum(r["frames"] for r in results), sum(r["frames_used"] for r in results)
    if rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
        found.append(f"{used} of {frames} frames were used; rejected: {reasons}.")
    return found


def figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def degrees(angle: float | None, digits: int = 2) -> str:
    return "–" if angle is None else f"{math.degrees(angle):.{digits}f}°"


def lag(value: float) -> str:
    """Seconds with their sign, without a minus before zero."""
    return f"{round(value, 2) + 0.0:+.2f} s"


def _error(agreement: Mapping) -> str:
    simple, steering = agreement["trivial"], agreement["steering"]
    words = (
        f"The policy's steering is {degrees(steering['rmse'])} from the driver's "
        f"(RMSE; mean {degrees(steering['mae'])}). "
        f"Driving straight on would be {degrees(simple['straight_ahead'])} off"
    )
    if simple["driver_before"] is not None:
        before = degrees(simple["driver_before"])
        words += f", doing what the driver did one second before {before}"
    return words + "."


def _bias(agreement: Mapping) -> list[str]:
    bias, rmse = agreement["steering"]["bias"], agreement["steering"]["rmse"]
    if not rmse or abs(bias) < NOTABLE_BIAS * rmse:
        return []
    side = "left" if bias > 0 else "right"
    return [
        f"On average it steers {degrees(abs(bias))} further to the {side}: check the zero of the "
        "recorded angle, the camera's aim, and the training set for one-sidedness."
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
        f"It is worst on curvatures {where}: {degrees(worst['rmse'])} over "
        f"{worst['frames']} frames."
    ]


def _delay(agreement: Mapping, where: str) -> str:
    delay, after = agreement["delay"], agreement["steering_delay_compensated"]
    if delay is None:
        return f"No sure delay between policy and driver could be estimated{where}."
    spread = f" (± {delay['uncertainty']:.2f} s)"
    if abs(delay["seconds"]) < max(NOTABLE_DELAY, delay["uncertainty"]):
        return f"Policy and driver act at the same time{where}: {lag(delay['seconds'])}{spread}."
    order = "later" if delay["seconds"] > 0 else "earlier"
    words = (
        f"The recorded steering comes {abs(delay['seconds']):.2f} s {order} "
        f"than the policy's{where}{spread}"
    )
    return words + (f"; with that taken out, RMSE is {degrees(after['rmse'])}." if after else ".")


def _residual(agreement: Mapping, where: str) -> list[str]:
    found = agreement["whiteness"]
    if found is None:
        return []
    if found["white"]:
        return [
            f"The residual is noise{where}: an error does not predict the next "
            f"(Ljung-Box p = {found['probability']:.2f})."
        ]
    lasts = (
        "more than 3 s"
        if found["correlation_time"] is None
        else f"{found['correlation_time']:.2f} s"
    )
    return [
        f"The residual is not noise{where}: an error lasts for {lasts}, so part of it has a cause "
        "that can be found, such as another line through the bend, a delay, or the wrong "
        "wheelbase."
    ]


def _gate(results: list[Mapping]) -> str:
    acting: dict[str, float] = {}
    for result in results:
        for name, acted in result["gate"].items():
            acting[name] = acting.get(name, 0.0) + acted["seconds"]
    total = acting.pop("any", 0.0)
    if not total:
        return "The safety gate let everything through."
    limits = sorted(
        ((time, name) for name, time in acting.items() if name != "safe_stop"), reverse=True
    )
    words = ", ".join(f"{name.replace('_', ' ')} {time:.1f} s" for time, name in limits)
    stop = (
        f", {acting['safe_stop']:.1f} s of them as a safe stop" if acting.get("safe_stop") else ""
    )
    return f"The safety gate acted for {total:.1f} s{stop}: {words}."
