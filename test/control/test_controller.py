"""The controller with policies that behave and policies that do not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.runtime import to_vector, zero_state
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import Feature, PolicySpec
from liquid_control.model.state import StateArray
from liquid_control.signals import Action, Frame, ImuSample, Limit, Reason, Rejected, SpeedSample

MS = 1_000_000
IMAGE = np.full((64, 128, 3), 90, np.uint8)


class Counter:
    """A policy whose state counts the frames since its reset; `answer` may replace what it returns,
    or raise."""

    spec = dataclasses.replace(
        lane_keeping(PreprocessConfig(height=32, width=64)),
        state=(StateArray("count", (19,)), StateArray("window", (2, 3))),
    )
    preprocess = spec.image

    def __init__(self, curvature: float = 0.01) -> None:
        self.curvature, self.answer, self.seen = curvature, None, []

    def initial_state(self):
        return zero_state(self.spec)

    def step(self, observation, state):
        self.seen.append(observation)
        if self.answer:
            return self.answer(state)
        return np.array([self.curvature]), {name: one + 1 for name, one in state.items()}


def steps(controller: Controller) -> float:
    """What all numbers of the state have counted."""
    (count,) = set(to_vector(controller.state))
    return count


def drive(controller: Controller, *milliseconds: int) -> list[Action | Rejected]:
    return [controller.push(Frame(ms * MS, IMAGE)) for ms in milliseconds]


def test_the_policy_sees_its_own_size_the_true_dt_and_the_motion_since_the_last_frame():
    policy = Counter()
    controller = Controller(policy)
    controller.push(SpeedSample(0, 6.0))
    drive(controller, 0)
    controller.push(ImuSample(20 * MS, (0.0, 0.0, 0.3), (0.0, 1.5, 9.8)))
    drive(controller, 47)
    assert policy.seen[1].image.shape == (32, 64, 3) and policy.seen[1].dt == 0.047
    assert (
        policy.seen[1].measurements == pytest.approx([0.3, 1.5, 6.0])
        and controller.observation is policy.seen[1]
    )


def test_state_continues_through_a_sequence_and_is_reset_after_a_gap():
    controller = Controller(Counter())
    drive(controller, 0, 40, 80)
    assert steps(controller) == 3
    drive(controller, 2000)
    assert steps(controller) == 1 and controller.frames_used == 4


def test_a_refused_frame_leaves_state_and_action_alone():
    controller = Controller(Counter())
    action = drive(controller, 0, 40)[-1]
    refused = drive(controller, 40, 0) + [controller.push(Frame(10**12, IMAGE), now_ns=80 * MS)]
    refused += [
        controller.push(Frame(80 * MS, bad))
        for bad in (None, IMAGE[:, :, 0], IMAGE[:8], IMAGE.astype(float))
    ]
    assert [frame.reason.value for frame in refused] == ["duplicate", "older", "future"] + [
        "malformed"
    ] * 4
    assert controller.action is action and steps(controller) == 2
    assert (
        controller.rejected[Reason.MALFORMED] == 4 and controller.counts["rejected_malformed"] == 4
    )
    assert drive(controller, 80)[0].stamp_ns == 80 * MS


def raising(state):
    raise RuntimeError("device lost")


def one(curvature: float) -> np.ndarray:
    return np.array([curvature], np.float32)


BROKEN = {
    "raises": raising,
    "nan curvature": lambda state: (one(math.nan), state),
    "infinite curvature": lambda state: (one(math.inf), state),
    "two actions": lambda state: (np.zeros(2), state),
    "nan state": lambda state: (one(0.0), state | {"window": state["window"] * np.nan}),
    "other shape": lambda state: (one(0.0), state | {"count": state["count"][:3]}),
    "an array missing": lambda state: (one(0.0), {"count": state["count"]}),
    "an array more": lambda state: (one(0.0), state | {"more": state["count"]}),
    "no state": lambda state: (one(0.0), None),
    "no action": lambda state: (one(0.0)[:0], state),
    "nonsense": lambda state: "left",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_policy_that_breaks_loses_its_state_and_its_last_action_goes_stale(answer):
    policy = Counter()
    controller, gate = Controller(policy), SafetyGate()
    action = drive(controller, 0, 40)[-1]
    command, _ = gate.apply(controller.action, 10.0, 45 * MS, None)
    policy.answer = answer
    assert drive(controller, 80, 120) == [
        Rejected(80 * MS, Reason.RUNTIME),
        Rejected(120 * MS, Reason.RUNTIME),
    ]
    assert (
        controller.action is action
        and steps(controller) == 0
        and controller.counts["runtime_failures"] == 2
    )
    command, verdict = gate.apply(controller.action, 10.0, 300 * MS, command)
    assert verdict.safe_stop and verdict.limits is Limit.STALE
    policy.answer = None
    assert isinstance(drive(controller, 320)[0], Action) and steps(controller) == 1
    assert not gate.apply(controller.action, 10.0, 325 * MS, command)[1].safe_stop


def test_bends_lower_the_set_speed_to_what_is_comfortable():
    assert drive(Controller(Counter(0.0), speed=12.0), 0)[0].speed == 12.0
    assert drive(Controller(Counter(1e-320), speed=12.0), 0)[0].speed == 12.0
    slow = drive(Controller(Counter(-0.05), speed=12.0, comfort_lateral_acceleration=2.0), 0)[0]
    assert slow.speed**2 * 0.05 == pytest.approx(2.0)


@pytest.mark.parametrize("vehicle, ahead", [(None, 1.0), (VehicleConfig(0.1, 0.7), 0.1)])
def test_the_proposed_speed_leads_the_measured_one_by_what_suits_the_vehicle(vehicle, ahead):
    controller = Controller(Counter(0.0), speed=12.0, vehicle=vehicle)
    controller.push(SpeedSample(0, 0.2))
    assert drive(controller, 0)[0].speed == pytest.approx(0.2 + ahead)


def test_a_frozen_camera_of_a_small_robot_is_noticed():
    for vehicle, refused in ((None, False), (VehicleConfig(0.1, 0.7), True)):
        controller = Controller(Counter(0.0), vehicle=vehicle)
        for index in range(8):
            controller.push(SpeedSample(40 * index * MS, 0.3))
            controller.push(Frame(40 * index * MS, np.zeros((32, 64, 3), np.uint8)))
        assert (controller.rejected[Reason.REPEATED] > 0) is refused


def test_commands_follow_one_another_through_the_gate():
    controller = Controller(Counter(0.2), speed=5.0)
    drive(controller, 0)
    commands = [None]
    for ms in (10, 20, 40):
        command, _ = SafetyGate().apply(controller.action, 1.0, ms * MS, commands[-1])
        commands.append(command)
    angles = [command.steering_angle for command in commands[1:]]
    assert angles == pytest.approx([0.0, 0.008, 0.024])


def test_reset_starts_a_new_drive():
    controller = Controller(Counter())
    drive(controller, 0, 40)
    controller.reset()
    assert controller.action is controller.observation is None and steps(controller) == 0
    assert drive(controller, 0)[0].stamp_ns == 0 and controller.frames_used == 3


def test_counts_name_everything_for_diagnostics():
    controller = Controller(Counter())
    controller.push(ImuSample(0, (math.nan, 0.0, 0.0), (0.0, 0.0, 0.0)))
    drive(controller, 0, 0)
    assert controller.counts == {
        "frames_used": 1,
        "rejected_duplicate": 1,
        "rejected_older": 0,
        "rejected_future": 0,
        "rejected_malformed": 0,
        "rejected_repeated": 0,
        "runtime_failures": 0,
        "inertial_rejected": 1,
    }


@pytest.mark.parametrize("speed, refused", [(8.0, 7), (0.0, 0), (None, 0)])
def test_a_camera_that_repeats_itself_is_refused_while_the_vehicle_moves(speed, refused):
    controller = Controller(Counter())
    picture = IMAGE.copy()
    for index in range(10):
        if speed is not None:
            controller.push(SpeedSample(index * 40 * MS, speed))
        controller.push(Frame(index * 40 * MS + 1, picture))
    assert controller.rejected[Reason.REPEATED] == refused
    assert isinstance(controller.push(Frame(500 * MS, picture + 1)), Action), (
        "the first new picture is used"
    )


@pytest.mark.parametrize("setting", ["speed", "comfort_lateral_acceleration"])
@pytest.mark.parametrize("value", [math.nan, -1.0, 1e6, None, True])
def test_a_setting_out_of_range_is_refused_at_construction(setting, value):
    with pytest.raises(ConfigError, match=setting):
        Controller(Counter(), **{setting: value})


@pytest.mark.parametrize(
    "spec, words",
    [
        (dataclasses.replace(Counter.spec, actions=(Feature("thrust", "N"),)), "curvature"),
        (dataclasses.replace(Counter.spec, measurements=(Feature("height", "m"),)), "height"),
        (PolicySpec(None, Counter.spec.measurements, Counter.spec.actions), "image"),
    ],
    ids=["no curvature", "what no sensor gives", "no image"],
)
def test_a_policy_of_another_body_is_refused_at_construction(spec, words):
    policy = Counter()
    policy.spec, policy.preprocess = spec, spec.image
    with pytest.raises(ConfigError, match=words):
        Controller(policy)


def test_a_policy_may_lack_a_measurement_and_give_more_than_a_curvature():
    policy = Counter(0.02)
    thrust, steering = Feature("thrust", "N"), *Counter.spec.actions
    speed = Counter.spec.measurements[2:]
    policy.spec = dataclasses.replace(Counter.spec, actions=(thrust, steering), measurements=speed)
    policy.answer = lambda state: (np.array([9.0, 0.02]), state)
    controller = Controller(policy)
    controller.push(SpeedSample(0, 6.0))
    assert drive(controller, 1)[0].curvature == 0.02
    assert policy.seen[0].measurements.tolist() == [6.0]
