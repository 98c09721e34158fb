"""A person who takes over from a policy: when, how often, and what the recording says of it."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, TimelineConfig, WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.data.from_recording import Reading, read_drive
from liquid_control.data.takeovers import lost_at_handovers
from liquid_control.model.car import lane_keeping
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.drivers import Driver, curvature_by_driver
from liquid_control.recordings.rosbag.driver_states import read_drivers
from liquid_control.recordings.rosbag.writer import BagSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.sim.drive import drive
from liquid_control.sim.person import Person, PersonSettings, SharedGate, SharedRuntime
from liquid_control.sim.recorded_drive import record_drive
from liquid_control.sim.tasks.lane_keeping import SCALE, SET_SPEED
from liquid_control.sim.truth import Truth
from liquid_control.sim.world import World

SIZE = PreprocessConfig(height=16, width=32)


def truth(seconds: float, offset: float, heading: float = 0.0, speed: float = 10.0) -> Truth:
    return Truth(
        round(seconds * 1e9), 0.0, 0.0, 0.0, speed, 0.0, 0.0, offset, heading, 0.0, 15.0, False
    )


def person(seed: int = 0, **settings) -> Person:
    return Person(PersonSettings(**settings), SCALE, np.random.default_rng(seed))


def taken_at(one: Person, offset: float, heading: float = 0.0) -> float | None:
    """Seconds after which he drives, at a constant offset."""
    return next((i / 100 for i in range(300) if one.watch(truth(i / 100, offset, heading))), None)


def test_he_takes_over_after_his_reaction_time():
    times = [taken_at(person(seed), 0.9) for seed in range(200)]
    assert 0.3 <= min(times) < 0.35 and 0.95 < max(times) <= 1.01
    assert np.mean(times) == pytest.approx(0.65, abs=0.05)


@pytest.mark.parametrize(
    "offset, heading, takes", [(0.7, 0.0, False), (0.5, 0.08, True), (0.5, -0.08, False)]
)
def test_he_looks_ahead(offset, heading, takes):
    assert (taken_at(person(), offset, heading) is not None) is takes


def test_what_calms_down_before_he_reacts_is_no_takeover():
    one = person(reaction_low=0.5, reaction_high=0.5)
    for i in range(1000):
        worried = i % 100 < 40
        assert not one.watch(truth(i / 100, 0.9 if worried else 0.1))
    assert one.takeovers == 0


def test_he_hands_back_when_the_vehicle_has_been_in_the_middle_for_a_while():
    one = person(settled=2.0)
    assert taken_at(one, 1.2) is not None
    for i in range(500):  # not yet in the middle
        assert one.watch(truth(4 + i / 100, 0.5))
    for i in range(150):  # in the middle, but turned away
        assert one.watch(truth(9 + i / 100, 0.0, 0.2))
    driven = [one.watch(truth(11 + i / 100, 0.1)) for i in range(300)]
    assert driven.index(False) == 200 and not any(driven[200:])
    assert one.takeovers == 1


class Aside:
    """A policy that steers to the left."""

    spec = dataclasses.replace(lane_keeping(SIZE), state=())
    preprocess = SIZE

    def initial_state(self):
        return {}

    def step(self, observation, state):
        return np.array([0.03]), state


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The bag of a drive in which a person corrects a policy that leaves the lane."""
    config = WorldConfig(length=110.0, image_width=64, image_height=32, trees=0, drop_share=0.0)
    world = World(config, 5)
    one = Person(PersonSettings(), world.scale, np.random.default_rng(1))
    controller = Controller(SharedRuntime(Aside(), world, one), speed=SET_SPEED)
    steps = partial(drive, world, controller, SharedGate(SafetyGate(), world, one))
    folder = tmp_path_factory.mktemp("shared")
    found = record_drive(world, controller, steps, 5, BagSettings(), "bag", {}, one)
    world.close()
    found.save(folder / "bag")
    return folder / "bag", one


def test_the_recording_says_who_drove_and_a_handover_loses_at_most_one_frame(shared, tmp_path):
    bag, one = shared
    drivers = read_drivers(bag)
    assert one.takeovers >= 1 and len(drivers.takeovers) == one.takeovers
    assert drivers.driver[0] == Driver.POLICY
    reading = Reading(RecordingSettings(), SIZE, TimelineConfig())
    read = read_drive(bag, reading, tmp_path)
    stamps = read.columns["stamp_ns"]
    driven = curvature_by_driver(
        stamps, read.motion, drivers, CurvatureSettings(), reading.recording.vehicle
    )
    episode = read.episode(Aside.spec, driven.curvature[:, None])
    assert max(lost_at_handovers(episode, drivers)) <= 1
    by = drivers.at(stamps)
    before = stamps < drivers.takeovers[0]
    assert driven.curvature[before][-2] > 0.02 and (by[before] == Driver.POLICY).all()
    after = (stamps > drivers.takeovers[0]) & (by == Driver.PERSON) & episode.known
    assert driven.curvature[after][:3].max() < -0.02, "he steers back at once, past the gate"
