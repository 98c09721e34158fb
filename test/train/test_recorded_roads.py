"""Roads and episodes of recordings are split alike, and drives on roads begin beside the path."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from ground_drive import SIZE, SPEED, road

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.model.car import MEASUREMENTS, lane_keeping
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.sim.collect import WIDEST, OnRecording, simulate
from liquid_control.sim.recorded.loader import NoRoadError, RecordedRoads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded_scenario import (
    Deviation,
    RecordedDriving,
    policy_drives,
    recovery_drives,
    steering_noise,
)
from liquid_control.train import recorded_roads
from liquid_control.train.closed_loop import choose
from liquid_control.train.load_recordings import LoadedRecordings
from liquid_control.train.recorded_roads import parts, with_auxiliary
from liquid_control.train.recordings_settings import RecordingsSettings
from liquid_control.train.split import GAP, Split, split_blocks

LONG = road(seconds=60.0, pictures=np.zeros((1200, 64, 128, 3), np.uint8))
SPEC = lane_keeping(SIZE)


def episode_of(one: RecordedRoad, change=lambda stamps: stamps) -> Episode:
    stamps = change(one.path.stamp_ns.copy())
    count = len(stamps)
    first = np.zeros(count, bool)
    first[0] = True
    first[1:] |= np.diff(stamps) <= 0
    return Episode(
        SPEC,
        stamps,
        np.zeros((count, 1, 1, 3), np.uint8),
        np.zeros((count, 3), np.float32),
        np.full(count, 0.05, np.float32),
        first,
        one.path.command[:, None].astype(np.float32),
        np.full((count, 4), np.nan, np.float32),
    )


def blocks(episode: Episode) -> Split:
    learned, held_out = split_blocks(episode, 4.0)
    return Split(
        {f"drive[{index}]": each for index, each in enumerate(learned)},
        {f"drive[{index}]": each for index, each in enumerate(held_out)},
        "blocks of one recording",
    )


def test_a_held_out_block_is_on_no_learned_road_nor_near_one():
    learned, held_out = parts(LONG, "drive", blocks(episode_of(LONG)))
    assert len(learned) == len(held_out) == 3
    stamps = [np.concatenate([each.path.stamp_ns for each in side]) for side in (learned, held_out)]
    apart = np.abs(stamps[0][:, None] - stamps[1][None]).min() * 1e-9
    assert apart > GAP - 0.06
    assert sum(map(len, stamps)) * 0.05 == pytest.approx(60.0 - 5 * GAP, abs=0.5)
    for side in (*learned, *held_out):
        assert side.path.station[0] == 0.0 and len(side.pictures) == len(side.path)


def test_what_a_clock_that_jumped_back_makes_ambiguous_is_on_no_road():
    """The second half has the first half's stamps: frames of a learned block could be held out."""

    def jump(stamps):
        stamps[600:] -= stamps[600] - stamps[0] - 1000
        return stamps

    episode = episode_of(LONG, jump)
    first = LONG.part(0, 600)
    split = blocks(episode)
    learned, held_out = parts(first, "drive", split)
    for side, other in ((learned, split.held_out), (held_out, split.learned)):
        for one in side:
            for each in other.values():
                low, high = each.stamp_ns.min(), each.stamp_ns.max()
                inside = (one.path.stamp_ns >= low) & (one.path.stamp_ns <= high)
                assert not inside.any()


def test_one_vehicle_has_one_camera_which_few_of_many_recordings_tell(monkeypatch, tmp_path):
    asked = {}

    def load(path, recording, *_):
        asked[path.name] = recording.mount
        if path.name == "3":
            raise NoRoadError(path, "it holds no speed", "Name its topic")
        camera = dataclasses.replace(LONG.camera, pitch=0.2 + 0.01 * (int(path.name) % 3))
        words = {"camera_pitch": "guessed"} if not recording.mount.pitch else {}
        return RecordedRoads((dataclasses.replace(LONG, camera=camera),), {}, words)

    monkeypatch.setattr(recorded_roads, "load_roads", load)
    monkeypatch.setattr(recorded_roads, "ESTIMATED", 4)
    episode = episode_of(LONG)
    episodes = {str(tmp_path / str(number)): episode for number in range(10)}
    loaded = LoadedRecordings(episodes, {}, SIZE, (), {})
    held_out = str(tmp_path / "9")
    learned = {name: episode for name in episodes if name != held_out}
    split = Split(learned, {held_out: episode}, "recording")
    settings = RecordingsSettings(workers=1, recording=RecordingSettings(mount=CameraMount(1.3)))
    roads = recorded_roads.split_roads(settings, loaded, split)
    estimated = [name for name, mount in asked.items() if mount.pitch == 0.0]
    assert sorted(estimated) == ["0", "3", "6", "9"]
    others = {mount for name, mount in asked.items() if name not in estimated}
    assert others == {CameraMount(1.3, pitch=0.2)}
    assert len(roads.learned) == 8 and len(roads.held_out) == 1
    assert list(roads.problems) == [str(tmp_path / "3")]


def test_whole_recordings_keep_their_roads_whole():
    split = Split({"a": episode_of(LONG)}, {"b": episode_of(LONG)}, "recording")
    assert parts(LONG, "a", split) == ([LONG], [])
    assert parts(LONG, "b", split) == ([], [LONG])


def test_a_recorded_frame_is_on_the_path_and_knows_its_curvatures():
    other = episode_of(LONG, lambda stamps: stamps + 7)
    assert np.isnan(with_auxiliary(other, [LONG]).auxiliary).all()
    known = with_auxiliary(episode_of(LONG), [LONG.part(0, 600), LONG.part(700, 1200)]).auxiliary
    assert np.isnan(known[600:700]).all() and not known[:600, :2].any()
    assert known[:600, 2] == pytest.approx(LONG.path.curvature[:600])
    ahead = round(LONG.scale.curvature_ahead / SPEED / 0.05)
    assert known[:500, 3] == pytest.approx(LONG.path.curvature[ahead : 500 + ahead], abs=1e-4)


def driving(**changes) -> RecordedDriving:
    given = {"roads": [LONG], "preprocess": SIZE, "measurements": MEASUREMENTS, "seed": 3}
    return RecordedDriving(**(given | {"deviation": Deviation()} | changes))


def test_drives_cover_all_roads_again_and_again_up_to_the_frames_wanted():
    jobs = recovery_drives(driving(), 10_000, 3)
    assert sum(len(job.world.road.path) for job in jobs.values()) == 3 * 1200
    assert len({job.seed for job in jobs.values()}) == len(jobs) == 6
    noise = {job.steering_noise for job in jobs.values()}
    assert len(noise) > 2 and min(noise) > 0.0
    assert len(recovery_drives(driving(), 700, 3)) == 2
    rounds = [policy_drives(driving(), "model", number, 600) for number in (1, 2)]
    seeds = [job.seed for of_round in rounds for job in of_round.values()]
    assert len(set(seeds)) == 2 and not set(rounds[0]) & set(rounds[1])
    assert all(job.model == "model" for of_round in rounds for job in of_round.values())


@pytest.mark.parametrize(
    ("wheelbase", "angle", "speed", "lane"),
    [(2.6, 0.6, 10.0, 3.5), (0.17, 0.4, 2.0, 0.8), (0.1, 0.5, 0.3, 0.2)],
)
def test_noise_moves_every_vehicle_alike_in_its_lane(wheelbase, angle, speed, lane):
    vehicle = VehicleConfig(wheelbase, angle)
    path = dataclasses.replace(LONG.path, speed=np.full(1200, speed))
    one = dataclasses.replace(LONG, vehicle=vehicle, path=path, scale=driving_scale(vehicle, lane))
    bend = math.tan(steering_noise(one, 0.05)) / wheelbase
    assert 0.5 * bend * (speed * 0.6) ** 2 == pytest.approx(0.05 * lane, rel=0.02)
    assert steering_noise(one, 2.0) < angle


def test_an_expert_begins_beside_the_path_and_its_labels_lead_back():
    one = road(seconds=14.0, bends=0.0)
    deviation = Deviation(heading=0.0, noise=0.0, restart=2.0)
    (job,) = recovery_drives(driving(roads=[one], deviation=deviation), 900, 1).values()
    assert isinstance(job.world, OnRecording)
    episode = simulate(job)
    offset = episode.auxiliary[:, 0]
    begins = np.flatnonzero(episode.is_first)
    ends = np.append(begins[1:], len(episode)) - 1
    assert len(begins) >= 5 and 0.3 < np.abs(offset[begins]).max() < WIDEST * 0.12 * 3.5
    assert np.abs(offset[ends]).max() < 0.1  # alone, it comes back
    far = begins[np.abs(offset[begins]) > 0.1]
    assert (np.sign(episode.action[far, 0]) == -np.sign(offset[far])).all()
    assert np.abs(episode.action[ends, 0]).max() < 0.02  # the driver's own command
    assert episode.image.shape[1:] == (64, 128, 3) and episode.spec.measurements == MEASUREMENTS


def test_weights_are_the_shares_of_windows_that_begin_in_an_episode():
    plain = Augmentation(0.0, 0.0, 0.0, 0.0)
    short, long = episode_of(LONG.part(0, 100)), episode_of(LONG)
    long.action[:] = 1.0
    short.action[:] = 2.0
    sequences = Sequences([short, long], 4, plain, weights=[0.5 / 100, 0.5 / 1200])
    drawn = sequences.draw(np.random.default_rng(0), 2000).action
    assert (drawn == 2.0).mean() == pytest.approx(0.5, abs=0.04)


def test_the_round_is_chosen_by_driving_first():
    def row(departures, rmse, error):
        found = {"departures": departures, "put_backs": 0, "lateral_rmse_m": rmse}
        return {"held_out": {"rmse": error}, "closed_loop": found}

    worst, far, near = row(3, 0.1, 0.1), row(0, 0.4, 0.1), row(0, 0.2, 0.9)
    assert choose([worst, far, near]) is near and choose([worst, far]) is far
    cloned = [{"held_out": {"rmse": value}} for value in (math.nan, 0.3, 0.2)]
    assert choose(cloned) is cloned[2]
