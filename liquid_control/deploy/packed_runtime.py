"""Runtimes of packed models: a process loads each model once, however many jobs use it."""

from __future__ import annotations

import functools

from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.model.packed import PackedModel, unpacked


@functools.lru_cache(maxsize=8)
def load_packed(model: PackedModel) -> OnnxRuntime:
    """The runtime of a model. Drives may share it, because it holds no state. Raises
    ModelFileError."""
    with unpacked(model) as directory:
        return OnnxRuntime.load(directory)
