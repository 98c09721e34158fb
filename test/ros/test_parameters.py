"""Config dataclasses as parameters: described, bounded, and refused with our own words."""

from __future__ import annotations

import math

import pytest
import rclpy
from rclpy.parameter import Parameter

from liquid_control.config import GateConfig, PreprocessConfig, VehicleConfig, WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.ros import parameters
from liquid_control.ros.node_parameters import PolicyNodeConfig, StartConfig


@pytest.fixture
def node():
    made = []

    def make(**overrides):
        given = [
            Parameter(name.replace("__", "."), value=value) for name, value in overrides.items()
        ]
        made.append(rclpy.create_node("parameter_test", parameter_overrides=given))
        return made[-1]

    yield make
    for each in made:
        each.destroy_node()


def test_defaults_overrides_and_whole_numbers_for_floats(node):
    gate = parameters.declare(
        node(gate__max_speed=5, gate__deceleration=2.5), GateConfig(), "gate."
    )
    assert gate == GateConfig(max_speed=5.0, deceleration=2.5)
    assert isinstance(gate.max_speed, float)


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("gate.max_speed", math.nan, "GateConfig.max_speed: got nan, expected 0.0 to 60.0 m/s"),
        ("gate.max_speed", math.inf, "GateConfig.max_speed: got inf"),
        ("gate.max_speed", -1.0, "GateConfig.max_speed: got -1.0, expected 0.0 to 60.0 m/s"),
        ("gate.max_speed", "fast", "GateConfig.max_speed: got 'fast', expected a number"),
        ("gate.max_speed", True, "GateConfig.max_speed: got True, expected a number"),
        ("world.trees", 2.5, "WorldConfig.trees: got 2.5, expected a whole number"),
        ("model", 7, "PolicyNodeConfig.model: got 7, expected text"),
        ("autostart", "yes", "StartConfig.autostart: got 'yes', expected true or false"),
        (
            "image_transport",
            "theora",
            "PolicyNodeConfig.image_transport: got 'theora', expected one of raw, compressed",
        ),
    ],
)
def test_what_breaks_a_bound_is_refused_by_name(node, name, value, words):
    made = node(**{name: value})
    with pytest.raises(ConfigError) as caught:
        for config, prefix in (
            (GateConfig(), "gate."),
            (WorldConfig(), "world."),
            (StartConfig(), ""),
            (PolicyNodeConfig(), ""),
        ):
            parameters.declare(made, config, prefix)
    assert words in str(caught.value)


def test_every_parameter_is_described_with_its_range(node):
    made = node()
    for config, prefix in (
        (GateConfig(), "gate."),
        (VehicleConfig(), "vehicle."),
        (WorldConfig(), "world."),
        (PreprocessConfig(), "p."),
    ):
        parameters.declare(made, config, prefix, fixed=prefix == "world.")
        for name in vars(config):
            descriptor = made.describe_parameter(prefix + name)
            assert len(descriptor.description) > 10
            one_of = descriptor.additional_constraints.startswith("one of ")
            assert (
                len(descriptor.floating_point_range) + len(descriptor.integer_range) + one_of == 1
            )
            assert descriptor.read_only == (prefix == "world.")
    speed = made.describe_parameter("gate.max_speed")
    assert (speed.description, speed.floating_point_range[0].to_value) == (
        "largest speed let through [m/s]",
        60.0,
    )


def test_changes_are_followed_and_bad_ones_refused_as_a_whole(node):
    made, seen = node(), []
    gate = parameters.declare(made, GateConfig(), "gate.")
    parameters.declare(made, VehicleConfig(), "vehicle.", fixed=True)
    parameters.follow(made, [("gate.", gate)], lambda changed: seen.append(changed[0]))
    assert made.set_parameters([Parameter("gate.max_speed", value=3.0)])[0].successful
    assert seen == [GateConfig(max_speed=3.0)]
    assert made.set_parameters([Parameter("gate.deceleration", value=1.0)])[0].successful
    assert seen[-1] == GateConfig(max_speed=3.0, deceleration=1.0), "earlier changes stay"
    for name, value in (
        ("gate.max_speed", math.nan),
        ("gate.max_speed", 61.0),
        ("gate.max_speed", "x"),
        ("vehicle.wheelbase", 1.0),
    ):
        assert not made.set_parameters([Parameter(name, value=value)])[0].successful
    together = [
        Parameter("gate.max_speed", value=9.0),
        Parameter("gate.deceleration", value=math.nan),
    ]
    assert not made.set_parameters_atomically(together).successful
    assert made.get_parameter("gate.max_speed").value == 3.0
    assert seen[-1] == GateConfig(max_speed=3.0, deceleration=1.0)
