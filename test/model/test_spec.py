"""The interface of a policy: features with unit, scale, bounds and mirror sign, to JSON and
back."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import Feature, PolicySpec, column, names
from liquid_control.model.state import StateArray
from liquid_control.perception.timeline import MEASURABLE

CAR = lane_keeping()
STATE = (StateArray("hidden", (19,)), StateArray("window", (4, 32)))
BARE = PolicySpec(None, (Feature("height", "m"),), (Feature("thrust", "N", high=9.0),), (), STATE)


@pytest.mark.parametrize("spec", [CAR, BARE], ids=["car", "no image"])
def test_a_spec_comes_back_from_json(spec):
    assert PolicySpec.from_dict(json.loads(json.dumps(spec.to_dict(), allow_nan=False))) == spec


def test_the_car_is_what_it_was_before_it_had_a_spec():
    measured, steering = CAR.measurements, CAR.actions
    assert names(measured) == MEASURABLE and names(steering) == ("curvature",)
    centre, scale = column(measured, "centre"), column(measured, "scale")
    assert centre.tolist() == [0.0, 0.0, 10.0] and scale.tolist() == [0.5, 4.0, 4.0]
    assert ((column(measured, "low") - centre) / scale).tolist() == [-3.0] * 3
    assert ((column(measured, "high") - centre) / scale).tolist() == [3.0] * 3
    assert column(measured, "mirror").tolist() == [-1, -1, 1]
    assert column(CAR.auxiliary, "scale").tolist() == [0.5, 0.1, 0.04, 0.04]
    assert (column(CAR.auxiliary, "mirror") == -1).all()
    assert (steering[0].scale, steering[0].mirror, steering[0].low) == (0.04, -1, None)
    assert lane_keeping(curvature_scale=0.1).actions[0].scale == 0.1


def test_a_missing_bound_is_infinite_and_the_state_counts_all_its_arrays():
    assert column(BARE.actions, "low") == -math.inf and column(BARE.actions, "high") == 9.0
    assert BARE.state_size == 19 + 4 * 32 and CAR.state_size == 0
    assert column((), "scale").shape == (0,) and column((), "scale").dtype == np.float64


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "Yaw Rate"}, "Feature.name"),
        ({"name": ""}, "Feature.name"),
        ({"name": 3}, "Feature.name"),
        ({"unit": None}, "yaw.unit"),
        ({"doc": "x" * 1001}, "yaw.doc"),
        ({"scale": 0.0}, "yaw.scale"),
        ({"scale": -1.0}, "yaw.scale"),
        ({"scale": None}, "yaw.scale"),
        ({"scale": True}, "yaw.scale"),
        ({"scale": 10**400}, "yaw.scale"),
        ({"centre": math.nan}, "yaw.centre"),
        ({"centre": math.inf}, "yaw.centre"),
        ({"low": 1.0, "high": 1.0}, "yaw.low"),
        ({"low": "0"}, "yaw.low"),
        ({"mirror": 0}, "yaw.mirror"),
        ({"mirror": True}, "yaw.mirror"),
    ],
)
def test_a_feature_that_cannot_be_is_refused_by_name(change, words):
    with pytest.raises(ConfigError, match=words):
        Feature(**({"name": "yaw", "unit": "rad"} | change))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"actions": ()}, "PolicySpec.actions"),
        ({"actions": BARE.actions * 2}, "each name once"),
        ({"measurements": ()}, "an image or a measurement"),
        ({"auxiliary": CAR.auxiliary}, "none without an image"),
        ({"measurements": tuple(Feature(f"f_{i}", "") for i in range(4097))}, "at most 4096"),
        ({"state": (StateArray("Hidden", (3,)),)}, "PolicySpec.state"),
        ({"state": (StateArray("dt", (3,)),)}, "PolicySpec.state"),
        ({"state": (StateArray("hidden", (0,)),)}, "PolicySpec.state"),
        ({"state": (StateArray("hidden", (2**20, 2**20)),)}, "PolicySpec.state"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_name(change, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(BARE, **change)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.pop("actions"), "exactly image, measurements"),
        (lambda d: d.update(invented=1), "exactly image, measurements"),
        (lambda d: d.update(measurements=None), "PolicySpec.measurements"),
        (lambda d: d.update(measurements={"a": 1}), "PolicySpec.measurements"),
        (lambda d: d["measurements"].append(3), "PolicySpec.measurements"),
        (lambda d: d["measurements"][0].pop("mirror"), "PolicySpec.measurements"),
        (lambda d: d["measurements"][0].update(colour="red"), "PolicySpec.measurements"),
        (lambda d: d["measurements"][0].update(scale="1"), "yaw_rate.scale"),
        (lambda d: d.update(image=[]), "PreprocessConfig"),
        (lambda d: d["image"].update(height=10**9), "PreprocessConfig.height"),
        (lambda d: d.update(image=None), "none without an image"),
        (lambda d: d["state"].append({"name": "h", "shape": [-1]}), "PolicySpec.state.shape"),
        (lambda d: d["state"].append({"name": "h", "shape": [True]}), "PolicySpec.state.shape"),
        (lambda d: d["state"].append({"name": "h", "shape": [1] * 9}), "PolicySpec.state.shape"),
        (lambda d: d["state"].append({"name": "h"}), "PolicySpec.state"),
        (lambda d: d["state"].append({"name": {}, "shape": [1]}), "PolicySpec.state"),
        (lambda d: d["measurements"][0].update(name={}), "Feature.name"),
    ],
)
def test_json_that_is_no_spec_is_refused_by_name(change, words):
    values = lane_keeping(PreprocessConfig(32, 64)).to_dict()
    change(values)
    with pytest.raises(ConfigError, match=words):
        PolicySpec.from_dict(values)
    with pytest.raises(ConfigError, match="PolicySpec"):
        PolicySpec.from_dict([values])


def test_actions_have_no_centre():
    action = Feature("thrust", "N", centre=1.0)
    with pytest.raises(ConfigError, match="thrust.centre: got 1.0"):
        PolicySpec(None, (Feature("depth", "m"),), (action,))
