"""A replay's figures for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from liquid_control.evaluate.replay.differences import table as golden_table
from liquid_control.evaluate.replay.words import degrees, lag, sentences, verdict

HEAD = (
    "",
    "frames used",
    "RMSE",
    "MAE",
    "bias",
    "corr.",
    "driver later",
    "gate",
    "rejected",
    "step 50 %",
    "99 %",
)


def table(facts: Mapping) -> str:
    """A line for each model and recording, one for each driver without eyes, then what it means."""
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
            (words, "", degrees(overall["trivial"][name]), *[""] * 8)
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
        text += ["", f"{model}: {verdict(overall)[0]}."]
        text += [
            "  " + said
            for said in sentences(
                model, overall, [r for r in facts["results"] if r["model"] == model]
            )
        ]
    speed = facts["speed"]
    text += [
        "",
        f"{speed['frames_per_second']:.0f} frames a second, {speed['times_real_time']:.1f} times real time",
    ]
    return "\n".join(text + ([f"report: {facts['out']}/report.html"] if "out" in facts else []))


def _line(name: str, result: Mapping | None, agreement: Mapping | None) -> tuple[str, ...]:
    steering = (
        agreement["steering"]
        if agreement
        else {"rmse": None, "mae": None, "bias": None, "correlation": None}
    )
    delay = agreement["delay"] if agreement else None
    close = (
        degrees(steering["rmse"]),
        degrees(steering["mae"]),
        "–" if steering["bias"] is None else f"{math.degrees(steering['bias']):+.2f}°",
        "–" if steering["correlation"] is None else f"{steering['correlation']:.3f}",
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
