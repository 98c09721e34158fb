"""How Fast DDS carries messages, unless the user has chosen himself: pictures through shared
memory, the gate over the network alone.

A process that is killed while it holds Fast DDS's shared memory keeps those who share it waiting,
for up to a second, and who takes its place is heard late. So the safety gate shares none. Knows no
ROS but its environment variables; other middlewares do not read them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from liquid_control.system.installed_data import shared_folders

TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"
"""Names the transports, without a file."""

PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""What Fast DDS 3 and Fast DDS 2 call the file that they are set by; each complains of the other's
name."""

WITH_FAST_DDS_2 = ("humble", "iron", "jazzy")
FIRST_RCLPY_WITH_FAST_DDS_3 = 9
"""Kilted's major version. Decides where no ROS installation is sourced and rclpy is a wheel."""

LOCALHOST = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": ("LOCALHOST", "SYSTEM_DEFAULT"),
    "ROS_LOCALHOST_ONLY": ("1", "0"),
}
"""Variables that keep ROS to this machine: the value that does, and the one that leaves it to Fast
DDS."""


def transport(environment: Mapping[str, str], shared_memory: bool) -> dict[str, str]:
    """The variables to add to these, before a process makes its first node. What a user has set
    stands, but for our own file.

    Restricted to this machine, ROS would add its default shared memory, whatever the profile of
    Fast DDS states; therefore the profile restricts the network instead of ROS.
    """
    files = {os.path.realpath(environment[name]) for name in PROFILES if environment.get(name)}
    if environment.get(TRANSPORTS) or not files <= {profile("shared_memory")}:
        return {}
    closed = {
        name: left
        for name, (kept, left) in LOCALHOST.items()
        if environment.get(name, "").upper() == kept
    }
    path = profile(
        ("shared_memory" if shared_memory else "network") + ("_localhost" if closed else "")
    )
    variable = PROFILES[_has_fast_dds_2(environment)]
    return {variable: path, **closed} if path else {}


def _has_fast_dds_2(environment: Mapping[str, str]) -> bool:
    if environment.get("ROS_DISTRO"):
        return environment["ROS_DISTRO"] in WITH_FAST_DDS_2
    try:
        return int(version("rclpy").split(".")[0]) < FIRST_RCLPY_WITH_FAST_DDS_3
    except (PackageNotFoundError, ValueError):
        return False


def profile(name: str) -> str:
    """The path of config/fastdds/NAME.xml; empty where it is not installed."""
    paths = [folder / "fastdds" / f"{name}.xml" for folder in shared_folders("config")]
    return next((os.path.realpath(path) for path in paths if path.is_file()), "")
