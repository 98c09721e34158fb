"""Conversion to a rosbag2: the same samples at the same times, whatever the format was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liquid_control.errors import ConfigError, RecordingError
from liquid_control.recordings.convert import ConvertSettings, convert
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import Frame

CURVED = RecordingSettings(largest_curvature=2.0, constant_speed=1.5)


def test_a_tub_becomes_a_bag_with_its_pictures_times_and_curvatures(tables, tmp_path):
    records = [tables.record(index) for index in range(20)]
    records[15:] = [  # after a clock that was set back by an hour
        record | {"_timestamp_ms": record["_timestamp_ms"] - 3_600_000} for record in records[15:]
    ]
    tub = tables.write_tub(tmp_path / "tub", records, deleted=[3])
    (tub / "images" / "5_cam_image_array_.jpg").unlink()
    facts = convert(ConvertSettings(tub, tmp_path / "bag", recording=CURVED))
    assert facts["messages"] == {"/camera/image_raw/compressed": 18, "/command": 19}
    assert sorted(facts["left_out"].values()) == [1, 1]
    pictures, steered = [], []
    for path in (tub, tmp_path / "bag"):  # the bag is sorted by its times
        with open_recording(path, CURVED) as source:
            wheelbase = source.settings.vehicle.wheelbase
            entries = [one() for one in source.as_recorded(["camera"])]
            entries = sorted((one.received_ns, one.sample) for one in entries if one.sample)
            pictures.append([(ns, sample.decode()) for ns, sample in entries])
            entries = source.as_recorded(["steering"])
            steered.append(sorted((one.received_ns, one.sample) for one in entries))
    for (ns, picture), (other_ns, other) in zip(*pictures, strict=True):
        assert ns == other_ns
        np.testing.assert_array_equal(picture, other)
    for (ns, steering), (other_ns, other) in zip(*steered, strict=True):
        assert ns == other_ns == other.stamp_ns and other.speed == 1.5
        assert other.steering_angle == pytest.approx(steering.steering_angle, abs=1e-6)
    first_ns, _ = steered[1][5]  # behind those of the clock that was set back
    assert first_ns == tables.START_MS * 10**6
    curvature = [math.tan(sample.steering_angle) / wheelbase for _, sample in steered[1][5:]]
    expected = [-2.0 * record["user/angle"] for record in records[:15] if record["_index"] != 3]
    assert curvature == pytest.approx(expected, abs=1e-5)


def test_a_bag_becomes_a_bag(bags, tmp_path):
    samples = [
        (10**18 + 50_000_000 * n, Frame(10**18 + 50_000_000 * n, np.full((16, 32, 3), n, np.uint8)))
        for n in range(5)
    ]
    bag = bags.write(tmp_path / "bag", bags.messages_of(samples))
    convert(ConvertSettings(bag, tmp_path / "other"))
    with open_recording(tmp_path / "other") as source:
        assert [ns for ns, _ in source.samples()] == [ns for ns, _ in samples]


def test_what_cannot_be_converted_is_refused_before_anything_is_written(tables, tmp_path):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(3)))
    without_speed = RecordingSettings(largest_curvature=2.0)
    for settings, error, words in (
        (without_speed, ConfigError, "--constant-speed"),
        (RecordingSettings(), RecordingError, "largest_curvature"),
    ):
        with pytest.raises(error, match=words):
            convert(ConvertSettings(tub, tmp_path / "bag", recording=settings))
    assert not list(tmp_path.glob("bag*"))
    convert(ConvertSettings(tub, tmp_path / "bag", recording=CURVED))
    with pytest.raises(RecordingError, match="exists already"):
        convert(ConvertSettings(tub, tmp_path / "bag", recording=CURVED))
