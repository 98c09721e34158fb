"""The simulated robot as a separate process: its topics, its response to commands and to their
absence."""

from __future__ import annotations

import itertools
import math
import time

import pytest
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu

from liquid_control.config import VehicleConfig
from liquid_control.ros import conversions, images
from liquid_control.signals import Command


@pytest.fixture(scope="module")
def robot(start_for_all):
    return start_for_all("sim_node", seed=3, world__length=300.0, world__trees=5)


def stamps(kept) -> list[int]:
    return [conversions.stamp_ns(message.header.stamp) for message, _ in kept]


def command(probe, angle: float, speed: float) -> None:
    now = time.time_ns()
    probe.send(
        "command",
        conversions.command_message(Command(now, now, angle, speed), TwistStamped, VehicleConfig()),
    )


def test_its_clock_is_ahead_of_no_message(start, probe):
    clock, pictures = probe.listen(Clock, "/clock"), probe.listen(Image, "camera/image_raw")
    start("sim_node", publish_clock=True, world__length=100.0, world__trees=0)
    probe.until(lambda: len(pictures) > 5, "pictures")
    times = [conversions.stamp_ns(message.clock) for message, _ in clock]
    assert times == sorted(times)
    assert set(stamps(pictures)[1:-1]) <= set(times)


def test_it_stands_still_and_senses_until_the_first_command(robot, probe):
    pictures, infos, imu, speeds = (
        probe.listen(kind, topic)
        for kind, topic in (
            (Image, "camera/image_raw"),
            (CameraInfo, "camera/camera_info"),
            (Imu, "imu/data"),
            (Odometry, "odom"),
        )
    )
    truth = probe.listen(Odometry, "ground_truth")
    probe.until(lambda: len(pictures) > 10 and len(truth) > 10, "pictures")
    picture = images.image_from_message(pictures[-1][0])
    assert picture.shape == (160, 320, 3) and picture.std() > 10, "a road, not a black frame"
    info = infos[-1][0]
    assert (info.width, info.height) == (320, 160) and info.k[2] == 160 and 100 < info.k[0] < 400
    assert set(stamps(infos)) & set(stamps(pictures))
    for kept in (pictures, imu, speeds, truth):
        assert all(after > before for before, after in itertools.pairwise(stamps(kept)))
    periods = [after - before for before, after in itertools.pairwise(stamps(imu))]
    assert sorted(periods)[len(periods) // 2] == 10_000_000
    gravity = [message.linear_acceleration.z for message, _ in imu]
    assert abs(sum(gravity) / len(gravity) - 9.81) < 0.3
    assert abs(truth[-1][0].twist.twist.linear.x) < 0.05
    assert all(
        arrival >= stamp for stamp, (_, arrival) in zip(stamps(pictures), pictures, strict=True)
    ), "no picture from the future"


def test_it_obeys_brakes_in_silence_and_ignores_what_is_not_finite(robot, probe):
    speeds = probe.listen(Odometry, "ground_truth")
    deadline = time.monotonic() + 20
    while not speeds or speeds[-1][0].twist.twist.linear.x < 1.0:
        assert time.monotonic() < deadline
        command(probe, 0.0, 3.0)
        probe.spin(0.05)
    for angle, speed in ((0.0, math.nan), (math.nan, 3.0), (0.0, math.inf)):
        command(probe, angle, speed)
    probe.until(
        lambda: speeds[-1][0].twist.twist.linear.x < 0.1,
        "the vehicle to brake by itself",
        patience=10.0,
    )
    assert all(math.isfinite(message.pose.pose.position.x) for message, _ in speeds)


def test_time_stops_and_goes_on_as_a_parameter_says(robot, probe):
    pictures = probe.listen(Image, "camera/image_raw")

    def run(running: bool) -> None:
        request = SetParameters.Request(
            parameters=[Parameter("running", value=running).to_parameter_msg()]
        )
        assert probe.call(SetParameters, "sim_node/set_parameters", request).results[0].successful

    run(False)
    probe.spin(0.2)
    before = len(pictures)
    probe.spin(0.5)
    assert len(pictures) == before
    run(True)
    probe.until(lambda: len(pictures) > before + 3, "pictures again")


def test_wrong_parameters_are_refused(start):
    processes = {
        "SimNodeConfig.seed: got -1, expected 0 to": start("sim_node", seed=-1),
        "WorldConfig.frame_rate_low: got 50.0, expected at most frame_rate_high": start(
            "sim_node", world__frame_rate_low=50.0
        ),
        "WorldConfig.length: got nan": start("sim_node", world__length=".nan"),
        "conditions: got 'fogg'": start("sim_node", condition="fogg"),
    }
    for words, process in processes.items():
        said, _ = process.communicate(timeout=30)
        assert words in said and "Traceback" not in said
        assert process.returncode == 1
