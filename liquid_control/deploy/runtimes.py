"""The runtimes that step a saved policy, by name."""

from __future__ import annotations

import importlib
from pathlib import Path

from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError, LiquidControlError
from liquid_control.model.model_file import ModelInfo

RUNTIMES = {
    "onnx": "liquid_control.deploy.onnx_runtime:OnnxRuntime",
    "native": "liquid_control.deploy.c99.library:NativeRuntime",
    "torch": "liquid_control.deploy.torch_runtime:TorchRuntime",
}
"""Class of each runtime, which has a class method `load(directory)`. A class is imported when it is
chosen, because not every robot has every library."""
DEFAULT = "onnx"
AUTO = "auto"
BACKENDS = ("onnx", "native", AUTO)
"""Runtimes of a robot; auto: native where it can be had, else onnx."""


def load_runtime(directory: str | Path, runtime: str = DEFAULT) -> Runtime:
    """A model directory, loaded by the named runtime. Raises ConfigError for an unknown name,
    ModelFileError and MissingDependencyError as the runtime does."""
    return _find(runtime).load(directory)


def load_backend(info: ModelInfo, backend: str, threads: int = 1) -> tuple[Runtime, str]:
    """The runtime of a robot, which has `info`, and why `auto` has not chosen native, else "".

    Only `auto` falls back. `threads`: of ONNX Runtime. Raises ConfigError for an unknown name, and
    as the runtime does.
    """
    if backend not in BACKENDS:
        raise ConfigError("backend", backend, f"one of {', '.join(BACKENDS)}")
    why = ""
    if backend != DEFAULT:
        try:
            return _find("native")(info), ""
        except LiquidControlError as error:
            if backend != AUTO:
                raise
            why = str(error)
    return _find(DEFAULT)(info, threads), why


def _find(runtime: str) -> type:
    if runtime not in RUNTIMES:
        raise ConfigError("runtime", runtime, f"one of {', '.join(RUNTIMES)}")
    module, _, name = RUNTIMES[runtime].partition(":")
    return getattr(importlib.import_module(module), name)
