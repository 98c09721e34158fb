"""Which topics a camera's transports and calibration are listened to on, by rclpy's own rules of
names."""

from __future__ import annotations

import pytest
from rclpy.node import Node

from liquid_control.ros import camera_topics

FRONT = "camera/image_raw:=/zed/rgb/image_raw"


@pytest.mark.parametrize(
    "namespace, rules, raw, compressed, info",
    [
        ("", (), "/camera/image_raw", "/camera/image_raw/compressed", "/camera/camera_info"),
        ("car", (), "/car/camera/image_raw", "/car/camera/image_raw/compressed", None),
        ("", (FRONT,), "/zed/rgb/image_raw", "/zed/rgb/image_raw/compressed", None),
        ("car", (FRONT,), "/zed/rgb/image_raw", "/zed/rgb/image_raw/compressed", None),
        ("car", ("camera/image_raw:=eye",), "/car/eye", "/car/eye/compressed", "/car/camera_info"),
        (
            "",
            (FRONT, "camera/image_raw/compressed:=/oak/jpeg", "camera/camera_info:=/oak/info"),
            "/zed/rgb/image_raw",
            "/oak/jpeg",
            "/oak/info",
        ),
        ("", ("camera/image_raw/compressed:=jpeg",), "/camera/image_raw", "/jpeg", None),
        (
            "",
            (FRONT, "/zed/rgb/image_raw/compressed:=/zed/small", "/zed/rgb/camera_info:=/zed/k"),
            "/zed/rgb/image_raw",
            "/zed/small",
            "/zed/k",
        ),
    ],
)
def test_a_cameras_topics_follow_its_raw_pictures(namespace, rules, raw, compressed, info):
    words = [word for rule in rules for word in ("-r", rule)]
    node = Node(
        "eyes",
        namespace=namespace or None,
        cli_args=["--ros-args", *words],
        enable_rosout=False,
        start_parameter_services=False,
    )
    try:
        assert camera_topics.transport_topic(node) == raw
        assert camera_topics.transport_topic(node, "compressed") == compressed
        info = info or raw.rpartition("/")[0] + "/camera_info"
        assert camera_topics.info_topic(node) == info
    finally:
        node.destroy_node()
