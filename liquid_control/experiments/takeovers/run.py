"""`bench takeovers`: takeovers per km over rounds of driving and learning, with the expert as the
person who takes over. A run that was stopped goes on where it was."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.experiments.recorded_world.charts import save_figure
from liquid_control.experiments.recorded_world.steps import save
from liquid_control.experiments.takeovers.nodes import fewer, show_nodes, through_nodes
from liquid_control.experiments.takeovers.rounds import Loop
from liquid_control.experiments.takeovers.settings import PLACES, TakeoverBenchSettings
from liquid_control.stats.bootstrap import rate_interval
from liquid_control.system.verb import Verb
from liquid_control.train.run import commit, described

MUST = {"times_fewer": 10.0, "handover_frames_lost": 1}


def bench_takeovers(settings: TakeoverBenchSettings) -> dict:
    """Runs all loops, the first seed in all conditions before the second, writes takeovers.json and
    takeovers.png behind each and returns the figures; or see `through_nodes`."""
    if settings.nodes:
        return through_nodes(settings, _command())
    loops: dict[str, dict[str, dict]] = {}
    for seed in range(settings.seed, settings.seed + settings.seeds):
        for condition in settings.conditions:
            loops.setdefault(condition, {})[str(seed)] = Loop(settings, seed, condition).run()
            result = _written(settings, loops)
    return result


def _written(settings: TakeoverBenchSettings, loops: Mapping[str, Mapping[str, Mapping]]) -> dict:
    found = {name: summarised(list(of.values())) for name, of in loops.items()}
    result = {
        "command": _command(),
        "commit": commit(),
        "settings": described(settings, PLACES),
        "conditions": found,
        "must": MUST,
        "loops": loops,
    }
    save(settings.results / "takeovers.json", result)
    draw(found, settings.results / "takeovers.png")
    return result


def summarised(loops: Sequence[Mapping]) -> dict:
    """Of the loops of one condition, one for each seed: takeovers per km that the policy drove, by
    round, with 95 % intervals over seeds and roads; `times_fewer`: the first over the last, None
    where the last has none; `clean_worse`: seeds whose clean figures are worse at the end."""
    rows = []
    for number in range(len(loops[0]["rounds"])):
        roads = [loop["rounds"][number]["roads"] for loop in loops]
        takeovers, metres = (
            np.array([[road[name] for road in of] for of in roads], float)
            for name in ("takeovers", "by_policy_m")
        )
        kilometres = np.maximum(metres, 1.0) / 1000.0
        interval = rate_interval(takeovers, kilometres)
        rows.append(
            {
                "round": number,
                "takeovers": int(takeovers.sum()),
                "km_by_policy": float(kilometres.sum()),
                "takeovers_per_km": float(takeovers.sum() / kilometres.sum()),
                "ci": [interval.low, interval.high],
            }
        )
    first, last = rows[0]["takeovers_per_km"], rows[-1]["takeovers_per_km"]
    trained = [row["training"] for loop in loops for row in loop["rounds"] if row["training"]]
    worse = [any(figure["worse"] for figure in loop["clean"].values()) for loop in loops]
    return {
        "rounds": rows,
        "times_fewer": first / last if last else None,
        "handover_frames_lost": max((one["handover_frames_lost"] for one in trained), default=0),
        "seeds": len(loops),
        "clean_worse": sum(worse),
    }


def draw(conditions: Mapping[str, Mapping], file: Path) -> None:
    """Takeovers per km over the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.2))
    for number, (name, found) in enumerate(conditions.items()):
        rows = found["rounds"]
        value = np.array([row["takeovers_per_km"] for row in rows])
        bounds = np.array([row["ci"] for row in rows]).T
        at = np.arange(len(rows)) + 0.06 * (number - (len(conditions) - 1) / 2)
        errors = np.maximum(np.abs(bounds - value), 0.0)
        axes.errorbar(at, value, yerr=errors, marker="o", capsize=3, label=name)
    axes.set_xticks(range(len(rows)))
    axes.set_xlabel("rounds of learning")
    axes.set_ylabel("takeovers per km, 95 %")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    save_figure(figure, file)
    pyplot.close(figure)


def show(result: Mapping) -> str:
    """A line for each condition."""
    if "conditions" not in result:
        return show_nodes(result)
    lines = []
    for name, found in result["conditions"].items():
        rates = "  ".join(
            f"{row['takeovers_per_km']:.2f} [{row['ci'][0]:.2f}, {row['ci'][1]:.2f}]"
            for row in found["rounds"]
        )
        fewer = found["times_fewer"]
        times = "none at the end" if fewer is None else f"{fewer:.1f} times fewer"
        lines.append(
            f"{name}: {rates} takeovers/km, {times} (>= {MUST['times_fewer']:g}); clean figures "
            f"worse: {found['clean_worse']}; frames lost at a handover: "
            f"{found['handover_frames_lost']}"
        )
    return "\n".join(lines)


def succeeded(result: Mapping) -> bool:
    """Whether every condition reaches what it must."""
    if "conditions" not in result:
        return fewer(result)
    return all(
        (found["times_fewer"] is None or found["times_fewer"] >= MUST["times_fewer"])
        and not found["clean_worse"]
        and found["handover_frames_lost"] <= MUST["handover_frames_lost"]
        for found in result["conditions"].values()
    )


def _command() -> str:
    return " ".join(["liquid-control", *map(_named, sys.argv[1:])])


def _named(word: str) -> str:
    return Path(word).name if Path(word).is_absolute() else word


VERB = Verb(TakeoverBenchSettings, bench_takeovers, show, succeeded)
