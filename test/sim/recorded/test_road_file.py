"""Roads that another process drives in, as a file."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import road

from liquid_control.errors import ConfigError
from liquid_control.sim.recorded.road import MappedPictures
from liquid_control.sim.recorded.road_file import read_roads, write_roads
from liquid_control.sim.recorded.world import RecordedWorld


def test_a_road_read_from_its_file_is_the_same_world(tmp_path):
    made = road(seconds=3.0, measured=("speed",), response_gain=1.2)
    file = tmp_path / "pictures.bin"
    made.pictures.tofile(file)
    commands = made.path.command.copy()
    commands[7] = np.nan
    path = dataclasses.replace(made.path, command=commands)
    mapped = MappedPictures(file, 0, made.pictures.shape)
    made = dataclasses.replace(made, path=path, pictures=mapped)
    write_roads(tmp_path / "roads.json", [made, made])
    first, second = read_roads(tmp_path / "roads.json")
    for field in dataclasses.fields(path):
        column = getattr(first.path, field.name)
        assert column.dtype == getattr(path, field.name).dtype
        assert np.array_equal(column, getattr(path, field.name), equal_nan=True)
    for field in dataclasses.fields(made):
        if field.name not in ("path", "pictures"):
            assert getattr(first, field.name) == getattr(made, field.name)
    ours, theirs = RecordedWorld(made, seed=3), RecordedWorld(second, seed=3)
    for world in (ours, theirs):
        for _ in range(30):
            world.advance(0.03)
    assert ours.truth == theirs.truth and ours.truth.lane_offset != 0.0
    assert np.array_equal(ours.picture()[0], theirs.picture()[0])


def test_standing_is_no_speed_until_the_cap_lets_it_move(tmp_path):
    world = RecordedWorld(road(seconds=3.0))
    world.place(0.0, speed=0.0)
    for _ in range(20):
        world.advance(0.0, 0.0)
    assert world.truth.speed == 0.0 and world.truth.station == 0.0
    world.place(0.0)
    assert world.truth.speed == pytest.approx(world.speed_limit)


@pytest.mark.parametrize("text", ["", "[1]", '[{"name": "x"}]', "{"])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "roads.json").write_text(text)
    with pytest.raises(ConfigError, match="liquid-control drive --world"):
        read_roads(tmp_path / "roads.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_roads(tmp_path / "roads.json")
