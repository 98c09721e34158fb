"""The network that a training starts with: another model's encoder, a whole model, or scales from
the data."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.model.car import MEASUREMENTS, lane_keeping
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import column
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.train.split import Split

TARGET_STD = 0.4
"""Standard deviation that the inertial inputs are scaled to: about that of the image features."""
MAX_RESCALE = 4.0
"""Largest factor by which an inertial input is scaled up or down: a sensor that hardly moved in
training must not dominate later."""


def copy_encoder(model: str, network: PolicyNetwork) -> None:
    """Gives the network the encoder and the auxiliary head of `model`, a path or the name of an
    installed model. Raises ConfigError when they do not fit."""
    other = load_network(find_model(model))
    for name in ("encoder", "image_features"):
        if getattr(other.config, name) != getattr(network.config, name):
            raise ConfigError(
                f"policy.{name}",
                getattr(network.config, name),
                f"{getattr(other.config, name)} as in {model}",
            )
    if other.preprocess != network.preprocess:
        raise ConfigError("preprocess", network.preprocess, f"{other.preprocess} as in {model}")
    network.encoder.load_state_dict(other.encoder.state_dict())
    network.auxiliary.load_state_dict(other.auxiliary.state_dict())


def fine_tuned(info: ModelInfo, preprocess: PreprocessConfig) -> PolicyNetwork:
    """The network of a model, with another crop of the camera's picture."""
    spec = dataclasses.replace(info.spec, image=preprocess)
    network = PolicyNetwork(info.policy, spec, info.wiring)
    network.load_state_dict(load_network(info.directory).state_dict())
    return network


def scaled_network(
    policy: PolicyConfig, preprocess: PreprocessConfig, split: Split
) -> tuple[PolicyNetwork, dict]:
    """A fresh network whose scales of curvature and inertial inputs are those of the learned part,
    and these scales."""
    policy = dataclasses.replace(policy, curvature_scale=curvature_scale(split))
    network = PolicyNetwork(policy, lane_keeping(preprocess, policy.curvature_scale))
    return network, {
        "from": "the learned part",
        "curvature_scale": policy.curvature_scale,
        **normalise_inertial(network, split),
    }


def curvature_scale(split: Split) -> float:
    """Twice the root mean square of the learned curvatures [1/m]: the meaning of network output
    1."""
    known = np.concatenate([episode.curvature for episode in split.learned.values()])
    known = known[np.isfinite(known)].astype(np.float64)
    scale = 2.0 * float(np.sqrt(np.square(known).mean())) if len(known) else 0.0
    return float(f"{min(max(scale, 1e-3), 10.0):.3g}")


def normalise_inertial(network: PolicyNetwork, split: Split) -> dict:
    """Sets the scale and shift of the inertial inputs so that the learned part has standard
    deviation `TARGET_STD` around zero; returns the centre and spread that it measured.

    Yaw rate and lateral acceleration stay centred on zero, since left and right are alike.
    """
    inertial = np.concatenate(
        [episode.inertial[np.isfinite(episode.curvature)] for episode in split.learned.values()]
    ).astype(np.float64)  # (N, 3)
    centre, spread = (
        np.array([0.0, 0.0, inertial[:, 2].mean()]),
        np.sqrt(np.square(inertial).mean(0)),
    )
    spread[2] = inertial[:, 2].std()
    scale = np.clip(
        TARGET_STD * column(MEASUREMENTS, "scale") / np.maximum(spread, 1e-9),
        1 / MAX_RESCALE,
        MAX_RESCALE,
    )
    shift = (column(MEASUREMENTS, "centre") - centre) / column(MEASUREMENTS, "scale") * scale
    with torch.no_grad():
        network.input_scale[-3:] = torch.from_numpy(scale)
        network.input_shift[-3:] = torch.from_numpy(shift)
    return {"inertial_centre": centre.tolist(), "inertial_spread": spread.tolist()}
