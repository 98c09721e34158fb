"""A polled subscription keeps messages in order until they are taken, and wakes no executor."""

from __future__ import annotations

import time

from sensor_msgs.msg import Imu

from liquid_control.ros import conversions, qos
from liquid_control.ros.polled_subscription import PolledSubscription


def test_messages_wait_in_order_and_are_taken_once(probe):
    subscription = PolledSubscription(probe, Imu, "samples", qos.INERTIAL)
    sent = [Imu(header=conversions.header(stamp)) for stamp in range(1, 21)]
    before = time.time_ns()
    for message in sent:
        probe.send("samples", message)
    probe.spin(0.3)  # no executor takes them from us
    taken = list(subscription.take())
    assert [message.header.stamp.nanosec for message, _ in taken] == list(range(1, 21))
    assert all(before < arrival < time.time_ns() for _, arrival in taken)
    assert list(subscription.take()) == []
    subscription.close()


def test_only_the_latest_are_kept(probe):
    subscription = PolledSubscription(probe, Imu, "many", qos.COMMAND_IN)
    for stamp in range(1, 21):
        probe.send("many", Imu(header=conversions.header(stamp)))
    probe.spin(0.3)
    assert [message.header.stamp.nanosec for message, _ in subscription.take()] == [20]


def test_a_flood_does_not_keep_the_reader(probe):
    """A sender that is faster than the reader would be read forever."""
    subscription = PolledSubscription(probe, Imu, "flood", qos.COMMAND_IN)
    probe.send("flood", Imu())
    probe.spin(0.2)
    taken = 0
    for _ in subscription.take():
        taken += 1
        assert taken <= qos.COMMAND_IN.depth
        probe.send("flood", Imu())
        probe.spin(0.05)
    assert taken == 1
    assert len(list(subscription.take())) == 1, "what came meanwhile waits for the next time"
    subscription.close()
