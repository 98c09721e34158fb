"""The report: one page, its figures, nothing fetched."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.evaluate.drive.report import write_drive, write_report
from liquid_control.evaluate.drive.road_map import road_map
from liquid_control.evaluate.drive.summary import summarize
from liquid_control.report import media
from liquid_control.report.charts import POINTS, Series, thin, ticks, time_chart


@pytest.fixture(scope="module")
def written(log, tmp_path_factory):
    directory = tmp_path_factory.mktemp("drive")
    figures = write_drive(log, directory)
    return directory, figures, (directory / "report.html").read_text(encoding="utf-8")


def test_a_drive_leaves_summary_video_and_page(written, balanced):
    directory, figures, page = written
    assert sorted(path.name for path in directory.iterdir()) == [
        "drive.mp4",
        "report.html",
        "summary.json",
    ]
    assert json.loads((directory / "summary.json").read_text()) == figures
    balanced(page)


def test_the_page_shows_the_figures_and_all_charts(written):
    _, figures, page = written
    assert (
        "Stayed in its lane" in page
        and f"{figures['distance_m']:.0f} m" in page
        and "52 of 60" in page
    )
    for title in (
        "Path over the road",
        "Offset from the lane",
        "Steering angle before and after",
        "Speed",
        "Latency from",
    ):
        assert title in page
    for name in ("Activity of the neurons", "inter 12", "command 6", "motor", "safe stop"):
        assert name in page
    assert page.count("<svg") == 6 and page.count('class="activity"') == 19


def test_the_page_fetches_nothing(written):
    page = written[2]
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    )
    sources = re.findall(r'(?:src|href)="([^"]{5})', page)
    assert sources and set(sources) == {"data:"}


def test_facts_are_text_and_not_markup(written):
    assert "&lt;none&gt;" in written[2] and "<none>" not in written[2]


def test_a_large_video_stays_next_to_the_page(log, tmp_path, monkeypatch):
    monkeypatch.setattr(media, "EMBED_UP_TO", 100)
    write_drive(log, tmp_path)
    assert 'src="drive.mp4"' in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change, verdict",
    [
        ({"died": ("policy_node",)}, "Died: policy_node"),
        ({"exit_codes": {"policy_node": -11}}, "policy_node (exit code -11)"),
        ({"track": "departed"}, "Left its lane 2 times"),
        ({"track": "still"}, "Did not drive"),
    ],
)
def test_the_verdict_says_what_went_wrong(log, tmp_path, change, verdict):
    track = log.track
    if change.get("track") == "departed":
        change = {
            "track": dataclasses.replace(
                track, lane_offset=1.5 * np.sin(np.linspace(0, 6, len(track.x)))
            )
        }
    elif change.get("track") == "still":
        change = {"track": dataclasses.replace(track, x=0 * track.x, y=0 * track.y)}
    changed = dataclasses.replace(log, **change)
    write_report(changed, summarize(changed), tmp_path / "report.html")
    assert verdict in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_nothing_of_an_earlier_drive_stays_next_to_a_new_one(log, tmp_path):
    for name in ("drive.mp4", "summary.json", "notes.txt"):
        (tmp_path / name).write_text("an earlier one")
    without = dataclasses.replace(log, pictures=DriveLog().pictures)
    write_drive(without, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt",
        "report.html",
        "summary.json",
    ]
    assert "earlier" not in (tmp_path / "summary.json").read_text()


def test_an_empty_log_makes_a_page_too(tmp_path):
    figures = write_drive(DriveLog(), tmp_path)
    assert not figures["success"] and "Did not drive" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )
    assert not (tmp_path / "drive.mp4").exists()


def test_the_map_marks_departures_and_breaks_where_the_vehicle_was_put_back(log):
    track = log.track
    whole = road_map(track)
    assert whole.count('class="line path"') == 1 and "departed" not in whole
    leap = np.where(np.arange(len(track.x)) > 80, 200.0, 0.0)
    broken = road_map(
        dataclasses.replace(track, x=track.x + leap, lane_offset=np.where(leap > 0, 1.2, 0.0))
    )
    assert broken.count('class="line path"') == 2 and broken.count("line departed") == 1


def test_thinning_keeps_the_peaks():
    values = np.zeros(100_000)
    values[77_777], values[5] = 9.0, -9.0
    thinned = thin(Series("", "", np.arange(100_000) / 100, values))
    assert (
        len(thinned.values) <= 2 * POINTS + 2
        and thinned.values.max() == 9.0
        and thinned.values.min() == -9.0
    )
    assert (
        thinned.seconds[np.argmax(thinned.values)] == 777.77
        and (np.diff(thinned.seconds) > 0).all()
    )


@pytest.mark.parametrize(
    "low, high", [(0.0, 1.0), (-0.3, 0.31), (0.0, 1e-6), (-5e5, 8e5), (3.0, 3.1)]
)
def test_ticks_are_round_few_and_inside(low, high):
    marks = ticks(low, high, 4)
    assert 2 <= len(marks) <= 6 and low <= min(marks) and max(marks) <= high
    assert len({round(b - a, 12) for a, b in zip(marks, marks[1:], strict=False)}) <= 1


def test_gaps_and_constants_can_be_drawn():
    gap, none = (
        Series("x", "", np.arange(3.0), np.array([np.nan, 2.0, 2.0])),
        Series("y", "", np.zeros(0), np.zeros(0)),
    )
    chart = time_chart([gap, none], "m", 0.0)
    assert "nan" not in chart and "inf" not in chart
