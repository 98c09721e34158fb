"""A cheap robot for the process faults: real pictures in a loop, an IMU and odometry, without a
world being computed.

Camera and motion can be two processes, so that one can die without the other. The vehicle
follows the commanded speed as fast as a car does, and brakes by itself when commands stop. It
ignores the steering angle.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import time

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, Imu
from std_msgs.msg import Float64

from liquid_control.config import VehicleConfig, WorldConfig, check, number, switch, text
from liquid_control.ros import conversions, images, parameters, process, qos
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.signals import Frame, ImuSample

RISE, FALL = 20.0, 8.0
"""How fast the vehicle's speed changes at most [m/s²]."""
WITHOUT_COMMAND = 0.5
"""The vehicle brakes by itself when it heard no command for so long [s]."""
STRAIGHT = 0.01
"""Least curvature of a bend [1/m]."""


def render_pictures(count: int, seed: int) -> np.ndarray:
    """(count, 160, 320, 3) uint8 RGB: what the camera of the simulated car sees while the expert
    drives the straight parts of a held-out road, without a bend that requires a lower speed."""
    from liquid_control.control.vehicle import steering_angle
    from liquid_control.sim.bodies.car import VEHICLE
    from liquid_control.sim.tasks.lane_keeping import expert_curvature
    from liquid_control.sim.world import World

    world = World(
        WorldConfig(length=1000.0, image_width=320, image_height=160, drop_share=0.0),
        seed,
        held_out=True,
    )
    pictures: list[np.ndarray] = []
    while len(pictures) < count:
        events = world.advance(steering_angle(expert_curvature(world), VEHICLE))
        if abs(expert_curvature(world)) < STRAIGHT:
            pictures += [event.image.copy() for event in events if isinstance(event, Frame)]
        if world.truth.finished:
            world.reset(seed := seed + 1, held_out=True)
    world.close()
    return np.stack(pictures[:count])


@dataclasses.dataclass(frozen=True)
class SensorsConfig:
    """What this process is of the robot; read once, when it starts."""

    pictures: str = text(
        "", "file of pictures as numpy writes it, (N, H, W, 3) uint8 RGB; empty: no camera"
    )
    motion: bool = switch(True, "send IMU, odometry and steering angle, and obey commands")
    compressed: bool = switch(False, "send the pictures as JPEG")
    rate: float = number(30.0, 1.0, 200.0, "Hz", "pictures a second")
    imu_rate: float = number(
        100.0, 1.0, 1000.0, "Hz", "samples of the IMU a second; odometry comes with every second"
    )
    numbered: bool = switch(False, "frame ids count pictures and samples of the IMU")
    speed: float = number(
        12.0, 0.0, 50.0, "m/s", "speed at the start, kept until the first command"
    )

    def __post_init__(self) -> None:
        check(self)


class Sensors(Node):
    """Raises ConfigError for parameters that break their bounds."""

    def __init__(self) -> None:
        super().__init__("sensors")
        self.config = parameters.declare(self, SensorsConfig(), fixed=True)
        self._messages = self._read_pictures() if self.config.pictures else []
        kind, topic = (
            (CompressedImage, "camera/image_raw/compressed")
            if self.config.compressed
            else (Image, "camera/image_raw")
        )
        self._camera = self.create_publisher(kind, topic, qos.CAMERA) if self._messages else None
        self.speed, self._told, self._heard, self._angle = self.config.speed, math.nan, 0.0, 0.0
        self._moves = 0
        if self.config.motion:
            self._imu = self.create_publisher(Imu, "imu/data", qos.INERTIAL)
            self._odometry = self.create_publisher(Odometry, "odom", qos.INERTIAL)
            self._steering_angle = self.create_publisher(Float64, "steering_angle", qos.INERTIAL)
            self._commands = PolledSubscription(
                self, conversions.steering_type("twist_stamped"), "command", qos.COMMAND_IN
            )

    def run(self, executor: SingleThreadedExecutor) -> None:
        """Sends every sample when it is due, until a signal stops the process; samples due
        during a freeze are left out."""
        ticks = shots = sent = 0
        began, period = time.monotonic(), 1.0 / self.config.imu_rate
        while rclpy.ok():
            now = time.monotonic()
            tick, shot = int((now - began) / period), int((now - began) * self.config.rate)
            if tick > ticks and self.config.motion:
                self._move(min((tick - ticks) * period, 0.1), tick)
            if shot > shots and self._messages:
                message = self._messages[shot % len(self._messages)]
                frame = str(sent) if self.config.numbered else "camera_optical_frame"
                message.header = conversions.header(time.time_ns(), frame)
                sent += 1
                self._camera.publish(message)
            ticks, shots = tick, shot
            following = [(ticks + 1) * period] * self.config.motion + [
                (shots + 1) / self.config.rate
            ] * bool(self._messages)
            time.sleep(max(began + min(following) - time.monotonic(), 1e-4))

    def _move(self, seconds: float, tick: int) -> None:
        for message, _ in self._commands.take():
            command = conversions.command_from_message(message, VehicleConfig(), 0, self._angle)
            self._told, self._angle, self._heard = (
                command.speed,
                command.steering_angle,
                time.monotonic(),
            )
        wanted = (
            0.0 if self._heard and time.monotonic() - self._heard > WITHOUT_COMMAND else self._told
        )
        if math.isfinite(wanted):
            self.speed = min(max(wanted, self.speed - FALL * seconds), self.speed + RISE * seconds)
        stamp = time.time_ns()
        bend = math.tan(self._angle) / VehicleConfig().wheelbase
        turning, pulling = (
            np.array([0.0, 0.0, self.speed * bend]),
            np.array([0.0, self.speed**2 * bend, 9.81]),
        )
        frame = str(self._moves) if self.config.numbered else "imu_link"
        self._moves += 1
        self._imu.publish(conversions.imu_message(ImuSample(stamp, turning, pulling), stamp, frame))
        if tick % 2 == 0:
            self._odometry.publish(
                conversions.odometry_message(stamp, "odom", 0.0, 0.0, 0.0, self.speed)
            )
            self._steering_angle.publish(Float64(data=self._angle))

    def _read_pictures(self) -> list[Image] | list[CompressedImage]:
        pictures = np.load(self.config.pictures, allow_pickle=False)
        make = (
            (lambda picture: images.compressed_message(picture, 92))
            if self.config.compressed
            else images.image_message
        )
        return [make(picture) for picture in pictures]


def main() -> int:
    return process.run(Sensors, loop=Sensors.run)


if __name__ == "__main__":
    sys.exit(main())
