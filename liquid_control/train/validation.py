"""How well a network predicts the actions of held-out drives: the core's state is carried through
each drive, as on the robot, without augmentation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from liquid_control.data.episode import Episode
from liquid_control.model.spec import column
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.device import device_of

CHUNK = 128
"""Frames unrolled at a time."""


def predict(network: PolicyNetwork, episode: Episode) -> np.ndarray:
    """Actions (N, A) that the network gives for an episode's frames."""
    training = network.training
    network.eval()
    answers, state, device = [], None, device_of(network)
    with torch.no_grad():
        for start in range(0, len(episode), CHUNK):
            part = slice(start, start + CHUNK)
            columns = (episode.image, episode.measurements, episode.dt, episode.is_first)
            image, measurements, dt, is_first = (
                None
                if column is None
                else torch.from_numpy(np.array(column[part]))[None].to(device)  # (1, CHUNK, ...)
                for column in columns
            )
            prediction = network.unroll(image, measurements, dt, is_first, state)
            state = prediction.state
            answers.append(prediction.action[0].cpu().numpy())
    network.train(training)
    return np.concatenate(answers)


def validate(network: PolicyNetwork, episodes: Mapping[str, Episode]) -> dict:
    """Errors over all frames of the episodes with known actions, and under `recordings` those of
    each. In the unit of the action; several actions are in units of their scales."""
    actions = network.spec.actions
    unit = column(actions, "scale") if len(actions) > 1 else 1.0
    pairs = {}
    for name, episode in episodes.items():
        known = episode.known
        pairs[name] = predict(network, episode)[known] / unit, episode.action[known] / unit
    answer, target = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return {
        **errors(answer, target),
        "recordings": {name: errors(*pair) for name, pair in pairs.items()},
    }


def error_unit(network: PolicyNetwork) -> str:
    """The unit of the errors that `validate` gives."""
    actions = network.spec.actions
    return actions[0].unit if len(actions) == 1 else "scales"


def errors(answer: np.ndarray, target: np.ndarray) -> dict:
    """Errors of the answers of N frames, (N, A) or (N,), over all actions. `rmse_straight`: of
    answering zero, which is straight ahead; `correlation`: None where either is constant."""
    if not len(target):
        return {"frames": 0}
    frames = len(target)
    answer, target = (np.ravel(each).astype(np.float64) for each in (answer, target))
    error = answer - target
    varied = answer.std() > 0 and target.std() > 0
    return {
        "frames": frames,
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
