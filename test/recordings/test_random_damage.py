"""Random damage of the files of each format: named and counted, never an error of another kind, and
never a picture with the row or the time of another."""

from __future__ import annotations

import contextlib
import math
import random
import shutil
from pathlib import Path

import pytest

from liquid_control.errors import ImageError, LiquidControlError
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings

pytest.importorskip("av", reason="the bags extra is not installed")
pytest.importorskip("pyarrow", reason="the bags extra is not installed")
CURVED = RecordingSettings(largest_curvature=2.0)
TIMES = 16
LONGEST = 2
"""Pictures in a row that may look like others by the same number of places: damage that the decoder
does not notice changes what they show."""


@pytest.fixture(scope="module")
def originals(comma, lerobot, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    comma.write_segment(folder / "comma", 0, 1.5, begin_s=100.0)
    lerobot.write_v2(folder / "v2", (24, 16))
    lerobot.write_v3(folder / "v3", (20, 14, 10))
    lerobot.write_v2(folder / "rows", (20, 10), pictures="rows")
    return folder


def damage(file: Path, rng: random.Random) -> None:
    data = bytearray(file.read_bytes())
    place = rng.randrange(max(len(data), 1))
    kind = rng.choice(("bits", "cut", "gap", "zeros", "shuffled", "gone"))
    if kind == "gone":
        return file.unlink()
    if kind == "bits" and data:
        for _ in range(rng.choice((1, 5, 20))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[place:]
    elif kind == "gap":
        del data[place : place + rng.randrange(1, 500)]
    elif kind == "zeros":
        data[place : place + 200] = bytes(len(data[place : place + 200]))
    elif kind == "shuffled":
        lines = bytes(data).splitlines(keepends=True)
        rng.shuffle(lines)
        data = bytearray(b"".join(lines[: len(lines) // 2 + 1]))
    file.write_bytes(data)
    return None


def numbers(path: Path, comma, lerobot) -> list[tuple[int, int]]:
    """(number in the picture, the one that belongs to its time or row) of each picture."""
    expected, found = {}, []
    if "comma" in path.name:
        times = comma.times("frames", 1.5, 100.0)
        expected = {round(time_s * 1e9): place for place, time_s in enumerate(times)}
    with open_recording(path, CURVED) as source:
        for record in source.as_recorded():
            entry = record() if callable(record) else record
            if entry.problem or entry.sample is None:
                continue
            if entry.role == "steering" and "comma" not in path.name:
                command = -math.tan(entry.sample.steering_angle) / math.tan(0.5)
                off = [abs(command - lerobot.steering(number)) for number in range(44)]
                if min(off) < 1e-5:
                    expected[entry.stamp_ns] = off.index(min(off))
            elif entry.role == "camera" and entry.stamp_ns in expected:
                with contextlib.suppress(ImageError):
                    shown = comma.number_of(entry.sample.decode())
                    found.append((shown, expected[entry.stamp_ns]))
        list(source.samples())
    return found


@pytest.mark.parametrize("name", ["comma", "v2", "v3", "rows"])
def test_damage_is_survived_and_moves_no_picture(name, originals, comma, lerobot, tmp_path):
    read = 0
    for seed in range(TIMES):
        rng, path = random.Random(f"{name} {seed}"), tmp_path / f"{name} {seed}"
        shutil.copytree(originals / name, path)
        for file in rng.sample(sorted(one for one in path.rglob("*") if one.is_file()), 2):
            damage(file, rng)
        try:
            found = numbers(path, comma, lerobot)
        except LiquidControlError as error:
            assert str(path) in str(error)
            continue
        read += bool(found)
        run, before = 0, 0
        for shown, belongs in found:
            run = run + 1 if shown != belongs and shown - belongs == before else 0
            before = shown - belongs
            assert run < LONGEST, (seed, found)
    assert read > TIMES // 4
