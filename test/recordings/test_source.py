"""Sources: every recording format gives the same samples, entries, calibration and damage, and a
format that the tests add is read by everything that reads recordings."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import RecordingError
from liquid_control.evaluate.replay.open_loop import replay
from liquid_control.inspection.inspect_any import InspectAnySettings, inspect_any, is_recording
from liquid_control.inspection.recording import inspect_source
from liquid_control.model.installed import find_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings import formats
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source, entry_of
from liquid_control.recordings.values import (
    CALIBRATION,
    CLASS_OF_ROLE,
    ROLES,
    Damage,
    Entry,
    Sample,
    StoredPicture,
    Stream,
    mean_rate,
)
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import RecordingsSettings, train

START_NS = 1_767_225_600_000_000_000
DELIVERY_NS = {Frame: 30_000_000, ImuSample: 1_000_000}  # from stamp to receipt
CAMERA = Intrinsics(32, 16, (20.0, 0.0, 16.0, 0.0, 21.0, 8.0, 0.0, 0.0, 1.0))


# A format of the tests: a text file with one JSON object a line. All that a format needs is here.


class ToyRecording(Source):
    def __init__(self, path: Path, settings: RecordingSettings, guess: bool = False) -> None:
        self._lines, self._damage, offset = [], [], 0
        for text in path.read_bytes().splitlines(keepends=True):
            try:
                self._lines.append(json.loads(text))
            except ValueError:
                self._damage.append(Damage(path.name, offset, "no JSON", f"{len(text)} bytes"))
            offset += len(text)
        self._camera = None
        if self._lines and "matrix" in self._lines[0]:
            first = self._lines.pop(0)
            self._camera = Intrinsics(first["width"], first["height"], tuple(first["matrix"]))
        times = [line["received_ns"] for line in self._lines]
        start_ns, end_ns = min(times, default=0), max(times, default=0)
        streams = [Stream(CALIBRATION, "toy", (CALIBRATION,), 1)] if self._camera else []
        for role in ROLES:
            count = sum(line["role"] == role for line in self._lines)
            rate = mean_rate(count, (end_ns - start_ns) * 1e-9)
            quantity = "angle" if role == "steering" else ""
            if count:
                streams.append(Stream(f"toy {role}", "toy", (role,), count, rate, quantity))
        super().__init__(path, settings, streams, start_ns, end_ns)

    @property
    def camera(self) -> Intrinsics | None:
        return self._camera

    @property
    def damage(self) -> list[Damage]:
        return self._damage

    def records(self, roles: Collection[str]) -> Iterator[Entry]:
        for line in self._lines:
            role, received_ns = line["role"], line["received_ns"]
            if role == "camera" and role in roles:
                own_ns, used = line["stamp_ns"], self.settings.stamps == "header"
                picture = StoredPicture(bytes.fromhex(line["data"]), **line["picture"])
                yield Entry(received_ns, role, own_ns if used else received_ns, own_ns, picture)
            elif role in roles:
                sample = CLASS_OF_ROLE[role](line["stamp_ns"], *map(_tuple, line["values"]))
                yield entry_of(received_ns, sample, self.settings, f"toy {role}")


TOY = Format("toy", lambda path: path.suffix == ".toy", ToyRecording, "a .toy file")


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value


def write_toy(path: Path, samples: Iterable, camera: Intrinsics | None = None) -> Path:
    lines = [] if camera is None else [dataclasses.asdict(camera)]
    for received_ns, sample in samples:
        stamp_ns = getattr(sample, "stamp_ns", received_ns)
        line = {"received_ns": received_ns, "stamp_ns": stamp_ns}
        if isinstance(sample, (Frame, StoredPicture)):
            picture = _stored(sample)
            names = ("raw", "encoding", "height", "width", "step")
            line |= {"role": "camera", "picture": {name: getattr(picture, name) for name in names}}
            line["data"] = bytes(memoryview(picture.data)).hex()
        else:
            role = next(role for role, kind in CLASS_OF_ROLE.items() if kind is type(sample))
            line |= {"role": role, "values": dataclasses.astuple(sample)[1:]}
        lines.append(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def _stored(sample: Frame | StoredPicture) -> StoredPicture:
    return StoredPicture.from_image(sample.image) if isinstance(sample, Frame) else sample


@pytest.fixture(autouse=True)
def with_toy_format(monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, TOY))


# The list of all sources: the functions that make one of (received_ns, sample) pairs.


def _in_memory(bags, folder, samples, settings=None, camera=None):
    entries = [
        Entry(received_ns, "camera", received_ns, received_ns, sample)
        if isinstance(sample, StoredPicture)
        else (received_ns, sample)
        for received_ns, sample in samples
    ]
    return InMemoryRecording(entries, settings, camera)


def _toy(bags, folder, samples, settings=None, camera=None):
    return open_recording(write_toy(folder / "drive.toy", samples, camera), settings)


def _rosbag(storage):
    def make(bags, folder, samples, settings=None, camera=None):
        events = bags.messages_of(samples, camera)
        return open_recording(bags.write(folder / storage, events, storage), settings)

    return make


SOURCES = {
    "mcap": _rosbag("mcap"),
    "sqlite3": _rosbag("sqlite3"),
    "memory": _in_memory,
    "toy": _toy,
}


@pytest.fixture(params=SOURCES)
def open_source(request, bags, tmp_path_factory):
    """(samples, settings, camera) → Source, for each of all sources."""

    def make(samples, settings=None, camera=None) -> Source:
        folder = tmp_path_factory.mktemp("source")
        return SOURCES[request.param](bags, folder, samples, settings, camera)

    return make


def drive(seconds: float = 2.0, size: tuple[int, int] = (16, 32)) -> list[tuple[int, Sample]]:
    """(received_ns, sample) in received order; every angle is a float32, as in the messages."""
    rng, samples = np.random.default_rng(0), []
    for tick in range(int(seconds * 100)):
        stamp_ns, bend = START_NS + tick * 10_000_000, round(64 * math.sin(tick / 30)) / 1024
        samples.append(ImuSample(stamp_ns, (0.0, 0.0, 8.0 * bend), (0.0, 64.0 * bend, 9.8125)))
        if tick % 4 == 0:
            samples.append(SpeedSample(stamp_ns, 8.0 + bend))
            samples.append(SteeringSample(stamp_ns, bend, 8.0))
        if tick % 5 == 0:
            samples.append(Frame(stamp_ns, rng.integers(0, 256, (*size, 3), np.uint8)))
    received = [
        (sample.stamp_ns + DELIVERY_NS.get(type(sample), 2_000_000), sample) for sample in samples
    ]
    return sorted(received, key=lambda pair: pair[0])


def assert_same(found: Iterable, expected: Iterable) -> None:
    for (received_ns, sample), (expected_ns, other) in zip(found, expected, strict=True):
        assert received_ns == expected_ns
        if isinstance(other, Frame):
            assert sample.stamp_ns == other.stamp_ns
            np.testing.assert_array_equal(sample.image, other.image)
        else:
            assert sample == other


def test_every_source_gives_the_samples_in_the_order_of_their_receipt_each_time(open_source):
    samples = drive()
    with open_source(samples) as source:
        assert_same(source.samples(), samples)
        assert_same(source.samples(), samples)
        assert len(source.decode_s) == 2 * 40 and min(source.decode_s) > 0.0
        for kinds in ([Frame], [ImuSample, SteeringSample], []):
            wanted = [pair for pair in samples if type(pair[1]) in kinds]
            assert_same(source.samples(kinds), wanted)
        assert source.skipped == {} and source.damage == []


def test_every_source_names_its_streams_their_roles_counts_and_rates(open_source):
    samples = drive()
    with open_source(samples, camera=CAMERA) as source:
        assert list(source.roles) == ["camera", CALIBRATION, "imu", "speed", "steering"]
        counts = {role: stream.count for role, stream in source.roles.items()}
        assert counts == {"camera": 40, CALIBRATION: 1, "imu": 200, "speed": 50, "steering": 50}
        assert source.roles["imu"].rate == pytest.approx(199 / source.seconds)
        assert source.roles["steering"].quantity == "angle"
        assert (source.start_ns, source.end_ns) == (samples[0][0], samples[-1][0])
        assert source.choices == ()


def test_stamps_are_the_items_own_or_their_receipt(open_source):
    samples = drive(0.5)
    with open_source(samples, RecordingSettings(stamps="receive")) as source:
        assert all(sample.stamp_ns == received for received, sample in source.samples())
        for entry, (received_ns, sample) in zip(source.entries(), samples, strict=True):
            assert entry.stamp_ns == entry.received_ns == received_ns
            assert entry.own_ns == sample.stamp_ns


def test_the_steering_scale_acts_on_angles(open_source):
    samples = [pair for pair in drive(0.5) if isinstance(pair[1], SteeringSample)]
    with open_source(samples, RecordingSettings(steering_scale=-0.5)) as source:
        angles = [sample.steering_angle for _, sample in source.samples([SteeringSample])]
    assert angles == [-0.5 * sample.steering_angle for _, sample in samples]


def test_entries_are_the_samples_with_pictures_not_decoded(open_source):
    samples = drive()
    with open_source(samples) as source:
        entries = list(source.entries())
        roles = [entry.role for entry in source.entries(["speed"])]
    assert set(roles) == {"speed"} and len(roles) == 50
    for entry, (received_ns, sample) in zip(entries, samples, strict=True):
        assert (entry.received_ns, entry.problem) == (received_ns, "")
        assert entry.stamp_ns == entry.own_ns == sample.stamp_ns
        assert CLASS_OF_ROLE[entry.role] is type(sample)
        if isinstance(sample, Frame):
            np.testing.assert_array_equal(entry.sample.decode(), sample.image)
            assert (entry.sample.height, entry.sample.width) == sample.image.shape[:2]
        else:
            assert entry.sample == sample


def test_what_cannot_be_used_is_skipped_with_a_reason_and_stays_an_entry(open_source):
    samples = drive(0.5)
    cut = StoredPicture(bytes(20), True, "rgb8", 4, 4, 12)
    nan = SteeringSample(START_NS, math.nan, 8.0)
    with open_source([*samples[:30], (samples[30][0], cut), *samples[30:]]) as source:
        assert_same(source.samples(), samples)
        ((reason, count),) = source.skipped.items()
        assert count == 1 and "data length: got 20, expected 48 bytes" in reason
        assert source.roles["camera"].name in reason
        assert len(list(source.entries())) == len(samples) + 1
    with open_source([*samples[:30], (samples[30][0], nan), *samples[30:]]) as source:
        assert_same(source.samples(), samples)
        ((reason, count),) = source.skipped.items()
        assert count == 1 and "not a number" in reason
        (refused,) = [entry for entry in source.entries() if entry.problem]
        assert math.isnan(refused.sample.steering_angle) and refused.problem == reason


def test_prepare_replaces_frames_and_nothing_else(open_source):
    samples = drive(0.5)
    with open_source(samples) as source:
        found = list(source.samples(prepare=lambda frame: int(frame.image.sum())))
    for (_, made), (_, sample) in zip(found, samples, strict=True):
        assert made == (int(sample.image.sum()) if isinstance(sample, Frame) else sample)


def test_the_calibration_is_given_or_missing_with_a_reason(open_source):
    with open_source(drive(0.5), camera=CAMERA) as source:
        assert source.camera == CAMERA
    with open_source(drive(0.5)) as source:
        assert source.camera is None and source.camera_missing


@pytest.mark.parametrize("name", ["mcap", "toy"])
def test_damage_is_listed_and_what_precedes_it_is_read(name, bags, tmp_path):
    samples = drive()
    with SOURCES[name](bags, tmp_path, samples) as source:
        path = source.path
    file = next(path.glob("*.mcap")) if path.is_dir() else path
    cut = tmp_path / f"cut{file.suffix}"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with open_recording(cut) as source:
        found = list(source.samples())
        assert 0 < len(found) < len(samples)
        assert_same(found, samples[: len(found)])
        assert source.damage and cut.name in str(source.damage[0])


def test_damage_of_a_recording_in_memory_is_what_it_is_given():
    damage = [Damage("tape", 3, "torn", "the end")]
    assert InMemoryRecording([], damage=damage).damage == damage
    assert str(damage[0]) == "tape at byte 3: torn; lost: the end"


def test_what_no_format_recognises_is_refused_with_what_is_expected(tmp_path):
    (tmp_path / "drive.csv").write_text("0,1")
    for path, problem in (
        (tmp_path / "gone", "no such file"),
        (tmp_path, "a directory of no known"),
        (tmp_path / "drive.csv", "a file of no known recording format"),
    ):
        with pytest.raises(RecordingError, match=problem) as caught:
            open_recording(path)
        assert "rosbag2" in str(caught.value) and "a .toy file" in str(caught.value)


def test_of_a_directory_of_recordings_one_is_to_be_named(tmp_path):
    (tmp_path / "monday").mkdir()
    for name in "abcde":
        write_toy(tmp_path / "monday" / f"{name}.toy", drive(0.2, size=(8, 16)))
    with pytest.raises(RecordingError) as caught:
        open_recording(tmp_path / "monday")
    said = str(caught.value)
    assert (
        "a directory of recordings" in said and f"Name one: {tmp_path / 'monday' / 'a.toy'}" in said
    )
    assert "d.toy" in said and "e.toy" not in said


def test_a_replay_does_not_depend_on_the_format(bags, tmp_path):
    samples = drive(3.0, size=(64, 128))
    runtime = OnnxRuntime.load(find_model("lane_keeper"))
    bag = bags.write(tmp_path / "bag", bags.messages_of(samples))
    toy = write_toy(tmp_path / "drive.toy", samples)
    ((first,), (second,)) = (replay({"lane_keeper": runtime}, path) for path in (bag, toy))
    for field in dataclasses.fields(first.issued):
        left, right = (getattr(log.issued, field.name) for log in (first, second))
        np.testing.assert_array_equal(left, right, err_msg=field.name)
    assert first.frames == second.frames == 60 and first.counts == second.counts
    np.testing.assert_array_equal(first.recorded.steering_angle, second.recorded.steering_angle)


def test_an_inspection_does_not_depend_on_the_format(bags, tmp_path):
    samples = drive(8.0)
    bag = bags.write(tmp_path / "bag", bags.messages_of(samples))
    toy = write_toy(tmp_path / "drive.toy", samples)
    assert is_recording(toy) and is_recording(bag)
    facts = [inspect_any(InspectAnySettings(str(path), estimate=False)) for path in (bag, toy)]
    facts.append(inspect_source(InMemoryRecording(samples)).facts)
    streams = [{role for topic in one["topics"] for role in topic["roles"]} for one in facts]
    assert streams == [set(ROLES)] * 3
    for one in facts[1:]:
        assert one.keys() == facts[0].keys()
        for name in facts[0].keys() - {"recording", "topics"}:
            assert one[name] == facts[0][name], name
    assert [len(one["topics"]) for one in facts] == [4, 4, 4]


def test_training_does_not_depend_on_the_format(drives, tmp_path, monkeypatch):
    monkeypatch.setattr("liquid_control.train.run.export_onnx", None)
    clone = CloneSettings(steps=2, frames=8, core_fit=CoreFitSettings(steps=2))
    found = {}
    for name in ("bag", "toy"):
        paths = []
        for seed in range(3):
            bag = drives.write_drive(tmp_path / name / f"drive_{seed}.bag", seed, seconds=10.0)
            with open_recording(bag) as source:
                toy = write_toy(bag.with_suffix(".toy"), source.samples())
            paths.append(bag if name == "bag" else toy)
        found[name] = train(
            RecordingsSettings(
                tuple(paths),
                closed_loop="off",
                out=tmp_path / name / "run",
                cache=tmp_path / name / "cache",
                clone=clone,
                policy=PolicyConfig(encoder="slim"),
                preprocess=PreprocessConfig(height=16, width=32),
                workers=1,
            )
        )
    held_out = [
        {key: value for key, value in found[name]["held_out"].items() if key != "recordings"}
        for name in found
    ]
    assert held_out[0] == held_out[1] and held_out[0]["frames"] > 100
