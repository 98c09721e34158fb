"""Learning to drive: clone an expert that is pushed off its line, then correct the policy where it
drives itself (DAgger).

Ross, Gordon, Bagnell, "A reduction of imitation learning and structured prediction to no-regret
online learning", AISTATS 2011.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from liquid_control.config import (
    PolicyConfig,
    PreprocessConfig,
    TimelineConfig,
    WorldConfig,
    choice,
    group,
    number,
    path,
    text,
)
from liquid_control.config import check as check_config
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.deploy.export import export_onnx
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model
from liquid_control.sim.collect import DriveJob, check_camera, collect_missing
from liquid_control.sim.seeds import road_seed
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.jobs import processes
from liquid_control.system.verb import Verb
from liquid_control.train.checkpoint import load_checkpoint, save_checkpoint
from liquid_control.train.device import DEVICES, choose_device, device_name
from liquid_control.train.fit import FitSettings, fit, make_optimiser
from liquid_control.train.fit_core import MemoryFitSettings, fit_memory
from liquid_control.train.run_folder import CHECKPOINT, commit, open_run, tensorboard

CHECKPOINT_EVERY = 200
PLACES = ("out", "workers", "device")
"""Settings that say where a run is done, and not what comes out."""


@dataclasses.dataclass(frozen=True)
class ImitationSettings:
    """All that decides what comes out. An interrupted run with the same settings goes on where it
    was."""

    out: Path = path(
        Path("runs/lane_keeper"),
        "folder of the run: episodes, checkpoint, TensorBoard, and the model in model/",
        writes="folder",
    )
    seed: int = number(0, 0, 2**63 - 1, "", "seed of roads, noise, weights and batches")
    long_roads: int = number(40, 0, 10000, "", "expert roads of 400 m")
    short_roads: int = number(
        60, 0, 10000, "", "expert roads of 120 m, for more variety of appearance"
    )
    encoder: str = text(
        "",
        "model, by path or by the name of an installed one, whose encoder the network starts "
        "with; empty: random weights",
    )
    steps: int = number(
        900, 0, 10**7, "", "optimiser steps of the whole network on the expert's drives"
    )
    rounds: int = number(1, 0, 100, "", "DAgger rounds")
    round_roads: int = number(
        24, 1, 10000, "", "roads of 200 m that the policy drives in each round"
    )
    round_steps: int = number(500, 1, 10**7, "", "optimiser steps in each round")
    round_noise: float = number(
        0.3,
        0.0,
        1.0,
        "",
        "largest variance of the image noise under which the policy drives in a round",
    )
    frames: int = number(16, 2, 1024, "", "frames in a training sequence")
    exam_roads: int = number(
        20, 0, 1000, "", "held-out roads of the final evaluation; 0: no evaluation"
    )
    workers: int = number(0, 0, 256, "", "processes that collect and evaluate; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    policy: PolicyConfig = group(PolicyConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())
    augmentation: Augmentation = group(Augmentation())
    fit: FitSettings = group(FitSettings())
    memory_fit: MemoryFitSettings = group(MemoryFitSettings())

    def __post_init__(self) -> None:
        check_config(self)


def train(settings: ImitationSettings) -> dict:
    """From an empty folder to `settings.out`/model; returns the exam's result (empty without one).

    Raises ConfigError when the folder holds a run with other settings, ImageError for pictures
    larger than the simulated camera's.
    """
    started = time.perf_counter()
    device = choose_device(settings.device)
    check_camera(settings.preprocess, WorldConfig())
    (settings.out / "episodes").mkdir(parents=True, exist_ok=True)
    open_run(settings.out, _described(settings))
    keep_freed_memory()
    torch.manual_seed(settings.seed)
    network = PolicyNetwork(settings.policy, settings.preprocess)
    if settings.encoder:
        _take_encoder(network, settings.encoder)
    network.to(device)
    optimiser = make_optimiser(network, settings.fit)
    checkpoint = settings.out / CHECKPOINT
    progress = (
        load_checkpoint(checkpoint, network, optimiser)
        if checkpoint.exists()
        else {"stage": 0, "step": 0, "seconds": 0.0}
    )
    earlier = progress["seconds"]
    model = settings.out / "model"
    episodes, seconds = [], {"collect": 0.0, "fit": 0.0}

    def spent() -> float:
        return earlier + time.perf_counter() - started

    with tensorboard(settings.out) as writer:
        for stage in range(settings.rounds + 1):
            began = time.perf_counter()
            jobs = expert_drives(settings) if stage == 0 else _policy_drives(settings, stage, model)
            collect_missing(jobs, processes(settings.workers), f"collect, round {stage}")
            episodes += [load_episode(path) for path in jobs]
            seconds["collect"] += time.perf_counter() - began
            if stage < progress["stage"]:
                continue
            began = time.perf_counter()
            steps = settings.steps if stage == 0 else settings.round_steps
            first = progress["step"] if stage == progress["stage"] else 0
            rate, nominal_dt = 1.0 if stage == 0 else 0.5, TimelineConfig().nominal_dt
            sequences = Sequences(episodes, settings.frames, settings.augmentation, nominal_dt)
            with tqdm(total=steps, initial=first, desc=f"fit, round {stage}", unit="step") as bar:

                def on_step(step: int, losses: dict[str, float], stage=stage, bar=bar) -> None:
                    _tell(step, losses, stage, bar, writer)
                    if step % CHECKPOINT_EVERY == 0:
                        save_checkpoint(
                            checkpoint,
                            network,
                            optimiser,
                            {"stage": stage, "step": step, "seconds": spent()},
                        )

                rng = np.random.default_rng([settings.seed, stage, first])
                fit(network, optimiser, sequences, steps, rng, settings.fit, rate, first, on_step)
            save_checkpoint(
                checkpoint, network, optimiser, {"stage": stage, "step": steps, "seconds": spent()}
            )
            with tqdm(
                total=settings.memory_fit.steps, desc=f"fit the memory, round {stage}", unit="step"
            ) as bar:
                told = functools.partial(_tell, stage=stage, bar=bar, writer=writer)
                rng = np.random.default_rng([settings.seed, stage, steps, 1])
                fit_memory(
                    network,
                    episodes,
                    settings.augmentation,
                    nominal_dt,
                    rng,
                    settings.fit,
                    settings.memory_fit,
                    rate,
                    told,
                )
            seconds["fit"] += time.perf_counter() - began
            provenance = _provenance(settings, sum(map(len, episodes)), spent(), seconds)
            save_model(model, network, provenance, {}, export_onnx)
            save_checkpoint(
                checkpoint, network, optimiser, {"stage": stage + 1, "step": 0, "seconds": spent()}
            )
    if not settings.exam_roads:
        return {}
    exam = evaluate(
        EvaluationSettings(model, settings.exam_roads, settings.seed, workers=settings.workers)
    )
    exam["from_nothing_s"] = spent()
    metrics = {name: value for name, value in exam.items() if name not in ("per_road", "model")}
    save_model(
        model,
        network,
        _provenance(settings, sum(map(len, episodes)), spent(), seconds),
        metrics,
        export_onnx,
    )
    return exam


def _take_encoder(network: PolicyNetwork, model: str) -> None:
    """Gives the network the encoder and the auxiliary head of another. Raises ConfigError when they
    do not fit."""
    other = load_network(find_model(model))
    for name in ("encoder", "image_features"):
        if getattr(other.config, name) != getattr(network.config, name):
            raise ConfigError(
                f"policy.{name}",
                getattr(network.config, name),
                f"{getattr(other.config, name)} as in {model}",
            )
    if other.preprocess != network.preprocess:
        raise ConfigError("preprocess", network.preprocess, f"{other.preprocess} as in {model}")
    network.encoder.load_state_dict(other.encoder.state_dict())
    network.auxiliary.load_state_dict(other.auxiliary.state_dict())


def _tell(step: int, losses: dict[str, float], stage: int, bar: tqdm, writer) -> None:
    bar.update()
    if step % 10 == 0:
        bar.set_postfix(losses, refresh=False)
        for name, value in losses.items():
            writer.add_scalar(f"round_{stage}/{name}", value, step)


def expert_drives(settings: ImitationSettings) -> dict[Path, DriveJob]:
    """The expert's drives by the path of their episode; the same for every policy that is trained
    with these settings."""
    jobs = {}
    for index in range(settings.long_roads + settings.short_roads):
        world = WorldConfig(
            length=400.0 if index < settings.long_roads else 120.0, stratum=index % 8
        )
        noise = (0.01, 0.02, 0.03, 0.045)[index // 8 % 4]
        path = settings.out / "episodes" / f"expert_{index:04d}.npz"
        seed = road_seed(settings.seed, index)
        jobs[path] = DriveJob(seed, settings.preprocess, world, steering_noise=noise)
    return jobs


def _policy_drives(settings: ImitationSettings, stage: int, model: Path) -> dict[Path, DriveJob]:
    """Roads that the present policy drives, labelled with the expert's action."""
    jobs, packed = {}, pack_model(model)
    for index in range(settings.round_roads):
        path = settings.out / "episodes" / f"round_{stage}_{index:04d}.npz"
        jobs[path] = DriveJob(
            road_seed(settings.seed, 100_000 * stage + index),
            settings.preprocess,
            WorldConfig(length=200.0, stratum=index % 8),
            steering_noise=(0.0, 0.01, 0.02)[index % 3],
            model=packed,
            noise_variance=(0.0, 0.5, 1.0)[index // 8 % 3] * settings.round_noise,
        )
    return jobs


def _described(settings: ImitationSettings) -> dict:
    return {
        name: value for name, value in dataclasses.asdict(settings).items() if name not in PLACES
    }


def _provenance(
    settings: ImitationSettings, frames: int, spent: float, seconds: dict[str, float]
) -> dict:
    return {
        "method": "imitation: behaviour cloning of a privileged expert in MuJoCo, then DAgger",
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "device": device_name(choose_device(settings.device)),
        "settings": _described(settings),
        "frames": frames,
        "seconds": {
            "total": round(spent, 1),
            **{name: round(value, 1) for name, value in seconds.items()},
        },
    }


VERB = Verb(ImitationSettings, train)
