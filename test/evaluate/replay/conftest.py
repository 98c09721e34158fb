"""A recorded drive whose driver is known: S-bends, a dull picture that tells nothing, and policies
with given outputs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.deploy.runtime import State, zero_state
from liquid_control.model.car import lane_keeping
from liquid_control.model.state import StateArray
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.signals import Frame, ImuSample, Observation, SpeedSample, SteeringSample

START_NS = 1_767_225_600_000_000_000
LATE_NS = 4_000_000
SPEED = 9.0
VEHICLE = VehicleConfig()


def bend(seconds: float) -> float:
    """What the driver drives [1/m]."""
    return 0.02 * math.sin(1.1 * seconds) + 0.01 * math.sin(2.9 * seconds + 1.0)


class Scripted:
    """A runtime that answers `curvature(seconds since the start)` and counts its steps in its
    state."""

    def __init__(self, curvature, size: int = 8) -> None:
        spec = lane_keeping(PreprocessConfig(height=size, width=size))
        self.spec = dataclasses.replace(spec, state=(StateArray("steps", (1,)),))
        self.preprocess, self._curvature = self.spec.image, curvature

    def initial_state(self) -> State:
        return zero_state(self.spec)

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        curvature = self._curvature((observation.stamp_ns - START_NS) / 1e9)
        return np.array([curvature]), {"steps": state["steps"] + 1}


def write(
    path: Path,
    seconds: float = 20.0,
    driver=bend,
    imu: bool = True,
    speed: bool = True,
    steering: bool = True,
    hole: tuple[float, float] = (0.0, 0.0),
    clock_ns: int = 0,
    size: tuple[int, int] = (16, 32),
    focal: float = 0.0,
) -> Path:
    """A frame at 25 Hz (none within `hole`), an IMU at 100 Hz, speed and steering at 50 Hz.
    `clock_ns`: the sensors' clock is late by it. The brightness of a picture is its number modulo
    200."""
    with BagWriter(path, BagSettings(pictures="raw", steering="ackermann")) as writer:
        if focal:
            writer.write_camera_info(START_NS, *size, focal, START_NS)
        for tick in range(int(seconds * 100)):
            at, stamp = tick / 100, START_NS + tick * 10_000_000 - clock_ns
            received = START_NS + tick * 10_000_000 + LATE_NS
            if imu:
                writer.write_imu(
                    ImuSample(
                        stamp, (0.0, 0.0, SPEED * bend(at)), (0.0, SPEED**2 * bend(at), 9.81)
                    ),
                    received,
                )
            if tick % 2 == 0 and speed:
                writer.write_speed(SpeedSample(stamp, SPEED), received)
            if tick % 2 == 0 and steering:
                writer.write_steering(
                    SteeringSample(stamp, steering_angle(driver(at), VEHICLE), SPEED), received
                )
            if tick % 4 == 0 and not hole[0] <= at < hole[1]:
                writer.write_frame(
                    Frame(stamp, np.full((*size, 3), tick // 4 % 200, np.uint8)),
                    received + 1_000_000,
                )
    return path


@pytest.fixture(scope="session")
def drive(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("bags") / "drive")


@pytest.fixture(scope="session")
def make_drive():
    return write


@pytest.fixture(scope="session")
def scripted():
    return Scripted


@pytest.fixture(scope="session")
def driven():
    return bend
