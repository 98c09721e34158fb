"""Every fault of a recording, planted once, is found and weighed, and the advice helps."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.rosbag import messages
from liquid_control.recordings.settings import RecordingSettings

READY, WARNED, UNUSABLE = "ready", "usable with warnings", "not usable"


def states(facts: dict) -> tuple[str, str]:
    return facts["verdict"]["replay"]["state"], facts["verdict"]["train"]["state"]


def zero_camera(drive) -> None:
    drive.stamp["camera"] = np.full_like(drive.stamp["camera"], -1e9)


def constant_camera(drive) -> None:
    drive.stamp["camera"][:] = 3.0


def duplicates(drive) -> None:
    drive.stamp["camera"][10::12] = drive.stamp["camera"][9:-1:12][
        : len(drive.stamp["camera"][10::12])
    ]


def backward(drive) -> None:
    drive.stamp["imu"][400:410] -= 0.5


def silence(role: str, start: float, end: float):
    def fault(drive) -> None:
        drive.keep(role, (drive.stamp[role] < start) | (drive.stamp[role] > end))

    return fault


def half_dropped(drive) -> None:
    drive.keep("camera", np.random.default_rng(0).uniform(size=len(drive.pictures)) > 0.4)


def slow_camera(drive) -> None:
    drive.keep("camera", np.arange(len(drive.pictures)) % 3 == 0)


def imu_clock_late(drive) -> None:
    drive.stamp["imu"] += 0.15


def drifting(drive) -> None:
    drive.stamp["imu"] *= 1.0 - 0.004


def clock_set(drive) -> None:
    for role in drive.stamp:
        drive.stamp[role][drive.stamp[role] > 12.0] -= 0.6


def future(drive) -> None:
    drive.stamp["steering"] += 0.1


def blank(drive) -> None:
    for i in range(40, 60):
        drive.pictures[i] = messages.jpeg(np.full((64, 96, 3), 90, np.uint8), 90)


def repeated(drive) -> None:
    for i in range(100, 120):
        drive.pictures[i] = drive.pictures[100]


def truncated(drive) -> None:
    for i in range(50, 60):
        drive.pictures[i] = drive.pictures[i][: len(drive.pictures[i]) // 2]


def two_sizes(drive) -> None:
    drive.pictures[30] = messages.jpeg(
        np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8), 90
    )


def dark(drive) -> None:
    rng = np.random.default_rng(0)
    drive.pictures = [
        messages.jpeg(rng.integers(0, 18, (64, 96, 3)).astype(np.uint8), 95) for _ in drive.pictures
    ]


def mirrored(drive) -> None:
    drive.imu[:, 2] *= -1
    drive.imu[:, 4] *= -1
    drive.steering *= -1


def gyro_turned(drive) -> None:
    drive.imu[:, 2] *= -1


def gyro_degrees(drive) -> None:
    drive.imu[:, :3] *= 180 / np.pi


def acceleration_in_g(drive) -> None:
    drive.imu[:, 3:] /= 9.81


def stuck(drive) -> None:
    drive.imu[300:450] = drive.imu[300]


def clipped(drive) -> None:
    drive.imu[:, 2] = np.clip(drive.imu[:, 2], -0.15, 0.15)


def on_its_side(drive) -> None:
    drive.imu = drive.imu[:, [2, 0, 1, 5, 3, 4]]


def y_to_the_right(drive) -> None:
    drive.imu[:, 4] *= -1


def not_numbers(drive) -> None:
    drive.imu[100:110, 2] = np.nan


def times(factor: float):
    def fault(drive) -> None:
        drive.steering = drive.steering * factor

    return fault


def backwards(drive) -> None:
    drive.steering = drive.steering[::-1]


def straight(drive) -> None:
    drive.steering[:] = 0.01


def standing(drive) -> None:
    drive.speed[:] = 0.0


def kilometres_per_hour(drive) -> None:
    drive.speed *= 10.0


def late_clock(drive) -> None:
    drive.stamp["steering"] += 1.0
    drive.receipt["steering"] += 1.0


FAULTS = {
    "zero camera stamps": (zero_camera, "zero_stamps", "camera", UNUSABLE, UNUSABLE),
    "constant camera stamps": (constant_camera, "constant_stamps", "camera", UNUSABLE, UNUSABLE),
    "duplicate stamps": (duplicates, "duplicate_stamps", "camera", WARNED, WARNED),
    "stamps go back": (backward, "stamps_go_back", "imu", WARNED, WARNED),
    "camera silent": (silence("camera", 8.0, 9.5), "gaps", "camera", WARNED, WARNED),
    "imu silent": (silence("imu", 8.0, 9.5), "gaps", "imu", WARNED, WARNED),
    "pictures dropped": (half_dropped, "dropped", "camera", WARNED, WARNED),
    "few pictures": (slow_camera, "slow", "camera", WARNED, WARNED),
    "imu ends early": (silence("imu", 12.0, 99.0), "not_covered", "imu", WARNED, WARNED),
    "imu clock late": (imu_clock_late, "camera_imu_offset", "imu", WARNED, WARNED),
    "clock drifts": (drifting, "clock_drift", "imu", WARNED, WARNED),
    "clock set": (clock_set, "clock_jump", "camera", WARNED, WARNED),
    "stamps in the future": (future, "from_the_future", "steering", WARNED, WARNED),
    "blank pictures": (blank, "blank_pictures", "camera", WARNED, WARNED),
    "repeated pictures": (repeated, "repeated_pictures", "camera", WARNED, WARNED),
    "truncated pictures": (truncated, "bad_pictures", "camera", WARNED, WARNED),
    "two sizes": (two_sizes, "sizes_differ", "camera", WARNED, WARNED),
    "dark": (dark, "exposure", "camera", WARNED, WARNED),
    "pictures mirrored": (mirrored, "picture_against_gyro", "camera", UNUSABLE, UNUSABLE),
    "gyro turned": (gyro_turned, "gyro_sign", "imu", UNUSABLE, UNUSABLE),
    "gyro in degrees": (gyro_degrees, "gyro_unit", "imu", UNUSABLE, UNUSABLE),
    "acceleration in g": (acceleration_in_g, "acceleration_unit", "imu", WARNED, WARNED),
    "imu stuck": (stuck, "stuck", "imu", WARNED, WARNED),
    "imu clipped": (clipped, "clipped", "imu", WARNED, WARNED),
    "imu on its side": (on_its_side, "imu_axes", "imu", UNUSABLE, UNUSABLE),
    "gyro axis": (on_its_side, "gyro_axis", "imu", UNUSABLE, UNUSABLE),
    "y to the right": (y_to_the_right, "lateral_sign", "imu", UNUSABLE, UNUSABLE),
    "not numbers": (not_numbers, "not_finite", "imu", WARNED, WARNED),
    "sign flipped": (times(-1.0), "steering_sign", "steering", UNUSABLE, UNUSABLE),
    "steering in degrees": (times(180 / np.pi), "steering_unit", "steering", UNUSABLE, UNUSABLE),
    "steering wheel": (times(-15.0), "steering_unit", "steering", UNUSABLE, UNUSABLE),
    "another wheelbase": (times(1.5), "wheelbase", "steering", READY, WARNED),
    "steering of another time": (backwards, "steering_disagrees", "steering", WARNED, WARNED),
    "steering constant": (straight, "constant", "steering", WARNED, UNUSABLE),
    "standing": (standing, "never_moves", "speed", WARNED, UNUSABLE),
    "speed in another unit": (kilometres_per_hour, "speed_unit", "speed", UNUSABLE, UNUSABLE),
    "steering clock late": (late_clock, "steering_delay", "steering", WARNED, WARNED),
    "no camera": (
        lambda drive: drive.keep("camera", np.zeros(len(drive.pictures), bool)),
        "no_camera",
        "camera",
        UNUSABLE,
        UNUSABLE,
    ),
    "no imu": (
        lambda drive: drive.keep("imu", np.zeros(len(drive.imu), bool)),
        "no_imu",
        "imu",
        WARNED,
        WARNED,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_weighed(name, clean, tmp_path):
    plant, code, role, replay, train = FAULTS[name]
    drive = copy.deepcopy(clean)
    plant(drive)
    facts = inspect_recording(drive.write(tmp_path / "bag")).facts
    assert (code, role) in {(one["code"], one["role"]) for one in facts["findings"]}
    assert states(facts) == (replay, train)
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize(
    "name", ["zero camera stamps", "constant camera stamps", "clock set", "stamps in the future"]
)
def test_the_advice_to_read_by_receipt_helps(name, clean, tmp_path):
    drive = copy.deepcopy(clean)
    FAULTS[name][0](drive)
    bag = drive.write(tmp_path / "bag")
    with_headers = inspect_recording(bag).facts
    assert any("--stamps receive" in one["remedy"] for one in with_headers["findings"])
    by_receipt = inspect_recording(bag, RecordingSettings(stamps="receive")).facts
    assert not {"zero_stamps", "constant_stamps", "stamps_go_back"} & {
        one["code"] for one in by_receipt["findings"]
    }


def test_a_turned_gyro_is_not_blamed_on_the_steering(clean, tmp_path):
    drive = copy.deepcopy(clean)
    gyro_turned(drive)
    assert [
        one["code"] for one in inspect_recording(drive.write(tmp_path / "bag")).facts["findings"]
    ] == ["gyro_sign"]


@pytest.mark.parametrize("factor", [-1.0, 180 / np.pi, -15.0, 15.0 * 180 / np.pi])
def test_the_advised_steering_scale_makes_it_ready(factor, clean, tmp_path):
    drive = copy.deepcopy(clean)
    times(factor)(drive)
    bag = drive.write(tmp_path / "bag")
    advice = next(
        one["remedy"]
        for one in inspect_recording(bag).facts["findings"]
        if one["remedy"].startswith("--steering-scale")
    )
    scale = float(advice.split()[1])
    assert scale * factor == pytest.approx(1.0, rel=0.05)
    assert states(inspect_recording(bag, RecordingSettings(steering_scale=scale)).facts) == (
        READY,
        READY,
    )
