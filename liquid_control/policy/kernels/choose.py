"""Chooses what unrolls a cell: the cell's own readable loop, which is the definition, or a fused
kernel.

Kernels are registered by cell class and device in `REGISTERED`. Each entry names functions

    choose(cell, x, mask) -> unroll(cell, x, h, dt, is_first, mask) -> (y, h), or None where the
    kernel does not apply,

the first that applies is taken. Their modules need numba (CPU) or triton (GPU) and are imported
when a cell of their class is unrolled.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch
from torch import Tensor

from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.policy.cells.cell import Cell, checked_sequence, readable_sequence
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.plain_loop import find_obstacle
from liquid_control.policy.cells.second_order import differentiable_again
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.cells.wired_cfc import WiredCfcCell

REGISTERED: dict[type[Cell], dict[str, tuple[str, ...]]] = {
    LtcCell: {"cpu": ("cpu.ltc_autograd:choose",), "cuda": ("gpu.ltc_gpu:choose",)},
    WiredCfcCell: {
        "cpu": ("cpu.cfc_autograd:choose_wired",),
        "cuda": ("gpu.cfc_gpu:choose_wired",),
    },
    CfcCell: {
        "cpu": ("cpu.cfc_autograd:choose_dense", "cpu.cfc_wide:choose"),
        "cuda": ("gpu.cfc_gpu:choose_dense",),
    },
    LstmCfcCell: {"cpu": ("cpu.cfc_wide:choose_behind_lstm",)},
}
"""By cell class and type of device: "module:function" in this package."""
FLOATS = torch.float32, torch.float64


def unroll(
    cell: Cell,
    x: Tensor,
    h: State,
    dt: Tensor,
    is_first: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, State]:
    """`cell.unroll` with the fastest implementation that applies: x (B, T, F), h, dt (B, T),
    is_first and mask (B, T) → y (B, T, M), h. Raises what `Cell.unroll` raises, and ConfigError and
    MissingDependencyError where the cell's `kernel` is "fused" and none applies."""
    return checked_sequence(forward_sequence, cell, x, h, dt, is_first, mask)


def forward_sequence(
    cell: Cell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, State]:
    """`unroll` without its checks."""
    if cell.kernel != "reference" and torch.compiler.is_compiling():
        return _outside_of_graphs(cell, x, h, dt, is_first, mask)
    return _forward_sequence(cell, x, h, dt, is_first, mask)


def _forward_sequence(
    cell: Cell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, State]:
    kernel = find_kernel(cell, x, mask)
    if kernel is None:
        return readable_sequence(cell, x, h, dt, is_first, mask)
    arguments = cell, x, h, dt, is_first, mask
    return differentiable_again(lambda: kernel(*arguments), Cell.forward_sequence, *arguments)


_outside_of_graphs = torch._disable_dynamo(_forward_sequence)
"""torch.compile cannot look into a kernel: its graph ends here and goes on behind."""


def find_kernel(
    cell: Cell, x: Tensor, mask: Tensor | None, device: str = ""
) -> Callable[..., tuple[Tensor, State]] | None:
    """The fused kernel for `cell` and these inputs, None for the readable loop. `device`: whose
    kernels, if not those of x (triton's interpreter runs a GPU's kernels on the CPU). Raises
    ConfigError and MissingDependencyError where the cell's `kernel` is "fused" and none applies."""
    if cell.kernel == "reference":
        return None
    obstacle = find_obstacle(cell)
    if obstacle:
        if cell.kernel == "fused":
            raise ConfigError(
                f"{type(cell).__name__}.kernel",
                f"fused {obstacle}",
                "auto or reference: a fused kernel would not see it",
            )
        return None
    try:
        choosers = _registered(cell, device or x.device.type)
    except ModuleNotFoundError as error:
        if cell.kernel == "fused":
            raise MissingDependencyError(
                error.name, f"Install {error.name}, or choose kernel='auto'"
            ) from None
        return None
    kernel = None
    if choosers and x.dtype in FLOATS and _has_type_and_device_of(x, cell):
        found = (choose(cell, x, mask) for choose in choosers)
        kernel = next((unroll for unroll in found if unroll is not None), None)
    if kernel is None and cell.kernel == "fused":
        got = f"fused for {x.dtype} on {x.device.type}" + ("" if mask is None else " with a mask")
        raise ConfigError(
            f"{type(cell).__name__}.kernel", got, "auto or reference: no fused kernel does this"
        )
    return kernel


def _registered(cell: Cell, device: str) -> list[Callable]:
    entries = REGISTERED.get(type(cell), {}).get(device, ())
    parts = (entry.split(":") for entry in entries)
    return [getattr(importlib.import_module(f"{__package__}.{m}"), name) for m, name in parts]


def _has_type_and_device_of(x: Tensor, cell: Cell) -> bool:
    return all(part.dtype == x.dtype and part.device == x.device for part in cell.parameters())
