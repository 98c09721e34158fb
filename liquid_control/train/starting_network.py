"""The network that a training starts with: another model's encoder, a whole model, or scales from
the data."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.errors import ConfigError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import Feature, PolicySpec, column, names
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.train.split import Split

TARGET_STD = 0.4
"""Standard deviation that the measurements are scaled to: about that of the image features."""
MAX_RESCALE = 4.0
"""Largest factor by which a measurement is scaled up or down: a sensor that hardly moved in
training must not dominate later."""
OFTEN = 0.01
"""Share of the frames."""
WITHIN, LEAST_SPREAD = 4.0, 0.01
"""Bounds of a widened measurement in units of its spread, and the least spread, in its unit."""
OTHER_VEHICLE = 3.0
"""Recordings whose actions are this many times larger or smaller than a model's are those of
another vehicle than the model's."""
SMALLEST_SCALE, LARGEST_SCALE = 1 / 40, 250.0
"""Range of an action's learned scale, in units of its scale in the spec."""
HEADROOM, USUAL = 1.3, 0.995
"""Upper bound of an action, over the quantile of the learned ones, from its lower bound on."""
LEAST_SHARE = 0.1
"""Least scale of an action with bounds, in shares of their distance."""


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


def fine_tuned(
    info: ModelInfo, spec: PolicySpec, split: Split, fixed_scales: bool = False
) -> tuple[PolicyNetwork, dict]:
    """The network of a model, with the crop and the auxiliary targets of `spec`, and its scales.

    Where the learned part steers `OTHER_VEHICLE` times more or less than what the model was trained
    on, it is another vehicle's: the weights stay, and the scales of actions and measurements become
    those of the learned part, as in a fresh network. What was half of the one vehicle's steering is
    then half of the other's. With `fixed_scales` the model's scales stay in any case.
    """
    actions = scale_actions(spec, split)
    ratios = [new.scale / old.scale for new, old in zip(actions, info.spec.actions, strict=True)]
    other = not fixed_scales and any(
        not 1 / OTHER_VEHICLE <= ratio <= OTHER_VEHICLE for ratio in ratios
    )
    adapted = dataclasses.replace(info.spec, image=spec.image, auxiliary=spec.auxiliary)
    if other:
        adapted = dataclasses.replace(adapted, actions=actions, measurements=spec.measurements)
    network = PolicyNetwork(info.policy, adapted, info.wiring)
    network.load_state_dict(load_network(info.directory).state_dict())
    scales = {"from": "the model fine-tuned"}
    if other:
        scales = {"from": "the learned part", **_scales(network, split)}
    return network, scales


def scaled_network(
    policy: PolicyConfig, spec: PolicySpec, split: Split
) -> tuple[PolicyNetwork, dict]:
    """A fresh network whose scales of actions and measurements are those of the learned part, and
    these scales."""
    spec = dataclasses.replace(
        spec, actions=scale_actions(spec, split), measurements=widened(spec, split)
    )
    network = PolicyNetwork(policy, spec)
    return network, {"from": "the learned part", **_scales(network, split)}


def _scales(network: PolicyNetwork, split: Split) -> dict:
    """The network's scales of actions, and those of measurements, which are set here."""
    return {
        "actions": {feature.name: feature.scale for feature in network.spec.actions},
        **normalise_measurements(network, split),
    }


def scale_actions(spec: PolicySpec, split: Split) -> tuple[Feature, ...]:
    """The actions with twice the root mean square of the learned ones as scale: the meaning of
    network output 1. Those with bounds have twice their spread, and `HEADROOM` above the largest
    learned one, but for a few, as upper bound."""
    learned = np.concatenate([episode.action for episode in split.learned.values()])  # (N, A)
    return tuple(
        _within_bounds(feature, values)
        if feature.is_bounded
        else dataclasses.replace(feature, scale=_scale(feature, values))
        for feature, values in zip(spec.actions, learned.T, strict=True)
    )


def widened(spec: PolicySpec, split: Split) -> tuple[Feature, ...]:
    """The measurements, of which those that a vehicle often drives beyond their bounds (the yaw
    rate of a small robot, the speed of a fast car) have the scale and bounds of the learned part:
    the network clips at the bounds."""
    if not spec.measurements:
        return ()
    learned = np.concatenate(
        [episode.measurements[episode.known] for episode in split.learned.values()]
    ).astype(np.float64)  # (N, M)
    return tuple(
        _widened(feature, values)
        for feature, values in zip(spec.measurements, learned.T, strict=True)
    )


def _widened(feature: Feature, values: np.ndarray) -> Feature:
    if not len(values) or feature.low is None or feature.high is None:
        return feature
    if np.mean((values < feature.low) | (values > feature.high)) <= OFTEN:
        return feature
    centre = 0.0 if feature.mirror < 0 else float(f"{np.mean(values):.3g}")
    spread = float(f"{max(np.sqrt(np.mean((values - centre) ** 2)), LEAST_SPREAD):.3g}")
    return dataclasses.replace(
        feature,
        centre=centre,
        scale=spread,
        low=centre - WITHIN * spread,
        high=centre + WITHIN * spread,
    )


def scale_auxiliary(spec: PolicySpec, split: Split, lane: DrivingScale) -> PolicySpec:
    """The spec with auxiliary targets whose scales are about their spread: of the offset by the
    lane, of curvatures by the learned part."""
    of = {
        "lane_offset": 0.5 * lane.departure,
        "curvature": 0.5 * scale_actions(spec, split)[names(spec.actions).index("curvature")].scale,
    }
    of["curvature_ahead"] = of["curvature"]
    scaled = (
        dataclasses.replace(each, scale=of.get(each.name, each.scale)) for each in spec.auxiliary
    )
    return dataclasses.replace(spec, auxiliary=tuple(scaled))


def _within_bounds(feature: Feature, values: np.ndarray) -> Feature:
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return feature
    high = float(f"{feature.low + HEADROOM * (np.quantile(known, USUAL) - feature.low):.3g}")
    scale = max(2.0 * float(known.std()), LEAST_SHARE * (high - feature.low))
    return dataclasses.replace(feature, high=high, scale=float(f"{scale:.3g}"))


def _scale(feature: Feature, values: np.ndarray) -> float:
    known = values[np.isfinite(values)].astype(np.float64)
    scale = 2.0 * float(np.sqrt(np.square(known).mean())) if len(known) else 0.0
    low, high = feature.scale * SMALLEST_SCALE, feature.scale * LARGEST_SCALE
    return float(f"{min(max(scale, low), high):.3g}")


def normalise_measurements(network: PolicyNetwork, split: Split) -> dict:
    """Sets the scale and shift of the measurements so that the learned part has standard deviation
    `TARGET_STD` around zero; returns the centre and spread that it measured.

    Measurements that change their sign when mirrored stay centred on zero, since left and right are
    alike.
    """
    features = network.spec.measurements
    if not features:
        return {}
    learned = np.concatenate(
        [episode.measurements[episode.known] for episode in split.learned.values()]
    ).astype(np.float64)  # (N, M)
    sided = column(features, "mirror") < 0
    mean, std = (np.array([f(values) for values in learned.T]) for f in (np.mean, np.std))
    centre = np.where(sided, 0.0, mean)
    spread = np.where(sided, np.sqrt(np.square(learned).mean(axis=0)), std)
    unit = column(features, "scale")
    scale = np.clip(TARGET_STD * unit / np.maximum(spread, 1e-9), 1 / MAX_RESCALE, MAX_RESCALE)
    shift = (column(features, "centre") - centre) / unit * scale
    with torch.no_grad():
        network.input_scale[-len(features) :] = torch.from_numpy(scale)
        network.input_shift[-len(features) :] = torch.from_numpy(shift)
    return {"measurement_centre": centre.tolist(), "measurement_spread": spread.tolist()}
