"""The synthesised picture against the one drawn exactly for the same pose."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import CAMERA, draw, road

from liquid_control.sim.recorded.view import Synthesis, synthesise

ROAD = road(8.0)


def true_picture(station: float, offset: float, error: float) -> np.ndarray:
    x, y, heading = ROAD.path.pose(station)
    beside = x - offset * math.sin(heading), y + offset * math.cos(heading)
    return draw(*beside, heading + error)


def test_at_a_recorded_pose_the_picture_is_the_recorded_one_bit_for_bit():
    for frame in (0, 17, 99):
        picture, seen = synthesise(ROAD, float(ROAD.path.station[frame]), 0.0, 0.0)
        assert np.array_equal(picture, ROAD.pictures[frame])
        assert seen.all()
        picture[:] = 0  # the caller's own
        assert ROAD.pictures[frame].any()


@pytest.mark.parametrize(
    ("offset", "error"),
    [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 0.15), (0.0, -0.15), (1.0, -0.2), (-1.5, 0.2)],
)
def test_beside_the_path_it_is_the_drawn_one_within_grey_levels(offset, error):
    for station in (20.13, 37.4, 51.07):
        picture, seen = synthesise(ROAD, station, offset, error)
        truth = true_picture(station, offset, error)
        differences = np.abs(picture.astype(int) - truth)[seen]
        assert differences.mean() < 2.0
        assert np.quantile(differences, 0.99) < 16
        moved = np.abs(true_picture(station, 0.0, 0.0).astype(int) - truth)[seen]
        if offset or error:
            assert differences.mean() < 0.3 * moved.mean()


def test_the_mask_is_false_where_no_frame_saw_the_place():
    straight = road(6.0, bends=0.0)
    _, seen = synthesise(straight, 30.03, 0.0, 0.0)
    assert seen.mean() > 0.98
    _, left = synthesise(straight, 30.03, 0.0, 0.25)
    _, right = synthesise(straight, 30.03, 0.0, -0.25)
    # Turned to the left, the left of the sky was never in view.
    columns = CAMERA.width // 10
    assert not left[:10, :columns].any() and left[:10, -columns:].mean() > 0.9
    assert not right[:10, -columns:].any() and right[:10, :columns].mean() > 0.9
    # The ground at the side was seen from behind.
    assert left[-8:, :columns].mean() > 0.9


def test_frames_behind_fill_what_the_nearest_did_not_see():
    nearest = Synthesis(ROAD, behind=())
    repeated, few = nearest.at(40.03, 1.5, 0.0)
    picture, more = synthesise(ROAD, 40.03, 1.5, 0.0)
    assert more.mean() > few.mean() + 0.02
    filled = more & ~few
    truth = true_picture(40.03, 1.5, 0.0)
    with_fill, without = (np.abs(one.astype(int) - truth)[filled] for one in (picture, repeated))
    assert with_fill.mean() < 0.3 * without.mean()


def test_what_fills_fades_in_without_a_seam():
    """The frames behind are darker, as the border of a lens is."""
    dark = ROAD.pictures.copy()
    dark[: int(np.searchsorted(ROAD.path.station, 39.0))] -= 16
    _, few = Synthesis(ROAD, behind=()).at(40.03, 1.5, 0.0)
    picture, _ = Synthesis(dataclasses.replace(ROAD, pictures=dark)).at(40.03, 1.5, 0.0)
    truth = true_picture(40.03, 1.5, 0.0)
    step = np.abs(np.diff(picture[..., 0].astype(int) - truth[..., 0], axis=1))
    border = few[:, 1:] != few[:, :-1]
    assert 0.5 < step[border].mean() < 5.0


def test_a_frame_that_shows_something_else_there_does_not_fill():
    """As of a wall, which is no ground: the place stays unseen."""
    pictures = ROAD.pictures.copy()
    pictures[: int(np.searchsorted(ROAD.path.station, 39.0))] = 255
    other = Synthesis(dataclasses.replace(ROAD, pictures=pictures))
    picture, seen = other.at(40.03, 1.5, 0.0)
    nearest, few = Synthesis(ROAD, behind=()).at(40.03, 1.5, 0.0)
    assert np.array_equal(seen, few) and np.array_equal(picture, nearest)
