"""The measurements of the recorded world: the small robot's courses and camera, steps that are not
repeated, and the figures."""

from __future__ import annotations

import dataclasses
import json
import math

import cv2
import numpy as np
import pytest

from liquid_control.errors import ConfigError
from liquid_control.experiments.recorded_world import (
    charts,
    judge,
    report,
    small_course,
    small_examination,
    steps,
    truth_check,
    tubs,
)
from liquid_control.experiments.recorded_world.pictures import Compared, figures
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.small_camera import Painter, Robot
from liquid_control.experiments.recorded_world.small_course import Course
from liquid_control.experiments.recorded_world.small_robot import SmallWorld
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import Frame, SpeedSample, SteeringSample

PLAIN = small_course.Look(
    "carpet", (90, 90, 90), (250, 20, 20), (20, 20, 250), 0.02, False, None, (90, 90, 90), 1, 0, 0
)


@pytest.mark.parametrize("seed", range(5))
def test_a_course_closes_bends_both_ways_and_meets_itself_nowhere(seed):
    course = small_course.draw_course(seed)
    assert 0.20 <= course.width <= 0.23 and np.abs(course.curvature).max() <= 9.0
    assert course.curvature.max() > 2.0 and course.curvature.min() < -2.0
    x, y, heading, _ = course.at(course.lap + 0.3)
    assert (x, y) == pytest.approx(course.at(0.3)[:2])
    assert abs(heading - course.at(0.3)[2]) == pytest.approx(2 * math.pi)
    ahead = np.array([course.at(0.3 + 1e-4)[:2]]) - (x, y)
    along = math.atan2(ahead[0, 1], ahead[0, 0])
    assert math.remainder(along - heading, 2 * math.pi) == pytest.approx(0.0, abs=0.05)
    for station in np.linspace(0.0, course.lap, 7):
        x, y, heading, _ = course.at(station)
        beside = x - 0.03 * math.sin(heading), y + 0.03 * math.cos(heading)
        found, offset = course.project(*beside, station + 0.04)
        assert found == pytest.approx(station, abs=0.02) and offset == pytest.approx(0.03, abs=2e-3)


def test_the_camera_shows_a_tape_where_its_geometry_has_it():
    """A straight line of tape 0.1 m to the right is at the column and row to which the ground
    camera projects it."""
    n = 600
    line = Course(
        np.linspace(-1.5, 1.5, n), np.zeros(n), np.zeros(n), np.zeros(n), 0.2, 3.0 / (n - 1)
    )
    robot = Robot()
    picture = Painter(robot, line, PLAIN, 0).draw(0.0, 0.0, 0.0, np.random.default_rng(0))
    red = picture[..., 0].astype(int) - picture[..., 1]
    for ahead in (0.25, 0.4, 0.6):
        for side in (-0.1, 0.1):
            column, row = robot.camera.project(np.array([ahead, side, 0.0]))
            across = red[round(row)]
            half = across[:80] if side > 0 else np.concatenate([np.zeros(80), across[80:]])
            marked = np.flatnonzero(half > 0.5 * half.max())
            assert half.max() > 60 and marked.mean() == pytest.approx(column, abs=1.5)
    turned = Painter(robot, line, PLAIN, 0).draw(0.0, 0.05, 0.2, np.random.default_rng(0))
    point = np.array([0.4 * math.cos(0.2) - 0.05 * math.sin(0.2), 0.0, 0.0])
    point[1] = -0.4 * math.sin(0.2) - 0.05 * math.cos(0.2) - 0.1
    column, row = robot.camera.project(point)
    red = turned[..., 0].astype(int) - turned[..., 1]
    assert red[round(row), round(column)] > 60


def test_looks_differ_and_tape_stands_out():
    looks = [small_course.draw_look(seed) for seed in range(30)]
    assert len(set(looks)) == 30
    for look in looks:
        ground = np.array(look.lane or look.floor_colour, float)
        assert np.linalg.norm(ground - look.tape) > 40


def test_the_person_keeps_the_lane_and_the_recording_holds_what_was_done(tmp_path):
    job = small_examination.RecordingJob(Robot(), 3, 3, 3, 6.0, tmp_path / "drive")
    pictures = small_examination.record_one(job)
    with open_recording(job.directory, RecordingSettings(vehicle=job.robot.vehicle)) as recording:
        samples = [sample for _, sample in recording.samples()]
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    steering = [sample for sample in samples if isinstance(sample, SteeringSample)]
    speeds = [sample.speed for sample in samples if isinstance(sample, SpeedSample)]
    assert len(frames) == pictures == len(steering) and 90 < pictures < 130
    assert frames[0].image.shape == (120, 160, 3)
    assert np.mean(speeds) == pytest.approx(0.3, abs=0.03) and np.std(speeds) > 0.004
    driven = small_examination.drive_small(
        small_examination.ExaminationJob(Robot(), 3, 3, 1.5, None)
    )
    assert driven.departures == 0 and driven.lateral_rmse_m < 0.02
    assert driven.distance_m == pytest.approx(1.5, abs=0.02)


def test_a_robot_that_steers_nothing_leaves_the_lane_and_is_put_back():
    world = SmallWorld(Robot(), 3, 3, 0, math.inf)
    for _ in range(1000):
        world.advance(0.0)
        if world.task.is_terminated(world.truth):
            break
    assert abs(world.truth.lane_offset) > world.road.width / 2
    world.place(world.truth.station + world.scale.put_back_ahead)
    assert world.truth.lane_offset == pytest.approx(0.0, abs=1e-3)


def test_a_step_is_done_once_for_its_settings(tmp_path):
    made = []

    def make() -> dict:
        made.append(len(made))
        return {"value": len(made)}

    file = tmp_path / "deep" / "step.json"
    for settings, value in (({"a": 1}, 1), ({"a": 1}, 1), ({"a": 2}, 2)):
        assert steps.once(file, settings, make)["found"] == {"value": value}
    file.write_text("{")
    assert steps.once(file, {"a": 2}, make)["found"] == {"value": 3}
    assert made == [0, 1, 2]


def test_a_command_that_fails_says_so():
    with pytest.raises(steps.CommandError, match="evaluate no_such_model"):
        steps.run_command("evaluate", "no_such_model")


def test_figures_of_pictures_and_drives():
    rows = [
        Compared("measured", index % 2, 0.1, 0.0, 0.9 + 0.05 * (index % 2), 0.0, k, 2 * k + 0.01)
        for index, k in enumerate(np.linspace(-0.1, 0.1, 10))
    ]
    found = figures(rows)
    assert found["similarity"] == pytest.approx(0.925) and found["poses"] == 10
    assert found["similarity_by_stratum"] == pytest.approx({0: 0.9, 1: 0.95})
    assert found["steering_correlation"] == pytest.approx(1.0)
    one = small_examination.drive_small(small_examination.ExaminationJob(Robot(), 3, 3, 0.3, None))
    drives = [
        dataclasses.replace(one, distance_m=10.0, departures=1, lateral_rmse_m=0.03),
        dataclasses.replace(one, distance_m=30.0, departures=0, lateral_rmse_m=0.01, off_road=2),
    ]
    total = small_examination.totals(drives)
    assert total["departures_per_10m"] == pytest.approx(0.25) and total["left"] == 2
    assert total["lateral_rmse_m"] == pytest.approx(math.sqrt((9 * 10 + 30) / 40) / 100)


def test_unknown_measurements_are_refused():
    with pytest.raises(ConfigError, match="parts"):
        RecordedWorldSettings(parts=("smell",))
    with pytest.raises(ConfigError, match="closed_loop"):
        RecordedWorldSettings(closed_loop=("half",))


def write_tub(folder, segments: int = 6, records: int = 20):
    """Segments of the same length, 20 records each, one deleted record in each."""
    (folder / "images").mkdir(parents=True)
    rows, deleted, number = [], [], 0
    for segment in range(segments):
        for record in range(records):
            stamp = 1_600_000_000_000 + segment * 60_000 + 50 * record
            rows.append(
                {
                    "_index": number,
                    "_timestamp_ms": stamp,
                    "cam/image_array": f"{number}.jpg",
                    "user/angle": round(math.sin(number / 9), 3),
                    "user/throttle": 0.3,
                    "user/mode": "user",
                }
            )
            angle = rows[-1]["user/angle"]
            picture = np.tile(np.linspace(0, 200, 40, dtype=np.uint8), (30, 1))
            picture[:, : max(round(20 * (angle + 1)), 1)] += 50
            cv2.imwrite(str(folder / "images" / f"{number}.jpg"), picture)
            if record == 0:
                deleted.append(number)
            number += 1
    (folder / "catalog_0.catalog").write_text("".join(json.dumps(row) + "\n" for row in rows))
    index = {"paths": ["catalog_0.catalog"], "current_index": number, "max_len": 1000}
    index["deleted_indexes"] = deleted
    inputs = ["cam/image_array", "user/angle", "user/throttle", "user/mode"]
    kinds = ["image_array", "float", "float", "str"]
    lines = [inputs, kinds, {}, {"created_at": 1.6e9}, index]
    (folder / "manifest.json").write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_a_tub_is_cut_by_whole_segments_and_nothing_is_in_both_parts(tmp_path):
    write_tub(tmp_path / "tub")
    given = RecordingSettings(largest_curvature=1.0, constant_speed=1.0)
    seen: list[int] = []
    for fold in range(tubs.FOLDS):
        parts = tubs.split_tub(tmp_path / "tub", tmp_path / f"fold_{fold}", fold)
        stamps = []
        for part in parts:
            with open_recording(part, given) as source:
                samples = source.samples(kinds=(Frame,))
                stamps.append({sample.stamp_ns for _, sample in samples})
        learned, held_out = stamps
        assert not learned & held_out and len(learned | held_out) == 6 * 19
        assert len(held_out) in (19, 38)
        seen += held_out
    assert len(seen) == len(set(seen)) == 6 * 19
    found = tubs.yardsticks(*parts, given)
    assert found["always_mean"]["r2"] <= 0.0 < found["neighbours"]["r2"]
    _, steered = tubs.pictures_and_steering(parts[1], given)
    assert steered.min() < -0.4 and steered.max() <= 1.0


def test_nearest_neighbours_answer_the_mean_of_the_closest():
    known = np.eye(40, dtype=np.float32)
    steered = np.arange(40.0)
    asked = known[:1] + 0.5 * known[1:15].sum(0, keepdims=True)
    assert tubs.nearest(known, steered, asked)[0] == pytest.approx(np.mean(np.arange(15)))


def test_folds_without_a_put_back_add_up():
    def run(seconds: float, put_backs: int, longest: float) -> dict:
        return {
            "duration_s": seconds,
            "put_backs": put_backs,
            "longest_without_put_back_s": longest,
        }

    assert tubs.longest_over_folds([run(50, 0, 50), run(60, 0, 60), run(90, 1, 80)]) == 110
    assert tubs.longest_over_folds([run(90, 2, 70), run(60, 0, 60)]) == 70


def test_rank_correlation_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(0, 6, 30) + rng.random(30)
    assert judge.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert math.isnan(judge.spearman([1.0, 1.0], [1.0, 2.0]))


def test_ten_minutes_are_some_of_the_thirty_seven():
    short, long = (truth_check.drives(0, minutes, "clean") for minutes in (10, 37))
    assert short.items() <= long.items() and len(long) == 100
    assert {job.steering_noise for job in long.values()} == {0.0}
    noisy = truth_check.drives(0, 37, "noisy")
    assert noisy.keys() == long.keys() and len({j.steering_noise for j in noisy.values()}) > 2


def test_the_summary_has_a_line_for_each_result_that_is_there(tmp_path):
    row = {"poses": 9, "similarity": 0.9, "steering_correlation": 0.99}
    group = {"runs": 2, "distance_m": 4e4, "departures_by_run": [1, 0], "lateral_rmse_m": 0.1}
    steps.save(tmp_path / "pictures.json", {"measured": row})
    steps.save(tmp_path / "truth.json", {"groups": {"37 min, clean, auto": group}})
    report.write_summary(tmp_path)
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert [line for line in lines if "0.900" in line and "0.990" in line]
    assert [line for line in lines if "1 + 0 departures" in line and "| 2 | 0, 0.10 m |" in line]
    charts.draw_small_courses(0, tmp_path / "small.jpg", 2)
    assert cv2.imread(str(tmp_path / "small.jpg")).shape == (280, 320, 3)
