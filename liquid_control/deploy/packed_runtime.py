"""Runtimes of packed models: a process loads each model once, however many jobs use it."""

from __future__ import annotations

import functools

from liquid_control.deploy.runtime import Runtime
from liquid_control.deploy.runtimes import load_runtime
from liquid_control.model.packed import PackedModel, unpacked


@functools.lru_cache(maxsize=8)
def load_packed(model: PackedModel) -> Runtime:
    """The runtime of a model. Drives may share it, because it holds no state. Raises
    ModelFileError."""
    with unpacked(model) as directory:
        return load_runtime(directory)
