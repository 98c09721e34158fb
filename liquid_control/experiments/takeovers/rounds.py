"""The loop of one start policy in one condition: drive with a person who takes over, learn from
that, drive on. Each step is a command that a user would type, and is done once."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from liquid_control.evaluate import paired
from liquid_control.experiments.recorded_world.steps import once, run_command
from liquid_control.experiments.takeovers.settings import ROAD, TakeoverBenchSettings
from liquid_control.model.model_file import read_model
from liquid_control.sim.recorded_drive import shared_facts

ROUND_SEEDS = 1000
"""Between the seeds of two rounds: each drives roads of its own."""


@dataclasses.dataclass(frozen=True)
class Loop:
    """Start policy `seed` in a condition, in a folder of its own."""

    settings: TakeoverBenchSettings
    seed: int
    condition: str

    @property
    def folder(self) -> Path:
        return self.settings.out / f"{self.condition}_{self.seed}"

    def run(self) -> dict:
        """`rounds`: a row for each round's drives, with the `training` behind it, None behind the
        last and where the person never took over: such a model stays as it is. `clean`: first and
        last policy on clean held-out roads, paired."""
        model, clean = start_policy(self.settings, self.seed)
        first, recorded, rounds = model, list(clean), []
        for number in range(self.settings.rounds + 1):
            rows, bags = self._drive(model, number)
            recorded += bags
            rounds.append({"round": number, "roads": rows, "training": None})
            if number < self.settings.rounds and any(row["takeovers"] for row in rows):
                model, rounds[-1]["training"] = self._learn(model, recorded, number)
        on_roads = [_examine(self.settings, self.seed, one) for one in (model, first)]
        return {"rounds": rounds, "clean": paired.on_roads(*on_roads)}

    def _drive(self, model: Path, number: int) -> tuple[list[dict], list[Path]]:
        """Takeovers and distances by road, and the recordings."""
        settings, folder = self.settings, self.folder / f"drives_{number}"
        words = ["collect", folder, "--format", "bag", "--driver", model]
        words += ["--condition", self.condition, "--roads", settings.roads]
        words += ["--seed", self.seed + ROUND_SEEDS * (number + 1), "--world.length", ROAD]

        def make() -> list[dict]:
            shutil.rmtree(folder, ignore_errors=True)
            run_command(*with_workers(settings, words))
            return [shared_facts(bag) for bag in _bags(folder)]

        made = once(self.folder / f"drives_{number}.json", described_words(words, model), make)
        return made["found"], _bags(folder)

    def _learn(self, model: Path, bags: Sequence[Path], number: int) -> tuple[Path, dict]:
        settings, out = self.settings, self.folder / f"learned_{number + 1}"
        words = ["train", "takeovers", "--from", model, "--out", out, "--seed", self.seed]
        words += ["--cache", settings.out / "cache", *settings.flags.split(), "--bags", *bags]
        file = self.folder / f"learned_{number + 1}.json"
        made = once(
            file,
            described_words(words, model),
            lambda: run_command(*with_workers(settings, words)).facts,
        )
        kept = ("takeovers", "handover_frames_lost", "before", "held_out", "learned_frames")
        return out / "model", {name: made["found"][name] for name in kept}


def start_policy(settings: TakeoverBenchSettings, seed: int) -> tuple[Path, list[Path]]:
    """A model that is cloned, without DAgger, from clean drives of the expert, and these."""
    folder, out = settings.out / f"start_{seed}" / "bags", settings.out / f"start_{seed}" / "run"
    words = ["collect", folder, "--format", "bag", "--roads", settings.start_roads]
    words += ["--seed", seed, "--world.length", "400"]

    def drive() -> dict:
        shutil.rmtree(folder, ignore_errors=True)
        return run_command(*with_workers(settings, words)).facts

    once(folder.parent / "bags.json", described_words(words), drive)
    bags = _bags(folder)
    train = ["train", "recordings", *bags, "--closed-loop", "off", "--seed", seed, "--out", out]
    train += ["--cache", settings.out / "cache", *settings.start_flags.split()]
    once(
        folder.parent / "run.json",
        described_words(train),
        lambda: run_command(*with_workers(settings, train)).facts,
    )
    return out / "model", bags


def _examine(settings: TakeoverBenchSettings, seed: int, model: Path) -> list[dict]:
    """Rows of the clean held-out roads."""
    words = ["evaluate", model, "--roads", settings.evaluation_roads, "--seed", seed]
    made = once(
        model.parent / "clean.json",
        described_words(words, model),
        lambda: run_command(*with_workers(settings, words)).facts["per_road"],
    )
    return made["found"]


def described_words(words: Sequence[object], model: Path | None = None) -> dict:
    """All that decides the outcome: the words without this machine's folders, and the model."""
    kept = [word.name if isinstance(word, Path) else str(word) for word in words]
    return {"words": kept, "model": None if model is None else dict(read_model(model).files)}


def with_workers(settings: TakeoverBenchSettings, words: Sequence[object]) -> list[str]:
    """The words, and how many processes, before the recordings."""
    more = ["--workers", settings.workers] if settings.workers else []
    place = list(map(str, words)).index("--bags") if "--bags" in map(str, words) else len(words)
    return [str(word) for word in (*words[:place], *more, *words[place:])]


def _bags(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if (path / "metadata.yaml").is_file())
