"""Behaviour cloning: one call fits a policy network to sequences of expert curvature."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from liquid_control.config import check, number
from liquid_control.data.sequences import Batch, Sequences
from liquid_control.model.cores import MEMORY_RATES
from liquid_control.policy.network import AUXILIARY_UNITS, PolicyNetwork
from liquid_control.train.device import device_of

WARM_UP = 1
"""Frames at the start of a sequence that fill the empty memory and carry no loss."""


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """Optimiser settings. Recurrent cores need a higher learning rate than convolutions, liquid ones
    the highest."""

    batch: int = number(32, 1, 100_000, "", "sequences in a batch")
    encoder_rate: float = number(2e-3, 0.0, 1000.0, "", "learning rate of the encoder")
    memory_rate: float = number(0.0, 0.0, 1000.0, "", "learning rate of the core; 0: its preset")
    auxiliary_weight: float = number(
        0.3, 0.0, 1000.0, "", "weight of the auxiliary targets (offset, heading, curvature ahead)"
    )
    curve_weight: float = number(
        0.5, 0.0, 1000.0, "", "extra weight of curves in the steering loss"
    )
    clip: float = number(1.0, 1e-6, 1e6, "", "largest norm of the gradient")

    def __post_init__(self) -> None:
        check(self)


def make_optimiser(network: PolicyNetwork, settings: FitSettings) -> torch.optim.Adam:
    """Adam with one group for the recurrent cell and one for all else, each with its own rate."""
    cell = list(network.cell.parameters())
    inside = {id(p) for p in cell}
    rest = [p for p in network.parameters() if id(p) not in inside]
    groups = [
        {"params": rest, "lr": settings.encoder_rate},
        {"params": cell, "lr": memory_rate(network, settings)},
    ]
    return torch.optim.Adam(groups)


def memory_rate(network: PolicyNetwork, settings: FitSettings) -> float:
    """The learning rate of the network's recurrent cell."""
    return settings.memory_rate or MEMORY_RATES[network.config.memory]


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
    """Runs optimiser steps `start`..`stop` (`steps`, where None) on a cosine from `rate` times the
    base rates down to zero at `steps`."""
    network.train()
    scale = network.config.curvature_scale
    device = device_of(network)
    units = torch.tensor(AUXILIARY_UNITS)
    base = (settings.encoder_rate, memory_rate(network, settings))
    for step in range(start, steps if stop is None else stop):
        factor = rate * schedule(step, steps)
        for group, value in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = value * factor
        batch = sequences.draw(rng, settings.batch)
        prediction = network.unroll(
            *(
                torch.from_numpy(column).to(device)
                for column in (batch.image, batch.inertial, batch.dt)
            )
        )
        steering = steering_loss(prediction.curvature, batch, scale, settings.curve_weight)
        auxiliary = auxiliary_loss(
            prediction.auxiliary, (torch.from_numpy(batch.auxiliary) / units).to(device)
        )
        optimiser.zero_grad()
        (steering + settings.auxiliary_weight * auxiliary).backward()
        for group in optimiser.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], settings.clip)
        optimiser.step()
        on_step(
            step + 1,
            {
                "steering": float(steering.detach()),
                "auxiliary": float(auxiliary.detach()),
                "rate": factor,
            },
        )


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate at `step`: a cosine down to zero at `steps`, after a short
    rise."""
    return (0.5 + 0.5 * math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / 20)


def steering_loss(curvature: Tensor, batch: Batch, scale: float, curve_weight: float) -> Tensor:
    """Weighted squared error of curvature (B, T) in units of `scale` (curves weigh more, as
    published); a NaN target carries no loss."""
    wanted = torch.from_numpy(batch.curvature)[:, WARM_UP:].to(curvature.device) / scale
    known = wanted.isfinite()
    weight = torch.where(known, torch.exp(wanted.abs().clamp_max(2.0) * curve_weight), 0.0)
    error = curvature[:, WARM_UP:] / scale - torch.where(known, wanted, 0.0)
    return (weight * error.square()).sum() / weight.sum().clamp_min(
        1.0
    )  # a known target weighs at least 1


def auxiliary_loss(answers: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the auxiliary answers (B, T, 4) where their targets are known; 0 where
    none is."""
    seen = target.isfinite()
    squared = (answers - torch.where(seen, target, 0.0)).square().clamp_max(25.0)
    return torch.where(seen, squared, 0.0).sum() / seen.sum().clamp_min(1)
