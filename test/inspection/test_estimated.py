"""What inspection shows of a camera and of a response that no file of the recording says."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from textured_ground import PERIOD, drive

from liquid_control.config import VehicleConfig
from liquid_control.data.estimates.response_estimate import estimate_response
from liquid_control.inspection.estimated import estimated, estimated_rows
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

CAMERA = GroundCamera.of_lens(90, 120, 1.4, 0.15, 0.25, 0.1)
SPEED, SHARPEST, DELAY, FRAMES = 1.5, 1.2, 0.15, 72
VEHICLE = VehicleConfig(wheelbase=0.2, max_steering_angle=0.6)


@functools.cache
def drawn() -> np.ndarray:
    return drive(CAMERA, SPEED, SHARPEST, frames=FRAMES)[0]


def recording(gyro: bool, speed: bool, pulsed: bool = False, **settings) -> InMemoryRecording:
    """A drive whose steering is what the vehicle does `DELAY` later, at half of that curvature;
    `pulsed`: in the mean, as all or nothing."""
    pictures = drawn()
    start_ns, samples, owed = 10**18, [], 0.0
    for index in range(FRAMES):
        now = start_ns + round(index * PERIOD * 1e9)
        curvature = SHARPEST * np.sin(np.pi * index * PERIOD)
        ahead = SHARPEST * np.sin(np.pi * (index * PERIOD + DELAY))
        samples.append((now, Frame(now, pictures[index])))
        asked = 0.5 * ahead
        if pulsed:
            owed += asked
            asked = 0.6 * SHARPEST * float(np.sign(owed)) * (abs(owed) > 0.3 * SHARPEST)
            owed -= asked
        angle = float(np.arctan(asked * VEHICLE.wheelbase))
        samples.append((now, SteeringSample(now, angle, None)))
        if gyro:
            rate = float(curvature * SPEED)
            samples.append((now, ImuSample(now, (0.0, 0.0, rate), (0.0, 0.0, 9.8))))
        if speed:
            samples.append((now, SpeedSample(now, SPEED + 0.01 * (index % 2))))
    return InMemoryRecording(samples, RecordingSettings(vehicle=VEHICLE, **settings))


def test_with_gyro_and_speed_lengths_are_known_and_what_is_given_is_said():
    mount = CameraMount(field_of_view=1.4, forward=0.1)
    facts = estimated(recording(gyro=True, speed=True, mount=mount))
    camera, response = facts["camera"], facts["response"]
    assert camera["values"]["height"]["value"] == pytest.approx(CAMERA.above, rel=0.05)
    assert camera["values"]["pitch"]["value"] == pytest.approx(CAMERA.pitch, abs=0.01)
    assert camera["horizon"]["value"] == pytest.approx(CAMERA.horizon, abs=1.0)
    assert camera["values"]["field_of_view"]["source"] == "given"
    assert not camera["assumed_speed"] and response["by"] == "gyro"
    assert response["delay"]["value"] == pytest.approx(DELAY, abs=0.03)
    assert response["gain"]["value"] == pytest.approx(2.0, rel=0.15)
    rows = dict(estimated_rows(facts))
    assert rows["field of view"] == "1.4 rad, given" and "±" in rows["pitch"]
    assert "proportion" not in rows["height"]


def test_steering_in_pulses_counts_by_its_mean_as_in_training(monkeypatch):
    commands = []

    def estimate(command, *more):
        commands.append(command)
        return estimate_response(command, *more)

    monkeypatch.setattr("liquid_control.inspection.estimated.estimate_response", estimate)
    mount = CameraMount(field_of_view=1.4, forward=0.1)
    for pulsed in (False, True):
        estimated(recording(gyro=True, speed=True, pulsed=pulsed, mount=mount))
    smooth, pulses = (one.value[10 : FRAMES - 10] for one in commands)
    assert np.abs(pulses - smooth).max() < 0.25 * SHARPEST < 0.3 * np.ptp(smooth)


def test_without_both_the_pictures_tell_and_lengths_are_relative():
    facts = estimated(recording(gyro=False, speed=False, mount=CameraMount(field_of_view=1.4)))
    camera, response = facts["camera"], facts["response"]
    # 1 m/s is assumed in place of 1.5.
    assert camera["values"]["height"]["value"] == pytest.approx(CAMERA.above / SPEED, rel=0.08)
    assert response["by"] == "pictures"
    assert response["delay"]["value"] == pytest.approx(DELAY, abs=0.03)
    assert response["gain"]["value"] == pytest.approx(2.0 * SPEED, rel=0.2)
    rows = list(estimated_rows(facts))
    assert "in proportion to the assumed speed" in dict(rows)["height"]
    assert any("--constant-speed" in words for _, words in rows)


def test_of_what_stands_nothing_is_told_and_why():
    source = recording(gyro=True, speed=True)
    still = [
        one._replace(sample=source._entries[0].sample) if one.role == "camera" else one
        for one in source._entries
    ]
    facts = estimated(InMemoryRecording(still, source.settings))
    rows = list(estimated_rows(facts))
    assert facts["camera"]["values"]["pitch"]["spread"] is None
    assert dict(rows)["pitch"].startswith("cannot be told")
    assert any("no ground that moves" in words for _, words in rows)
    blind = [one for one in source._entries if one.role != "camera"]
    assert "no pictures" in estimated(InMemoryRecording(blind, source.settings))["unknown_because"]
