"""The worlds that a policy can be driven in, as the command line names them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.spec import PolicySpec
from liquid_control.sim.conditions.condition import Condition

MUJOCO, TWIN, RECORDING = "mujoco", "twin", "recording:"


SIMULATED = (MUJOCO, TWIN)
"""Worlds in which `evaluate` draws its roads."""


def recordings_of(worlds: Sequence[str], simulated: Sequence[str] = (MUJOCO,)) -> tuple[Path, ...]:
    """The paths behind `recording:`; none for one of the `simulated` worlds. Raises ConfigError for
    another world and for a mixture."""
    if len(worlds) == 1 and worlds[0] in simulated:
        return ()
    if not worlds or any(not one.startswith(RECORDING) or one == RECORDING for one in worlds):
        expected = f"{', '.join(simulated)}, or {RECORDING}PATH [{RECORDING}PATH ...]"
        raise ConfigError("world", " ".join(worlds) or "nothing", expected)
    return tuple(Path(world.removeprefix(RECORDING)) for world in dict.fromkeys(worlds))


def engine_of(world: str) -> Callable | None:
    """The `engine` of `sim.world.World` for mujoco or the twin."""
    if world != TWIN:
        return None
    from liquid_control.sim.batched.single import twin_engine

    return twin_engine


def refuse_undrawn(world: str, conditions: Sequence[Condition]) -> None:
    """Raises ConfigError for a condition that the twin does not draw."""
    for condition in conditions:
        if world == TWIN and condition.shadows:
            raise ConfigError("conditions", condition.name, "others: the twin draws no shadows")


def cache_folder(given: Path | None) -> AbstractContextManager:
    """The folder for decoded pictures; a temporary one where none is given."""
    if given is not None:
        return nullcontext(given)
    return tempfile.TemporaryDirectory(prefix="liquid_control_roads_")


def with_image(spec: PolicySpec) -> PreprocessConfig:
    """How the policy's picture is made. Raises ConfigError for a policy without one."""
    if spec.image is None:
        raise ConfigError("model", "a policy without a picture", "one that sees the recorded road")
    return spec.image


def refuse_other_vehicle(info: ModelInfo) -> None:
    """Raises ConfigError for a policy that learned from recordings of a vehicle whose bends no road
    of MuJoCo's car has: its curvature at network output 1 is more than that car can steer."""
    from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING

    recorded = "recording" in info.provenance.get("settings", {})
    scales = {action.name: action.scale for action in info.spec.actions}
    largest = float(LANE_KEEPING.action_limit[0])
    if recorded and scales.get("curvature", 0.0) > largest:
        raise ConfigError(
            "model",
            f"a policy of a smaller vehicle (curvatures of {scales['curvature']:.2g} 1/m)",
            f"one of a car, at most {largest:g} 1/m, on MuJoCo's roads; "
            f"--world {RECORDING}PATH of evaluate and drive lets it drive in its recordings",
        )
