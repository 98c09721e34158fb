"""Tables of a replay's page: tiles, policies and trivial drivers, and the use of the frames."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from liquid_control.evaluate.replay.text import degrees, figure, lag

HEAD = (
    "frames",
    "RMSE",
    "MAE",
    "bias",
    "largest",
    "corr.",
    "R²",
    "curvature RMSE, 1/m",
    "corr.",
    "driver later by",
    "RMSE then",
    "after the gate",
)


def tiles(facts: Mapping, first: Mapping | None, model: str) -> list[tuple[str, str, str]]:
    """Headline figures of the first model: (label, figure, small print)."""
    results = [result for result in facts["results"] if result["model"] == model]
    used, frames = sum(r["frames_used"] for r in results), sum(r["frames"] for r in results)
    total, gated = (
        sum(bag["seconds"] for bag in facts["bags"]),
        sum(r["gate"]["any"]["seconds"] for r in results),
    )
    step = max((r["step_ms"]["p99"] or 0.0 for r in results), default=0.0)
    count = len(facts["bags"])
    shown = [("recorded", clock(total), f"in {count} recording" + "s" * (count != 1))]
    if first is not None:
        steering = first["steering"]
        shown += [
            (
                "steering error",
                degrees(steering["rmse"]),
                f"RMSE; straight on {degrees(first['trivial']['straight_ahead'])}",
            ),
            ("bias", f"{math.degrees(steering['bias']):+.2f}°", "mean error; left is positive"),
            (
                "R²",
                figure(first["against_driver"]["r2"]),
                f"correlation {figure(steering['correlation'])}",
            ),
        ]
        delays = [
            r["agreement"]["delay"] for r in results if r["agreement"] and r["agreement"]["delay"]
        ]
        if delays:
            typical = float(np.median([delay["seconds"] for delay in delays]))
            shown.append(("driver's delay", lag(typical), "behind the policy"))
    share = 100 * used / frames if frames else 0.0
    shown += [
        ("frames used", f"{share:.1f} %", f"{used} of {frames}"),
        (
            "gate acted",
            f"{gated:.1f} s",
            f"{100 * gated / total:.0f} % of the time" if total else "",
        ),
        (
            "replayed at",
            f"{facts['speed']['times_real_time']:.0f} ×",
            f"real time; a step ≤ {step:.1f} ms (99 %)",
        ),
    ]
    return shown


def table(facts: Mapping) -> list[tuple[str, str, list[str]]]:
    """(classes, name, cells) of each row: models over all recordings, then one by one, then trivial
    drivers."""
    rows = []
    several = len(facts["bags"]) > 1
    for number, model in enumerate(facts["models"]):
        overall, results = (
            facts["overall"].get(model),
            [r for r in facts["results"] if r["model"] == model],
        )
        if overall is not None and several:
            rows.append((f"m{number} whole", f"{model}, all", _cells(overall)))
        for result in results:
            if result["agreement"] is not None:
                rows.append(
                    (
                        f"m{number}",
                        f"{model}, {result['bag']}" if several else model,
                        _cells(result["agreement"]),
                    )
                )
    named = {
        "straight_ahead": "straight on",
        "mean_angle": "the mean angle, always",
        "driver_before": "what the driver did 1 s before",
        "last_recorded": "the driver's last recorded angle (the answer itself)",
    }
    simple = next((overall["trivial"] for overall in facts["overall"].values()), {})
    return rows + [
        ("simple", named[name], ["", degrees(rmse), *[""] * 10]) for name, rmse in simple.items()
    ]


def frame_rows(results: list[Mapping]) -> list[tuple[str, list[str]]]:
    """Name and a cell for each model: use of the frames, limits of the gate, times of a step."""
    rows = [
        ("frames", [f"{r['frames']}" for r in results]),
        ("used", [f"{r['frames_used']}" for r in results]),
    ]
    for kind, name in (("rejected", "rejected: "), ("gate", "gate: ")):
        for reason in dict.fromkeys(reason for r in results for reason in r[kind]):
            found = [r[kind].get(reason) for r in results]
            words = [
                f"{one['seconds']:.1f} s" if isinstance(one, Mapping) else str(one or 0)
                for one in found
            ]
            rows.append(
                (name + ("any limit" if reason == "any" else reason.replace("_", " ")), words)
            )
    for kind, name in (
        ("decode_ms", "decoding and shrinking a picture"),
        ("step_ms", "a step of the policy"),
    ):
        for share, words in (("p50", "median"), ("p99", "99 %")):
            rows.append(
                (
                    f"{name}, {words}",
                    [
                        "–" if r[kind][share] is None else f"{r[kind][share]:.2f} ms"
                        for r in results
                    ],
                )
            )
    return rows


def clock(seconds: float) -> str:
    """1:02:03 or 4:05."""
    total = round(seconds)
    return (
        f"{total // 3600}:{total // 60 % 60:02}:{total % 60:02}"
        if total >= 3600
        else f"{total // 60}:{total % 60:02}"
    )


def _cells(agreement: Mapping) -> list[str]:
    steering, bend, delay = agreement["steering"], agreement["curvature"], agreement["delay"]
    then = agreement["steering_delay_compensated"]
    return [
        f"{agreement['frames_compared']}",
        degrees(steering["rmse"]),
        degrees(steering["mae"]),
        f"{math.degrees(steering['bias']):+.2f}°",
        degrees(steering["largest"], 1),
        figure(steering["correlation"]),
        figure(agreement["against_driver"]["r2"]),
        figure(bend["rmse"], 5),
        figure(bend["correlation"], 3),
        "–" if delay is None else lag(delay["seconds"]),
        "–" if then is None else degrees(then["rmse"]),
        degrees(agreement["after_gate"]["rmse"]),
    ]
