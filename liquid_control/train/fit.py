"""Behaviour cloning: one optimiser step that fits a policy network to sequences of an expert's
actions."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from liquid_control.config import check, number
from liquid_control.data.sequences import Batch
from liquid_control.model.car import SPEED, chooses_speed
from liquid_control.model.spec import PolicySpec, column, names
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of

WARM_UP = 1
"""Frames at the start of a sequence that fill the empty core state and carry no loss."""
RISE = 20
"""Optimiser steps over which the learning rate rises."""


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """Optimiser settings. Recurrent cores need a higher learning rate than convolutions, liquid
    cores the highest."""

    batch: int = number(32, 1, 65536, "", "sequences in a batch")
    encoder_rate: float = number(2e-3, 0.0, 10.0, "", "learning rate of all but the core")
    core_rate: float = number(0.0, 0.0, 1e4, "", "learning rate of the core; 0: its preset")
    auxiliary_weight: float = number(
        0.3, 0.0, 1e3, "", "weight of the auxiliary targets, such as the offset from the lane"
    )
    curve_weight: float = number(
        0.5, 0.0, 10.0, "", "extra weight of large actions, such as curves, in the loss"
    )
    caution: float = number(
        4.0,
        1.0,
        100.0,
        "",
        "weight of a speed that is too high over one that is too low, where the policy gives one: "
        "the one leaves the road, the other takes time",
    )
    clip: float = number(1.0, 1e-6, 1e6, "", "largest norm of the gradient of a parameter group")

    def __post_init__(self) -> None:
        check(self)


def make_optimiser(network: PolicyNetwork, settings: FitSettings) -> torch.optim.Adam:
    """Adam with two parameter groups, all but the core and the core, each with its `base_rate` and
    `clip`."""
    core = list(network.cell.parameters())
    inside = {id(p) for p in core}
    rest = [p for p in network.parameters() if id(p) not in inside]
    groups = [
        {"params": rest, "base_rate": settings.encoder_rate, "clip": settings.clip},
        {"params": core, "base_rate": core_rate(network, settings), "clip": settings.clip},
    ]
    return torch.optim.Adam(groups)


def core_rate(network: PolicyNetwork, settings: FitSettings) -> float:
    """The learning rate of the network's recurrent core."""
    return settings.core_rate or network.config.core.rate


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate at `step` of 1..`steps`: a cosine down to zero, after a short
    rise."""
    return (0.5 + 0.5 * math.cos(math.pi * (step - 1) / steps)) * min(1.0, step / RISE)


def optimise(
    network: PolicyNetwork,
    optimiser: torch.optim.Adam,
    batch: Batch,
    settings: FitSettings,
    rate: float,
) -> dict[str, float]:
    """One optimiser step of the whole network at `rate` times the base rates. Returns `rate` and
    the losses before the step: `action` and `auxiliary`."""
    prediction = network.unroll(*inputs(batch, network))  # action (B, T, A), auxiliary (B, T, K)
    weights = settings.curve_weight, settings.caution
    action = action_loss(prediction.action, batch, network.spec, *weights)
    auxiliary = torch.zeros_like(action)
    if prediction.auxiliary is not None:
        target = auxiliary_target(batch, network.spec).to(device_of(network))
        auxiliary = auxiliary_loss(prediction.auxiliary, target)
    descend(optimiser, action + settings.auxiliary_weight * auxiliary, rate)
    return {"action": float(action.detach()), "auxiliary": float(auxiliary.detach()), "rate": rate}


def inputs(batch: Batch, network: PolicyNetwork) -> list[Tensor | None]:
    """A batch's image or features, measurements and dt, where the network's weights are."""
    device = device_of(network)
    columns = batch.image, batch.measurements, batch.dt
    return [None if each is None else torch.from_numpy(each).to(device) for each in columns]


def descend(optimiser: torch.optim.Adam, loss: Tensor, rate: float) -> None:
    """One step down the gradient of `loss` (), each parameter group at `rate` times its `base_rate`
    and with its gradient clipped to norm `clip`, where it has one."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * rate
    optimiser.zero_grad()
    loss.backward()
    for group in optimiser.param_groups:
        if group["clip"]:
            torch.nn.utils.clip_grad_norm_(group["params"], group["clip"])
    optimiser.step()


def action_loss(
    action: Tensor, batch: Batch, spec: PolicySpec, curve_weight: float, caution: float = 1.0
) -> Tensor:
    """Weighted squared error of actions (B, T, A) in units of their scales (large ones, such as
    curves, weigh more, as published; those with bounds by their distance from the upper one: curves
    are slow); a NaN target carries no loss. A speed above its target weighs `caution` times as
    much."""
    straight = [one.high if one.is_bounded else 0.0 for one in spec.actions]
    scale, straight = (
        torch.tensor(each, dtype=torch.float32, device=action.device)
        for each in (column(spec.actions, "scale"), straight)
    )
    target = torch.from_numpy(batch.action)[:, WARM_UP:].to(action.device) / scale
    known = target.isfinite()
    distance = (target - straight / scale).abs().clamp_max(2.0)
    weight = torch.where(known, torch.exp(distance * curve_weight), 0.0)
    error = action[:, WARM_UP:] / scale - torch.where(known, target, 0.0)
    total = weight.sum().clamp_min(1.0)  # a known target weighs at least 1
    if chooses_speed(spec):
        is_speed = torch.tensor([name == SPEED.name for name in names(spec.actions)])
        too_fast = is_speed.to(error.device) & (error > 0.0)
        weight = torch.where(too_fast, caution * weight, weight)
    return (weight * error.square()).sum() / total


def auxiliary_target(batch: Batch, spec: PolicySpec) -> Tensor:
    """The batch's auxiliary targets (B, T, K) in units of their scales."""
    scale = torch.tensor(column(spec.auxiliary, "scale"), dtype=torch.float32)
    return torch.from_numpy(batch.auxiliary) / scale


def auxiliary_loss(answers: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the auxiliary outputs (B, T, K) over their known targets; 0 where none
    is known."""
    known = target.isfinite()
    squared = (answers - torch.where(known, target, 0.0)).square().clamp_max(25.0)
    return torch.where(known, squared, 0.0).sum() / known.sum().clamp_min(1)
