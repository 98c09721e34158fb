"""`liquid-control improve`: from the recordings of a model's drives to a candidate, and to the
answer whether it may replace the model.

Gather the recordings, train on their takeovers, examine both models on the held-out recordings and
on held-out roads of the simulation, compare them paired, say yes or no. Both models stay where they
are.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import WorldConfig, check, group, number, several
from liquid_control.errors import ConfigError
from liquid_control.evaluate import paired
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.spec import names
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.recordings.rosbag.driver_states import read_drivers
from liquid_control.sim.conditions.table import CLEAN, find_conditions
from liquid_control.system.files import write_atomically
from liquid_control.system.plain_json import plain
from liquid_control.system.verb import Verb
from liquid_control.train.split import Split
from liquid_control.train.takeovers import load_takeovers, train
from liquid_control.train.takeovers_settings import TakeoversSettings
from liquid_control.train.validation import predict

VERDICT = "verdict.json"
FILES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
LAST_S = 1e6
"""Between the frames of two recordings, when both are on one axis [s]."""


@dataclasses.dataclass(frozen=True)
class ImproveSettings:
    """`--bags` are recordings or folders of them, `--from` the model that drives, `--out` the run
    with the candidate in model/ and the verdict in verdict.json."""

    training: TakeoversSettings = group(TakeoversSettings(), flat=True)
    roads: int = number(
        40, 0, 100000, "", "held-out simulated roads that both drive; 0: recordings alone decide"
    )
    conditions: tuple[str, ...] = several(
        (CLEAN.name,), "driving conditions of these roads by name (doc/benchmark.md), or all"
    )
    world: WorldConfig = group(WorldConfig(length=550.0))

    def __post_init__(self) -> None:
        check(self)
        find_conditions(self.conditions)


def improve(settings: ImproveSettings) -> dict:
    """Facts of verdict.json: `replace` is the answer and `reasons` are in words. Raises as
    `train.takeovers.train` and `evaluate` do."""
    gathered, without = gather(settings.training.bags)
    training = dataclasses.replace(settings.training, bags=tuple(gathered))
    driving = find_model(training.start)
    trained = train(training)
    candidate = Path(trained["model"])
    split = load_takeovers(training, read_model(driving)).split
    recorded = on_recordings(load_network(candidate), load_network(driving), split)
    simulated = _on_roads(settings, candidate, driving) if settings.roads else {}
    reasons = objections(recorded, simulated)
    facts = {
        "replace": not reasons,
        "reasons": reasons,
        "candidate": str(candidate),
        "driving": str(driving),
        "recordings": [str(path) for path in gathered],
        "without_takeover": [str(path) for path in without],
        "takeovers": trained["takeovers"],
        "handover_frames_lost": trained["handover_frames_lost"],
        "on_held_out_recordings": recorded,
        "on_roads": simulated,
    }
    with write_atomically(training.out / VERDICT) as partial:
        partial.write_text(json.dumps(plain(facts), indent=1) + "\n", encoding="utf-8")
    return facts


def gather(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The recordings that are named, and those in folders that are named, by name; and those of
    them without a takeover, from which what a person drove is learned. Raises ConfigError where
    there is none."""
    found: list[Path] = []
    for path in map(Path, paths):
        folders = [path] if _holds_files(path) else sorted(path.glob("*"))
        found += [each for each in folders if _is_recording(each)] or [path]
    found = list(dict.fromkeys(found))
    if not found:
        raise ConfigError("bags", "none", "recordings, or folders with recordings")
    drivers = {path: read_drivers(path) for path in found}
    return found, [
        path for path in found if drivers[path] is None or not len(drivers[path].takeovers)
    ]


def on_recordings(candidate: PolicyNetwork, driving: PolicyNetwork, split: Split) -> dict:
    """Both on the frames of the held-out recordings that a person drove: of the curvature, in
    1/m."""
    seconds, errors, begin = [], ([], []), 0.0
    for episode in split.held_out.values():
        known = episode.known
        seconds.append((episode.stamp_ns[known] - episode.stamp_ns[0]) / 1e9 + begin)
        begin += LAST_S
        for error, network in zip(errors, (candidate, driving), strict=True):
            place = names(network.spec.actions).index("curvature")
            error.append((predict(network, episode) - episode.action)[known, place])
    whole = np.concatenate(seconds)
    rmse = paired.on_frames(whole, *(np.concatenate(error) for error in errors))
    return {"frames": len(whole), "rmse": rmse}


def objections(recorded: Mapping, simulated: Mapping[str, Mapping]) -> list[str]:
    """Why the candidate may not replace the model that drives; none: it may. It must do better
    where a person drove, and no figure on the roads may be worse."""
    found, reasons = recorded["rmse"], []
    if not found["better"]:
        low, high = found["ci"]
        reasons.append(
            f"on the held-out recordings the error changes by {found['difference']:+.3g} "
            f"[{low:+.3g}, {high:+.3g}], which is not less"
        )
    for condition, figures in simulated.items():
        for name, figure in figures.items():
            if figure["worse"]:
                low, high = figure["ci"]
                reasons.append(
                    f"on roads, {condition}: {name} is {figure['candidate']:.3g} instead of "
                    f"{figure['driving']:.3g} [{low:+.3g}, {high:+.3g}]"
                )
    return reasons


def _on_roads(settings: ImproveSettings, candidate: Path, driving: Path) -> dict:
    training, rows = settings.training, []
    for model in (candidate, driving):
        wanted = EvaluationSettings(
            model,
            settings.roads,
            training.clone.seed % 2**31,
            settings.conditions,
            settings.world,
            training.workers,
        )
        rows.append(evaluate(wanted)["per_road"])
    found = {}
    for condition in find_conditions(settings.conditions):
        of = [[row for row in of_model if row["condition"] == condition.name] for of_model in rows]
        found[condition.name] = paired.on_roads(*of)
    return found


def _holds_files(path: Path) -> bool:
    return path.is_file() or any(each.name.endswith(FILES) for each in path.glob("*"))


def _is_recording(path: Path) -> bool:
    return path.name.endswith(FILES) if path.is_file() else _holds_files(path)


def show(facts: Mapping) -> str:
    """The answer, its reasons, and where both models are."""
    rmse = facts["on_held_out_recordings"]["rmse"]
    lines = [
        f"{facts['takeovers']} takeovers in {len(facts['recordings'])} recordings",
        f"held-out recordings, where a person drove: {rmse['candidate']:.4g}, "
        f"before {rmse['driving']:.4g}",
    ]
    for condition, figures in facts["on_roads"].items():
        for name, figure in figures.items():
            lines.append(
                f"roads, {condition}: {name} {figure['candidate']:.4g}, "
                f"before {figure['driving']:.4g}"
            )
    lines += [f"candidate: {facts['candidate']}", f"driving:   {facts['driving']}"]
    answer = "yes" if facts["replace"] else "no: " + "; ".join(facts["reasons"])
    return "\n".join([*lines, f"May the candidate replace it? {answer}"])


VERB = Verb(ImproveSettings, improve, show, lambda facts: facts["replace"])
