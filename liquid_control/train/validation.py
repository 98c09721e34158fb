"""How well a network predicts the curvature of held-out drives: the core's state is carried through
each drive, as on the robot, without augmentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from liquid_control.data.episode import Episode
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of

CHUNK = 128
"""Frames unrolled at a time."""


def predict(network: PolicyNetwork, episode: Episode) -> np.ndarray:
    """Curvature (N,) [1/m] that the network gives for an episode's frames."""
    training = network.training
    network.eval()
    answers, state, device = [], None, device_of(network)
    with torch.no_grad():
        for start in range(0, len(episode), CHUNK):
            part = slice(start, start + CHUNK)
            columns = (episode.image, episode.inertial, episode.dt, episode.is_first)
            image, inertial, dt, is_first = (
                torch.from_numpy(np.array(column[part]))[None].to(device) for column in columns
            )  # (1, CHUNK, ...)
            prediction = network.unroll(image, inertial, dt, is_first, state)
            state = prediction.state
            answers.append(prediction.action[0, :, 0].cpu().numpy())
    network.train(training)
    return np.concatenate(answers)


def validate(network: PolicyNetwork, episodes: Mapping[str, Episode]) -> dict:
    """Errors [1/m] over all frames of the episodes with a known target, and under `recordings`
    those of each."""
    pairs = {}
    for name, episode in episodes.items():
        known = np.isfinite(episode.curvature)
        pairs[name] = predict(network, episode)[known], episode.curvature[known]
    answer, target = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return {
        **errors(answer, target),
        "recordings": {name: errors(*pair) for name, pair in pairs.items()},
    }


def errors(answer: np.ndarray, target: np.ndarray) -> dict:
    """Curvature errors [1/m] of (N,) answers. `rmse_straight`: of always driving straight;
    `correlation`: None where either is constant."""
    if not len(target):
        return {"frames": 0}
    answer, target = answer.astype(np.float64), target.astype(np.float64)
    error = answer - target
    varied = answer.std() > 0 and target.std() > 0
    return {
        "frames": len(target),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "bias": float(error.mean()),
        "correlation": float(np.corrcoef(answer, target)[0, 1]) if varied else None,
        "rmse_straight": float(np.sqrt(np.square(target).mean())),
    }


def best(history: Sequence[Mapping]) -> Mapping:
    """The first validation with the lowest finite `rmse`."""
    return min(history, key=lambda row: row["rmse"] if math.isfinite(row["rmse"]) else math.inf)


def should_stop(history: Sequence[Mapping], patience: int) -> bool:
    """Whether the last `patience` validations brought no improvement; never with `patience` 0."""
    return (
        bool(patience and history) and len(history) - 1 - history.index(best(history)) >= patience
    )
