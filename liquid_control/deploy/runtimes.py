"""The runtimes that step a saved policy, by name."""

from __future__ import annotations

import importlib
from pathlib import Path

from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError

RUNTIMES = {
    "onnx": "liquid_control.deploy.onnx_runtime:OnnxRuntime",
    "native": "liquid_control.deploy.c99.library:NativeRuntime",
    "torch": "liquid_control.deploy.torch_runtime:TorchRuntime",
}
"""Class of each runtime, which has a class method `load(directory)`. A class is imported when it is
chosen, because not every robot has every library."""
DEFAULT = "onnx"


def load_runtime(directory: str | Path, runtime: str = DEFAULT) -> Runtime:
    """A model directory, loaded by the named runtime. Raises ConfigError for an unknown name,
    ModelFileError and MissingDependencyError as the runtime does."""
    if runtime not in RUNTIMES:
        raise ConfigError("runtime", runtime, f"one of {', '.join(RUNTIMES)}")
    module, _, name = RUNTIMES[runtime].partition(":")
    return getattr(importlib.import_module(module), name).load(directory)
