"""A body is one file and one row of a table: a sled, defined here, drives in a world like the
car."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liquid_control.config import VehicleConfig, WorldConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.signals import Frame, ImuSample
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.bodies.car import draw_car
from liquid_control.sim.bodies.mounting import mount_camera
from liquid_control.sim.bodies.table import BODIES
from liquid_control.sim.tasks.lane_keeping import OFF_ROAD, expert_curvature
from liquid_control.sim.world import World

SLED = """<mujoco>
<visual><global offwidth="1280" offheight="720"/><quality offsamples="0"/></visual>
<worldbody>
 <light name="sun" type="directional" dir="0 0 -1"/>
 <geom name="floor" type="plane" size="0 0 100" friction="0" group="4"/>
 <body name="sled" pos="0 0 0.2"><freejoint/>
  <geom type="box" size="0.5 0.3 0.2" mass="20" friction="0" group="2"/><site name="imu"/>
  <camera name="front"/><camera name="chase" pos="-3 0 2" xyaxes="0 -1 0 0.2 0 1"/>
 </body>
</worldbody>
<sensor>
 <gyro name="gyro" site="imu"/><accelerometer name="accelerometer" site="imu"/>
 <velocimeter name="velocity" site="imu"/>
</sensor></mujoco>"""


class Sled:
    """Moves as commanded: its velocity is set, not controlled."""

    vehicle, to_rear_axle, camera_pitch = VehicleConfig(wheelbase=0.5), 0.0, 0.2
    draw, model_xml = staticmethod(draw_car), staticmethod(lambda: SLED)

    def __init__(self, parameters) -> None:
        self.parameters, self.steering_angle = parameters, 0.0

    def attach(self, model, data) -> None:
        self._data = data
        mount_camera(model, "front", (0.4, 0.0, 0.6), self.camera_pitch, 0.0, 0.0)

    def place(self, x, y, yaw, speed) -> None:
        self._data.qpos[:7] = x, y, 0.2, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)
        self._move(yaw, speed, 0.0)

    def command(self, steering_angle, speed, measured) -> None:
        self.steering_angle = steering_angle
        yaw_rate = speed * math.tan(steering_angle) / self.vehicle.wheelbase
        self._move(self.position()[2], speed, yaw_rate)

    def position(self):
        x, y, _, w, _, _, k = self._data.qpos[:7].tolist()
        return x, y, 2 * math.atan2(k, w)

    def _move(self, yaw, speed, yaw_rate) -> None:
        self._data.qvel[:2] = speed * math.cos(yaw), speed * math.sin(yaw)
        self._data.qvel[5] = yaw_rate


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setitem(BODIES, "sled", Sled)
    made = World(WorldConfig(length=100.0, trees=5), seed=4, body="sled")
    yield made
    made.close()


def test_a_body_of_another_shape_follows_the_expert_and_is_sensed(world):
    frames, yaw_rates, turned = 0, [], []
    while not world.truth.finished and world.time_ns < 30e9:
        events = world.advance(steering_angle(expert_curvature(world), Sled.vehicle))
        frames += sum(isinstance(event, Frame) for event in events)
        (imu,) = (event for event in events if isinstance(event, ImuSample))
        yaw_rates.append(imu.angular_velocity[2] - world.body.parameters.gyro_bias[2])
        turned.append(world.truth.curvature * world.truth.speed)
        assert abs(world.truth.lane_offset) < 0.5 < OFF_ROAD
        assert world.truth.speed == pytest.approx(world.truth.speed_limit, abs=0.6)
    assert world.truth.finished and frames > 100
    assert np.corrcoef(yaw_rates, turned)[0, 1] > 0.9


def test_a_body_is_placed_as_requested_in_a_world_that_knows_only_its_interface(world):
    world.place(30.0, lane_offset=0.7, heading_error=0.1)
    assert world.truth.station == pytest.approx(30.0, abs=0.1)
    assert world.truth.lane_offset == pytest.approx(0.7, abs=0.01)
    assert world.truth.heading_error == pytest.approx(0.1, abs=1e-6)
    before = world.truth
    world.advance(0.0, 5.0)
    moved = math.hypot(world.truth.x - before.x, world.truth.y - before.y)
    assert moved == pytest.approx(2 * TIMESTEP * 5.0, rel=1e-3)
    picture = world.render(64, 32)
    assert picture.shape == (32, 64, 3) and picture.std() > 5
