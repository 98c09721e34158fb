"""Every candidate is trained by `train imitation` with one recipe: the expert's drives are shared, DAgger rounds are each one's own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from liquid_control.bench.driving.settings import DrivingSettings
from liquid_control.data.collect import Drive
from liquid_control.errors import ConfigError
from liquid_control.policy.candidates import CANDIDATES
from liquid_control.train.imitation import ImitationSettings, expert_drives, train

TRAINED, LOG = "trained.json", "train.log"


@dataclasses.dataclass(frozen=True)
class Training:
    """One model to train. `experts`: folder with the episodes that all candidates of this seed learn from."""

    candidate: str
    settings: ImitationSettings
    experts: Path

    @property
    def model(self) -> Path:
        return self.settings.out / "model"

    @property
    def described(self) -> dict:
        """All that decides what comes out."""
        described = {name: value for name, value in dataclasses.asdict(self.settings).items() if name not in ("out", "workers")}
        return json.loads(json.dumps(described))


def trainings(settings: DrivingSettings) -> list[Training]:
    """All models of the benchmark, trained or not."""
    recipe = {field.name: getattr(settings.recipe, field.name) for field in dataclasses.fields(settings.recipe)}
    work, found = settings.workshop, []
    for seed in range(settings.seeds):
        experts = work / "experts" / f"{seed}_{settings.recipe.long_roads}_{settings.recipe.short_roads}"
        for name in settings.candidates:
            out = work / "models" / f"{name}_{seed}"
            found.append(Training(name, ImitationSettings(out, seed, **recipe, policy=CANDIDATES[name], exam_roads=0, workers=1), experts))
    return found


def missing_drives(wanted: list[Training]) -> list[Drive]:
    """The expert's drives that these trainings need and that are not on disk."""
    folders = {job.experts: dataclasses.replace(job.settings, out=job.experts) for job in wanted}
    for folder in folders:
        (folder / "episodes").mkdir(parents=True, exist_ok=True)
    return [drive for settings in folders.values() for drive in expert_drives(settings) if not drive.path.exists()]


def is_trained(job: Training) -> bool:
    """Whether the model is on disk. Raises ConfigError when one by another recipe is there instead."""
    path = job.settings.out / TRAINED
    if not path.exists():
        return False
    if json.loads(path.read_text())["settings"] != job.described:
        raise ConfigError(str(job.settings.out), "a model trained by another recipe", "an empty folder, or the recipe in its trained.json")
    return True


def train_one(job: Training) -> None:
    """Trains on one core; what it has to say goes to train.log in the run's folder. Goes on where it was interrupted."""
    import torch

    torch.set_num_threads(1)
    episodes = job.settings.out / "episodes"
    episodes.mkdir(parents=True, exist_ok=True)
    for drive in expert_drives(dataclasses.replace(job.settings, out=job.experts)):
        if not (episodes / drive.path.name).exists():
            _link(drive.path, episodes / drive.path.name)
    started = time.perf_counter()
    with (job.settings.out / LOG).open("a") as log, contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        train(job.settings)
    told = {"candidate": job.candidate, "seconds": round(time.perf_counter() - started, 1), "settings": job.described}
    partial = job.settings.out / f"{TRAINED}.partial"
    partial.write_text(json.dumps(told, indent=1) + "\n")
    partial.replace(job.settings.out / TRAINED)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        partial = target.with_suffix(".partial")
        shutil.copyfile(source, partial)
        partial.replace(target)
