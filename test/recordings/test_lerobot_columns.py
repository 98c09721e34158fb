"""Which numbers and cameras of a LeRobot dataset are a vehicle's, and in which unit they are."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from liquid_control.errors import AmbiguousTopicError, RecordingError, TopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import Frame, SteeringSample

pa = pytest.importorskip("pyarrow", reason="the bags extra is not installed")
pytest.importorskip("av", reason="the bags extra is not installed")
from pyarrow import parquet  # noqa: E402

CURVED = RecordingSettings(largest_curvature=2.0)


@pytest.fixture(scope="module")
def original(lerobot, tmp_path_factory):
    return lerobot.write_v2(tmp_path_factory.mktemp("datasets") / "v2")


@pytest.fixture
def dataset(original, tmp_path):
    """A dataset to be changed."""
    return shutil.copytree(original, tmp_path / "v2")


def read(path, settings=CURVED):
    """(samples, skipped) of a recording."""
    with open_recording(path, settings) as source:
        return [sample for _, sample in source.samples()], dict(source.skipped)


def test_without_a_scale_a_dataset_is_refused_with_what_to_write_and_can_be_inspected(original):
    with pytest.raises(RecordingError, match=r"action:steering is a command.*largest_curvature"):
        open_recording(original)
    facts = inspect_recording(original).facts
    texts = [one["text"] for one in facts["findings"]]
    for words in ("no file says what curvature 1 is", "right is taken", "in m/s, which no file"):
        assert any(words in text for text in texts), (words, texts)
    assert "fault" not in {one[use] for one in facts["findings"] for use in ("replay", "train")}
    left = RecordingSettings(largest_curvature=2.0, positive_steering="left")
    with open_recording(original, left) as source:
        (_, first), (_, second), *_ = source.samples([SteeringSample])
    assert second.steering_angle > first.steering_angle


def features(root, action) -> None:
    """Gives the numbers of a dataset's action other names."""
    info = json.loads((root / "meta" / "info.json").read_text())
    info["features"]["action"]["names"] = action
    (root / "meta" / "info.json").write_text(json.dumps(info))


LABELS = {  # by the name of the steering: the other name, kind of steering, curvature of a value
    "steering.pos": ("throttle.pos", "normalised", lambda value, other: -2.0 * value),
    "steering angle normalized": ("brake", "normalised", lambda value, other: -2.0 * value),
    "steering_angle_rad": ("x", "angle", None),
    "wheel_angle_degrees": ("x", "angle", None),
    "theta.vel": ("x.vel", "yaw rate", lambda value, other: math.radians(value) / other),
    "motor_angular.vel": ("motor_linear.vel", "yaw rate", lambda value, other: value / other),
    "curvature": ("x", "curvature", lambda value, other: value),
}


@pytest.mark.parametrize("name", LABELS)
def test_the_steering_is_found_by_the_names_that_robots_use(name, dataset, lerobot):
    root = dataset
    other, kind, curvature = LABELS[name]
    features(root, {"motors": [name, other]} if "theta" in name else [name, other])
    with open_recording(root, CURVED) as source:
        stream = source.roles["steering"]
        assert (stream.name, stream.kind) == (f"action:{name}", f"{kind} steering")
        assert stream.quantity == ("curvature" if kind == "yaw rate" else "angle")
        found = [one for _, one in source.samples([SteeringSample])]
        wheelbase = source.settings.vehicle.wheelbase
    value, beside = float(lerobot.steering(5)), 0.4
    if curvature is None:
        expected = math.radians(value) if "degrees" in name else value
        assert found[5].steering_angle == pytest.approx(expected, rel=1e-5)
    else:
        bend = math.tan(found[5].steering_angle) / wheelbase
        assert bend == pytest.approx(curvature(value, beside), rel=1e-5)


def test_a_dataset_without_names_lists_the_numbers_that_could_be_meant(dataset, lerobot):
    root = dataset
    features(root, ["left", "right"])
    with open_recording(root) as source:
        assert "steering" not in source.roles
        assert source.alternatives == {"steering": ("action:left", "action:right")}
    facts = inspect_recording(root).facts
    (found,) = [one for one in facts["findings"] if one["code"] == "no_steering"]
    assert "action:left, action:right" in found["text"]
    assert "--topics.steering action:left" in found["remedy"]


def test_numbers_and_cameras_are_chosen_by_name(lerobot, dataset, tmp_path):
    root = dataset
    for wrong in ("steer", "action[2]", "/cmd_vel"):
        with pytest.raises(
            TopicError, match=r"action:steering, action:throttle, observation.state"
        ):
            open_recording(root, RecordingSettings(topics=TopicMap(steering=wrong)))
    for name in ("action:throttle", "action[1]", "action.throttle", "throttle"):
        asked = RecordingSettings(largest_curvature=2.0, topics=TopicMap(steering=name))
        with open_recording(root, asked) as source:
            assert source.roles["steering"].name == "action:throttle"
    cameras = ("observation.images.front_left", "observation.images.front_right")
    root = lerobot.write_v2(tmp_path / "two", (8,), cameras=cameras)
    with pytest.raises(AmbiguousTopicError, match="--topics.camera"):
        open_recording(root, CURVED)
    for name in (cameras[1], "front_right"):
        asked = RecordingSettings(largest_curvature=2.0, topics=TopicMap(camera=name))
        with open_recording(root, asked) as source:
            assert source.roles["camera"].name == cameras[1]
    assert inspect_recording(root).facts["verdict"]
    (root / "videos" / "chunk-000" / cameras[0]).rename(
        root / "videos" / "chunk-000" / "observation.images.front_forward"
    )
    with open_recording(root, CURVED) as source:
        assert source.roles["camera"].name == "observation.images.front_forward"


def test_steering_of_another_range_names_the_scale_that_it_needs(dataset, original):
    root = dataset
    for file in sorted((root / "data" / "chunk-000").iterdir()):

        def change(table):
            values = [[100.0 * left, right] for left, right in table["action"].to_pylist()]
            return table.set_column(0, "action", pa.array(values, pa.list_(pa.float32())))

        parquet.write_table(change(parquet.read_table(file)), file)
    with pytest.raises(
        RecordingError, match=r"reaches 80, expected -1 to 1. Give --steering-scale 0.01,"
    ):
        open_recording(root, CURVED)
    scaled = RecordingSettings(largest_curvature=2.0, steering_scale=0.01)
    angles = [one.steering_angle for one in read(root, scaled)[0] if type(one) is SteeringSample]
    expected = [one.steering_angle for one in read(original)[0] if type(one) is SteeringSample]
    assert angles == pytest.approx(expected, abs=1e-6) and len(angles) == 70


def test_steering_while_braking_or_standing_is_left_out(lerobot, tmp_path):
    throttle = [[0.4] * 20 + [-0.3] * 4 + [0.0] * 16]
    root = lerobot.write_v2(tmp_path / "set", (40,), throttle=throttle)
    samples, skipped = read(root)
    assert sum(isinstance(one, SteeringSample) for one in samples) == 27
    assert sum(isinstance(one, Frame) for one in samples) == 40
    assert sorted(skipped.values()) == [4, 9]
