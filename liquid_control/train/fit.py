"""Behaviour cloning: one call fits a policy network to sequences of expert curvature."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from liquid_control.data.dataset import Batch, Sequences
from liquid_control.policy.network import AUXILIARY_UNITS, PolicyNetwork

WARM_UP = 1
"""Frames at the start of a sequence that fill the empty memory and carry no loss."""


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """Optimiser settings. Liquid cells want a much higher rate than convolutions (shared measurements: five times worse at 1e-3)."""

    batch: int = 32
    encoder_rate: float = 2e-3
    memory_rate: float = 1e-2
    auxiliary_weight: float = 0.3
    curve_weight: float = 0.5
    clip: float = 1.0


def make_optimiser(network: PolicyNetwork, settings: FitSettings) -> torch.optim.Adam:
    """Adam with one group for the recurrent cell and one for all else, each with its own rate."""
    cell = list(network.cell.parameters())
    inside = {id(p) for p in cell}
    rest = [p for p in network.parameters() if id(p) not in inside]
    groups = [{"params": rest, "lr": settings.encoder_rate}, {"params": cell, "lr": settings.memory_rate}]
    return torch.optim.Adam(groups)


def fit(
    network: PolicyNetwork,
    optimiser: torch.optim.Adam,
    sequences: Sequences,
    steps: int,
    rng: np.random.Generator,
    settings: FitSettings,
    rate: float = 1.0,
    start: int = 0,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
    stop: int | None = None,
) -> None:
    """Runs optimiser steps `start`..`stop` (`steps`, where None) on a cosine from `rate` times the base rates down to zero at `steps`."""
    network.train()
    scale = network.config.curvature_scale
    units = torch.tensor(AUXILIARY_UNITS)
    base = (settings.encoder_rate, settings.memory_rate)
    for step in range(start, steps if stop is None else stop):
        factor = rate * (0.5 + 0.5 * math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / 20)
        for group, value in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = value * factor
        steering, auxiliary = _losses(network, sequences.draw(rng, settings.batch), scale, units, settings)
        optimiser.zero_grad()
        (steering + settings.auxiliary_weight * auxiliary).backward()
        for group in optimiser.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], settings.clip)
        optimiser.step()
        on_step(step + 1, {"steering": float(steering.detach()), "auxiliary": float(auxiliary.detach()), "rate": factor})


def _losses(network: PolicyNetwork, batch: Batch, scale: float, units: Tensor, settings: FitSettings) -> tuple[Tensor, Tensor]:
    """Weighted squared errors of curvature (curves weigh more, as published) and of the auxiliary targets, in their units.

    Targets that are NaN carry no loss.
    """
    image, inertial, dt = torch.from_numpy(batch.image), torch.from_numpy(batch.inertial), torch.from_numpy(batch.dt)
    prediction = network.unroll(image, inertial, dt)
    wanted = torch.from_numpy(batch.curvature)[:, WARM_UP:] / scale
    known = wanted.isfinite()
    weight = torch.where(known, torch.exp(wanted.abs().clamp_max(2.0) * settings.curve_weight), 0.0)
    error = prediction.curvature[:, WARM_UP:] / scale - torch.where(known, wanted, 0.0)
    steering = (weight * error.square()).sum() / weight.sum().clamp_min(1.0)  # a known target weighs at least 1
    target = torch.from_numpy(batch.auxiliary) / units
    if bool(target.isnan().all()):
        return steering, torch.zeros(())
    seen = target.isfinite()
    squared = (prediction.auxiliary - torch.where(seen, target, 0.0)).square().clamp_max(25.0)
    return steering, squared.mean() if bool(seen.all()) else squared[seen].mean()
