"""A recording is not played to a policy that drives already."""

from __future__ import annotations

import pytest
import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import Image

from liquid_control.errors import DriveError
from liquid_control.ros import live_drive, qos


@pytest.fixture
def nodes():
    made = []

    def make(name: str, namespace: str = "") -> Node:
        made.append(rclpy.create_node(name, namespace=namespace))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def test_a_policy_on_the_topic_of_the_pictures_is_refused_by_name(nodes, monkeypatch):
    monkeypatch.setattr(live_drive, "DISCOVERY", 0.6)
    viewer, other, policy = nodes("viewer"), nodes("policy_node"), nodes("policy_node", "/car1")
    for node, topic in ((viewer, "/front/image"), (other, "/rear/image")):
        node.create_subscription(Image, topic, lambda message: None, qos.CAMERA)
    other.create_publisher(TwistStamped, "/proposal", 1)
    live_drive.refuse_live_drive("/front/image")
    policy.create_subscription(Image, "/front/image", lambda message: None, qos.CAMERA)
    live_drive.refuse_live_drive("/front/image")
    policy.create_publisher(TwistStamped, "/car1/proposal", 1)
    monkeypatch.setattr(live_drive, "DISCOVERY", 10.0)
    with pytest.raises(DriveError, match="^/car1/policy_node drives by /front/image, "):
        live_drive.refuse_live_drive("/front/image")
