"""Drives a vehicle with a liquid neural network.

The public names below load their module when they are first used, so that importing the package
stays light and the robot's nodes load no PyTorch. `doc/api.md` shows each of them in use. Where
gymnasium is used, the environments of `sim.registration` are registered with it.
"""

from __future__ import annotations

import importlib
import sys

PUBLIC = {
    "LtcCell": "policy.cells.ltc",
    "CfcCell": "policy.cells.cfc",
    "WiredCfcCell": "policy.cells.wired_cfc",
    "LstmCfcCell": "policy.cells.lstm_cfc",
    "unroll": "policy.kernels.choose",
    "from_ncps": "policy.from_ncps",
    "NcpWiring": "model.wiring",
    "FreeWiring": "model.free_wiring",
    "PolicySpec": "model.spec",
    "Feature": "model.spec",
    "PolicyConfig": "model.policy_config",
    "PreprocessConfig": "config",
    "PolicyNetwork": "policy.network",
    "save_model": "policy.saved",
    "load_network": "policy.saved",
    "read_model": "model.model_file",
    "find_model": "model.installed",
    "OnnxRuntime": "deploy.onnx_runtime",
    "TorchRuntime": "deploy.torch_runtime",
    "export_onnx": "deploy.export",
    "Frame": "signals",
    "ImuSample": "signals",
    "SpeedSample": "signals",
    "SteeringSample": "signals",
    "Observation": "signals",
    "Observer": "perception.observer",
    "Controller": "control.controller",
    "SafetyGate": "control.safety",
    "Loop": "control.loop",
    "load_runtime": "deploy.runtimes",
    "open_recording": "recordings.formats",
    "Episode": "data.episode",
    "World": "sim.world",
    "MujocoWorlds": "sim.worlds",
    "LiquidControlError": "errors",
}
"""Module of the package for each public name."""

__all__ = sorted(PUBLIC)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name not in PUBLIC:
        raise AttributeError(f"module 'liquid_control' has no public name {name!r}")
    module = importlib.import_module(f"liquid_control.{PUBLIC[name]}")
    return module if PUBLIC[name].endswith(f".{name}") else getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _register_environments() -> None:
    importlib.import_module("liquid_control.sim.registration").register_environments()


class _Gymnasium:
    """Waits on `sys.meta_path` for the import of gymnasium, so that this one loads no module."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        hook = importlib.import_module("liquid_control.system.after_import")
        hook.after_import(name, _register_environments)
        return sys.meta_path[0].find_spec(name, path, target)


if "gymnasium" in sys.modules:
    _register_environments()
else:
    sys.meta_path.insert(0, _Gymnasium())
