"""A recorded path as a lane whose look is drawn: where its lines are, and what differs."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import CAMERA, VEHICLE, road

from liquid_control.model.car import lane_keeping
from liquid_control.sim.collect import DriveJob, OnRecording, simulate
from liquid_control.sim.recorded.drawn import DrawnView
from liquid_control.sim.recorded.lane_look import LEAST_CONTRAST, Line, draw_look
from liquid_control.sim.recorded.world import RecordedWorld

ROAD = road()
BENT = dataclasses.replace(ROAD, camera=dataclasses.replace(CAMERA, distortion=-0.1, yaw=0.02))
GREY, WHITE = (90.0, 90.0, 90.0), (250.0, 250.0, 250.0)
PLAIN = dataclasses.replace(
    draw_look(np.random.default_rng(0)),
    floor=GREY,
    lane=None,
    lines=(Line(0.5, 0.12, WHITE), Line(-0.5, 0.12, WHITE)),
    texture_depth=0.0,
    wall=1000.0,
    recorded_backdrop=False,
    light=(1.0, 1.0, 1.0),
    vignette=0.0,
    clutter=(),
)


def pixels_of(recorded, station: float, offset: float, error: float, place: float) -> np.ndarray:
    """(P, 2) columns and rows of points `place` [m] to the left of the path, 6 to 14 m ahead."""
    x, y, heading = recorded.path.pose(station)
    x, y = x - offset * math.sin(heading), y + offset * math.cos(heading)
    points = []
    for ahead in np.arange(6.0, 14.0, 0.5):
        there_x, there_y, there, _ = recorded.line.at(station + ahead)
        there_x, there_y = there_x - place * math.sin(there), there_y + place * math.cos(there)
        dx, dy, yaw = there_x - x, there_y - y, heading + error
        points.append(
            (dx * math.cos(yaw) + dy * math.sin(yaw), dy * math.cos(yaw) - dx * math.sin(yaw), 0.0)
        )
    return recorded.camera.project(np.array(points))


@pytest.mark.parametrize("recorded", (ROAD, BENT), ids=("pinhole", "lens"))
@pytest.mark.parametrize(("offset", "error"), ((0.0, 0.0), (0.7, -0.06), (-0.9, 0.08)))
def test_the_lines_are_where_the_camera_sees_the_lanes_borders(recorded, offset, error):
    view, half = DrawnView(recorded, np.random.default_rng(1)), recorded.scale.lane_width / 2
    view.renew(PLAIN)
    picture, seen = view.at(20.0, offset, error)
    assert seen.all() and picture.shape == recorded.pictures.shape[1:]
    for place, bright in ((half, True), (-half, True), (0.0, False), (1.4 * half, False)):
        columns, rows = np.rint(pixels_of(recorded, 20.0, offset, error, place)).astype(int).T
        inside = (columns >= 0) & (columns < CAMERA.width) & (rows >= 0) & (rows < CAMERA.height)
        assert inside.sum() >= 4
        shades = picture[rows[inside], columns[inside]].mean(-1)
        if bright:
            assert np.mean(shades > 140) > 0.8
        else:
            assert np.mean(shades < 110) > 0.9


def test_looks_differ_and_follow_from_the_generator():
    views = [DrawnView(ROAD, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    one, same, other = (view.at(20.0, 0.3, 0.02)[0] for view in views)
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    views[0].renew()
    assert not np.array_equal(one, views[0].at(20.0, 0.3, 0.02)[0])


def test_a_lane_can_always_be_told_from_its_floor():
    rng = np.random.default_rng(3)
    for _ in range(300):
        look = draw_look(rng)
        ground = np.array(look.lane or look.floor)
        contrasts = [np.linalg.norm(ground - line.colour) for line in look.lines]
        if not look.lines:
            contrasts = [np.linalg.norm(ground - look.floor)]
        assert min(contrasts) > LEAST_CONTRAST


def test_the_floor_moves_with_the_vehicle():
    """Texture and things lie on the ground: a picture 0.4 m ahead is the warped one."""
    look = dataclasses.replace(PLAIN, texture_depth=1.0, texel=0.05, lines=())
    view = DrawnView(ROAD, np.random.default_rng(1))
    view.renew(look)
    before, after = view.at(20.0, 0.0, 0.0)[0], view.at(20.4, 0.0, 0.0)[0]
    rows = slice(44, 60)
    homography = ROAD.camera.ground_homography(0.4, 0.0, 0.0)
    moved = cv2.warpPerspective(
        before, homography, (128, 64), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )

    def apart(one: np.ndarray) -> float:
        return float(np.abs(one[rows, 20:108].astype(float) - after[rows, 20:108]).mean())

    assert apart(moved) < 0.5 * apart(before)


def test_a_drawn_drive_has_the_experts_labels_and_stops_before_the_path_ends():
    on = OnRecording(ROAD, 3.0, 0.3, 0.05, lane_keeping(ROAD.preprocess).measurements, True)
    episode = simulate(DriveJob(5, ROAD.preprocess, on, steering_noise=0.01))
    assert len(episode) > 60 and episode.is_first.sum() >= 2
    assert np.isfinite(episode.action).all()
    assert not np.array_equal(episode.image[0], episode.image[-1])
    world = RecordedWorld(ROAD, seed=1, drawn=True)
    world.place(ROAD.line.length - 1.9 * ROAD.scale.curvature_ahead)
    assert world.truth.finished
    assert VEHICLE == world.body.vehicle


def test_a_drive_whose_first_two_pictures_come_at_once_begins_a_sequence():
    pairs = np.cumsum(np.tile([3_000_000, 57_000_000], len(ROAD.path)))[: len(ROAD.path)]
    path = dataclasses.replace(ROAD.path, stamp_ns=ROAD.path.stamp_ns[0] + pairs)
    on = OnRecording(
        dataclasses.replace(ROAD, path=path),
        1.0,
        0.3,
        0.05,
        lane_keeping(ROAD.preprocess).measurements,
    )
    for seed in range(4):
        episode = simulate(DriveJob(seed, ROAD.preprocess, on, steering_noise=0.01))
        assert episode.is_first[0]
