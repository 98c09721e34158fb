"""The second half of a fit: the memory alone, over long sequences of features that the encoder made
once.

A step of a 19-neuron memory costs a fiftieth of a step of the encoder in front of it, and a liquid
cell needs many more of them: thousands of steps here cost seconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch

from liquid_control.config import check, number
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation, Sequences, normal_numbers, spoil
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of
from liquid_control.train.fit import FitSettings, memory_rate, schedule, steering_loss


@dataclasses.dataclass(frozen=True)
class MemoryFitSettings:
    """How the memory alone is fitted."""

    steps: int = number(
        3000,
        0,
        10**7,
        "",
        "optimiser steps of the core alone after each fit of the whole network; 0: none",
    )
    frames: int = number(32, 2, 1024, "", "frames in a sequence")
    looks: int = number(
        3, 1, 100, "", "passes over the pictures, each with other noise and shadows"
    )
    most: int = number(
        200_000,
        1,
        10**9,
        "",
        "frames to learn from; from more, whole drives are drawn up to this number",
    )

    def __post_init__(self) -> None:
        check(self)


def fit_memory(
    network: PolicyNetwork,
    episodes: Sequence[Episode],
    augmentation: Augmentation,
    nominal_dt: float,
    rng: np.random.Generator,
    fitting: FitSettings,
    settings: MemoryFitSettings,
    rate: float = 1.0,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> None:
    """Fits the cell and the scales around it in place; the encoder stays. Deterministic given
    `rng`."""
    if not settings.steps:
        return
    episodes = _enough(episodes, settings.most, rng)
    normal = normal_numbers(len(episodes))
    encoded = [
        encode(network, episode, augmentation, settings.frames, rng, normal)
        for episode in episodes
        for _ in range(settings.looks)
    ]
    plain = dataclasses.replace(
        augmentation, noise_share=0.0, shadow_share=0.0
    )  # the pictures are spoiled already
    sequences = Sequences(encoded, settings.frames, plain, nominal_dt)
    if not sequences.windows:
        return
    scales = [network.input_scale, network.input_shift, network.output_scale, network.output_shift]
    cell = list(network.cell.parameters())
    base = (memory_rate(network, fitting), fitting.encoder_rate)
    optimiser, device = torch.optim.Adam([{"params": cell}, {"params": scales}]), device_of(network)
    network.train()
    for step in range(settings.steps):
        for group, value in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = value * rate * schedule(step, settings.steps)
        batch = sequences.draw(rng, fitting.batch)
        columns = (
            torch.from_numpy(column).to(device)
            for column in (batch.image, batch.inertial, batch.dt)
        )
        prediction = network.unroll_features(*columns)
        loss = steering_loss(
            prediction.curvature, batch, network.config.curvature_scale, fitting.curve_weight
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(cell, fitting.clip)
        optimiser.step()
        on_step(step + 1, {"memory": float(loss.detach())})


def _enough(episodes: Sequence[Episode], most: int, rng: np.random.Generator) -> Sequence[Episode]:
    """All episodes, or as many of them, drawn in random order, as it takes to reach `most`
    frames."""
    if sum(map(len, episodes)) <= most:
        return episodes
    order = rng.permutation(len(episodes))
    reached = np.cumsum([len(episodes[index]) for index in order])
    return [episodes[index] for index in order[: 1 + int(np.searchsorted(reached, most))]]


def encode(
    network: PolicyNetwork,
    episode: Episode,
    augmentation: Augmentation,
    frames: int,
    rng: np.random.Generator,
    normal: np.ndarray,
) -> Episode:
    """The episode with features (N, image_features) for pictures; every `frames` of them are
    spoiled anew as `augmentation` says."""
    features = []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(episode), frames):
            image = np.array(episode.image[start : start + frames])
            spoil(rng, image, augmentation, normal)
            features.append(
                network.encoder(torch.from_numpy(image).to(device_of(network))).cpu().numpy()
            )
    return dataclasses.replace(episode, image=np.concatenate(features))
