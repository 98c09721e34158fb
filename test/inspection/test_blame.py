"""One signal of a drive is spoiled: it is blamed, alone, and the printed remedy mends it. Arrays of
motion in place of recordings, read through the same settings."""

from __future__ import annotations

import dataclasses
import math
import shlex

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.inspection.agreement import Agreement, compare
from liquid_control.inspection.blame import judge_agreement
from liquid_control.inspection.findings import FAULT, OK, WARNING, Finding
from liquid_control.inspection.motion_signals import Signals, motion_signals
from liquid_control.inspection.tracks import read_tracks
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.motion import Track, at
from liquid_control.recordings.settings import RecordingSettings

CAR, WALKING = {}, {"speed": 1.5, "wheelbase": 0.33, "amplitude": 0.2}
SLOW = {"speed": 0.5, "wheelbase": 0.3, "amplitude": 0.25}


def times(role: str, columns, factor: float):
    def spoil(motion) -> None:
        getattr(motion, role)[:, columns] *= factor

    return spoil


def plus(role: str, column: int, amount: float):
    def spoil(motion) -> None:
        getattr(motion, role)[:, column] += amount

    return spoil


def all_of(*spoilers):
    def spoil(motion) -> None:
        for one in spoilers:
            one(motion)

    return spoil


def turned(rotation):
    """An IMU whose axes are turned: `rotation` brings the vehicle's to the sensor's."""

    def spoil(motion) -> None:
        for part in (slice(1, 4), slice(4, 7)):
            motion.imu[:, part] = motion.imu[:, part] @ np.array(rotation, float).T

    return spoil


def swapped_accelerometer(motion) -> None:
    motion.imu[:, [4, 5]] = motion.imu[:, [5, 4]]


def twist_of_the_map(motion) -> None:
    turn = np.interp(motion.speed[:, 0], motion.odometry[:, 0], motion.odometry[:, 3])
    forward = motion.speed[:, 1].copy()
    motion.speed[:, 1] = forward * np.cos(turn)
    motion.odometry[:, 4] = forward * np.sin(turn)


def twist_along_the_map(motion) -> None:
    twist_of_the_map(motion)
    motion.odometry[:, 4] = 0.0


def pitched(angle: float):
    c, s = math.cos(angle), math.sin(angle)
    return turned([[c, 0, -s], [0, 1, 0], [s, 0, c]])


GYRO, FORCE = slice(1, 4), slice(4, 7)
DEGREES = 180.0 / math.pi

BLAMED = {
    "speed in km/h": (times("speed", 1, 3.6), "speed_unit", "speed"),
    "speed in mph": (times("speed", 1, 2.2369), "speed_unit", "speed"),
    "speed in knots": (times("speed", 1, 1.9438), "speed_unit", "speed"),
    "speed in cm/s": (times("speed", 1, 100.0), "speed_unit", "speed"),
    "speed in mm/s": (times("speed", 1, 1000.0), "speed_unit", "speed"),
    "speed backward": (times("speed", 1, -1.0), "speed_sign", "speed"),
    "speed of larger wheels": (times("speed", 1, 1.3), "speed_unit", "speed"),
    "speed with an offset": (plus("speed", 1, 1.0), "speed_offset", "speed"),
    "twist in the map": (twist_of_the_map, "speed_frame", "speed"),
    "steering in degrees": (times("steering", 1, DEGREES), "steering_unit", "steering"),
    "steering flipped": (times("steering", 1, -1.0), "steering_sign", "steering"),
    "steering wheel": (times("steering", 1, -16.0), "steering_unit", "steering"),
    "steering wheel in degrees": (times("steering", 1, 900.0), "steering_unit", "steering"),
    "steering zero off": (plus("steering", 1, 0.0524), "steering_offset", "steering"),
    "steering zero a little off": (plus("steering", 1, -0.012), "steering_offset", "steering"),
    "zero off and degrees": (
        all_of(plus("steering", 1, 0.04), times("steering", 1, DEGREES)),
        "steering_unit",
        "steering",
    ),
    "zero off and flipped": (
        all_of(plus("steering", 1, 0.04), times("steering", 1, -1.0)),
        "steering_sign",
        "steering",
    ),
    "pulses of a servo": (
        all_of(times("steering", 1, 500.0), plus("steering", 1, 1500.0)),
        "steering_unit",
        "steering",
    ),
    "steering stamped late": (plus("steering", 0, 0.45), "steering_delay", "steering"),
    "gyro in degrees": (times("imu", GYRO, DEGREES), "gyro_unit", "imu"),
    "gyro flipped": (times("imu", GYRO, -1.0), "gyro_sign", "imu"),
    "acceleration in g": (times("imu", FORCE, 1 / 9.81), "acceleration_unit", "imu"),
    "acceleration in mg": (times("imu", FORCE, 1000 / 9.81), "acceleration_unit", "imu"),
    "acceleration negative": (times("imu", FORCE, -1.0), "acceleration_sign", "imu"),
    "acceleration y flipped": (times("imu", 5, -1.0), "lateral_sign", "imu"),
    "acceleration x and y swapped": (swapped_accelerometer, "imu_axes", "imu"),
    "imu upside down": (turned(np.diag([1, -1, -1])), "imu_axes", "imu"),
    "imu turned by half a turn": (turned(np.diag([-1, -1, 1])), "lateral_sign", "imu"),
    "imu turned by a quarter": (turned([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]), "imu_axes", "imu"),
    "imu tilted": (pitched(0.35), "imu_axes", "imu"),
}
"""How it is spoiled, and the code and role that are blamed."""

WALKING_TOO = (
    "speed in km/h",
    "speed with an offset",
    "twist in the map",
    "steering flipped",
    "steering wheel",
    "zero off and degrees",
    "pulses of a servo",
    "gyro in degrees",
    "imu turned by a quarter",
)
NOTED = {
    "acceleration z flipped": (times("imu", 6, -1.0), "vertical_sign"),
    "heading flipped": (times("odometry", 3, -1.0), "odometry_heading"),
    "positions in mm": (times("odometry", slice(1, 3), 1000.0), "odometry_scale"),
}
"""What no policy uses is noted, and nothing else is blamed for it."""


def judged(
    motion, settings: RecordingSettings | None = None
) -> tuple[list[Finding], Signals, Agreement]:
    settings = settings or RecordingSettings(vehicle=VehicleConfig(wheelbase=motion.wheelbase))
    source = InMemoryRecording(motion.samples(), settings)
    tracks = read_tracks(source)
    tracks.pictures.rotation.extend(map(tuple, motion.rotation))
    signals = motion_signals(tracks)
    agreement = compare(signals, settings.vehicle)
    findings = list(judge_agreement(agreement, False, settings))
    return findings, moved(signals, tracks.origin_ns), agreement


def moved(signals: Signals, by_ns: int) -> Signals:
    def later(track: Track) -> Track:
        return Track(track.stamp_ns + by_ns, track.value)

    return dataclasses.replace(
        signals,
        gyro=tuple(map(later, signals.gyro)),
        force=tuple(map(later, signals.force)),
        speed=later(signals.speed),
        angle=later(signals.angle),
    )


def applied(remedy: str, settings: RecordingSettings) -> RecordingSettings:
    """The settings with the flags of a remedy, of all words in it the ones behind flags."""
    words = shlex.split(remedy)
    for flag, value in zip(words, words[1:], strict=False):
        if not flag.startswith("--"):
            continue
        *groups, name = flag[2:].replace("-", "_").split(".")
        inner = getattr(settings, groups[0]) if groups else settings
        kind = type(getattr(inner, name))
        inner = dataclasses.replace(inner, **{name: kind(value.rstrip(",;"))})
        settings = dataclasses.replace(settings, **{groups[0]: inner}) if groups else inner
    return settings


def weighty(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.role) for one in findings if one.train != OK]


def worst(track: Track, truth: Track) -> float:
    """Root mean square of the difference over that of the truth."""
    other = at(track.stamp_ns, truth, 0.5)
    both = np.isfinite(other)
    return float(np.sqrt(np.mean((track.value - other)[both] ** 2) / np.mean(other[both] ** 2)))


@pytest.mark.parametrize(
    "name, vehicle",
    [(name, CAR) for name in BLAMED] + [(name, WALKING) for name in WALKING_TOO],
    ids=[*BLAMED, *(f"{name}, walking" for name in WALKING_TOO)],
)
def test_the_corrupted_signal_is_blamed_alone_and_its_remedy_corrects_it(name, vehicle, drive):
    spoil, code, role = BLAMED[name]
    motion = drive(3, **vehicle)
    truth = motion.signals()
    spoil(motion)
    settings = RecordingSettings(vehicle=VehicleConfig(wheelbase=motion.wheelbase))
    findings, _, _ = judged(motion, settings)
    assert weighty(findings) == [(code, role)]
    remedy = next(one.remedy for one in findings if one.code == code)
    after, mended, _ = judged(motion, applied(remedy, settings))
    assert weighty(after) == []
    assert worst(mended.speed, truth.speed) < 0.05
    assert worst(mended.angle, truth.angle) < 0.2 * (code != "steering_delay") + 0.1
    assert worst(mended.gyro[2], truth.gyro[2]) < 0.15
    assert worst(mended.force[1], truth.force[1]) < 0.3


@pytest.mark.parametrize("vehicle", [CAR, WALKING, SLOW], ids=["car", "walking", "slow"])
@pytest.mark.parametrize("seed", range(3))
def test_a_drive_in_order_has_no_findings(seed, vehicle, drive):
    findings, _, agreement = judged(drive(seed, **vehicle))
    assert weighty(findings) == []
    assert agreement.calibration.scale == pytest.approx(1.0, abs=0.03)
    assert abs(agreement.calibration.offset) < 4.0 * agreement.calibration.offset_error


@pytest.mark.parametrize("name", NOTED)
def test_what_no_policy_uses_is_noted_and_no_other_signal_blamed(name, drive):
    spoil, code = NOTED[name]
    motion = drive(3)
    spoil(motion)
    findings, _, _ = judged(motion)
    assert [one.code for one in findings] == [code] and weighty(findings) == []


@pytest.mark.parametrize("names", [
    ("speed in km/h", "steering flipped"),
    ("speed in km/h", "steering in degrees"),
    ("gyro in degrees", "steering flipped"),
    ("imu upside down", "steering in degrees"),
    ("imu upside down", "speed in mph"),
])  # fmt: skip
def test_two_faults_are_distinguished_and_corrected_together(names, drive):
    motion = drive(3)
    truth = motion.signals()
    for name in names:
        BLAMED[name][0](motion)
    settings = RecordingSettings()
    findings, _, _ = judged(motion, settings)
    assert sorted(weighty(findings)) == sorted(BLAMED[name][1:] for name in names)
    for finding in findings:
        settings = applied(finding.remedy, settings)
    after, mended, _ = judged(motion, settings)
    assert weighty(after) == [] and worst(mended.angle, truth.angle) < 0.2
    assert worst(mended.speed, truth.speed) < 0.01


def test_mirrored_pictures_are_blamed_alone(drive):
    motion = drive(3)
    motion.rotation[:, 1] *= -1
    findings, _, _ = judged(motion)
    assert weighty(findings) == [("picture_against_gyro", "camera")]


def test_where_two_signals_alone_disagree_neither_is_blamed(drive):
    motion = drive(3)
    motion.odometry = motion.odometry[:0]
    motion.rotation = motion.rotation[:0]
    motion.imu[:, 4:7] = np.nan
    motion.steering[:, 1] *= -1
    findings, _, _ = judged(motion)
    assert weighty(findings) == [("signals_disagree", "imu")]
    text, remedy = findings[0].text, findings[0].remedy
    assert "no third signal decides" in text and "steering" in text and "gyro" in text
    assert "--steering-scale -1" in remedy and "--imu.gyro-scale -1" in remedy


def alone(motion) -> None:
    """IMU and speed, and nothing else."""
    motion.odometry, motion.rotation = motion.odometry[:0], motion.rotation[:0]
    motion.steering = motion.steering[:0]


def test_gravity_downwards_is_a_fault_where_nothing_tells_an_imu_upside_down_from_a_sign(drive):
    for spoil in (turned(np.diag([1, -1, -1])), times("imu", 6, -1.0)):
        motion = drive(3)
        spoil(motion)
        alone(motion)
        (found,) = judged(motion)[0]
        assert (found.code, found.train) == ("imu_axes", FAULT)
        assert "nothing recorded decides" in found.text and "--imu.axes frd" in found.remedy


def test_a_sign_between_gyro_and_lateral_acceleration_alone_blames_neither(drive):
    motion = drive(3)
    motion.imu[:, GYRO] *= -1
    alone(motion)
    findings = judged(motion)[0]
    assert weighty(findings) == [("signals_disagree", "imu")]
    assert "--imu.gyro-scale -1" in findings[0].remedy and "bru" in findings[0].remedy


def test_a_common_unit_is_taken_before_an_uncommon_one(drive):
    motion = drive(3)
    motion.odometry, motion.rotation = motion.odometry[:0], motion.rotation[:0]
    motion.imu[:, 4:7] = np.nan
    motion.imu[:, 1:4] *= DEGREES
    assert weighty(judged(motion)[0]) == [("gyro_unit", "imu")]


def test_the_errors_of_the_zero_are_calibrated(drive):
    """Of many drives, the estimate lies within its standard errors as often as it says."""
    misses = []
    for seed in range(30):
        motion = drive(seed, gyro_bias=0.0)
        motion.steering[:, 1] += 0.03
        found = compare(motion.signals(), VehicleConfig()).calibration
        misses.append((found.offset + 0.03) / found.offset_error)
    assert np.sqrt(np.mean(np.square(misses))) < 1.5 and max(map(abs, misses)) < 4.0


def test_a_bias_of_the_gyro_is_not_the_zero_of_the_steering(drive):
    """The headings of the odometry tell the two apart; without them the doubt says so."""
    motion = drive(5, speed=2.0, wheelbase=0.5, amplitude=0.15, gyro_bias=0.06)
    assert weighty(judged(motion)[0]) == []
    motion.odometry = motion.odometry[:0]
    (found,) = judged(motion)[0]
    assert found.code == "steering_offset" and found.train == WARNING
    assert "or the gyro reads 0.059 rad/s" in found.text and "if the gyro is right" in found.remedy


CIRCLES = ("speed in km/h", "steering flipped", "gyro in degrees", "imu upside down")


@pytest.mark.parametrize("name", ["", *CIRCLES])
def test_a_circle_at_one_speed_tells_units_and_signs_too(name, drive):
    spoil, code, role = BLAMED.get(name, (lambda motion: None, "", ""))
    motion = drive(3, circling=0.12, amplitude=0.0004, varies=0.0)
    spoil(motion)
    findings, _, _ = judged(motion)
    assert weighty(findings) == ([(code, role)] if name else [])
    settings = RecordingSettings()
    for finding in findings:
        settings = applied(finding.remedy, settings)
    assert weighty(judged(motion, settings)[0]) == []


@pytest.mark.parametrize("speed", [2.0, 8.0])
def test_driving_backward_is_no_fault(speed, drive):
    motion = drive(3, speed=-speed)
    assert weighty(judged(motion)[0]) == []


@pytest.mark.parametrize("scale", [1.0, -1.0, 1.0 / DEGREES])
@pytest.mark.parametrize("vehicle", [CAR, WALKING], ids=["car", "walking"])
def test_a_twist_that_holds_an_angle_is_recognised(vehicle, scale, drive):
    """It is read as a yaw rate: angle = arctan(wheelbase x angular.z / speed)."""
    motion = drive(3, **vehicle)
    said = np.interp(motion.steering[:, 0], *motion.speed.T)
    recorded = motion.steering[:, 1] / scale
    motion.steering[:, 1] = np.arctan(motion.wheelbase * recorded / said)
    settings = RecordingSettings(vehicle=VehicleConfig(wheelbase=motion.wheelbase))
    agreement = compare(motion.signals(), settings.vehicle, is_curvature=True)
    (found,) = judge_agreement(agreement, True, settings)
    assert found.code == "twist_angle"
    mended = applied("--twist-steering angle" + found.remedy.partition("angle")[2], settings)
    assert mended.twist_steering == "angle"
    assert mended.steering_scale == pytest.approx(scale, rel=0.01)
    assert mended.vehicle.wheelbase == settings.vehicle.wheelbase


def test_a_twist_of_an_angle_tells_a_wheelbase_that_was_not_set(drive):
    motion = drive(3, **WALKING, varies=0.3)
    said = np.interp(motion.steering[:, 0], *motion.speed.T)
    motion.steering[:, 1] = np.arctan(2.6 * motion.steering[:, 1] / said)
    agreement = compare(motion.signals(), VehicleConfig(), is_curvature=True)
    (found,) = judge_agreement(agreement, True, RecordingSettings())
    mended = applied(found.remedy, RecordingSettings())
    assert mended.twist_steering == "angle" and mended.steering_scale == 1.0
    assert mended.vehicle.wheelbase == pytest.approx(0.33, rel=0.03)


def test_a_straight_road_tells_the_zero_and_says_that_it_tells_no_scale(drive):
    motion = drive(3, speed=20.0, amplitude=0.00002)
    motion.steering[:, 1] += (
        0.05 + np.random.default_rng(0).normal(size=len(motion.steering)) * 3e-4
    )
    findings, _, agreement = judged(motion)
    (found,) = [one for one in findings if one.code == "steering_offset"]
    assert "too straight to tell scale and sign" in found.text
    assert float(found.remedy.split()[1]) == pytest.approx(-0.05, abs=0.002)
    assert not agreement.calibration.scaled
