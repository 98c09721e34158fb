"""Lengths by the vehicle: a car's are those of the simulated lane keeping."""

from __future__ import annotations

import pytest

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.sim.tasks import lane_keeping


def test_a_car_has_the_lengths_of_lane_keeping():
    scale = driving_scale(VehicleConfig(), 3.5)
    assert scale == driving_scale(VehicleConfig())
    assert scale.departure == lane_keeping.DEPARTURE
    assert scale.off_road == lane_keeping.OFF_ROAD
    assert scale.put_back_ahead == lane_keeping.PUT_BACK_AHEAD
    assert scale.shortest_look_ahead == lane_keeping.SHORTEST_LOOK_AHEAD
    assert scale.curvature_ahead == lane_keeping.CURVATURE_AHEAD
    assert scale.slowest == 1.0


def test_a_small_robot_has_small_ones():
    scale = driving_scale(VehicleConfig(0.13, 0.55), 0.21)
    assert scale.departure == pytest.approx(0.06) and scale.off_road == pytest.approx(0.105)
    assert scale.shortest_look_ahead == pytest.approx(0.2) and scale.slowest == pytest.approx(0.05)
