"""The tasks by name. Each is also a gymnasium environment, see `sim.registration`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liquid_control.sim.tasks.task import Task

LANE_KEEPING, LANE_AND_SPEED = "lane_keeping", "lane_and_speed"
TASKS = {
    LANE_KEEPING: "liquid_control.sim.tasks.lane_keeping:LANE_KEEPING",
    LANE_AND_SPEED: "liquid_control.sim.tasks.lane_and_speed:LANE_AND_SPEED",
}


def load_task(name: str) -> Task:
    """The task of a name. Raises KeyError."""
    module, constant = TASKS[name].split(":")
    return getattr(importlib.import_module(module), constant)
