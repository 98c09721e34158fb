"""The recorded world where the driver chooses the speed: it obeys, and the expert's is recorded."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import SPEED, road

from liquid_control.evaluate.closed_loop.chosen_speed import against_driver
from liquid_control.evaluate.closed_loop.recorded import StretchJob, drive_stretch
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import names
from liquid_control.sim.collect import DriveJob, OnRecording, simulate
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.recorded.world import RecordedWorld
from liquid_control.sim.tasks.recorded_road import LEAD

PLAIN = road()
SECONDS = np.arange(len(PLAIN.path)) / 20
VARIED = SPEED * (1.0 + 0.3 * np.sin(0.8 * SECONDS))
ROAD = dataclasses.replace(
    PLAIN,
    path=dataclasses.replace(
        PLAIN.path, speed=VARIED, station=np.concatenate([[0.0], np.cumsum(VARIED[:-1]) / 20])
    ),
)


@pytest.mark.parametrize("obeys", [False, True])
def test_the_commanded_speed_is_a_limit_or_is_obeyed(obeys):
    world = RecordedWorld(ROAD, chooses_speed=obeys)
    assert ("speed" in names(world.task.spec.actions)) is obeys
    for speed in (4.0, 12.0):
        world.place(1.0)
        for _ in range(150):
            world.advance(0.0, speed)
        expected = speed if obeys else min(speed, world.speed_limit)
        assert world.truth.speed == pytest.approx(expected, abs=0.3)


def test_the_expert_chooses_the_recorded_speed_of_a_moment_later_and_keeps_to_it():
    world = RecordedWorld(ROAD, chooses_speed=True)
    world.place(20.0)
    curvature, speed = world.task.expert(world)
    assert speed == pytest.approx(ROAD.speed_at(20.0 + LEAD * world.truth.speed))
    assert [curvature] == RecordedWorld(ROAD).task.expert(world)[:1]
    job = StretchJob("drive", ROAD, 0, "clean", 3)
    found = drive_stretch(Expert(), job)
    figures = against_driver([found])
    assert figures["time_ratio"] == pytest.approx(1.0, abs=0.04)
    assert figures["time_ratio_ci"] is None


class Expert:
    """Finds the world that it drives in, as no policy can, by its own copy of it."""

    def __init__(self) -> None:
        self._runtime = ExpertRuntime(RecordedWorld(ROAD, chooses_speed=True), ROAD.preprocess)
        self.spec, self.preprocess = self._runtime.spec, ROAD.preprocess

    def initial_state(self):
        return {}

    def step(self, observation, state):
        """Along the path at the speed of the time."""
        at = observation.stamp_ns * 1e-9
        station = float(np.interp(at, SECONDS, ROAD.path.station))
        return np.array(
            [ROAD.command_at(station), float(np.interp(at + LEAD, SECONDS, VARIED))]
        ), {}


def test_recovery_drives_teach_the_speed_from_slow_beginnings_too():
    measurements = lane_keeping(ROAD.preprocess, inputs=("speed",)).measurements
    on = OnRecording(ROAD, 0.5, 0.2, 0.05, measurements, chooses_speed=True)
    episode = simulate(DriveJob(5, ROAD.preprocess, on, steering_noise=0.01))
    assert episode.action.shape[1] == 2 and episode.known.all()
    assert VARIED.min() - 0.1 <= episode.action[:, 1].min()
    assert episode.action[:, 1].max() <= VARIED.max() + 0.1
    driven = episode.measurements[:, 0]
    assert driven.min() < 0.8 * VARIED.min() and np.ptp(driven) > np.ptp(episode.action[:, 1])
