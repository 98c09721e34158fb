"""Who drove: by the gate's states in a recording, and whose steering a frame's target is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.drivers import Driver, Drivers, curvature_by_driver, driver_of
from liquid_control.recordings.motion import Motion, Track
from liquid_control.recordings.rosbag import messages
from liquid_control.recordings.rosbag.driver_states import read_asked, read_drivers
from liquid_control.recordings.rosbag.writer import BagWriter

PERSON, POLICY, GATE = Driver.PERSON, Driver.POLICY, Driver.GATE
S = 1_000_000_000


def test_the_gate_s_states_say_who_drives():
    assert {
        (state, driver): driver_of(state, driver)
        for state in ("disengaged", "engaging", "engaged", "degraded", "stopped", "fault")
        for driver in ("policy", "hand")
    } == {
        ("disengaged", "policy"): PERSON,
        ("engaging", "policy"): POLICY,
        ("engaged", "policy"): POLICY,
        ("degraded", "policy"): GATE,
        ("stopped", "policy"): GATE,
        ("fault", "policy"): GATE,
        ("disengaged", "hand"): PERSON,
        ("engaging", "hand"): PERSON,
        ("engaged", "hand"): PERSON,
        ("degraded", "hand"): GATE,
        ("stopped", "hand"): GATE,
        ("fault", "hand"): GATE,
    }


@pytest.mark.parametrize(
    "order, takeovers",
    [
        ((PERSON, POLICY, PERSON), [2]),
        ((POLICY, PERSON, POLICY, PERSON), [1, 3]),
        ((POLICY, GATE, PERSON), [2]),
        ((PERSON, GATE, PERSON), []),
        ((POLICY, GATE, POLICY), []),
        ((PERSON, PERSON, POLICY, POLICY, PERSON, PERSON), [4]),
        ((POLICY,), []),
    ],
)
def test_a_takeover_is_a_person_after_the_policy(order, takeovers):
    found = Drivers.of((i * S, driver) for i, driver in reversed(list(enumerate(order))))
    assert (found.takeovers // S).tolist() == takeovers
    assert found.at(np.arange(len(order)) * S).tolist() == list(order)
    assert found.at(np.array([-S])).tolist() == [order[0]]


def test_a_written_recording_is_read_again(tmp_path, drives):
    spans = ((1.0, 2.5), (3.0, 3.5))
    found = read_drivers(drives.write_drive(tmp_path / "bag", seconds=5.0, policy=spans))
    assert ((found.stamp_ns - drives.BEGIN) / 1e9).tolist() == [0.0, 1.0, 2.5, 3.0, 3.5]
    assert ((found.takeovers - drives.BEGIN) / 1e9).tolist() == [2.5, 3.5]
    assert read_drivers(drives.write_drive(tmp_path / "without", seconds=2.0)) is None
    assert read_drivers(tmp_path / "nowhere") is None


def test_a_topic_of_that_name_and_another_type_says_nothing(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for i in range(3):
            data = messages.twist_message(i, 0.0, 1.0)
            writer.write("/other/safety_node/state", messages.TWIST, data, i + 1)
    assert read_drivers(tmp_path / "bag") is None


def test_a_person_who_steers_past_the_gate_for_a_while_is_known_by_the_gyro_then():
    """Taken over by a remote control, then driven by hand through the gate."""
    recorded = (COMMANDS < 4 * S) | (COMMANDS > 5.5 * S)
    motion = Motion(
        yaw_rate=Track(COMMANDS, 8.0 * np.tan(steps(COMMANDS)) / VehicleConfig().wheelbase),
        speed=Track(COMMANDS, np.full(len(COMMANDS), 8.0)),
        steering_angle=Track(COMMANDS[recorded], steps(COMMANDS)[recorded]),
    )
    drivers = Drivers.of([(0, POLICY), (4 * S, PERSON), (7 * S, POLICY)])
    found = curvature_by_driver(STAMPS, motion, drivers, CurvatureSettings(), VehicleConfig())
    expected = np.tan(steps(STAMPS)) / VehicleConfig().wheelbase
    assert np.isfinite(found.curvature).all()
    assert (np.abs(found.curvature - expected) > 1e-6).sum() <= 1


STAMPS = np.arange(0, 10 * S, S // 25)
COMMANDS = np.arange(0, 10 * S, S // 50) + 3_000_000


def steps(stamps: np.ndarray) -> np.ndarray:
    """The policy steers 0.1 rad, a person from 4 s to 7 s -0.1 rad."""
    return np.where((stamps >= 4 * S) & (stamps < 7 * S), -0.1, 0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.35, 2.0])
def test_no_target_is_a_mixture_of_two_drivers(smoothing):
    motion = Motion(
        speed=Track(COMMANDS, np.full(len(COMMANDS), 8.0) + np.sin(COMMANDS / S)),
        steering_angle=Track(COMMANDS, steps(COMMANDS)),
    )
    drivers = Drivers.of([(0, POLICY), (4 * S, PERSON), (7 * S, POLICY)])
    settings = CurvatureSettings(smoothing=smoothing)
    found = curvature_by_driver(STAMPS, motion, drivers, settings, VehicleConfig()).curvature
    expected = np.tan(steps(STAMPS)) / VehicleConfig().wheelbase
    known = np.isfinite(found)
    np.testing.assert_allclose(found[known], expected[known], atol=1e-9)
    assert known.all(), "and none is lost"
    without = curvature_by_driver(STAMPS, motion, None, settings, VehicleConfig()).curvature
    mixed = np.abs(without - expected) > 1e-6
    assert mixed.any() or smoothing == 0.0, "which it would be otherwise"


def test_a_person_whose_steering_is_not_recorded_is_known_by_the_gyro():
    by_policy = steps(COMMANDS) > 0
    motion = Motion(
        yaw_rate=Track(COMMANDS, 8.0 * np.tan(steps(COMMANDS)) / VehicleConfig().wheelbase),
        speed=Track(COMMANDS, np.full(len(COMMANDS), 8.0)),
        steering_angle=Track(COMMANDS[by_policy], np.full(by_policy.sum(), 0.1)),
    )
    drivers = Drivers.of([(0, POLICY), (4 * S, PERSON), (7 * S, POLICY)])
    found = curvature_by_driver(STAMPS, motion, drivers, CurvatureSettings(), VehicleConfig())
    assert found.source == "steering"
    expected = np.tan(steps(STAMPS)) / VehicleConfig().wheelbase
    apart = np.abs(found.curvature - expected) > 1e-6
    assert np.isfinite(found.curvature).all() and apart.sum() <= 1
    nothing = dataclasses.replace(motion, yaw_rate=Track(COMMANDS[:0], COMMANDS[:0].astype(float)))
    found = curvature_by_driver(STAMPS, nothing, drivers, CurvatureSettings(), VehicleConfig())
    by = drivers.at(STAMPS)
    assert np.isnan(found.curvature[by == PERSON]).all()
    assert np.isfinite(found.curvature[by == POLICY]).all()


def test_the_target_of_a_person_is_what_he_asked_the_gate_for():
    """The gate lets through half of it."""
    motion = Motion(
        speed=Track(COMMANDS, np.full(len(COMMANDS), 5.0)),
        steering_angle=Track(COMMANDS, steps(COMMANDS)),
    )
    drivers = Drivers.of([(0, POLICY), (4 * S, PERSON), (7 * S, POLICY)])
    inside = COMMANDS[(COMMANDS > 4.1 * S) & (COMMANDS < 6 * S)]
    asked = Track(inside, np.full(len(inside), -0.08))
    settings, vehicle = CurvatureSettings(), VehicleConfig()
    by_gate = curvature_by_driver(STAMPS, motion, drivers, settings, vehicle).curvature
    found = curvature_by_driver(STAMPS, motion, drivers, settings, vehicle, asked=asked).curvature
    held = settings.max_gap / 2
    near = (STAMPS >= 4 * S) & (STAMPS < (6 + held) * S - 1)
    np.testing.assert_allclose(found[near], -0.08)
    np.testing.assert_array_equal(found[~near], by_gate[~near])


def test_no_target_of_a_person_is_beyond_what_a_gate_lets_through():
    """At 16 m/s both steer 9.8 m/s² to the side."""
    motion = Motion(
        speed=Track(COMMANDS, np.full(len(COMMANDS), 16.0)),
        steering_angle=Track(COMMANDS, steps(COMMANDS)),
    )
    drivers = Drivers.of([(0, POLICY), (4 * S, PERSON), (7 * S, POLICY)])
    settings, vehicle = CurvatureSettings(), VehicleConfig()
    found = curvature_by_driver(STAMPS, motion, drivers, settings, vehicle).curvature
    by_person = drivers.at(STAMPS) == PERSON
    np.testing.assert_allclose(found[by_person], -GateConfig().max_lateral_acceleration / 16.0**2)
    np.testing.assert_allclose(found[~by_person], np.tan(0.1) / vehicle.wheelbase)


def test_what_a_person_asked_is_read_from_his_proposals(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for i in range(1, 4):
            data = messages.twist_message(i * S, 0.01 * i, 0.0 if i == 3 else 5.0)
            writer.write("/car/manual", messages.TWIST, data, i * S + 5)
            writer.write("/other", messages.TWIST, data, i * S + 6)
    found = read_asked(tmp_path / "bag", VehicleConfig())
    assert (found.stamp_ns // S).tolist() == [1, 2, 3]
    np.testing.assert_allclose(found.value, [0.01, 0.02, 0.02], err_msg="held while he stands")
    assert read_asked(tmp_path / "nowhere", VehicleConfig()) is None
