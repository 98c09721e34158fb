"""From a recording with a fault over the flags that `inspect` prints to a recording that is ready,
with the true targets of training."""

from __future__ import annotations

import copy
import dataclasses
import json
import shlex

import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.config import VehicleConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings, driven_curvature
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.motion import Motion, Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import ImuSample, SpeedSample, SteeringSample


def in_order(drive) -> None:
    pass


def kilometres_per_hour(drive) -> None:
    drive.speed *= 3.6


def twist_of_the_map(drive) -> None:
    drive.speed *= np.cos(drive.poses[:, 2])


def zero_off(drive) -> None:
    drive.steering += 0.0524


def upside_down(drive) -> None:
    drive.imu *= np.array([1, -1, -1, 1, -1, -1])


CASES = {
    "twist holds an angle": (in_order, "twist_angle", "twist_angle"),
    "speed in km/h": (kilometres_per_hour, "ackermann", "speed_unit"),
    "twist in the frame of the map": (twist_of_the_map, "ackermann", "speed_frame"),
    "zero of the steering": (zero_off, "ackermann", "steering_offset"),
    "imu upside down": (upside_down, "ackermann", "imu_axes"),
}


@pytest.fixture(scope="module")
def wide(new_drive):
    """A drive with poses that turns far to both sides."""
    drive = new_drive(7)
    t = drive.stamp["speed"]
    rate = np.interp(t, drive.stamp["imu"], drive.imu[:, 2] - 0.003)

    def integral(values: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2.0 * np.diff(t))])

    heading = integral(rate) + 0.6
    x, y = (integral(drive.speed * part(heading)) for part in (np.cos, np.sin))
    drive.poses = np.stack([x, y, heading], 1)
    return drive


def inspected(bag, flags: str, capsys) -> dict:
    assert cli.main(["inspect", str(bag), "--json", "--no-estimate", *shlex.split(flags)]) == 0
    return json.loads(capsys.readouterr().out)


def curvatures(bag, flags: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets at fixed times by the steering and by the gyro."""
    settings = RecordingSettings()
    words = iter(shlex.split(flags))
    for flag, value in zip(words, words, strict=True):
        *group, name = flag[2:].replace("-", "_").split(".")
        inner = getattr(settings, group[0]) if group else settings
        inner = dataclass_with(inner, name, value)
        settings = dataclass_with(settings, group[0], inner) if group else inner
    rows = {ImuSample: [], SpeedSample: [], SteeringSample: []}
    with open_recording(bag, settings) as source:
        for _, sample in source.samples(kinds=rows):
            value = {
                ImuSample: lambda s: s.angular_velocity[2],
                SpeedSample: lambda s: s.speed,
                SteeringSample: lambda s: s.steering_angle,
            }[type(sample)](sample)
            rows[type(sample)].append((sample.stamp_ns, value))
    motion = Motion(*(Track(*map(np.array, zip(*one, strict=True))) for one in rows.values()))
    first = int(motion.yaw_rate.stamp_ns[0])
    stamps = first + np.arange(2_000_000_000, 22_000_000_000, 100_000_000)
    return tuple(
        driven_curvature(
            stamps, motion, CurvatureSettings(source=source, smoothing=0.2), VehicleConfig()
        ).curvature
        for source in ("steering", "gyro")
    )


def dataclass_with(settings, name: str, value):
    kind = type(getattr(settings, name))
    return dataclasses.replace(settings, **{name: value if kind is not float else float(value)})


@pytest.mark.parametrize("name", CASES)
def test_the_printed_flags_make_it_ready_and_its_targets_true(name, wide, tmp_path, capsys):
    spoil, steering, code = CASES[name]
    truth = curvatures(wide.write(tmp_path / "truth"), "")
    drive = copy.deepcopy(wide)
    spoil(drive)
    bag = drive.write(tmp_path / "bag", steering)
    facts = inspected(bag, "", capsys)
    (found,) = [one for one in facts["findings"] if one["train"] != "ok"]
    assert found["code"] == code
    assert facts["verdict"]["train"]["state"] == "not usable"
    wrong, right = curvatures(bag, ""), curvatures(bag, found["remedy"])
    size = float(np.std(truth[0]))
    assert max(np.nanmax(np.abs(a - b)) for a, b in zip(wrong, truth, strict=True)) > 0.3 * size
    for ours, theirs in zip(right, truth, strict=True):
        assert np.nanmax(np.abs(ours - theirs)) < 0.12 * size
    after = inspected(bag, found["remedy"], capsys)
    assert after["verdict"]["train"]["state"] == after["verdict"]["replay"]["state"] == "ready"
