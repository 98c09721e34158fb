"""Names of a camera's topics: the other transports of its pictures and its calibration, found from
the name of the raw pictures as image_transport finds them, after remapping."""

from __future__ import annotations

from rclpy.node import Node

RAW, INFO = "camera/image_raw", "camera/camera_info"


def transport_topic(node: Node, transport: str = "") -> str:
    """The full name of the camera's topic in a transport of image_transport, '' for raw pictures.

    It lies below the topic of the raw pictures, wherever `camera/image_raw` is remapped to, unless
    `camera/image_raw/TRANSPORT` is remapped itself.
    """
    raw = node.resolve_topic_name(RAW)
    return _unless_remapped(node, f"{RAW}/{transport}", f"{raw}/{transport}") if transport else raw


def info_topic(node: Node) -> str:
    """The full name of the camera's calibration: `camera_info` in the namespace of the raw
    pictures, unless `camera/camera_info` is remapped itself."""
    place = node.resolve_topic_name(RAW).rpartition("/")[0]
    return _unless_remapped(node, INFO, f"{place}/camera_info")


def _unless_remapped(node: Node, name: str, otherwise: str) -> str:
    """What `name` is remapped to, else `otherwise`, which may be remapped by its full name."""
    resolved = node.resolve_topic_name(name)
    if resolved != node.resolve_topic_name(name, only_expand=True):
        return resolved
    return node.resolve_topic_name(otherwise)
