"""Inspection of recordings as a whole: clean drives, the index, cut files, the page, the verb."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.errors import RecordingError, TopicError
from liquid_control.inspection.page import write_page
from liquid_control.inspection.recording import inspect_recording
from liquid_control.inspection.text import as_text
from liquid_control.recordings.settings import RecordingSettings

READY, WARNED, UNUSABLE = "ready", "usable with warnings", "not usable"


def states(facts: dict) -> tuple[str, str]:
    return facts["verdict"]["replay"]["state"], facts["verdict"]["train"]["state"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_drives_raise_no_alarm(seed, new_drive, tmp_path):
    facts = inspect_recording(
        new_drive(seed).write(tmp_path / "bag", "twist" if seed == 2 else "ackermann")
    ).facts
    assert states(facts) == (READY, READY) and facts["findings"] == []
    assert facts["agreement"]["fitted_wheelbase"] == pytest.approx(2.6, rel=0.05)
    assert facts["agreement"]["steering_to_gyro"]["delay"]["seconds"] == pytest.approx(
        0.08, abs=0.02
    )
    assert facts["clock"]["picture_to_gyro"]["delay"]["seconds"] == pytest.approx(0.0, abs=0.02)
    assert facts["streams"]["camera"]["rate"] == pytest.approx(12.0, rel=0.03)
    assert facts["pictures"]["shapes"][0] | {"messages": 0} == {
        "encoding": "jpeg",
        "width": 96,
        "height": 64,
        "messages": 0,
    }


def test_the_clocks_of_camera_and_imu_are_measured_in_the_pictures(clean, tmp_path):
    drive = copy.deepcopy(clean)
    drive.stamp["imu"] += 0.15
    delay = inspect_recording(drive.write(tmp_path / "bag")).facts["clock"]["picture_to_gyro"][
        "delay"
    ]
    assert delay["seconds"] == pytest.approx(0.15, abs=0.02) and delay["sure"]


def test_ambiguous_topics_are_a_finding_that_names_the_flag(clean, tmp_path):
    drive = copy.deepcopy(clean)
    bag = drive.write(tmp_path / "bag")
    other = copy.deepcopy(clean)
    other.topics = {"imu": "/other/imu"}
    other.keep("imu", np.arange(len(other.imu)) % 2 == 0)
    both = tmp_path / "both"
    both.mkdir()
    other.write(tmp_path / "second")
    for folder in ("bag", "second"):
        (both / f"{folder}.mcap").write_bytes(next((tmp_path / folder).glob("*.mcap")).read_bytes())
    facts = inspect_recording(both, quick=True).facts
    finding = next(one for one in facts["findings"] if one["code"] == "ambiguous")
    assert finding["role"] == "imu" and "--topics.imu /imu/data" in finding["remedy"]
    assert bag.exists() and states(facts)[0] == UNUSABLE


def test_the_index_alone_tells_topics_counts_and_rates(clean, tmp_path):
    facts = inspect_recording(clean.write(tmp_path / "bag"), quick=True).facts
    topics = {one["name"]: one for one in facts["topics"]}
    assert topics["/imu/data"]["count"] == len(clean.imu) and topics["/imu/data"][
        "rate"
    ] == pytest.approx(50.0, rel=0.01)
    assert topics["/imu/data"]["roles"] == ["imu"] and facts["duration"] == pytest.approx(
        24.0, abs=0.2
    )
    assert facts["level"] == "index" and "streams" not in facts


def test_a_cut_recording_is_inspected_up_to_the_cut(clean, tmp_path):
    whole = next(clean.write(tmp_path / "bag").glob("*.mcap"))
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    facts = inspect_recording(cut).facts
    assert "damage" in {one["code"] for one in facts["findings"]} and facts["damage"]
    assert 4.0 < facts["streams"]["camera"]["last"] < 20.0


def test_a_missing_topic_and_an_unreadable_file_are_errors(clean, tmp_path):
    bag = clean.write(tmp_path / "bag")
    topics = dataclasses.replace(RecordingSettings().topics, imu="/nowhere")
    with pytest.raises(TopicError, match="nowhere"):
        inspect_recording(bag, RecordingSettings(topics=topics))
    (tmp_path / "noise.mcap").write_bytes(bytes(range(256)) * 8)
    with pytest.raises(RecordingError):
        inspect_recording(tmp_path / "noise.mcap")


def test_the_verb_writes_a_page_that_needs_nothing_else(clean, tmp_path, capsys, balanced):
    drive = copy.deepcopy(clean)
    drive.topics = {"speed": "/<b>odom"}
    drive.pictures[100:120] = [drive.pictures[100]] * 20
    page = tmp_path / "pages" / "bag.html"
    assert cli.main(["inspect", str(drive.write(tmp_path / "bag")), "--out", str(page)]) == 0
    said = capsys.readouterr().out
    assert "usable with warnings" in said and "equal the one before" in said
    text = page.read_text()
    balanced(text)
    assert (
        "http" not in text.replace("http://www.w3.org", "")
        and "<b>odom" not in text
        and "&lt;b&gt;odom" in text
    )
    assert (
        text.count("data:image/jpeg") == 28
        and "Steering against gyro" in text
        and list(page.parent.iterdir()) == [page]
    )


@pytest.mark.parametrize(
    "flags, said", [(["--out", "page.png"], "page.png"), (["--topics.imu", "/nowhere"], "nowhere")]
)
def test_the_verb_refuses_what_makes_no_sense(flags, said, clean, tmp_path, capsys):
    assert cli.main(["inspect", str(clean.write(tmp_path / "bag")), *flags]) == 2
    assert said in capsys.readouterr().err


def test_the_verb_says_what_it_can_inspect(tmp_path, capsys):
    assert cli.main(["inspect", str(tmp_path)]) == 2
    assert "a recording" in capsys.readouterr().err


def test_the_verb_still_knows_models(capsys):
    assert cli.main(["inspect", "lane_keeper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["neurons"] == 19


def test_whatever_bytes_are_damaged_it_is_inspected_or_refused(new_drive, tmp_path):
    whole = next(new_drive(3, 5.0).write(tmp_path / "bag").glob("*.mcap")).read_bytes()
    rng, inspections = np.random.default_rng(0), 0
    for count in (1, 10, 100, 1000) * 3:
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(len(data), size=count)] = rng.integers(0, 256, count)
        (tmp_path / "damaged.mcap").write_bytes(data.tobytes())
        try:
            inspection = inspect_recording(tmp_path / "damaged.mcap")
        except RecordingError:
            continue
        write_page(inspection, tmp_path / "page.html")
        assert "replay" in as_text(inspection.facts) and json.dumps(
            inspection.facts, allow_nan=False
        )
        inspections += 1
    assert inspections >= 9
