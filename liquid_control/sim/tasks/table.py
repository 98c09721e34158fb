"""The tasks by name. Each is also a gymnasium environment, see `sim.registration`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liquid_control.sim.tasks.task import Task

TASKS = {"lane_keeping": "liquid_control.sim.tasks.lane_keeping:LANE_KEEPING"}


def load_task(name: str) -> Task:
    """The task of a name. Raises KeyError."""
    module, constant = TASKS[name].split(":")
    return getattr(importlib.import_module(module), constant)
