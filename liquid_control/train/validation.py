"""How well a network predicts the actions of held-out drives: the core's state is carried through
each drive, as on the robot, without augmentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from liquid_control.data.episode import Episode
from liquid_control.model.spec import column, middles, names
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
    """Errors over all known actions of the episodes, and under `recordings` those of each. In the
    unit of the action; several actions are in units of their scales, from their middles, and each
    is in its own unit under `actions`."""
    actions = network.spec.actions
    both = {name: (predict(network, each), each.action) for name, each in episodes.items()}
    found = _over_all(network, both.values())
    found["recordings"] = {name: _over_all(network, [pair]) for name, pair in both.items()}
    if len(actions) > 1:
        found["actions"] = {
            name: _of_one(both.values(), place) for place, name in enumerate(names(actions))
        }
    return found


def _over_all(network: PolicyNetwork, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict:
    """`errors` of answers and targets (N, A), NaN where unknown; frames are those with a target."""
    actions, frames = network.spec.actions, 0
    unit, middle = 1.0, 0.0
    if len(actions) > 1:
        unit, middle = column(actions, "scale"), middles(actions)
    answers, targets = [], []
    for answer, target in pairs:
        known = np.isfinite(target)
        frames += int(known.any(axis=1).sum())
        answers.append(((answer - middle) / unit)[known])
        targets.append(((target - middle) / unit)[known])
    return errors(np.concatenate(answers), np.concatenate(targets)) | {"frames": frames}


def _of_one(pairs: Iterable[tuple[np.ndarray, np.ndarray]], place: int) -> dict:
    """`errors` of one action, in its unit."""
    both = [
        (answer[known, place], target[known, place])
        for answer, target in pairs
        for known in [np.isfinite(target[:, place])]
    ]
    return errors(*(np.concatenate([pair[side] for pair in both]) for side in (0, 1)))


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
