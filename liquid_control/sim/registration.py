"""Every task of `sim.tasks.table` by its name in gymnasium, `liquid_control/LaneKeeping-v0`, and
the recorded world, `liquid_control/RecordedRoad-v0`.

`import liquid_control` registers them as soon as gymnasium is imported too, before or after; the
plug-in entry point of gymnasium before 1.4 does so without that import. Both happen while modules
are being imported, so nothing heavy may be imported here.
"""

from __future__ import annotations

from liquid_control.sim.tasks.table import LANE_KEEPING, TASKS

NAMESPACE = "liquid_control"
RECORDED = f"{NAMESPACE}/RecordedRoad-v0"
VECTORS = {LANE_KEEPING: "liquid_control.sim.batched.vector_env:LaneKeepingVector"}
"""Tasks that are one batch for `gymnasium.make_vec`, too: in the twin."""


def register_environments() -> None:
    """Registers the environments that are not registered yet."""
    from gymnasium.envs.registration import register, registry

    for name in TASKS:
        identifier = f"{NAMESPACE}/{''.join(map(str.capitalize, name.split('_')))}-v0"
        if identifier not in registry:
            register(
                id=identifier,
                entry_point="liquid_control.sim.env:DrivingEnv",
                vector_entry_point=VECTORS.get(name),
                kwargs={"task": name},
            )
    if RECORDED not in registry:
        register(id=RECORDED, entry_point="liquid_control.sim.recorded.env:recorded_road")
