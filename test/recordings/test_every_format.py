"""All formats from end to end: inspected, replayed, converted and trained on, by the same verbs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.inspection.recording import inspect_recording
from liquid_control.model.installed import find_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.recordings.convert import ConvertSettings, convert
from liquid_control.recordings.formats import FORMATS, format_of, open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import Frame, ImuSample, SteeringSample
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import train
from liquid_control.train.recordings_settings import RecordingsSettings

pytest.importorskip("av", reason="the bags extra is not installed")
pytest.importorskip("pyarrow", reason="the bags extra is not installed")
CURVED = RecordingSettings(largest_curvature=0.05, constant_speed=8.0)
BARE = RecordingSettings()
"""Of a converted recording, which says what its vehicle is."""
FRAMES = 160  # 8 s
SIZE = (96, 160)  # more than a policy sees
TRAINED_ON = (
    "DonkeyCar tub",
    "Udacity's simulator",
    "processed logs of openpilot",
    "LeRobot dataset, version 3",
    "LeRobot dataset, pictures in rows",
)
UNKNOWN_TO_TABLES = {"latency", "usual_latency", "latency_spread", "drift", "jump"}


@dataclasses.dataclass(frozen=True)
class Writers:
    """The modules that write recordings for tests."""

    tables: object
    comma: object
    lerobot: object
    drives: object


def tub(write, folder, seed):
    records = [write.tables.record(number + 500 * seed) for number in range(FRAMES)]
    return write.tables.write_tub(folder, records, size=SIZE)


def tub1(write, folder, seed):
    records = {
        number: {
            "cam/image_array": f"{number}_cam-image_array_.jpg",
            "user/angle": 0.8 * math.sin(number / 5 + seed),
            "user/throttle": 0.3,
            "milliseconds": 50 * number,
        }
        for number in range(1, FRAMES + 1)
    }
    return write.tables.write_tub1(folder, records, SIZE)


def udacity(write, folder, seed):
    (folder / "IMG").mkdir(parents=True)
    lines = []
    for number in range(FRAMES):
        seconds, rest = divmod(50 * number, 1000)
        name = f"center_2016_12_01_13_3{seed}_{seconds:02d}_{rest:03d}.jpg"
        (folder / "IMG" / name).write_bytes(write.tables.jpeg(number + 7 * seed, SIZE))
        steering = 0.3 * math.sin(number / 20 + seed)
        lines.append(f"IMG/{name},IMG/l,IMG/r,{steering:.4f},0.5,0,{18 + math.sin(number / 9):.3f}")
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return folder


def comma(write, folder, seed):
    return write.comma.write_segment(folder, seed, FRAMES / 20, begin_s=1000.0 + seed, size=SIZE)


def lerobot2(write, folder, seed):
    return write.lerobot.write_v2(folder, (FRAMES // 2 + seed, FRAMES // 2), size=SIZE)


def lerobot3(write, folder, seed):
    return write.lerobot.write_v3(folder, (FRAMES // 2 + seed, FRAMES // 2), size=SIZE)


def lerobot_rows(write, folder, seed):
    return write.lerobot.write_v2(folder, (FRAMES + seed,), pictures="rows", size=SIZE)


def pictures(write, folder, seed):
    (folder / "frames").mkdir(parents=True)
    lines = ["stamp,picture,steering_angle,speed"]
    for number in range(FRAMES):
        picture = write.tables.jpeg(number + 9 * seed, SIZE)
        (folder / "frames" / f"{number}.jpg").write_bytes(picture)
        angle = 0.05 * math.sin(number / 20 + seed)
        lines.append(f"{1e9 + 0.05 * number:.3f},frames/{number}.jpg,{angle:.5f},{8 + seed}")
    (folder / "drive.csv").write_text("\n".join(lines) + "\n")
    return folder


def bag(write, folder, seed):
    return write.drives.write_drive(folder, seed, 1.1 * FRAMES / 20, size=SIZE)


WRITTEN = {
    "rosbag2": bag,
    "DonkeyCar tub": tub,
    "DonkeyCar tub of version 1": tub1,
    "Udacity's simulator": udacity,
    "processed logs of openpilot": comma,
    "LeRobot dataset": lerobot2,
    "LeRobot dataset, version 3": lerobot3,
    "LeRobot dataset, pictures in rows": lerobot_rows,
    "pictures with a CSV file": pictures,
}
"""A drive in each format, by its name and what varies within it."""


@pytest.fixture(scope="module")
def write(tables, comma, lerobot, drives):
    return Writers(tables, comma, lerobot, drives)


@pytest.fixture(scope="module")
def recordings(write, tmp_path_factory):
    """(name, seed) → its path, written once."""
    folder, known = tmp_path_factory.mktemp("formats"), {}

    def path(name: str, seed: int = 0):
        if (name, seed) not in known:
            known[name, seed] = WRITTEN[name](write, folder / f"{len(known)}", seed)
        return known[name, seed]

    return path


@pytest.fixture(scope="module")
def converted(recordings, tmp_path_factory):
    """(name) → the recording as a rosbag2, written once."""
    folder, known = tmp_path_factory.mktemp("bags"), {}

    def path(name: str):
        if name not in known:
            known[name] = folder / f"{len(known)}"
            settings = ConvertSettings(recordings(name), known[name], recording=CURVED)
            facts = convert(settings)
            assert facts["left_out"] == {} and facts["damage"] == []
        return known[name]

    return path


def test_every_format_is_in_this_list():
    assert {name.partition(",")[0] for name in WRITTEN} == {one.name for one in FORMATS}


def read(path) -> tuple[list, list[Frame]]:
    """(measurements of IMU and steering, frames) in their order."""
    with open_recording(path, BARE if (path / "metadata.yaml").exists() else CURVED) as source:
        samples = [sample for _, sample in source.samples()]
        assert source.skipped == {} and source.damage == []
    measured = [one for one in samples if isinstance(one, (ImuSample, SteeringSample))]
    return measured, [one for one in samples if isinstance(one, Frame)]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_converted_recording_says_the_same_as_its_original(name, recordings, converted):
    path = recordings(name)
    assert format_of(path).name == name.partition(",")[0]
    (measured, frames), (bag_measured, bag_frames) = read(path), read(converted(name))
    assert len(frames) >= FRAMES
    for one, other in zip(measured, bag_measured, strict=True):
        assert one.stamp_ns == other.stamp_ns and type(one) is type(other)
        if isinstance(one, SteeringSample):
            assert one.steering_angle == pytest.approx(other.steering_angle, abs=1e-6)
        else:
            values = (one.angular_velocity, one.linear_acceleration)
            others = (other.angular_velocity, other.linear_acceleration)
            np.testing.assert_array_equal(values, others)
    for one, other in zip(frames, bag_frames, strict=True):
        assert one.stamp_ns == other.stamp_ns
        assert np.abs(one.image.astype(int) - other.image).mean() < 6.0  # JPEG


@pytest.mark.parametrize("name", WRITTEN)
def test_inspections_of_both_give_the_same_numbers(name, recordings, converted):
    facts = [
        inspect_recording(recordings(name), CURVED).facts,
        inspect_recording(converted(name), BARE).facts,
    ]
    left, right = map(dict, map(numbers_in, facts))
    compared = 0
    for place, value in left.items():
        if place[0] in ("duration", "imu", "steering", "streams", "agreement"):
            if place[-1] in UNKNOWN_TO_TABLES or place[:2] == ("streams", "speed"):
                continue
            assert right[place] == pytest.approx(value, rel=1e-4, abs=1e-6), place
            compared += 1
    assert compared > 20
    assert left["pictures", "decoded"] == right["pictures", "decoded"] >= FRAMES
    brightness = left["pictures", "brightness"]
    assert right["pictures", "brightness"] == pytest.approx(brightness, abs=1.0)
    assert all(each["verdict"]["train"]["state"] != "not usable" for each in facts)


def numbers_in(value, *place):
    """(place, number) of all numbers in nested values."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers_in(inner, *place, name)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield place, value


@pytest.mark.parametrize("name", WRITTEN)
def test_a_recording_of_every_format_is_replayed(name, recordings):
    runtime = OnnxRuntime.load(find_model("lane_keeper"))
    settings = OpenLoopSettings(recording=CURVED)
    (found,) = replay({"lane_keeper": runtime}, recordings(name), settings)
    assert found.frames >= FRAMES and found.counts["frames_used"] >= FRAMES
    assert np.isfinite(found.recorded.steering_angle).sum() > 0.9 * FRAMES


def test_recordings_of_other_formats_are_trained_on_together(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("liquid_control.train.run.export_onnx", None)
    found = train(
        RecordingsSettings(
            tuple(map(recordings, TRAINED_ON)),
            closed_loop="off",
            out=tmp_path / "run",
            cache=tmp_path / "cache",
            recording=CURVED,
            clone=CloneSettings(steps=2, frames=8, core_fit=CoreFitSettings(steps=2)),
            policy=PolicyConfig(encoder="slim"),
            preprocess=PreprocessConfig(height=16, width=32),
            workers=1,
        )
    )
    assert found["recordings"] == len(TRAINED_ON) and found["left_out"] == {}
    assert found["held_out"]["frames"] > 60
