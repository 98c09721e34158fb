"""How well a network says what held-out drivers did: memory carried through the whole drive, as on
the robot, and no augmentation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from liquid_control.data.episode import Episode
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of

CHUNK = 128
"""Frames unrolled at a time."""


def predict(network: PolicyNetwork, episode: Episode) -> np.ndarray:
    """Curvature (N,) [1/m] that the network answers to an episode's frames."""
    training = network.training
    network.eval()
    answers, state, device = [], None, device_of(network)
    with torch.no_grad():
        for start in range(0, len(episode), CHUNK):
            part = slice(start, start + CHUNK)
            columns = (episode.image, episode.inertial, episode.dt, episode.is_first)
            image, inertial, dt, is_first = (
                torch.from_numpy(np.array(column[part]))[None].to(device) for column in columns
            )
            prediction = network.unroll(image, inertial, dt, is_first, state)
            state = prediction.state
            answers.append(prediction.curvature[0].cpu().numpy())
    network.train(training)
    return np.concatenate(answers)


def examine(network: PolicyNetwork, episodes: Mapping[str, Episode]) -> dict:
    """Errors [1/m] over all frames of the episodes with a known target, and under `recordings`
    those of each."""
    pairs = {}
    for name, episode in episodes.items():
        known = np.isfinite(episode.curvature)
        pairs[name] = predict(network, episode)[known], episode.curvature[known]
    answer, wanted = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return {
        **errors(answer, wanted),
        "recordings": {name: errors(*pair) for name, pair in pairs.items()},
    }


def errors(answer: np.ndarray, wanted: np.ndarray) -> dict:
    """Curvature errors [1/m] of (N,) answers. `rmse_straight`: of always driving straight;
    `correlation`: None where either is constant."""
    if not len(wanted):
        return {"frames": 0}
    answer, wanted = answer.astype(np.float64), wanted.astype(np.float64)
    error = answer - wanted
    varied = answer.std() > 0 and wanted.std() > 0
    return {
        "frames": len(wanted),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "bias": float(error.mean()),
        "correlation": float(np.corrcoef(answer, wanted)[0, 1]) if varied else None,
        "rmse_straight": float(np.sqrt(np.square(wanted).mean())),
    }
