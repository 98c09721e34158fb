"""ROS 2: the client library, its messages, and whether DDS delivers large pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from liquid_control.cli.checks.finding import MISSING, NOTE, OK, Finding, probe
from liquid_control.ros.dds_transport import PROFILES, TRANSPORTS, profile
from liquid_control.ros.steering_types import OPTIONAL_PACKAGES, STEERING


def check() -> list[Finding]:
    result, error = probe("ros.client_library", "describe")
    if result is None:
        advice = "Source a ROS 2 installation, or let make setup install its wheels."
        return [Finding("ros", "rclpy", MISSING, error, advice)]
    return list(_check(*result))


def _check(middleware: str, place: str, absent: list[str]) -> Iterator[Finding]:
    needed = [name for name in absent if name not in OPTIONAL_PACKAGES]
    state = MISSING if needed else OK
    found = f"{os.environ.get('ROS_DISTRO', 'wheels')}, {middleware}, {Path(place).parent}"
    advice = f"Install {', '.join(needed)}." if needed else ""
    yield Finding("ros", "rclpy", state, found, advice)
    for name in OPTIONAL_PACKAGES:
        if name in absent:
            types = [kind for kind in STEERING.values() if kind.startswith(name)]
            advice = f"Needed only for {types[0]}; apt has it for every ROS distribution."
            yield Finding("ros", name, NOTE, "not installed", advice)
    if "fastrtps" in middleware:
        yield from _fast_dds()


def _fast_dds() -> Iterator[Finding]:
    path = profile("shared_memory") or "config/fastdds/shared_memory.xml of this package"
    advice = (
        f"For all nodes: export {PROFILES[0]}={path} (before Kilted: {PROFILES[1]}); the nodes of "
        "this package do so themselves where nothing is set."
    )
    chosen = os.environ.get(TRANSPORTS, "")
    if chosen.partition("?")[0] in ("LARGE_DATA", "DEFAULT", "SHM"):
        risk = f"{chosen}: a killed process may delay the safety gate for a second"
        yield Finding("ros", TRANSPORTS, NOTE, risk, f"Unset it. {advice}")
    elif not chosen and not any(os.environ.get(name) for name in PROFILES):
        risk = "with these settings Fast DDS loses most raw camera pictures"
        yield Finding("ros", "large images", NOTE, risk, advice)
