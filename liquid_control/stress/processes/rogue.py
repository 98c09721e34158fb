"""Another node on the network: publishes commands, proposals, pictures and measurements at the
highest rate."""

from __future__ import annotations

import array
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Bool, Float64, String

from liquid_control.config import VehicleConfig, check, choice, number, text
from liquid_control.ros import conversions, parameters, process, qos
from liquid_control.signals import Action, ImuSample

SENDS = "rogue sends"
"""What it says once it begins."""

CAMERA = "camera/image_raw"
Stream = Iterator[tuple[str, type, Callable[[], object]]]
"""In turns: a topic, a message class, and what makes a message (or its bytes)."""


def _steering(topic: str) -> Stream:
    """As fast as allowed and faster, left and right in turns, with fresh stamps."""
    for bend in itertools.cycle((5.0, -5.0)):
        yield topic, TwistStamped, lambda bend=bend: _proposal(bend)


def _proposal(bend: float) -> TwistStamped:
    return conversions.action_message(
        Action(time.time_ns(), bend, 50.0), TwistStamped, VehicleConfig()
    )


def _image(height: int, width: int, step: int, encoding: str, size: int) -> Image:
    message = Image(
        height=height,
        width=width,
        step=step,
        encoding=encoding,
        header=conversions.header(time.time_ns()),
    )
    message.data = array.array("B", bytes(size))
    return message


def _bad_pictures() -> Stream:
    """No two alike; each says something that its data do not keep."""
    shapes = (
        (8000, 8000, 24000, "rgb8", 1000),
        (0, 0, 0, "rgb8", 0),
        (2**32 - 1, 2**32 - 1, 2**32 - 1, "rgb8", 100),
        (160, 320, 960, "no such encoding", 160 * 960),
        (160, 320, 3, "rgb8", 160 * 3),
        (160, 320, 2**32 - 1, "rgb8", 160 * 960),
        (160, 320, 960, "bayer_rggb16", 160 * 960),
        (1, 1, 2, "yuyv", 2),
        (160, 320, 960, "rgb8", 160 * 960 - 1),
    )
    for shape in itertools.cycle(shapes):
        yield CAMERA, Image, lambda shape=shape: _image(*shape)


def _huge_pictures() -> Stream:
    """100 MB each and well-formed."""
    data = array.array(
        "B", np.random.default_rng(0).integers(0, 256, 5600 * 18000, np.uint8).tobytes()
    )
    message = Image(height=5600, width=6000, step=18000, encoding="rgb8", data=data)

    def stamped() -> Image:
        message.header = conversions.header(time.time_ns())
        return message

    yield from itertools.repeat((CAMERA, Image, stamped))


def _measurements(topic: str) -> Stream:
    sample = ImuSample(0, np.zeros(3), np.array([0.0, 0.0, 9.81]))
    make = {
        "imu/data": (Imu, lambda: conversions.imu_message(sample, time.time_ns(), "imu_link")),
        "odom": (
            Odometry,
            lambda: conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, 12.0),
        ),
    }
    yield from itertools.repeat((topic, *make[topic]))


def _operator_messages() -> Stream:
    for topic in itertools.cycle(("takeover", "enable")):
        yield topic, Bool, Bool


def _wrong_types(*topics: str) -> Stream:
    for topic in itertools.cycle(topics):
        yield topic, String, lambda: String(data="not what you think")


def _broken_bytes() -> Stream:
    """The right type by its name; what comes is no such message."""
    rng = np.random.default_rng(0)
    kinds = {CAMERA: Image, "imu/data": Imu, "odom": Odometry, "steering_angle": Float64}
    for topic, kind in itertools.cycle(kinds.items()):
        yield (
            topic,
            kind,
            lambda: (
                b"\x00\x01\x00\x00"
                + rng.integers(0, 256, int(rng.integers(0, 400)), np.uint8).tobytes()
            ),
        )


KINDS: dict[str, Callable[[], Stream]] = {
    "commands": lambda: _steering("command"),
    "proposals": lambda: _steering("proposal"),
    "wrong_type_of_command": lambda: _wrong_types("command"),
    "wrong_types_of_sensors": lambda: _wrong_types(CAMERA, "imu/data", "odom", "steering_angle"),
    "broken_bytes": _broken_bytes,
    "bad_pictures": _bad_pictures,
    "huge_pictures": _huge_pictures,
    "imu": lambda: _measurements("imu/data"),
    "odometry": lambda: _measurements("odom"),
    "requests": _operator_messages,
}
"""What a rogue sends, by name."""


@dataclasses.dataclass(frozen=True)
class RogueConfig:
    """What to send; read once."""

    kind: str = choice("proposals", tuple(KINDS), "what to send")
    rate: float = number(0.0, 0.0, 1e6, "Hz", "messages a second; 0: as fast as it goes")
    name: str = text("rogue", "name of the node, which may be that of another node")

    def __post_init__(self) -> None:
        check(self)


class Rogue(Node):
    """`sent`: messages so far, printed to stdout at the end."""

    def __init__(self) -> None:
        super().__init__("rogue_settings")
        self.config = parameters.declare(self, RogueConfig(), fixed=True)
        self.sent = 0

    def run(self, executor: SingleThreadedExecutor) -> None:
        """Sends until the process receives a signal to stop."""
        sender = Node(self.config.name)
        publishers: dict[str, object] = {}
        try:
            for topic, kind, make in KINDS[self.config.kind]():
                if topic not in publishers:
                    publishers[topic] = sender.create_publisher(kind, topic, qos.STATUS)
                publishers[topic].publish(make())
                self.sent += 1
                if self.sent == 1:
                    print(SENDS, flush=True)
                if self.config.rate:
                    time.sleep(1.0 / self.config.rate)
                if not rclpy.ok():
                    return
        finally:
            print(f"sent {self.sent}", flush=True)
            sender.destroy_node()


def main() -> int:
    return process.run(Rogue, loop=Rogue.run)


if __name__ == "__main__":
    sys.exit(main())
