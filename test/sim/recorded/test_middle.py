"""The middle of the lane by its lines on the ground, and driving that is judged by it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import BEGIN, CAMERA, road

from liquid_control.sim.recorded.middle import with_middle
from liquid_control.sim.recorded.path import RecordedPath
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld

LANE, WANDER, WAVE, FRAMES = 3.5, 0.4, 25.0, 150


def lane_road() -> RecordedRoad:
    """A straight lane along x between two white lines, in which a driver wanders."""
    x = np.arange(FRAMES) * 0.5
    y = WANDER * np.sin(x / WAVE * 2 * np.pi)
    heading = np.arctan(np.gradient(y, x))
    station = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    curvature = np.gradient(heading, station)
    stamp_ns = BEGIN + np.arange(FRAMES) * 50_000_000
    speed, nothing = np.full(FRAMES, 10.0), np.zeros(FRAMES)
    path = RecordedPath(stamp_ns, station, x, y, heading, curvature, curvature, speed, nothing)
    rows, columns = np.mgrid[: CAMERA.height, : CAMERA.width]
    ground = CAMERA.ground(np.stack([columns, rows], -1))
    pictures = []
    for at_y, turn in zip(y, heading, strict=True):
        north = at_y + ground[..., 0] * np.sin(turn) + ground[..., 1] * np.cos(turn)
        with np.errstate(invalid="ignore"):
            line = np.exp(-(((np.abs(north) - LANE / 2) / 0.1) ** 2)) * (ground[..., 0] < 40.0)
        grey = 90 + 140 * np.nan_to_num(line)
        pictures.append(np.repeat(grey.astype(np.uint8)[..., None], 3, 2))
    return dataclasses.replace(road(2.0), path=path, pictures=np.stack(pictures))


@pytest.fixture(scope="module")
def centred() -> tuple[RecordedRoad, float]:
    (found,), wander = with_middle([lane_road()])
    return found, wander


def test_the_lanes_middle_is_found_by_its_lines_to_a_fiftieth_of_its_width(centred):
    found, wander = centred
    path = found.path
    # At the beginning no frame behind has seen the ground.
    seen = path.station > 10.0
    truth = -path.y / np.cos(path.heading)
    assert np.sqrt(np.mean((path.middle - truth)[seen] ** 2)) < LANE / 50
    assert np.corrcoef(path.middle[seen], truth[seen])[0, 1] > 0.97
    assert wander == pytest.approx(WANDER / np.sqrt(2), rel=0.2)
    assert np.abs(found.turned[seen] + path.heading[seen]).max() < 0.05


def test_ground_without_lines_along_the_way_has_no_middle():
    given = road()
    (found,), wander = with_middle([given])
    assert wander is None and found is given


def test_offsets_are_from_the_middle_and_the_expert_steers_to_it(centred):
    found, _ = centred
    world = RecordedWorld(found)
    frame = 70
    station, middle = found.path.station[frame], found.path.middle[frame]
    world.place(station, -middle, -float(found.turned[frame]))  # on the driver's line
    assert world.truth.y == pytest.approx(found.path.y[frame], abs=0.01)
    assert world.truth.lane_offset == pytest.approx(-middle, abs=1e-6)
    world.place(station)
    assert world.truth.lane_offset == pytest.approx(0.0, abs=1e-9)
    assert world.truth.y == pytest.approx(0.0, abs=LANE / 50)
    ahead = found.path.middle[frame + 5 : frame + 20].mean()
    world.place(station, -middle, -float(found.turned[frame]))
    (answer,) = world.task.expert(world)
    assert np.sign(answer - found.path.command[frame]) == np.sign(ahead)
