"""Behaviour cloning of given drives: fits, validates on the held-out ones, stops when it no longer
helps, keeps the best weights."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from liquid_control.config import (
    PolicyConfig,
    PreprocessConfig,
    TimelineConfig,
    check,
    group,
    number,
)
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.errors import LiquidControlError
from liquid_control.policy.network import INERTIAL_CENTRE, INERTIAL_SPREAD, PolicyNetwork
from liquid_control.train.checkpoint import load_checkpoint, save_checkpoint
from liquid_control.train.fit import FitSettings, fit, make_optimiser
from liquid_control.train.fit_core import MemoryFitSettings, fit_memory
from liquid_control.train.run_folder import CHECKPOINT
from liquid_control.train.split import Split
from liquid_control.train.validation import examine

BEST = "best.safetensors"
SENSE = 0.4
"""Spread that the inertial inputs are given: about that of the image features beside them."""
FURTHEST = 4.0
"""Most that an inertial input is scaled up or down, so that a sensor that hardly moved in training
cannot shout later."""


class TooLittleError(LiquidControlError):
    """What is left of the recordings is not enough to train on or to validate with."""

    def __init__(self, part: str, frames: int, got: str, expected: str) -> None:
        super().__init__(
            f"the {part} part has {frames} frames and {got}, expected {expected}; give more or longer recordings"
        )
        self.part, self.frames = part, frames


@dataclasses.dataclass(frozen=True)
class CloneSettings:
    """How a network is fitted to drives."""

    seed: int = number(0, 0, 2**63 - 1, "", "seed of weights, batches and held-out recordings")
    steps: int = number(900, 1, 10**7, "", "optimiser steps")
    validate_every: int = number(
        100,
        1,
        10**7,
        "",
        "steps between validations on the held-out drives; each writes a checkpoint",
    )
    patience: int = number(
        4,
        0,
        10**6,
        "",
        "validations without improvement after which training stops; 0: no early stop",
    )
    rate: float = number(
        0.0,
        0.0,
        10.0,
        "",
        "factor on the learning rates; 0: 1 for a new network, 0.3 for fine-tuning",
    )
    frames: int = number(16, 2, 1024, "", "frames in a training sequence")
    mirror_share: float = number(0.0, 0.0, 1.0, "", "share of sequences mirrored left to right")
    blind_share: float = number(
        0.5,
        0.0,
        1.0,
        "",
        "share of sequences without yaw rate and lateral acceleration, so that pictures are used",
    )
    augmentation: Augmentation = group(Augmentation())
    fit: FitSettings = group(FitSettings())
    memory_fit: MemoryFitSettings = group(MemoryFitSettings())

    def __post_init__(self) -> None:
        check(self)


def clone(
    network: PolicyNetwork,
    split: Split,
    settings: CloneSettings,
    folder: Path,
    rate: float,
    writer,
    fine_tuning: bool = False,
) -> dict:
    """Fits `network` in place to the learned drives, gives it the weights that did best on the
    held-out ones, and fits the memory alone from there, which is kept where it does better still.

    When `fine_tuning`, the weights that it comes with take part in that as step 0. Goes on from the
    checkpoint in `folder` where there is one, to the same weights as without the interruption; the
    memory's fit is done again as a whole. Returns `held_out` (see `validation.examine`),
    `best_step`, `steps`, `epochs`, `history` and `memory_fit`. Raises TooLittleError. `writer`: a
    TensorBoard SummaryWriter.
    """
    sequences = Sequences(
        list(split.learned.values()),
        settings.frames,
        settings.augmentation,
        TimelineConfig().nominal_dt,
        settings.mirror_share,
        settings.blind_share,
    )
    if not sequences.windows:
        least = (
            f"at least one unbroken sequence of {settings.frames}, half of them with a known target"
        )
        raise TooLittleError("learned", len(sequences), "no sequence to learn from", least)
    known = sum(int(np.isfinite(episode.curvature).sum()) for episode in split.held_out.values())
    if not known:
        raise TooLittleError(
            "held-out",
            sum(map(len, split.held_out.values())),
            "no known target",
            "some to validate with",
        )
    optimiser = make_optimiser(network, settings.fit)
    checkpoint, best = folder / CHECKPOINT, folder / BEST
    progress = {"step": 0, "history": []}
    if checkpoint.exists():
        progress = load_checkpoint(checkpoint, network, optimiser)
    history = progress["history"]
    epoch = settings.fit.batch * settings.frames / max(sequences.windows, 1)  # epochs in a step
    with tqdm(total=settings.steps, initial=progress["step"], desc="fit", unit="step") as bar:

        def on_step(step: int, losses: dict[str, float]) -> None:
            bar.update()
            if step % 10 == 0:
                bar.set_postfix({"loss": f"{losses['steering']:.4f}"}, refresh=False)
                for name in ("steering", "rate"):
                    writer.add_scalar(f"clone/{name}", losses[name], step)

        def look(step: int) -> None:
            found = examine(network, split.held_out)
            history.append(
                {
                    "step": step,
                    "epoch": round(step * epoch, 3),
                    "mae": found["mae"],
                    "rmse": found["rmse"],
                }
            )
            for name in ("rmse", "mae"):
                writer.add_scalar(f"held_out/{name}", found[name], step)
            if _best(history) is history[-1]:
                partial = best.with_suffix(".partial")
                save_file(
                    {name: value.contiguous() for name, value in network.state_dict().items()},
                    partial,
                )
                partial.replace(best)
            save_checkpoint(checkpoint, network, optimiser, {"step": step, "history": history})
            tqdm.write(
                f"step {step}, epoch {history[-1]['epoch']:.2f}: held-out rmse {found['rmse']:.5f} 1/m, "
                f"mae {found['mae']:.5f} 1/m",
                file=sys.stderr,
            )

        step = progress["step"]
        if fine_tuning and not history:
            look(0)
        while step < settings.steps and not _tired(history, settings.patience):
            stop = min(step + settings.validate_every, settings.steps)
            rng = np.random.default_rng([settings.seed, step])
            fit(
                network,
                optimiser,
                sequences,
                settings.steps,
                rng,
                settings.fit,
                rate,
                step,
                on_step,
                stop,
            )
            step = stop
            look(step)
    network.load_state_dict(load_file(best))
    found = examine(network, split.held_out)
    after = _fit_memory(network, split, settings, rate) if settings.memory_fit.steps else None
    kept = after is not None and after["rmse"] < found["rmse"]
    if after and not kept:
        network.load_state_dict(load_file(best))
    told = {
        "steps": settings.memory_fit.steps,
        "kept": kept,
        "rmse_before": found["rmse"],
        "rmse_after": after["rmse"] if after else None,
    }
    return {
        "held_out": after if kept else found,
        "best_step": _best(history)["step"],
        "steps": step,
        "epochs": history[-1]["epoch"],
        "history": history,
        "memory_fit": told,
    }


def _fit_memory(network: PolicyNetwork, split: Split, settings: CloneSettings, rate: float) -> dict:
    """Fits the memory alone to the learned drives; returns how the network does on the held-out
    ones then."""
    with tqdm(total=settings.memory_fit.steps, desc="fit the memory", unit="step") as bar:
        fit_memory(
            network,
            list(split.learned.values()),
            settings.augmentation,
            TimelineConfig().nominal_dt,
            np.random.default_rng([settings.seed, settings.steps, 1]),
            settings.fit,
            settings.memory_fit,
            rate,
            lambda *_: bar.update(),
        )
    found = examine(network, split.held_out)
    tqdm.write(
        f"the memory alone: held-out rmse {found['rmse']:.5f} 1/m, mae {found['mae']:.5f} 1/m",
        file=sys.stderr,
    )
    return found


def scaled_network(
    policy: PolicyConfig, preprocess: PreprocessConfig, split: Split
) -> tuple[PolicyNetwork, dict]:
    """A fresh network whose scales of curvature and inertial inputs are the learned part's, and
    these scales."""
    policy = dataclasses.replace(policy, curvature_scale=curvature_scale(split))
    network = PolicyNetwork(policy, preprocess)
    return network, {
        "from": "the learned part",
        "curvature_scale": policy.curvature_scale,
        **normalise_inertial(network, split),
    }


def curvature_scale(split: Split) -> float:
    """Twice the root mean square of the learned curvatures [1/m]: what the network's output 1 shall
    mean on these roads."""
    known = np.concatenate([episode.curvature for episode in split.learned.values()])
    known = known[np.isfinite(known)].astype(np.float64)
    scale = 2.0 * float(np.sqrt(np.square(known).mean())) if len(known) else 0.0
    return float(f"{min(max(scale, 1e-3), 10.0):.3g}")


def normalise_inertial(network: PolicyNetwork, split: Split) -> dict:
    """Sets the scale and shift of the inertial inputs so that the learned part spreads by `SENSE`
    around zero; says what it measured.

    Yaw rate and lateral acceleration stay centred on zero, since left and right are alike.
    """
    inertial = np.concatenate(
        [episode.inertial[np.isfinite(episode.curvature)] for episode in split.learned.values()]
    ).astype(np.float64)
    centre, spread = (
        np.array([0.0, 0.0, inertial[:, 2].mean()]),
        np.sqrt(np.square(inertial).mean(0)),
    )
    spread[2] = inertial[:, 2].std()
    scale = np.clip(
        SENSE * np.array(INERTIAL_SPREAD) / np.maximum(spread, 1e-9), 1 / FURTHEST, FURTHEST
    )
    shift = (np.array(INERTIAL_CENTRE) - centre) / np.array(INERTIAL_SPREAD) * scale
    with torch.no_grad():
        network.input_scale[-3:] = torch.from_numpy(scale)
        network.input_shift[-3:] = torch.from_numpy(shift)
    return {"inertial_centre": centre.tolist(), "inertial_spread": spread.tolist()}


def _best(history: list[dict]) -> dict:
    return min(history, key=lambda look: look["rmse"] if math.isfinite(look["rmse"]) else math.inf)


def _tired(history: list[dict], patience: int) -> bool:
    return (
        bool(patience and history) and len(history) - 1 - history.index(_best(history)) >= patience
    )
