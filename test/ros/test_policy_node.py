"""The policy node as a separate process: its response to pictures, to invalid messages and to its
lifecycle."""

from __future__ import annotations

import array
import math
import time

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu, JointState

from liquid_control.ros import conversions, qos
from liquid_control.signals import ImuSample

CAMERA, IMU, ODOM = "camera/image_raw", "imu/data", "odom"


def motion(rate: float = 0.0, acceleration: float = 0.0) -> Imu:
    return conversions.imu_message(
        ImuSample(0, (0.0, 0.0, rate), (0.0, acceleration, 9.81)), time.time_ns(), "imu_link"
    )


def speed(value: float) -> Odometry:
    return conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, value)


@pytest.fixture(scope="module")
def policy(start_for_all, model):
    return start_for_all("policy_node", model=model, publish_neurons=True)


def test_large_pictures_become_proposals_with_their_stamps(policy, probe, shot):
    proposals, neurons = (
        probe.listen(TwistStamped, "proposal"),
        probe.listen(JointState, "policy_node/neurons"),
    )
    large = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    grey = {"encoding": "mono8", "step": 640, "data": array.array("B", large[..., 0].tobytes())}
    sent = []
    for count, changes in enumerate(({}, {"encoding": "bgr8"}, grey), 1):

        def make(changes=changes):
            probe.send(IMU, motion(0.1), qos.INERTIAL)
            probe.send(ODOM, speed(0.8), qos.INERTIAL)
            return shot(large, **changes)

        sent += probe.drive(CAMERA, make, 4 * count, proposals)
    stamps = [conversions.stamp_ns(message.header.stamp) for message, _ in proposals]
    assert stamps == sorted(set(stamps)) and set(stamps) <= set(sent)
    assert all(
        math.isfinite(m.twist.linear.x)
        and m.twist.linear.x > 0
        and math.isfinite(m.twist.angular.z)
        for m, _ in proposals
    )
    probe.until(lambda: neurons, "neurons")
    state, _ = neurons[-1]
    assert conversions.stamp_ns(state.header.stamp) in stamps
    assert len(state.name) == len(state.position) == 19
    assert state.name[0] == "motor_0" and state.name[-1] == "inter_11"


def test_the_process_is_light_and_without_torch(policy, libraries, probe):
    probe.until(lambda: "onnxruntime" in libraries(policy), "the model to be loaded")
    mapped = libraries(policy)
    assert "torch" not in mapped and "mujoco" not in mapped
    status = dict(line.split(":", 1) for line in open(f"/proc/{policy.pid}/status"))
    assert int(status["VmRSS"].split()[0]) < 350 * 1024


def test_invalid_messages_are_counted_and_never_stop_the_loop(policy, probe, picture, shot):
    proposals = probe.listen(TwistStamped, "proposal")
    small = np.zeros((8, 8, 3), np.uint8)
    last = [0]

    def good():
        last[0] = time.time_ns()
        return shot(picture, last[0])

    probe.drive(CAMERA, good, 1, proposals)
    invalid = {
        "rejected_encoding": lambda: shot(picture, encoding="32FC1"),
        "rejected_step": lambda: shot(picture, step=1, data=array.array("B", b"short")),
        "rejected_data_length": lambda: shot(picture, data=array.array("B", b"short")),
        "rejected_size": lambda: shot(picture, height=0),
        "rejected_malformed": lambda: shot(small),
        "rejected_duplicate": lambda: shot(picture, last[0]),
        "rejected_older": lambda: shot(picture, last[0] - 100_000_000),
        "rejected_future": lambda: shot(picture, time.time_ns() + 3_600_000_000_000),
    }
    bad_motion = [motion(math.nan), motion(math.inf), motion(0.0, -math.inf), motion(1e30)]
    before = policy.pid

    def all_counted():
        for make in invalid.values():
            for _ in range(2):  # what a depth of one may drop
                probe.send(CAMERA, make(), qos.CAMERA)
                probe.spin(0.03)
            probe.drive(
                CAMERA, good, len(proposals) + 1, proposals
            )  # after each of them it still drives
        for message in (*bad_motion, speed(math.nan), speed(math.inf)):
            probe.send(ODOM if isinstance(message, Odometry) else IMU, message, qos.INERTIAL)
        probe.spin(0.5)
        return all(probe.count("policy_node", name) > 0 for name in (*invalid, "inertial_rejected"))

    probe.until(all_counted, "all kinds of invalid messages to be counted")
    probe.until(
        lambda: probe.count("policy_node", "inertial_rejected") >= len(bad_motion) + 2,
        "all bad samples to be counted",
    )
    assert probe.count("policy_node", "runtime_failures") == 0
    assert probe.count("policy_node", "frames_used") <= probe.count(
        "policy_node", "frames_received"
    )
    assert all(
        math.isfinite(m.twist.linear.x) and math.isfinite(m.twist.angular.z) for m, _ in proposals
    )
    assert policy.poll() is None and policy.pid == before
