"""The twin's pictures against MuJoCo's, and the kernel against PyTorch."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from liquid_control.config import WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.signals import Frame
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.batched import camera_cpu, camera_torch
from liquid_control.sim.batched.looks import looks_of
from liquid_control.sim.batched.roads import road_table
from liquid_control.sim.batched.single import twin_engine
from liquid_control.sim.batched.views import VIEW, focal_length, mounts, views
from liquid_control.sim.bodies.car_parameters import draw_car
from liquid_control.sim.conditions.table import CLEAN, CONDITIONS
from liquid_control.sim.drawn import draw
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING, expert_curvature
from liquid_control.sim.world import World

ROAD = WorldConfig(length=120.0, trees=30)
MEAN, FAR_OFF = 4.0, 0.03
"""Mean difference of a picture [grey levels], and the share of its pixels that differ by more than
24: outlines of trees."""


def pair(seed, condition=CLEAN, config=ROAD):
    """The world of a seed in MuJoCo and in the twin."""
    return [
        World(config, seed, condition=condition, engine=engine) for engine in (None, twin_engine)
    ]


def differences(real, twin, seconds):
    """Of all frames while the expert of the first drives both: mean, and share of pixels far off;
    and of the cars' places."""
    pictures, places = [], []
    while real.time_ns < seconds * 1e9:
        angle = math.atan(2.6 * expert_curvature(real)) + 0.02 * math.sin(real.time_ns * 3e-9)
        frames = [
            [event for event in world.advance(angle) if isinstance(event, Frame)]
            for world in (real, twin)
        ]
        for one, other in zip(*frames, strict=True):
            assert one.stamp_ns == other.stamp_ns
            off = np.abs(one.image.astype(int) - other.image)
            pictures.append([off.mean(), (off.max(-1) > 24).mean()])
        truths = real.truth, twin.truth
        names = ("station", "lane_offset", "heading_error", "speed")
        places.append([abs(getattr(truths[0], n) - getattr(truths[1], n)) for n in names])
    for world in (real, twin):
        world.close()
    return np.array(pictures), np.max(places, 0)


@pytest.mark.parametrize("stratum", range(0, STRATA, 2))
def test_a_drive_looks_the_same_as_in_mujoco(stratum):
    config = dataclasses.replace(ROAD, stratum=stratum)
    pictures, places = differences(*pair(stratum + 5, config=config), seconds=3.0)
    assert len(pictures) > 40
    mean, far_off = pictures.mean(0)
    assert mean < MEAN and far_off < FAR_OFF, (mean, far_off)
    assert (places < [0.05, 0.05, 0.005, 0.05]).all(), places


@pytest.mark.parametrize("name", ["fog", "rain", "winter", "night", "low_sun", "camera_tilted"])
def test_conditions_look_the_same(name):
    pictures, _ = differences(*pair(7, CONDITIONS[name]), seconds=0.6)
    assert len(pictures) > 5 and pictures[:, 0].mean() < MEAN, pictures[:, 0].mean()


def test_the_views_are_those_of_mujocos_camera():
    real, twin = pair(3)
    for _ in range(150):
        angle = math.atan(2.6 * expert_curvature(real))
        real.advance(angle)
        twin.advance(angle)
    twin.render(16, 8)
    data = real.physics.data
    camera = real.physics.model.camera("front").id
    axes, found = data.cam_xmat[camera].reshape(3, 3), twin.physics._view[0]
    assert np.allclose(found[:3], data.cam_xpos[camera], atol=0.06)
    assert found[2] == pytest.approx(data.cam_xpos[camera][2], abs=0.004)
    expected = np.concatenate([-axes[:, 2], axes[:, 0], axes[:, 1]])
    assert np.allclose(found[3:], expected, atol=0.004)
    for world in (real, twin):
        world.close()


@pytest.mark.parametrize("name", ["clean", "fog", "winter"])
def test_the_kernel_draws_what_pytorch_draws(name):
    condition, size = CONDITIONS[name], (32, 64)
    drawn = [draw(ROAD, seed, False, condition, LANE_KEEPING, draw_car) for seed in range(3)]
    table, looks = road_table([d.road for d in drawn], [d.plan for d in drawn]), looks_of(drawn, 30)
    road = np.array([0, 1, 2, 1])
    state, view = np.zeros((4, 15), np.float32), np.zeros((4, VIEW), np.float32)
    for row, index in enumerate(road):
        x, y, heading, _ = drawn[index].road.at(30.0 + 20.0 * row)
        state[row, :3] = x, y, heading + 0.05 * row
    views(0, 4, state, mounts([drawn[index].parameters for index in road]), view)
    image, depth = np.empty((4, *size, 3), np.uint8), np.empty((4, *size), np.float32)
    place = (table.rows, table.samples, table.stations, table.width)
    focal = focal_length(size[0])
    camera_cpu.draw(0, 4, view, road, *place, looks, focal, depth, image)
    tensors = type(looks)(*(torch.tensor(array) for array in looks))
    rows, stations = torch.tensor(table.rows), torch.tensor(table.stations)
    where = (rows, table.samples, stations, table.width)
    again = camera_torch.draw(
        torch.tensor(view), torch.tensor(road), *where, tensors, focal, size
    ).numpy()
    off = np.abs(image.astype(int) - again)
    assert (off <= 1).all(-1).mean() > 0.999 and off.mean() < 0.05, (off.mean(), off.max())
    assert image.std() > 10


def test_what_the_twin_does_not_draw_is_one_line():
    with pytest.raises(ConfigError, match="shadows"):
        World(ROAD, 0, condition=CONDITIONS["shadows"], engine=twin_engine)
    world = World(ROAD, 0, engine=twin_engine)
    with pytest.raises(ConfigError, match="front"):
        world.render(32, 16, "chase")
