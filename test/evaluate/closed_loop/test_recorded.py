"""Examination in the recorded world: what is counted there, by the vehicle's own lengths, and one
answer for programs and one for people."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import CAMERA, SPEED, road, write_ground_drive

from liquid_control.cli import main as cli
from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.deploy.runtime import State
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop.film import shown_picture
from liquid_control.evaluate.closed_loop.moments import worst_moments
from liquid_control.evaluate.closed_loop.recorded import (
    LEAD_IN,
    StretchJob,
    StretchResult,
    conditions_of,
    drive_stretch,
    held_out_only,
)
from liquid_control.evaluate.closed_loop.recorded_rows import condition_row, longest_run, totals
from liquid_control.evaluate.closed_loop.trace import Trace
from liquid_control.evaluate.closed_loop.worlds import recordings_of, refuse_other_vehicle
from liquid_control.evaluate.learned_from import Learned, learned_from
from liquid_control.model.car import lane_keeping
from liquid_control.sim.conditions.table import CLEAN, CONDITIONS
from liquid_control.sim.recorded.loader import RecordedRoads

MODEL = Path(__file__).resolve().parents[3] / "models" / "lane_keeper"
MOUNT = [
    *("--mount.height", str(CAMERA.above), "--mount.pitch", str(CAMERA.pitch)),
    *("--mount.forward", str(CAMERA.forward), "--response-delay", "0.1"),
]


class Constant:
    """A policy with one answer."""

    spec, preprocess = lane_keeping(inputs=()), PreprocessConfig()

    def __init__(self, curvature: float) -> None:
        self.curvature = curvature

    def initial_state(self) -> State:
        return {}

    def step(self, observation, state):
        return np.array([self.curvature]), state


def driven(curvature: float, condition: str = "clean", **changes) -> StretchResult:
    given = {"seconds": 6.0} | changes
    return drive_stretch(Constant(curvature), StretchJob("drive", road(**given), 0, condition, 5))


@pytest.fixture(scope="module")
def straight() -> StretchResult:
    return driven(0.0, bends=0.0)


@pytest.fixture(scope="module")
def left() -> StretchResult:
    """A policy that always turns left, on a straight path."""
    return driven(0.02, bends=0.0)


def test_the_driver_of_a_straight_path_is_never_put_back(straight):
    found = straight.examined
    assert found.departures == found.off_road == found.standstills == 0
    assert found.lateral_rmse_m < 0.01 and straight.unseen_share < 1e-3
    assert found.distance_m == pytest.approx(SPEED * found.simulated_s, rel=0.02)


def test_who_turns_off_is_counted_and_put_back_on_the_path(left):
    found, scale = left.examined, driving_scale(VehicleConfig())
    assert found.off_road >= 2 and found.departures >= found.off_road
    assert scale.off_road < found.largest_offset_m < 1.3 * scale.off_road
    assert len(found.put_back_s) == found.off_road and left.unseen_share > 0.0
    rows = np.flatnonzero(left.trace.put_back)
    assert len(rows) == found.off_road and (np.diff(left.trace.station[rows]) > 0.0).all()
    assert np.abs(left.trace.offset[rows]).min() > scale.off_road
    assert np.abs(left.trace.offset[rows[:-1] + 1]).max() < 0.2


def test_the_driver_leads_in_and_the_policy_steers_from_the_first_second_on(left):
    assert left.trace.seconds[0] == pytest.approx(LEAD_IN, abs=0.1)
    assert abs(left.trace.offset[0]) < 0.01 < abs(left.trace.offset[5])


def test_thresholds_are_those_of_the_vehicle_and_its_lane():
    scale = driving_scale(VehicleConfig(), lane_width=1.0)
    narrow = driven(0.02, bends=0.0, scale=scale).examined
    assert 0.5 < narrow.largest_offset_m < 0.75


def test_drives_are_repeatable_and_conditions_act(left):
    again, late = driven(0.02, bends=0.0), driven(0.02, "latency_100", bends=0.0)
    for name in ("distance_m", "off_road", "lateral_rmse_m", "put_back_s", "frames_used"):
        assert getattr(again.examined, name) == getattr(left.examined, name)
    assert late.examined.lateral_rmse_m != left.examined.lateral_rmse_m


def test_figures_are_over_all_stretches_with_intervals(straight, left):
    both = totals([straight, left])
    metres = straight.examined.distance_m + left.examined.distance_m
    assert both["put_backs"] == left.examined.off_road
    assert both["put_backs_per_km"] == pytest.approx(1000 * both["put_backs"] / metres, rel=1e-6)
    low, high = both["put_backs_per_km_ci"]
    assert low <= both["put_backs_per_km"] <= high
    squares = sum(
        one.examined.lateral_rmse_m**2 * one.examined.distance_m for one in (straight, left)
    )
    assert both["lateral_rmse_m"] == pytest.approx((squares / metres) ** 0.5)
    json.dumps(condition_row(CLEAN, [straight, left]), allow_nan=False)
    alone = totals([left])
    assert alone["put_backs_per_km_ci"] is None and alone["lateral_rmse_m_ci"] is None
    assert totals([straight])["put_backs_per_km_ci"][0] == 0.0


def test_the_longest_run_goes_on_from_stretch_to_stretch(straight):
    def of(seconds, *put_back):
        examined = dataclasses.replace(
            straight.examined, simulated_s=seconds, put_back_s=tuple(put_back)
        )
        return dataclasses.replace(straight, examined=examined)

    assert longest_run([of(10.0, 2.0, 9.0), of(20.0), of(5.0, 4.0)]) == pytest.approx(25.0)
    assert longest_run([of(10.0, 2.0, 9.0)]) == pytest.approx(7.0)


def test_the_command_line_answers_with_the_documented_fields(tmp_path, capsys):
    drive = write_ground_drive(tmp_path / "drive", seconds=6.0, pause=(2.5, 3.5))
    line = ["evaluate", str(MODEL), "--world", f"recording:{drive}", *MOUNT, "--workers", "1"]
    assert cli.main([*line, "--conditions", "clean", "latency_100", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"distance_m", "departures", "put_backs", "lateral_rmse_m", "unseen_share"} <= set(facts)
    assert facts["stretches"] == 2 and len(facts["per_stretch"]) == 4
    assert [row["condition"] for row in facts["conditions"]] == ["clean", "latency_100"]
    (recording,) = facts["per_recording"]
    assert recording["recording"] == str(drive) and recording["left_out_s"]
    assert recording["departure_m"] == pytest.approx(1.0) and facts["not_measured"] == []
    assert cli.main(line) == 0
    text = capsys.readouterr().out
    assert "put back" in text and "clean" in text and "Not driven in" in text


def test_the_page_shows_the_worst_moments_and_every_stretch(tmp_path, capsys):
    drive = write_ground_drive(tmp_path / "drive", seconds=6.0, pause=(2.5, 3.5))
    out = tmp_path / "out"
    out.mkdir()
    (out / "worst.mp4").write_text("of an earlier examination")
    line = ["evaluate", str(MODEL), "--world", f"recording:{drive}", *MOUNT, "--workers", "1"]
    assert cli.main([*line, "--out", str(out)]) == 0
    assert f"report: {out}/report.html" in capsys.readouterr().out
    assert json.loads((out / "summary.json").read_text())["stretches"] == 2
    page = (out / "report.html").read_text()
    assert page.count("Recorded path and drive") == 2 and "Not driven in" in page
    assert page.count('class="moment card"') >= 2 and "data:video/mp4" in page
    with av.open(str(out / "worst.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) > 30 and np.std(frames[20][:360, :480]) > 5.0


def test_moments_are_put_backs_first_and_apart(left):
    seconds = np.arange(0.0, 30.0, 0.05)
    columns = {field.name: np.zeros(len(seconds)) for field in dataclasses.fields(Trace)}
    columns |= {"seconds": seconds, "offset": 0.5 * np.sin(seconds)}
    columns["put_back"][[100, 110]] = 1.0  # 5.0 and 5.5 s
    one = dataclasses.replace(left, trace=Trace(**columns))
    other = dataclasses.replace(one, stretch="other")
    moments = worst_moments([one, other], 5)
    assert [moment.put_back for moment in moments] == [True, True, False, False, False]
    assert [moment.stretch for moment in moments[:4]] in (
        ["painted", "other", "painted", "other"],
        ["painted", "other", "other", "painted"],
    )
    assert all(abs(moment.offset) > 0.49 for moment in moments[2:])
    of_one = [moment.seconds for moment in moments if moment.stretch == "painted"]
    assert min(np.diff(sorted(of_one))) >= 4.0


def test_unseen_parts_are_tinted_and_the_crop_is_outlined():
    made = road(seconds=1.0, preprocess=PreprocessConfig(crop_top=0.5))
    picture, seen = np.full((64, 128, 3), 100, np.uint8), np.ones((64, 128), bool)
    seen[:, :40] = False
    shown = shown_picture(picture, seen, made)
    assert shown.shape == (360, 720, 3)
    assert (shown[300, 100] == (125, 80, 125)).all() and (shown[300, 500] == 100).all()
    assert shown[180, 400].min() > 200 and (shown[90, 400] == 100).all()


@pytest.mark.parametrize("worlds", [("sea",), ("mujoco", "recording:a"), ("recording:",), ()])
def test_another_world_is_refused(worlds):
    with pytest.raises(ConfigError, match="recording:PATH"):
        recordings_of(worlds)


def test_a_recording_is_named_by_its_path():
    assert recordings_of(("mujoco",)) == ()
    paths = recordings_of(("recording:a/b", "recording:c", "recording:c"))
    assert paths == (Path("a/b"), Path("c"))


def test_what_was_learned_from_is_named_and_left_out_on_request():
    made = road(seconds=12.0)
    stamps = made.path.stamp_ns
    provenance = {
        "data": {
            "recordings": {"/a/tub": {"files": {"x": "1f"}}, "/a/other": {"files": {"y": "2f"}}},
            "split": {
                "by": "blocks of one recording",
                "learned": ["/a/tub[0]"],
                "held_out": ["/a/tub[0]", "/a/tub[1]"],
                "learned_ns": {"/a/tub[0]": [stamps[[0, 20]].tolist(), stamps[[21, 38]].tolist()]},
                "held_out_ns": {
                    "/a/tub[0]": [int(stamps[40]), int(stamps[119])],
                    "/a/tub[1]": [int(stamps[200]), int(stamps[203])],
                },
            },
        }
    }
    here = learned_from(provenance, Path("/a/tub"))
    assert here.learned and learned_from(provenance, Path("/b/copy"), ["1f"]) == here
    assert not learned_from(provenance, Path("/b/new"), ["3f"]).learned
    assert not learned_from(provenance, Path("/a/other")).learned
    assert not learned_from({"method": "simulation"}, Path("/a/tub")).learned
    assert here.of([(stamps[0], stamps[-1])]) == here == here.of([(stamps[30], stamps[30])])
    assert here.of([(stamps[39], stamps[-1])]) == Learned(False), "other records of the same files"
    roads = {"tub": RecordedRoads((made,), {}, {}), "new": RecordedRoads((made,), {}, {})}
    left = held_out_only(roads, {"tub": here, "new": Learned(False)})
    (part,) = left["tub"].roads
    assert np.array_equal(part.path.stamp_ns, stamps[40:120]) and left["new"].roads == (made,)
    with pytest.raises(ConfigError, match="held out"):
        held_out_only({"tub": roads["tub"]}, {"tub": Learned(True)})


@pytest.mark.parametrize(
    ("recorded", "scale", "refused"), [(True, 0.7, True), (True, 0.04, False), (False, 0.7, False)]
)
def test_a_small_vehicles_policy_does_not_drive_mujocos_car(recorded, scale, refused):
    settings = {"settings": {"recording": {}}} if recorded else {}
    info = SimpleNamespace(spec=lane_keeping(curvature_scale=scale), provenance=settings)
    with pytest.raises(ConfigError, match="smaller vehicle") if refused else nullcontext():
        refuse_other_vehicle(info)


def test_all_conditions_are_those_that_apply():
    names = {condition.name for condition in conditions_of(("all",))}
    assert {"clean", "dark", "latency_100", "imu_lost"} <= names < set(CONDITIONS)
    with pytest.raises(ConfigError, match="fog"):
        conditions_of(("fog",))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nowhere", "no such file"),
        (
            lambda folder: write_ground_drive(folder / "d", speed=False, steering=False),
            "--constant-speed",
        ),
        (lambda folder: write_ground_drive(folder / "d", 3.0, stop=(0.1, 3.0)), "no stretch"),
    ],
)
def test_a_path_that_cannot_be_driven_in_is_one_line(make, words, tmp_path, capsys):
    assert cli.main(["evaluate", str(MODEL), "--world", f"recording:{make(tmp_path)}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and words in said[0]
