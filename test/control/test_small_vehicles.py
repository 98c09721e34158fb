"""Small vehicles under the gate of their own parameter files: they engage, drive their bends, stop
and are stopped."""

from __future__ import annotations

import math

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.driving_scale import sharpest
from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.control.guard import Guard
from liquid_control.control.vehicle import curvature
from liquid_control.recordings.plain_yaml import load_yaml
from liquid_control.recordings.vehicle_presets import preset_file
from liquid_control.signals import Action, SpeedSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
PERIOD = 50 * MS


class Robot:
    """A robot under its gate, which reaches each commanded speed at once; its policy bends to
    alternating sides."""

    def __init__(self, name: str) -> None:
        said = load_yaml(preset_file(name).read_bytes())["/**"]["ros__parameters"]
        self.vehicle, self.set_speed = VehicleConfig(**said["vehicle"]), said["speed"]
        self.comfort = said["comfort_lateral_acceleration"]
        self.measured = said["engagement"].get("needs_speed", True)
        self.guard = Guard(
            GateConfig(**said["gate"]), self.vehicle, EngagementConfig(**said["engagement"])
        )
        self.ticks, self.speed, self.policy = 0, 0.0, True
        self.states, self.errors = [], []

    def run(self, seconds: float, bend: float) -> State:
        speed = min(self.set_speed, math.sqrt(self.comfort / abs(bend)))
        for _ in range(round(seconds * 1e9 / PERIOD)):
            self.ticks += 1
            steady, now = self.ticks * PERIOD, EPOCH + self.ticks * PERIOD
            if self.policy:
                self.guard.push_proposal(Action(now - 10 * MS, bend, speed), now, steady)
            if self.measured:
                self.guard.push_speed(SpeedSample(now, self.speed), now, steady)
            decision = self.guard.tick(now, steady)
            self.states.append(decision.state)
            if decision.command is not None:
                self.speed = decision.command.speed
                driven = curvature(decision.command.steering_angle, self.vehicle)
                self.errors.append(abs(driven - bend))
        return decision.state


@pytest.mark.parametrize("name", ["donkey", "jetracer", "f1tenth", "duckiebot", "turtlebot"])
def test_it_engages_and_drives_nearly_its_sharpest_bends_to_both_sides(name):
    robot = Robot(name)
    bend = 0.95 * sharpest(robot.vehicle)
    assert robot.run(4.0, bend) is State.ENGAGED
    for side in (-1.0, 1.0):
        robot.errors.clear()
        assert robot.run(1.5, side * bend) is State.ENGAGED
        assert robot.errors[-1] < 0.02 * bend, "the bend that is proposed is driven"
        assert 0.4 * robot.set_speed < robot.speed <= robot.set_speed + 1e-9
    # Without a policy it stops, and standing is standing at its own speeds.
    robot.policy = False
    assert robot.run(4.0, bend) is State.STOPPED
    assert robot.speed == 0.0
    limits = robot.guard.limits
    assert robot.guard.config.standstill < 0.2 * limits.max_speed


def test_a_bend_beyond_the_vehicle_is_limited():
    robot = Robot("turtlebot")
    robot.run(4.0, 20.0)
    assert robot.errors[-1] == pytest.approx(20.0 - sharpest(robot.vehicle), abs=0.01)
