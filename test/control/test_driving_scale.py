"""Lengths by the vehicle: a car's are those of the simulated lane keeping."""

from __future__ import annotations

import math

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.driving_scale import driving_scale, gate_for, scale_of_drive
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


@pytest.mark.parametrize("vehicle", [VehicleConfig(), VehicleConfig(6.0, 0.6)])
def test_a_car_and_a_truck_have_a_cars_speeds(vehicle):
    scale = driving_scale(vehicle)
    assert (scale.moving, scale.slowest, scale.compared, scale.idle) == (1.0, 1.0, 0.5, 0.1)
    assert scale.speed_ahead == 1.0
    assert scale.bends == (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, math.inf)
    assert scale.speeds == (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, math.inf)
    assert gate_for(vehicle) == GateConfig()


@pytest.mark.parametrize("wheelbase", [0.1, 0.13, 0.16])
def test_a_robot_at_a_tenth_of_a_metre_a_second_moves_and_teaches(wheelbase):
    vehicle = VehicleConfig(wheelbase, math.atan(9.0 * wheelbase))
    scale = driving_scale(vehicle)
    assert scale.idle < scale.compared < scale.slowest <= scale.moving < 0.1
    assert scale.speed_ahead == pytest.approx(0.1)
    # Bends of 2 to 9 1/m fall into several classes, and speeds of 0.1 to 0.4 m/s, too.
    assert scale.bends[-3:] == (2.0, 5.0, math.inf) and len(scale.bends) == 7
    assert list(scale.bends) == sorted(scale.bends) and scale.speeds[1] <= 0.2
    gate = gate_for(vehicle)
    assert gate.max_steering_angle == vehicle.max_steering_angle and gate.max_steering_rate == 5.0


def test_a_slow_drive_is_not_a_cars_unless_the_vehicle_is_given():
    car, truck = VehicleConfig(), VehicleConfig(6.0, 0.6)
    assert scale_of_drive(car, 0.3) == driving_scale(VehicleConfig(0.13, 0.9))
    for fastest in (0.0, 0.7, 20.0, math.nan):
        assert scale_of_drive(car, fastest) == driving_scale(car)
    assert scale_of_drive(truck, 0.3) == driving_scale(truck)
