"""The speed that a policy chooses against the one that the recorded driver chose."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from liquid_control.evaluate.replay.chosen_speed import chosen_speed, of_speed
from liquid_control.evaluate.replay.open_loop import replay
from liquid_control.evaluate.replay.summary import summarize
from liquid_control.model.car import lane_keeping
from liquid_control.recordings.driven_speed import AHEAD
from liquid_control.signals import SpeedSample, SteeringSample


def wave(seconds):
    return 6.0 + 2.0 * np.sin(seconds)


@pytest.fixture(scope="module")
def recorded(drives, tmp_path_factory):
    def chosen(sample):
        if not isinstance(sample, (SpeedSample, SteeringSample)):
            return sample
        return dataclasses.replace(sample, speed=wave((sample.stamp_ns - drives.BEGIN) * 1e-9))

    path = tmp_path_factory.mktemp("bags") / "drive"
    return drives.write_drive(path, 1, seconds=8.0, change=chosen, imu=False)


class Speedy:
    """A policy that gives `speed(seconds)`, or none."""

    def __init__(self, like, drives, speed=None) -> None:
        size = like.preprocess
        self.spec = dataclasses.replace(like.spec, actions=lane_keeping(size, speed=True).actions)
        self.preprocess, self._begin, self._speed = size, drives.BEGIN, speed
        self._like = like

    def initial_state(self):
        return self._like.initial_state()

    def step(self, observation, state):
        seconds = (observation.stamp_ns - self._begin) * 1e-9
        return np.array([0.0, self._speed(seconds)]), state


def test_a_policy_that_knows_the_drivers_speed_has_no_error(recorded, drives, scripted):
    like = scripted(lambda _: 0.0)
    policies = {
        "driver": Speedy(like, drives, lambda at: wave(at + AHEAD)),
        "slow": Speedy(like, drives, lambda at: wave(at + AHEAD) - 1.5),
        "steers": like,
    }
    logs = replay(policies, recorded)
    driver, slow, steers = (chosen_speed([log]) for log in logs)
    assert steers is None
    assert driver["mae"] < 0.1 and driver["r2"] > 0.99 and driver["frames"] > 120
    assert slow["bias"] == pytest.approx(-1.5, abs=0.1) and slow["r2"] < 0.5
    assert "1.5 m/s" in of_speed(slow)
    # The proposal is capped by the measured speed; the policy's own answer is compared.
    frames = logs[1].issued.of_frames()
    assert np.isnan(logs[2].issued.chosen_speed).all() and np.isfinite(frames.chosen_speed).all()


def test_the_summary_has_it_by_model(recorded, drives, scripted, monkeypatch):
    like = scripted(lambda _: 0.0)
    policies = {"speed": Speedy(like, drives, wave), "steers": like}
    for policy in policies.values():
        monkeypatch.setattr(policy, "info", Known(), raising=False)
    facts, _ = summarize([replay(policies, recorded)], policies)
    json.dumps(facts["chosen_speed"], allow_nan=False)
    assert list(facts["chosen_speed"]) == ["speed"]
    by_model = {one["model"]: one["chosen_speed"] for one in facts["results"]}
    assert by_model["steers"] is None and by_model["speed"] == facts["chosen_speed"]["speed"]


class Known:
    """As the info of a model that has no files."""

    directory, files = "nowhere", {}
