"""A policy's own speed: the set speed, comfort, the measured speed and the gate cap it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import GateConfig, PreprocessConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.signals import Action, Frame, Limit, SpeedSample

SIZE = PreprocessConfig(height=16, width=32)


class Answering:
    """A runtime that gives one curvature and one speed."""

    def __init__(self, curvature: float, *speed: float) -> None:
        self.spec, self.preprocess = lane_keeping(SIZE, speed=bool(speed)), SIZE
        self._answer = np.array([curvature, *speed])

    def initial_state(self):
        return {}

    def step(self, observation, state):
        return self._answer, state


def proposed(runtime: Answering, measured: float = 30.0, **cruise: float) -> Action:
    controller = Controller(runtime, **cruise)
    controller.push(SpeedSample(1_000_000_000, measured))
    picture = np.random.default_rng(0).integers(0, 255, (16, 32, 3), np.uint8)
    action = controller.push(Frame(1_010_000_000, picture), 1_020_000_000)
    assert isinstance(action, Action)
    return action


def test_the_policy_drives_at_its_own_speed_below_every_cap():
    assert proposed(Answering(0.0, 7.5), speed=15.0).speed == 7.5
    assert proposed(Answering(0.0, 7.5), speed=5.0).speed == 5.0, "the set speed"
    bend = proposed(Answering(0.1, 7.5), speed=15.0, comfort_lateral_acceleration=2.5)
    assert bend.speed == 5.0, "comfort in a bend: sqrt(2.5 / 0.1)"
    assert proposed(Answering(0.0, 7.5), measured=2.0).speed == 3.0, "a little above the measured"
    assert proposed(Answering(0.0, -2.0)).speed == 0.0


def test_without_a_speed_the_proposal_is_as_it_was():
    assert proposed(Answering(0.0), speed=15.0).speed == 15.0
    assert proposed(Answering(-0.1), comfort_lateral_acceleration=2.5).speed == 5.0
    controller = Controller(Answering(0.0))
    assert controller.chosen_speed == math.inf


def test_an_answer_that_is_no_number_is_refused_whole():
    controller = Controller(Answering(0.0, math.nan))
    outcome = controller.push(Frame(10**9, np.full((16, 32, 3), 7, np.uint8)), 10**9)
    assert not isinstance(outcome, Action) and controller.action is None


def test_a_speed_in_another_unit_is_refused():
    runtime = Answering(0.0, 5.0)
    curvature, speed = runtime.spec.actions
    other = dataclasses.replace(speed, unit="km/h")
    runtime.spec = dataclasses.replace(runtime.spec, actions=(curvature, other))
    with pytest.raises(ConfigError, match="km/h.*m/s"):
        Controller(runtime)


def test_the_gate_caps_a_chosen_speed_as_any_other():
    gate = SafetyGate(GateConfig(max_speed=6.0, max_lateral_acceleration=2.0))
    action = proposed(Answering(0.0, 12.0), speed=20.0)
    command, verdict = gate.apply(action, 6.0, 1_030_000_000, None)
    assert command.speed <= 6.0 and Limit.SPEED in verdict.limits
    bend = dataclasses.replace(action, curvature=0.08)
    previous, now = None, 1_030_000_000
    for tick in range(300):
        now += 20_000_000
        bend = dataclasses.replace(bend, stamp_ns=now)
        previous, verdict = gate.apply(bend, 6.0 if tick < 20 else 4.9, now, previous)
    assert previous.speed**2 * 0.08 <= 2.0 + 1e-9
    assert Limit.LATERAL_ACCELERATION in verdict.limits
