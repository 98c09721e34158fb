"""Quality of service of every topic, in one place.

Subscriptions request no deadline: a requested deadline would refuse publishers that offer none
(bags, teleoperation, `ros2 topic pub`). Silence is noticed by the safety gate's own timer instead.
"""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _keep(depth: int, reliability: ReliabilityPolicy, **more) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, **more)


CAMERA = _keep(1, ReliabilityPolicy.BEST_EFFORT)
"""Only the newest picture is worth a step of the policy."""

INERTIAL = _keep(200, ReliabilityPolicy.BEST_EFFORT)
"""Every IMU and speed sample since the last picture counts."""

COMMAND_IN = _keep(1, ReliabilityPolicy.RELIABLE)
"""Proposals and commands as they are received: the newest alone is obeyed."""

OPERATOR = _keep(100, ReliabilityPolicy.BEST_EFFORT)
"""Takeover, emergency stop, dead-man and joystick: compatible with all publishers. What a latched
publisher said before takes a second subscription (`LATCHED`): one that asks for it is incompatible
with publishers that do not latch. It keeps the latest message only, so that a publisher's old
requests are not heard again."""

RECORDING = _keep(100, ReliabilityPolicy.BEST_EFFORT)
"""Compatible with all publishers, and never slows them down."""

RECORDED = _keep(200, ReliabilityPolicy.BEST_EFFORT)
"""The same, taken 25 times a second: a second of the fastest sensor."""

STATUS = _keep(10, ReliabilityPolicy.RELIABLE)
LATCHED = _keep(1, ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def command_out(period: float, lifespan: float) -> QoSProfile:
    """Proposals and commands as they are sent: one at least every `period` [s], worth nothing after
    `lifespan` [s]."""
    return _keep(
        1,
        ReliabilityPolicy.RELIABLE,
        deadline=Duration(seconds=period),
        lifespan=Duration(seconds=lifespan),
    )
