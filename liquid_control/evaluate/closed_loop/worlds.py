"""The worlds that a policy can be driven in, as the command line names them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.spec import PolicySpec

MUJOCO, RECORDING = "mujoco", "recording:"


def recordings_of(worlds: Sequence[str]) -> tuple[Path, ...]:
    """The paths behind `recording:`; none for mujoco. Raises ConfigError for another world and for
    a mixture."""
    expected = f"{MUJOCO}, or {RECORDING}PATH [{RECORDING}PATH ...]"
    if tuple(worlds) == (MUJOCO,):
        return ()
    if not worlds or any(not one.startswith(RECORDING) or one == RECORDING for one in worlds):
        raise ConfigError("world", " ".join(worlds) or "nothing", expected)
    return tuple(Path(world.removeprefix(RECORDING)) for world in dict.fromkeys(worlds))


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
