"""Behaviour cloning of given drives: fits a network, validates it on the held-out drives, stops
when that no longer improves, and keeps the best weights."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from liquid_control.config import check, group, number
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.fit import FitSettings, make_optimiser, optimise, schedule
from liquid_control.train.fit_core import CoreFitSettings, fit_core
from liquid_control.train.run import LOG_EVERY, Run
from liquid_control.train.split import Split, require_enough
from liquid_control.train.validation import best, error_unit, should_stop, validate


@dataclasses.dataclass(frozen=True)
class CloneSettings:
    """How a network is fitted to drives."""

    seed: int = number(0, 0, 2**63 - 1, "", "seed of weights, batches and held-out recordings")
    steps: int = number(1200, 1, 10**7, "", "optimiser steps")
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
    augmentation: Augmentation = group(Augmentation(noise_variance=0.1))
    fit: FitSettings = group(FitSettings())
    core_fit: CoreFitSettings = group(CoreFitSettings())

    def __post_init__(self) -> None:
        check(self)

    @property
    def longest_window(self) -> int:
        """Frames that a training sequence spans at most, those left out included."""
        frames = max(self.frames, self.core_fit.frames)
        return math.ceil(frames / (1.0 - self.augmentation.drop_share))


def clone(
    run: Run,
    network: PolicyNetwork,
    split: Split,
    settings: CloneSettings,
    rate: float = 1.0,
    fine_tuning: bool = False,
    weights: Sequence[float | np.ndarray] | None = None,
) -> dict:
    """Fits `network` in place to the learned drives, gives it the weights that did best on the
    held-out ones, and trains the core on frozen features from there, which is kept where it does
    better still.

    `weights`: of the learned drives, in their order, see `Sequences`. When `fine_tuning`, the
    initial weights of the network take part as step 0. A resumed run ends with the same
    weights as one without interruption; the core's part is done again as a whole. Returns
    `held_out` (see `validation.validate`), `best_step`, `steps`, `epochs`, `history` and
    `core_fit`. Raises TooLittleError.
    """
    learned = list(split.learned.values())
    sequences = Sequences(
        learned,
        settings.frames,
        settings.augmentation,
        mirror_share=settings.mirror_share,
        blind_share=settings.blind_share,
        weights=weights,
    )
    require_enough(split, sequences)
    optimiser = make_optimiser(network, settings.fit)
    start = run.resume(network, optimiser, {"step": 0, "history": []})
    step, history = start["step"], start["history"]
    epochs = settings.fit.batch * settings.frames / sequences.windows  # in one step
    if fine_tuning and not history:
        history.append(validated(run, network, split.held_out, 0, 0.0))
        run.save_best(network)
        run.checkpoint(network, optimiser, {"step": 0, "history": history})

    # ---- fit the whole network
    network.train()
    last = step if should_stop(history, settings.patience) else settings.steps
    for step in run.progress(range(start["step"] + 1, last + 1), "fit", settings.steps):
        if (step - 1) % settings.validate_every == 0:
            rng = np.random.default_rng([settings.seed, step - 1])
        batch = sequences.draw(rng, settings.fit.batch)  # image (B, T, h, w, 3)
        share = rate * schedule(step, settings.steps)
        losses = optimise(network, optimiser, batch, settings.fit, share)
        if step % LOG_EVERY == 0:
            run.log("clone", step, losses)
        if step % settings.validate_every == 0 or step == settings.steps:
            history.append(validated(run, network, split.held_out, step, step * epochs))
            if best(history) is history[-1]:
                run.save_best(network)
            run.checkpoint(network, optimiser, {"step": step, "history": history})
            if should_stop(history, settings.patience):
                break
    run.load_best(network)
    found = validate(network, split.held_out)

    # ---- train the core on frozen features
    core = {"steps": settings.core_fit.steps, "kept": False}
    core |= {"rmse_before": found["rmse"], "rmse_after": None}
    if settings.core_fit.steps:
        rng = np.random.default_rng([settings.seed, settings.steps, 1])
        core_steps = fit_core(
            network,
            learned,
            settings.augmentation,
            rng,
            settings.fit,
            settings.core_fit,
            rate,
            weights,
        )
        for core_step, losses in run.progress(core_steps, "fit the core", core["steps"]):
            if core_step % LOG_EVERY == 0:
                run.log("clone", core_step, losses)
        after = validate(network, split.held_out)
        core |= {"rmse_after": after["rmse"], "kept": after["rmse"] < found["rmse"]}
        found = after if core["kept"] else found
    if not core["kept"]:
        run.load_best(network)
    return {
        "held_out": found,
        "best_step": best(history)["step"],
        "steps": step,
        "epochs": history[-1]["epoch"],
        "history": history,
        "core_fit": core,
    }


def validated(
    run: Run, network: PolicyNetwork, held_out: Mapping[str, Episode], step: int, epoch: float
) -> dict:
    """Errors on held-out drives: a point of the curves and an entry of the history."""
    found, unit = validate(network, held_out), error_unit(network)
    run.log("held_out", step, {"rmse": found["rmse"], "mae": found["mae"]})
    tqdm.write(
        f"step {step}, epoch {epoch:.2f}: held-out rmse {found['rmse']:.5f} {unit}, "
        f"mae {found['mae']:.5f} {unit}",
        file=sys.stderr,
    )
    return {"step": step, "epoch": round(epoch, 3), "mae": found["mae"], "rmse": found["rmse"]}
