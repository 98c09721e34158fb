"""Every preset is trained by `train simulation` with one recipe. The presets of a seed share the
expert's drives and the encoder that they start with; each has its own DAgger rounds.

A training is a job with a folder: it resumes from its checkpoint there, and its episodes are too
many to travel."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.experiments.driving.settings import DrivingSettings
from liquid_control.model.cores import PRESETS
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.sim.collect import DriveJob
from liquid_control.system.files import read_json, write_atomically
from liquid_control.train.from_simulation import train
from liquid_control.train.run import described
from liquid_control.train.simulation_settings import PLACES, SimulationSettings, expert_drives

TRAINED, LOG = "trained.json", "train.log"
ENCODER = "feedforward"
"""The preset whose encoder all start with: it favours no kind of memory."""


@dataclasses.dataclass(frozen=True)
class Training:
    """One model to train. `experts`: folder with the episodes that all presets of this seed learn
    from. `encoder`: the training whose encoder it starts with."""

    preset: str
    settings: SimulationSettings
    experts: Path
    encoder: Training | None = None

    @property
    def model(self) -> Path:
        return self.settings.out / "model"

    @property
    def described(self) -> dict:
        """All that decides the outcome."""
        settings = described(self.settings, PLACES)
        return settings | {"encoder": self.encoder.described} if self.encoder else settings


def trainings(settings: DrivingSettings) -> list[Training]:
    """All models of the benchmark, trained or not."""
    recipe = {
        field.name: getattr(settings.recipe, field.name)
        for field in dataclasses.fields(settings.recipe)
    }
    encoder_steps, image_encoder, work, found = (
        recipe.pop("encoder_steps"),
        recipe.pop("image_encoder"),
        settings.work_folder,
        [],
    )
    policies = {
        name: PolicyConfig(encoder=image_encoder, core=core) for name, core in PRESETS.items()
    }
    for seed in range(settings.seeds):
        usual = SimulationSettings(seed=seed, **recipe, evaluation_roads=0, workers=1)
        experts, encoder = (
            work / "experts" / f"{seed}_{settings.recipe.long_roads}_{settings.recipe.short_roads}",
            None,
        )
        if encoder_steps:
            alone = dataclasses.replace(
                usual,
                out=work / "encoders" / str(seed),
                policy=policies[ENCODER],
                steps=encoder_steps,
                rounds=0,
                core_fit=dataclasses.replace(usual.core_fit, steps=0),
            )
            encoder = Training(ENCODER, alone, experts)
            usual = dataclasses.replace(usual, encoder=str(encoder.model))
        for name in settings.presets:
            own = dataclasses.replace(
                usual, out=work / "models" / f"{name}_{seed}", policy=policies[name]
            )
            found.append(Training(name, own, experts, encoder))
    return found


def missing_drives(wanted: list[Training]) -> dict[Path, DriveJob]:
    """The expert's drives that these trainings need and that are not on disk, by path."""
    folders = {job.experts: dataclasses.replace(job.settings, out=job.experts) for job in wanted}
    for folder in folders:
        (folder / "episodes").mkdir(parents=True, exist_ok=True)
    return {
        path: job
        for settings in folders.values()
        for path, job in expert_drives(settings).items()
        if not path.exists()
    }


def missing_encoders(wanted: list[Training]) -> list[Training]:
    """The trainings of encoders that these start with and that are not done."""
    encoders = {job.encoder.model: job.encoder for job in wanted if job.encoder}
    return [job for job in encoders.values() if not is_trained(job)]


def is_trained(job: Training) -> bool:
    """Whether the model is on disk. Raises ConfigError when one by another recipe is there
    instead."""
    path = job.settings.out / TRAINED
    if not path.exists():
        return False
    if read_json(path, "settings")["settings"] != job.described:
        raise ConfigError(
            str(job.settings.out),
            "a model trained by another recipe",
            "an empty folder, or the recipe in its trained.json",
        )
    return True


def train_one(job: Training) -> None:
    """Trains on one core, resumed after an interruption; its output goes to train.log in the run's
    folder."""
    import torch

    torch.set_num_threads(1)
    episodes = job.settings.out / "episodes"
    episodes.mkdir(parents=True, exist_ok=True)
    for path in expert_drives(dataclasses.replace(job.settings, out=job.experts)):
        if not (episodes / path.name).exists():
            _link(path, episodes / path.name)
    started = time.perf_counter()
    with (
        (job.settings.out / LOG).open("a") as log,
        contextlib.redirect_stderr(log),
        contextlib.redirect_stdout(log),
    ):
        train(job.settings)
    facts = {
        "preset": job.preset,
        "seconds": round(time.perf_counter() - started, 1),
        "settings": job.described,
    }
    with write_atomically(job.settings.out / TRAINED) as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        with write_atomically(target) as partial:
            shutil.copyfile(source, partial)
