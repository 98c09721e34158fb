"""Gymnasium's plug-in entry point: once the package is installed,
`gymnasium.make("liquid_control/LaneKeeping-v0")` works.

Gymnasium calls this at its own import, so nothing heavy may be imported here.
"""

from __future__ import annotations


def register_environments() -> None:
    """Called inside the namespace `liquid_control` (the entry point's name)."""
    from gymnasium.envs.registration import register

    register(id="LaneKeeping-v0", entry_point="liquid_control.sim.env:LaneKeeping")
