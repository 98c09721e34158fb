"""The robot's nodes on a recording that loops, as `ros2 bag play --clock --loop` plays it: time
jumps back, and the drive goes on."""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock

from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.ros import conversions, qos

BAG = Path(__file__).resolve().parents[1] / "golden" / "bags" / "s_bend"
TOPICS = ("/camera/image_raw/compressed", "/imu/data", "/odom")
SECONDS, CLOCK_PERIOD_NS = 2.5, 10_000_000


def recorded() -> list[tuple[int, str, object]]:
    """Receipt [ns], topic and message of the recording's beginning."""
    messages = []
    with BagReader(BAG) as reader:
        for message in reader.messages(TOPICS):
            if message.receive_ns > reader.start_ns + SECONDS * 1e9:
                break
            package, _, name = message.kind.split("/")
            kind = getattr(importlib.import_module(f"{package}.msg"), name)
            messages.append(
                (message.receive_ns, message.topic, deserialize_message(bytes(message.data), kind))
            )
    return messages


class Player:
    """Publishes a recording at the pace of its receipts, and its time on /clock."""

    def __init__(self, probe, messages) -> None:
        self._probe, self._messages = probe, messages
        kinds = {topic: type(message) for _, topic, message in messages}
        self._out = {
            topic: probe.create_publisher(kind, topic, qos.INERTIAL)
            for topic, kind in kinds.items()
        }
        self._clock = probe.create_publisher(Clock, "/clock", qos.STATUS)
        for publisher in (*self._out.values(), self._clock):
            probe.until(
                lambda publisher=publisher: publisher.get_subscription_count() > 0,
                "the nodes to listen",
            )

    def play(self) -> int:
        """Plays once; returns the wall's time [ns] of its beginning."""
        first, began = self._messages[0][0], time.time_ns()
        clock = first
        for receive_ns, topic, message in self._messages:
            while clock <= receive_ns:
                self._wait_until(began + clock - first)
                self._clock.publish(Clock(clock=conversions.time_message(clock)))
                clock += CLOCK_PERIOD_NS
            self._wait_until(began + receive_ns - first)
            self._out[topic].publish(message)
        self._probe.spin(0.02)
        return began

    def _wait_until(self, wall_ns: int) -> None:
        left = (wall_ns - time.time_ns()) / 1e9
        if left > 0:
            self._probe.spin(left)


def test_after_the_jump_back_policy_and_gate_go_on_within_a_second(start, probe, model):
    messages = recorded()
    start("safety_node", use_sim_time=True)
    start("policy_node", model=model, use_sim_time=True, image_transport="compressed")
    proposals = probe.listen(TwistStamped, "proposal")
    verdicts = probe.listen(DiagnosticStatus, "safety_node/verdict")
    probe.until(
        lambda: "policy_node" in probe.diagnostics and "safety_node" in probe.diagnostics,
        "the nodes",
    )
    player = Player(probe, messages)
    passes = []
    for _ in range(2):
        for kept in (proposals, verdicts):
            kept.clear()
        began = player.play()
        passes.append(
            {
                "stamps": [conversions.stamp_ns(message.header.stamp) for message, _ in proposals],
                "curvature": {
                    conversions.stamp_ns(m.header.stamp): m.twist.angular.z / m.twist.linear.x
                    for m, _ in proposals
                },
                "first_proposal": (proposals[0][1] - began) / 1e9,
                "first_open_gate": next(
                    (at - began) / 1e9
                    for message, at in verdicts
                    if message.values[0].value == "False"
                ),
                "commanded": {
                    int(pair.value)
                    for message, _ in verdicts
                    for pair in message.values
                    if pair.key == "stamp_ns"
                },
            }
        )
    first, second = passes
    frames = sum(topic == TOPICS[0] for _, topic, _ in messages)
    assert len(second["stamps"]) >= 0.9 * frames and second["stamps"] == sorted(second["stamps"])
    assert second["first_proposal"] < 1.0 and second["first_open_gate"] < 1.0
    assert len(second["commanded"] & set(second["stamps"])) >= 0.9 * len(second["stamps"])
    both = first["curvature"].keys() & second["curvature"].keys()
    late = sorted(both)[len(both) // 2 :]
    assert (
        late
        and max(abs(first["curvature"][stamp] - second["curvature"][stamp]) for stamp in late)
        < 2e-3
    ), "nothing of the past is left"
