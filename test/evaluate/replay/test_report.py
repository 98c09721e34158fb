"""What `replay --out` leaves: one page, files that agree, pictures of the right moments, and a size
that does not grow with time."""

from __future__ import annotations

import json
import re

import av
import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.config import VehicleConfig
from liquid_control.evaluate.replay.charts import bins, residual, scatter
from liquid_control.evaluate.replay.pictures import MODELS, WorstMoments, draw
from liquid_control.evaluate.replay.text import sentences, verdict
from liquid_control.report.charts import Series, time_chart
from liquid_control.report.overlay import CameraView
from liquid_control.signals import Action, Frame

VEHICLE = VehicleConfig()


@pytest.fixture(scope="module")
def written(make_drive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    bags = [
        make_drive(folder / f"<{name}>", seconds=12.0, size=(64, 128), focal=60.0)
        for name in ("one", "two")
    ]
    (folder / "out").mkdir()
    for name in ("replay.mp4", "replay_3.mp4", "commands.csv"):
        (folder / "out" / name).write_text("of an earlier replay")
    code = cli.main(
        [
            "replay",
            "lane_keeper",
            *map(str, bags),
            "--against",
            "lane_keeper",
            "--out",
            str(folder / "out"),
            "--video",
            "2",
        ]
    )
    assert code == 0
    return (
        folder / "out",
        json.loads((folder / "out" / "summary.json").read_text()),
        (folder / "out" / "report.html").read_text(),
    )


def test_all_files_are_there_and_nothing_else(written):
    folder, facts, _ = written
    assert sorted(path.name for path in folder.iterdir()) == [
        "commands.csv",
        "commands.parquet",
        "replay_1.mp4",
        "replay_2.mp4",
        "report.html",
        "summary.json",
    ]
    rows = (folder / "commands.csv").read_text().splitlines()[1:]
    assert len(rows) == sum(result["commands"] for result in facts["results"]) == 4 * 300
    assert list(facts["models"]) == ["lane_keeper", "lane_keeper 2"] and [
        bag["bag"] for bag in facts["bags"]
    ] == ["<one>", "<two>"]


def test_the_page_fetches_nothing_and_escapes_what_it_is_given(written, balanced):
    _, _, page = written
    balanced(page)
    assert (
        not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
        and "@import" not in page
        and "url(" not in page
    )
    assert "&lt;one&gt;" in page and "<one>" not in page
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"data:[^\"']+", "", page), re.IGNORECASE)


def test_the_page_shows_the_figures_and_all_charts(written):
    _, facts, page = written
    rmse = np.degrees(facts["overall"]["lane_keeper"]["steering"]["rmse"])
    assert (
        f"{rmse:.2f}°" in page
        and "straight on" in page
        and "what the driver did 1 s before" in page
    )
    for title in (
        "Policy against driver",
        "Error by curvature",
        "Error by speed",
        "Worst moments",
        "Steering angle",
        "Policy minus driver",
        "Path by dead reckoning",
        "Does an error last?",
        "Frames, gate and time",
        "decoding and shrinking a picture",
    ):
        assert title in page
    assert page.count('class="moment"') >= 4 and page.count('<section class="bag">') == 2


def test_the_video_is_as_long_as_requested(written):
    folder, _, _ = written
    with av.open(str(folder / "replay_1.mp4")) as video:
        frames = list(video.decode(video=0))
    assert (
        len(frames) == 51
        and frames[-1].time == pytest.approx(2.0, abs=0.01)
        and frames[0].width == 720
    )


def test_the_pictures_of_the_worst_moments_are_retained():
    moments = WorstMoments(VEHICLE, 2, apart=1.0)
    wrong = {40: 0.03, 41: 0.04, 42: 0.035, 100: 0.01, 160: 0.02}
    for i in range(200):
        moments(
            Frame(i * 40_000_000, np.full((8, 16, 3), i, np.uint8)),
            [None, Action(0, wrong.get(i, 0.001), 5.0)],
            0.0,
        )
    assert sorted(moment.stamp_ns // 40_000_000 for moment in moments.moments) == [41, 160]
    assert (
        moments.nearest(41 * 40_000_000).mean() == 41 and moments.nearest(100 * 40_000_000) is None
    )
    none = WorstMoments(VEHICLE, 0, apart=1.0)
    none(Frame(0, np.zeros((8, 16, 3), np.uint8)), [Action(0, 0.1, 5.0)], 0.0)
    assert none.moments == [] and none.nearest(0) is None


@pytest.mark.parametrize("view", [None, CameraView()])
def test_bars_and_paths_point_to_the_side_that_is_meant(view):
    picture = np.zeros((200, 720, 3), np.uint8)
    canvas = draw(picture, {"driver": float("nan"), "policy": 0.2}, VEHICLE, view)
    colour = np.all(canvas == MODELS[0], axis=-1)
    bar = colour[-20:, 200:600]
    columns = np.flatnonzero(bar.any(axis=0)) + 200
    middle = (180 + 720 - 84) // 2
    assert columns.max() <= middle and columns.min() < middle - 60, "left is left"
    road = np.abs(canvas[:200].astype(int)).sum()
    assert (road > 0) == (view is not None)


def test_charts_do_not_grow_with_the_recording():
    def page(count: int) -> int:
        rng = np.random.default_rng(0)
        seconds, angle = (
            np.arange(count) / 30,
            0.1 * np.sin(np.arange(count) / 300) + 0.01 * rng.standard_normal(count),
        )
        return len(time_chart([Series("a", "m0", seconds, angle)], "°", seconds[-1])) + len(
            scatter(angle, angle[::-1], "m0")
        )

    assert page(54_000) < 2.5 * page(1_800) and page(54_000) < 250_000


def test_charts_of_nothing_are_empty():
    assert bins({"a": []}, str, "m/s") == "" and residual({}) == ""


def test_words_say_what_the_figures_mean():
    still = {
        "steering": {"rmse": 0.05, "mae": 0.04, "bias": -0.03},
        "against_driver": {"mae": None},
        "by_bend": [],
        "frames_compared": 10,
        "trivial": {
            "straight_ahead": 0.04,
            "mean_angle": 0.04,
            "driver_before": None,
            "last_recorded": 0.0,
        },
    }
    assert verdict(still) == ("No better than holding the wheel still", False)
    good = still | {"steering": {"rmse": 0.01, "mae": 0.01, "bias": 0.0}}
    assert (
        verdict(good) == ("4.0 times closer to the driver than driving straight on", True)
        and verdict(None)[1]
    )
    said = " ".join(
        sentences(
            "policy",
            still,
            [
                {
                    "agreement": None,
                    "gate": {
                        "any": {"seconds": 2.0},
                        "stale": {"seconds": 2.0},
                        "safe_stop": {"seconds": 1.5},
                    },
                    "bag": "b",
                    "rejected": {"older": 3},
                    "frames": 13,
                    "frames_used": 10,
                }
            ],
        )
    )
    assert (
        "further to the right" in said
        and "stale 2.0 s" in said
        and "1.5 s of them as a safe stop" in said
        and "3 older" in said
    )
