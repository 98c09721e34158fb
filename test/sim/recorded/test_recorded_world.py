"""Driving beside a recorded path: the expert, the corridor, what is measured, determinism."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import SPEED, road

from liquid_control.config import VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.driving_scale import driving_scale
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import steering_angle
from liquid_control.errors import ConfigError
from liquid_control.signals import Frame, ImuSample, SpeedSample
from liquid_control.sim.collect import steering_noise
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.recorded.world import RecordedWorld, RecordedWorldConfig

ROAD = road()


def expert_drive(world: RecordedWorld, noise: float = 0.0, seed: int = 1):
    runtime = ExpertRuntime(world, world.recording.preprocess)
    controller = Controller(runtime, speed=world.task.set_speed, comfort_lateral_acceleration=20.0)
    gate = SafetyGate(world.recording.gate, vehicle=world.body.vehicle)
    disturbance = steering_noise(np.random.default_rng(seed), noise).__next__
    return drive(world, controller, gate, disturbance)


def test_on_the_path_the_experts_answer_is_the_recorded_command():
    world = RecordedWorld(ROAD)
    for frame in (3, 40, 150):
        world.place(float(ROAD.path.station[frame]))
        assert world.task.expert(world) == [ROAD.path.command[frame]]


def test_beside_the_path_the_expert_steers_back_to_it():
    world = RecordedWorld(ROAD)
    frame = 60
    answers = {}
    for offset, error in itertools.product((-0.8, 0.0, 0.8), (-0.1, 0.0, 0.1)):
        world.place(float(ROAD.path.station[frame]), offset, error)
        (answers[offset, error],) = world.task.expert(world) - ROAD.path.command[frame]
    assert answers[0.8, 0.0] < -0.03 and answers[-0.8, 0.0] > 0.03
    assert answers[0.0, 0.1] < -0.01 and answers[0.0, -0.1] > 0.01
    assert answers[0.8, 0.1] < answers[0.8, 0.0] < answers[0.8, -0.1]


def test_the_drivers_commands_keep_the_vehicle_on_the_path_whatever_its_scale():
    """A command that the recorded vehicle answered with half the curvature is right here too."""
    path = dataclasses.replace(ROAD.path, command=2.0 * ROAD.path.command)
    world = RecordedWorld(dataclasses.replace(ROAD, path=path))
    while not world.truth.finished:
        world.advance(steering_angle(world.command, world.body.vehicle))
        assert abs(world.truth.lane_offset) < 0.05
    assert world.truth.station > 0.9 * ROAD.path.length


def test_a_command_acts_a_response_delay_later_as_a_bicycle():
    world = RecordedWorld(road(6.0, delay=0.3, bends=0.0))
    for _ in range(15):
        world.advance(steering_angle(0.05, world.body.vehicle))
    assert abs(world.truth.heading_error) < 1e-3
    begin = world.truth
    for _ in range(100):
        world.advance(steering_angle(0.05, world.body.vehicle))
    turned = world.truth.yaw - begin.yaw
    assert turned == pytest.approx(0.05 * SPEED * (1.0 - 0.15), rel=0.1)


@pytest.mark.parametrize("hold", [0.0, 0.1])
def test_a_command_that_stays_until_the_next_one_is_no_later_than_the_drivers(hold):
    """The driver's commands, held for 0.2 s, keep to his path where his were held, too."""
    world = RecordedWorld(dataclasses.replace(road(delay=0.3), hold=hold))
    largest = 0.0
    while not world.truth.finished:
        command = world.command
        for _ in range(20):
            world.advance(steering_angle(command, world.body.vehicle))
        largest = max(largest, abs(world.truth.heading_error))
    assert largest < 0.004 if hold else largest > 0.012


def test_the_vehicle_gains_and_loses_speed_as_it_did():
    seconds = np.arange(len(ROAD.path)) / 20
    speed = SPEED * (1.0 + 0.5 * np.sin(2.0 * seconds))
    path = dataclasses.replace(
        ROAD.path, speed=speed, station=np.concatenate([[0.0], np.cumsum(speed[:-1]) / 20])
    )
    for wheelbase in (0.2, 2.6):  # 0.24 m/s² is the least that the small one follows
        vehicle = VehicleConfig(wheelbase, 0.4)
        world = RecordedWorld(dataclasses.replace(ROAD, path=path, vehicle=vehicle))
        for _ in range(500):
            world.advance(steering_angle(world.command, vehicle))
            assert world.truth.speed == pytest.approx(world.speed_limit, abs=0.03 * SPEED)


def test_a_vehicle_that_turns_more_than_commanded_is_steered_back_with_less():
    straight = road(6.0, bends=0.0)
    strong = dataclasses.replace(straight, response_gain=2.0)
    ends, answers = [], []
    for each in (straight, strong):
        world = RecordedWorld(each)
        world.place(5.0, 0.5, 0.0)
        answers.append(float(world.task.expert(world)[0]))
        world.place(5.0)
        for _ in range(50):
            world.advance(steering_angle(0.02, world.body.vehicle))
        ends.append(world.truth.heading_error)
    assert ends[1] == pytest.approx(2.0 * ends[0], rel=0.02)
    assert answers[1] == pytest.approx(0.5 * answers[0])


def test_the_expert_corrects_noise_within_the_corridor():
    world = RecordedWorld(ROAD, seed=2)
    offsets = []
    for step in expert_drive(world, noise=0.02):
        offsets.append(step.truth.lane_offset)
        assert not world.task.is_terminated(step.truth)
    assert 0.02 < np.std(offsets) < 0.4
    assert world.truth.finished


@pytest.mark.parametrize("measured", [("yaw_rate", "lateral_acceleration", "speed"), ()])
def test_the_gate_lets_the_recorded_driver_through_with_and_without_a_speed_sensor(measured):
    """Sharp bends of a small vehicle at the speed of a walk, judged at the largest speed."""
    vehicle = VehicleConfig(0.36, 0.5)
    path = dataclasses.replace(ROAD.path, command=40.0 * ROAD.path.command)
    speed = np.linspace(1.0, 1.9, len(path))
    path = dataclasses.replace(path, speed=speed, curvature=40.0 * path.curvature)
    small = dataclasses.replace(ROAD, path=path, vehicle=vehicle, measured=measured)
    sharpest = float(np.abs(path.command).max())
    gate, judged = small.gate, speed.max() if measured else small.gate.max_speed
    assert gate.max_lateral_acceleration >= judged**2 * sharpest
    assert gate.max_speed > speed.max() and gate.max_steering_angle == 0.5


def test_the_gate_of_a_small_and_fast_vehicle_is_one_that_a_robot_can_have():
    """What the driver did asks for more jerk than any gate has."""
    path = dataclasses.replace(ROAD.path, command=60.0 * ROAD.path.command)
    path = dataclasses.replace(path, speed=np.full(len(path), 4.0))
    vehicle = VehicleConfig(0.15, 0.5)
    scale = driving_scale(vehicle)
    gate = dataclasses.replace(ROAD, path=path, vehicle=vehicle, scale=scale, measured=()).gate
    assert (gate.max_lateral_acceleration, gate.max_lateral_jerk) == (20.0, 1000.0)


def test_the_expert_returns_from_half_a_lane_off():
    world = RecordedWorld(ROAD)
    world.place(10.0, 1.6, 0.1)
    *_, last = itertools.islice(expert_drive(world), 400)
    assert abs(last.truth.lane_offset) < 0.1 and abs(last.truth.heading_error) < 0.02


def test_truth_is_in_the_roads_axes():
    world = RecordedWorld(ROAD)
    world.place(33.0, 0.7, -0.1)
    truth = world.truth
    station, offset = world.road.project(truth.x, truth.y, 32.0)
    assert (station, offset) == pytest.approx((33.0, 0.7), abs=2e-3)
    assert truth.speed == pytest.approx(SPEED) and truth.speed_limit == pytest.approx(SPEED)


def test_the_same_seed_gives_the_same_drive_to_the_bit():
    def events(seed: int) -> list:
        world = RecordedWorld(ROAD, seed=seed)
        return [event for _ in range(100) for event in world.advance(0.01)]

    first, second, other = events(5), events(5), events(6)
    assert [event.stamp_ns for event in first] == [event.stamp_ns for event in second]
    for one, same in zip(first, second, strict=True):
        if isinstance(one, Frame):
            assert np.array_equal(one.image, same.image)
        else:
            assert one == same
    assert [event.stamp_ns for event in first] != [event.stamp_ns for event in other]


def test_only_what_was_recorded_is_measured():
    def kinds(measured: tuple[str, ...]) -> list:
        world = RecordedWorld(dataclasses.replace(ROAD, measured=measured))
        return [event for _ in range(20) for event in world.advance(0.0)]

    everything = kinds(("yaw_rate", "lateral_acceleration", "speed"))
    assert {type(event) for event in everything} == {Frame, ImuSample, SpeedSample}
    assert {type(event) for event in kinds(())} == {Frame}
    (gyro,) = {type(event) for event in kinds(("yaw_rate",))} - {Frame}
    assert gyro is ImuSample
    sample = next(event for event in kinds(("yaw_rate",)) if isinstance(event, ImuSample))
    assert math.isnan(sample.linear_acceleration[1]) and abs(sample.angular_velocity[2]) < 1.0


def test_speed_is_the_recorded_one_times_the_factor_and_capped_by_the_command():
    world = RecordedWorld(ROAD, RecordedWorldConfig(speed=0.5))
    world.advance(0.0)
    assert world.truth.speed == pytest.approx(0.5 * SPEED)
    for _ in range(400):
        world.advance(steering_angle(world.command, world.body.vehicle), 1.0)
    assert world.truth.speed == pytest.approx(1.0)


def test_a_part_of_a_road_can_be_driven():
    world = RecordedWorld(ROAD, RecordedWorldConfig(start=20.0, length=15.0))
    assert world.truth.station == 20.0
    while not world.truth.finished:
        world.advance(steering_angle(world.command, world.body.vehicle))
    assert 35.0 < world.truth.station < 35.5


def test_conditions_of_picture_time_and_sensors_apply_and_others_are_refused():
    dark = RecordedWorld(ROAD, condition=CONDITIONS["night"])
    clean = RecordedWorld(ROAD)

    def brightness(world: RecordedWorld) -> float:
        frames = [e for _ in range(30) for e in world.advance(0.0) if isinstance(e, Frame)]
        return float(np.mean([frame.image.mean() for frame in frames]))

    assert brightness(dark) < 0.8 * brightness(clean)
    with pytest.raises(ConfigError, match="weather, road and vehicle are recorded"):
        RecordedWorld(ROAD, condition=CONDITIONS["winter"])
