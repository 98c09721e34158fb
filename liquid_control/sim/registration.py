"""Gymnasium's plug-in entry point: once the package is installed,
`gymnasium.make("liquid_control/LaneKeeping-v0")` works, and so does every task of
`sim.tasks.table`.

Gymnasium calls this at its own import, so nothing heavy may be imported here.
"""

from __future__ import annotations

from liquid_control.sim.tasks.table import TASKS


def register_environments() -> None:
    """Called inside the namespace `liquid_control` (the entry point's name)."""
    from gymnasium.envs.registration import register

    for name in TASKS:
        title = "".join(map(str.capitalize, name.split("_")))
        register(
            id=f"{title}-v0", entry_point="liquid_control.sim.env:DrivingEnv", kwargs={"task": name}
        )
