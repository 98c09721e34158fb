"""`bench takeovers --nodes`: once end to end, in real time: drive through the real nodes, of which
recorder_node records the takeovers, learn from its recordings, drive the same roads again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from liquid_control.errors import MissingDependencyError
from liquid_control.experiments.recorded_world.steps import once, run_command, save
from liquid_control.experiments.takeovers.rounds import described_words, start_policy, with_workers
from liquid_control.experiments.takeovers.settings import TakeoverBenchSettings
from liquid_control.sim.seeds import road_seed


def through_nodes(settings: TakeoverBenchSettings, command: str) -> dict:
    """Drives `settings.km` before and after learning in the first condition, writes
    takeovers_nodes.json and returns the figures. Raises MissingDependencyError without ROS,
    DriveError when a node dies."""
    try:
        from liquid_control.stress.processes import takeover_drive
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make setup, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    condition = settings.conditions[0]
    folder = settings.out / f"nodes_{condition}_{settings.seed}"
    first, clean = start_policy(settings, settings.seed)

    def drive(model: Path, name: str) -> dict:
        bags = folder / name

        def made() -> dict:
            shutil.rmtree(bags, ignore_errors=True)
            bags.mkdir(parents=True)
            return takeover_drive.drive_through_nodes(
                takeover_drive.NodesDrive(
                    model.resolve(),
                    bags.resolve(),
                    folder / f"{name}_logs",
                    settings.roads,
                    road_seed(settings.seed, 0),
                    condition,
                )
            )

        words = [name, condition, settings.km, settings.seed]
        step = once(folder / f"{name}.json", described_words(words, model), made)
        recordings = len([*bags.glob("*/metadata.yaml")])
        return step["found"] | {"recordings": recordings, "commit": step["commit"]}

    before = drive(first, "before")
    bags = sorted(path.parent for path in (folder / "before").glob("*/metadata.yaml"))
    out = folder / "learned"
    words = ["train", "takeovers", "--from", first, "--out", out, "--seed", settings.seed]
    words += ["--cache", settings.out / "cache", *settings.flags.split(), "--bags", *clean, *bags]
    step = once(
        folder / "learned.json",
        described_words(words, first),
        lambda: run_command(*with_workers(settings, words)).facts,
    )
    after = drive(out / "model", "after")
    kept = ("takeovers", "frames_by", "handover_frames_lost", "before", "held_out")
    result = {
        "command": command,
        "condition": condition,
        "before": _by_km(before),
        "training": {name: step["found"][name] for name in kept} | {"commit": step["commit"]},
        "after": _by_km(after),
    }
    save(settings.results / "takeovers_nodes.json", result)
    return result


def show_nodes(result: Mapping) -> str:
    """Both drives and what was learned from."""
    lines = [
        f"{name}: {drive['takeovers']} takeovers in {drive['distance_m']:.0f} m, "
        f"{drive['takeovers_per_km']:.2f} per km of the policy; {drive['recordings']} recordings"
        for name, drive in ((name, result[name]) for name in ("before", "after"))
    ]
    training = result["training"]
    learned = (
        f"learned from {training['takeovers']} takeovers; frames lost at a handover: "
        f"{training['handover_frames_lost']}"
    )
    return "\n".join([f"{result['condition']}, through real nodes", lines[0], learned, lines[1]])


def fewer(result: Mapping) -> bool:
    """Whether the policy needs fewer takeovers, and no handover lost more than a frame."""
    rates = [result[name]["takeovers_per_km"] for name in ("before", "after")]
    return rates[1] < rates[0] and result["training"]["handover_frames_lost"] <= 1


def _by_km(drive: Mapping) -> dict:
    kilometres = max(drive["by_policy_m"], 1.0) / 1000.0
    return {**drive, "takeovers_per_km": drive["takeovers"] / kilometres}
