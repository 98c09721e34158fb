"""LeRobot datasets of versions 2 and 3: what they hold, whose pictures belong to which rows, and
what is read of damaged ones."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

from liquid_control.errors import RecordingError
from liquid_control.recordings.formats import format_of, open_recording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import Frame, SpeedSample, SteeringSample

pa = pytest.importorskip("pyarrow", reason="the bags extra is not installed")
pytest.importorskip("av", reason="the bags extra is not installed")
from pyarrow import parquet  # noqa: E402

CURVED = RecordingSettings(largest_curvature=2.0)


@pytest.fixture(scope="module")
def originals(lerobot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    lerobot.write_v2(folder / "v2")
    lerobot.write_v2(folder / "rows", pictures="rows")
    lerobot.write_v3(folder / "v3")
    return folder


@pytest.fixture
def dataset(originals, tmp_path):
    """(name) → a dataset to be damaged."""

    def copy(name: str):
        shutil.copytree(originals / name, tmp_path / name)
        return tmp_path / name

    return copy


def read(path, settings=CURVED):
    """(samples, skipped, damage) of a recording."""
    with open_recording(path, settings) as source:
        samples = [sample for _, sample in source.samples()]
        return samples, dict(source.skipped), [str(one) for one in source.damage]


def paired(samples, comma, lerobot) -> list[tuple[int, int]]:
    """(number of the row with the steering, number of the picture at its time)."""
    rows = {}
    for sample in samples:
        if isinstance(sample, SteeringSample):
            rows[sample.stamp_ns] = sample
    found = []
    for sample in samples:
        if isinstance(sample, Frame) and sample.stamp_ns in rows:
            angle = rows[sample.stamp_ns].steering_angle
            number = comma.number_of(sample.image)
            wheelbase = math.tan(0.5) / 2.0
            command = -math.tan(angle) / wheelbase / 2.0
            found.append((number, bool(abs(command - lerobot.steering(number)) < 1e-5)))
    return found


@pytest.mark.parametrize("name", ["v2", "rows", "v3"])
def test_rows_and_pictures_come_together_and_each_episode_is_a_stretch(
    name, originals, comma, lerobot
):
    counts = (40, 30, 20) if name == "v3" else (40, 30)
    assert format_of(originals / name).name == "LeRobot dataset"
    with open_recording(originals / name, CURVED) as source:
        assert {role: one.name for role, one in source.roles.items()} == {
            "camera": "observation.images.front",
            "speed": "observation.state:speed",
            "steering": "action:steering",
        }
        assert source.roles["camera"].count == sum(counts)
        assert source.roles["speed"].rate == pytest.approx(20.0, rel=0.03)
        assert source.seconds == pytest.approx(sum(counts) / 20 - 0.05 * len(counts), abs=1e-6)
        samples = [sample for _, sample in source.samples()]
        assert source.skipped == {} and source.damage == []
        assert len(source.clock.breaks) == len(counts) - 1
        placed = [sample.stamp_ns for _, sample in source.samples([SpeedSample])]
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(sum(counts))]
    speeds = [one.speed for one in samples if isinstance(one, SpeedSample)]
    assert speeds == pytest.approx(lerobot.speed(np.arange(sum(counts))).tolist())
    steps = np.diff(placed)
    own = np.rint(np.diff(lerobot.regular(counts[0]).astype(float)) * 1e9)
    assert np.abs(steps[: counts[0] - 1] - own).max() <= 1  # the table's own times
    assert np.flatnonzero(steps > 10**9).tolist() == [
        sum(counts[: at + 1]) - 1 for at in range(len(counts) - 1)
    ]


def test_a_single_file_of_rows_is_an_episode_with_its_pictures(originals, comma, lerobot):
    file = originals / "v2" / "data" / "chunk-000" / "episode_000001.parquet"
    samples, skipped, _ = read(file)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(40, 70)]
    samples, _, damage = read(originals / "v2" / "meta" / "info.json")
    assert len(paired(samples, comma, lerobot)) == 70 and not damage


def test_recorded_times_are_kept_where_the_video_has_a_constant_rate(comma, lerobot, tmp_path):
    rng = np.random.default_rng(0)
    times = [np.cumsum(rng.uniform(0.03, 0.09, count)) for count in (40, 30)]
    root = lerobot.write_v2(tmp_path / "set", times=times)
    samples, skipped, damage = read(root)
    assert (skipped, damage) == ({}, [])
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(70)]
    stamps = np.array([one.stamp_ns for one in samples if isinstance(one, Frame)])
    expected = np.rint(times[0].astype(np.float32).astype(float) * 1e9)
    assert np.abs(np.diff(stamps[:40]) - np.diff(expected)).max() <= 1


def rewrite(file, change) -> None:
    table = change(parquet.read_table(file))
    parquet.write_table(table, file)


def test_rows_that_are_missing_shuffled_or_repeated_do_not_move_pictures(dataset, comma, lerobot):
    root = dataset("v2")
    file = root / "data" / "chunk-000" / "episode_000000.parquet"
    order = np.random.default_rng(1).permutation(np.delete(np.arange(40), [3, 17, 18]))
    rewrite(file, lambda table: table.take(order))
    samples, skipped, damage = read(root)
    kept = [number for number in range(70) if number not in (3, 17, 18)]
    assert paired(samples, comma, lerobot) == [(number, True) for number in kept]
    assert damage == ["episode 0: 37 rows, its index says 40; lost: those that are not there"]
    rewrite(file, lambda table: pa.concat_tables([table.take(list(range(37))), table.slice(5, 1)]))
    samples, skipped, _ = read(root)
    assert {truth for _, truth in paired(samples, comma, lerobot)} == {True}


def test_a_time_out_of_order_costs_its_row(dataset, comma, lerobot):
    root = dataset("v3")
    file = root / "data" / "chunk-000" / "file-000.parquet"

    def change(table):
        times = table["timestamp"].to_numpy().copy()
        times[[5, 9]] = 900.0, math.nan
        at = table.column_names.index("timestamp")
        return table.set_column(at, "timestamp", pa.array(times))

    rewrite(file, change)
    samples, skipped, _ = read(root)
    assert skipped == {"a row without a time": 1, "a row whose time is out of order": 1}
    expected = [number for number in range(90) if number not in (5, 9)]
    assert paired(samples, comma, lerobot) == [(number, True) for number in expected]


@pytest.mark.parametrize("state", ["missing", "empty", "cut", "pointer"])
def test_a_lost_video_costs_the_pictures_of_its_episode_alone(state, dataset, comma, lerobot):
    root = dataset("v2")
    file = root / "videos" / "chunk-000" / lerobot.CAMERA / "episode_000000.mp4"
    data = file.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    file.write_bytes({"cut": data[: len(data) // 2], "pointer": pointer}.get(state, b""))
    if state == "missing":
        file.unlink()
    samples, skipped, damage = read(root)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(40, 70)]
    assert sum(isinstance(one, SteeringSample) for one in samples) == 70
    assert list(skipped.values()) == [40] and len(damage) == 1
    words = {"missing": "no video of the episode", "cut": "opened", "pointer": "LFS"}
    assert words.get(state, state) in damage[0]


@pytest.mark.parametrize("state", ["missing", "empty", "cut", "pointer", "text"])
def test_a_lost_table_costs_its_episode_and_is_named(state, dataset, comma, lerobot):
    root = dataset("v2")
    file = root / "data" / "chunk-000" / "episode_000000.parquet"
    data = file.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\n"
    others = {"cut": data[:-40], "pointer": pointer, "text": b"a,b\n1,2\n" * 9}
    file.write_bytes(others.get(state, b""))
    if state == "missing":
        file.unlink()
    samples, _, damage = read(root)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(40, 70)]
    words = {
        "missing": "no file holds",
        "cut": "its footer",
        "pointer": "LFS",
        "text": "no parquet",
    }
    assert any(words.get(state, state) in one for one in damage)
    assert any("episode 0: missing" in one and "40 rows" in one for one in damage)


def test_a_video_with_fewer_pictures_gives_those_of_the_rows_that_have_one(dataset, comma, lerobot):
    root = dataset("v2")
    file = root / "videos" / "chunk-000" / lerobot.CAMERA / "episode_000000.mp4"
    comma.write_video(file, range(33), "libx264", group=2)
    samples, skipped, damage = read(root)
    kept = [*range(33), *range(40, 70)]
    assert paired(samples, comma, lerobot) == [(number, True) for number in kept]
    assert list(skipped.values()) == [7] and not damage
    # Of times that are not the video's nobody knows which picture is missing.
    rng = np.random.default_rng(0)
    times = [np.cumsum(rng.uniform(0.03, 0.09, count)) for count in (40, 30)]
    root = lerobot.write_v2(root.parent / "irregular", times=times)
    file = root / "videos" / "chunk-000" / lerobot.CAMERA / "episode_000000.mp4"
    comma.write_video(file, range(33), "libx264", group=2)
    samples, skipped, damage = read(root)
    kept = list(range(40, 70))
    assert paired(samples, comma, lerobot) == [(number, True) for number in kept]
    assert len(damage) == 1 and "33 pictures for 40 rows" in damage[0]


def test_an_index_that_names_the_same_pictures_twice_is_not_believed(dataset, comma, lerobot):
    root = dataset("v3")
    file = root / "meta" / "episodes" / "chunk-000" / "file-000.parquet"
    name = f"videos/{lerobot.CAMERA}/from_timestamp"

    def change(table):
        begins = table[name].to_numpy().copy()
        begins[1] = 1.0  # of an episode that ends at 2.0 and begins at 0.0
        return table.set_column(table.column_names.index(name), name, pa.array(begins))

    rewrite(file, change)
    samples, skipped, damage = read(root)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(70, 90)]
    assert list(skipped.values()) == [70] and all("two episodes" in one for one in damage)


def test_without_its_index_a_dataset_of_version_2_is_read_whole(dataset, comma, lerobot):
    root = dataset("v2")
    (root / "meta" / "episodes.jsonl").write_text('{"episode_index": 0, "leng\nnull\n')
    samples, _, damage = read(root)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(70)]
    assert damage == [
        "meta/episodes.jsonl: 2 lines that are no JSON; lost: how long their episodes are"
    ]
    (root / "meta" / "info.json").write_text("{")
    named = RecordingSettings(
        largest_curvature=2.0, topics=TopicMap(steering="action[0]", speed="observation.state[0]")
    )
    samples, _, damage = read(root, named)
    assert paired(samples, comma, lerobot) == [(number, True) for number in range(70)]
    assert any("info.json: not readable" in one for one in damage)


def test_pictures_in_rows_may_be_bytes_or_files_and_their_damage_is_theirs(dataset, comma, lerobot):
    root = dataset("rows")
    file = root / "data" / "chunk-000" / "episode_000000.parquet"

    def change(table):
        values = table[lerobot.CAMERA].to_pylist()
        (root / "images").mkdir()
        (root / "images" / "5.png").write_bytes(values[5]["bytes"])
        values[5] = {"bytes": None, "path": "images/5.png"}
        values[6] = {"bytes": None, "path": "../../secret.png"}
        values[7] = {"bytes": None, "path": "images/7.png"}
        values[8] = {"bytes": b"", "path": None}
        values[9] = {"bytes": values[9]["bytes"][:-30], "path": None}
        values[10] = None
        at = table.column_names.index(lerobot.CAMERA)
        kind = table.schema.field(lerobot.CAMERA).type
        return table.set_column(at, lerobot.CAMERA, pa.array(values, kind))

    rewrite(file, change)
    samples, skipped, _ = read(root)
    kept = [number for number in range(70) if number not in (6, 7, 8, 9, 10)]
    assert paired(samples, comma, lerobot) == [(number, True) for number in kept]
    assert sum(skipped.values()) == 5
    assert any("leads out" in one for one in skipped) and any(
        "end marker" in one for one in skipped
    )


def test_a_parquet_of_another_schema_is_named_with_what_it_has_and_what_is_expected(tmp_path):
    for folder in (tmp_path / "one", tmp_path / "two" / "data"):
        folder.mkdir(parents=True)
        parquet.write_table(pa.table({"t": [1.0], "wheel": [0.5]}), folder / "drive.parquet")
    for path in (tmp_path / "one" / "drive.parquet", tmp_path / "one", tmp_path / "two"):
        with pytest.raises(RecordingError, match=r"columns t, wheel.*Expected columns timestamp"):
            open_recording(path)


def test_other_versions_and_empty_datasets_are_refused_by_name(lerobot, dataset):
    root = dataset("v2")
    lerobot.write_info(root, "v1.6", 2)
    with pytest.raises(RecordingError, match=r"version v1.6, expected v2.0, v2.1 or v3.0"):
        open_recording(root)
    lerobot.write_info(root, "v2.1", 2)
    shutil.rmtree(root / "data")
    with pytest.raises(RecordingError, match="no parquet file in data/"):
        open_recording(root)
