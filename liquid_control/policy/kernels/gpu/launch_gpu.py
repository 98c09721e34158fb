"""How kernels are spread over a GPU."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

LARGEST = 64
"""Neurons up to which the weights fit a program's registers."""
WARP = 32
"""Threads of a warp."""
WIDTH = 32
"""Inputs in a tile."""
ROWS = 16
"""Inputs (of any sample and time) per program where they do not depend on each other."""
GROUPS = 1024
"""At most this many programs write separate gradients, which are then added up."""
OLDEST = (7, 5)
"""Compute capability that triton compiles for."""


def is_supported(x: Tensor) -> bool:
    """Whether triton compiles for the GPU of x. (Its interpreter runs on the CPU.)"""
    return not x.is_cuda or torch.cuda.get_device_capability(x.device) >= OLDEST


def warps(numbers: int, each: int = 8) -> int:
    """Warps for a tile of `numbers`, `each` per thread, so that registers are left for weights and
    gradients."""
    return min(max(numbers // (WARP * each), 1), 16)


def programs(rows: int) -> tuple[int, int]:
    """How many programs share `rows`, and how many rows each of them takes."""
    chunk = max(ROWS, -(-rows // GROUPS))
    return -(-rows // chunk), chunk


def contiguous(*tensors: Tensor | None) -> list[Tensor | None]:
    """The tensors, C-contiguous."""
    return [None if tensor is None else tensor.contiguous() for tensor in tensors]


def on_device(x: Tensor) -> contextlib.AbstractContextManager:
    """Kernels start on the current GPU, which need not be that of x. (In triton's interpreter there
    is none.)"""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()
