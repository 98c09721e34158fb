"""Train the core on frozen features: the encoder makes features of every picture a few times, then
the core is fitted to long sequences of them.

A step of a 19-unit core costs a fiftieth of a step of the encoder before it, and a liquid core
needs many more steps: thousands of them take seconds here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from liquid_control.config import check, number
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation, Sequences, augment, normal_numbers
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of
from liquid_control.train.fit import FitSettings, action_loss, core_rate, descend, inputs, schedule


@dataclasses.dataclass(frozen=True)
class CoreFitSettings:
    """How the core is trained on frozen features."""

    steps: int = number(
        3000,
        0,
        10**7,
        "",
        "optimiser steps of the core alone after each fit of the whole network; 0: none",
    )
    frames: int = number(32, 2, 1024, "", "frames in a sequence")
    passes: int = number(
        3, 1, 100, "", "passes over the pictures, each with other noise and shadows"
    )
    max_frames: int = number(
        200_000,
        1,
        10**9,
        "",
        "frames to learn from; from more, whole drives are drawn up to this number",
    )

    def __post_init__(self) -> None:
        check(self)


def fit_core(
    network: PolicyNetwork,
    episodes: Sequence[Episode],
    augmentation: Augmentation,
    rng: np.random.Generator,
    fitting: FitSettings,
    settings: CoreFitSettings,
    rate: float = 1.0,
    weights: Sequence[float | np.ndarray] | None = None,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Fits the cell and the scales around it in place, at `rate` times the base rates; the encoder
    stays. Yields (step, losses) after each of the steps 1..`settings.steps`. `weights`: how often
    a sequence begins at each frame of an episode, see `Sequences`. Deterministic given `rng`."""
    if not settings.steps:
        return
    weight = None if weights is None else dict(zip(map(id, episodes), weights, strict=True))
    episodes = _enough(episodes, settings.max_frames, rng)
    if weight is not None:
        weights = [weight[id(each)] for each in episodes for _ in range(settings.passes)]
    normal = normal_numbers(len(episodes))
    encoded = [
        encode(network, episode, augmentation, settings.frames, rng, normal)  # image (N, F)
        for episode in episodes
        for _ in range(settings.passes)
    ]
    # The pictures were augmented before they were encoded.
    plain = dataclasses.replace(augmentation, noise_share=0.0, shadow_share=0.0)
    sequences = Sequences(encoded, settings.frames, plain, weights=weights)
    if not sequences.windows:
        return
    optimiser = _make_optimiser(network, fitting, rate)
    network.train()
    for step in range(1, settings.steps + 1):
        batch = sequences.draw(rng, fitting.batch)
        prediction = network.unroll_features(*inputs(batch, network))  # action (B, T, A)
        options = fitting.curve_weight, fitting.caution
        loss = action_loss(prediction.action, batch, network.spec, *options)
        descend(optimiser, loss, schedule(step, settings.steps))
        yield step, {"core": float(loss.detach())}


def _make_optimiser(network: PolicyNetwork, fitting: FitSettings, rate: float) -> torch.optim.Adam:
    """Adam with the core, clipped, and the scales around it, which are not."""
    core = list(network.cell.parameters())
    scales = [network.input_scale, network.input_shift, network.output_scale, network.output_shift]
    groups = [
        {"params": core, "base_rate": core_rate(network, fitting) * rate, "clip": fitting.clip},
        {"params": scales, "base_rate": fitting.encoder_rate * rate, "clip": None},
    ]
    return torch.optim.Adam(groups)


def _enough(
    episodes: Sequence[Episode], frames: int, rng: np.random.Generator
) -> Sequence[Episode]:
    """All episodes, or as many of them, drawn in random order, as it takes to reach `frames`."""
    if sum(map(len, episodes)) <= frames:
        return episodes
    order = rng.permutation(len(episodes))
    reached = np.cumsum([len(episodes[index]) for index in order])
    return [episodes[index] for index in order[: 1 + int(np.searchsorted(reached, frames))]]


def encode(
    network: PolicyNetwork,
    episode: Episode,
    augmentation: Augmentation,
    frames: int,
    rng: np.random.Generator,
    normal: np.ndarray,
) -> Episode:
    """The episode with features (N, image_features) for pictures; each block of `frames` gets
    another augmentation. An episode without pictures stays as it is."""
    if episode.image is None:
        return episode
    features = []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(episode), frames):
            image = np.array(episode.image[start : start + frames])  # (frames, h, w, 3)
            augment(rng, image, augmentation, normal)
            features.append(
                network.encoder(torch.from_numpy(image).to(device_of(network))).cpu().numpy()
            )
    return dataclasses.replace(episode, image=np.concatenate(features))
