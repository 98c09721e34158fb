"""Which implementation unrolls a cell: the readable one in PyTorch or a fused kernel.

The readable one is the definition. `kernels.select` (numba, on the CPU) and `kernels.select_gpu`
(triton) know the fused ones:

    select(cell, x, mask) -> unroll(cell, x, h, dt, is_first, mask) -> (y, h), or None where no
    fused kernel applies

(device, dtype, variant, a library that is not installed). It is asked after shapes and dt are
checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from liquid_control.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from torch import Tensor, nn

KERNELS = ("auto", "reference", "fused")
"""`auto`: fused where it applies; `reference`: never; `fused`: always, and an error where it does
not apply."""


def check_kernel(cell: str, kernel: object) -> str:
    """Returns `kernel` when it is one of `KERNELS`; raises ConfigError."""
    if kernel not in KERNELS:
        raise ConfigError(f"{cell}.kernel", kernel, "one of " + ", ".join(KERNELS))
    return kernel


def fused_unroll(cell: nn.Module, x: Tensor, mask: Tensor | None) -> Callable | None:
    """The fused kernel for `cell` (which has a `kernel`) and these inputs, None for the reference.
    Raises ConfigError and MissingDependencyError when the cell insists on a fused kernel and there
    is none."""
    if cell.kernel == "reference":
        return None
    try:
        if x.device.type == "cuda":
            from liquid_control.policy.kernels.gpu.select_gpu import select
        else:
            from liquid_control.policy.kernels.cpu.select import select
    except ModuleNotFoundError as error:
        if cell.kernel == "fused":
            raise MissingDependencyError(
                error.name, f"Install {error.name}, or choose kernel='auto'"
            ) from None
        return None
    fused = select(cell, x, mask)
    if fused is None and cell.kernel == "fused":
        got = f"fused for {x.dtype} on {x.device.type}" + ("" if mask is None else " with a mask")
        raise ConfigError(
            f"{type(cell).__name__}.kernel", got, "auto or reference: no fused kernel does this"
        )
    return fused
