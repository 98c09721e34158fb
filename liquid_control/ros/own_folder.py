"""Where this package keeps what it remembers on a machine. Needs no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def own_folder(environment: Mapping[str, str]) -> Path:
    """$ROS_HOME/liquid_control or ~/.ros/liquid_control. Raises RuntimeError where there is no home
    directory."""
    return Path(environment.get("ROS_HOME") or Path.home() / ".ros") / "liquid_control"
