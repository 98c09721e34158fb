"""The arguments of recurrent cells: their checks, where a sequence starts, what is masked."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from liquid_control.errors import ArgumentError, NotFiniteError, ShapeError, TimeError
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.plain_loop import is_transformed

State = Tensor | tuple[Tensor, ...]
"""A cell's state `h`: one tensor (B, *shape), or a tuple of them; see `Cell`."""


SHORTEST = 1e-30
"""The smallest dt: the LTC divides by it, and float32 ends at 3e38."""


def check_types(
    x: Tensor, h: State, dt: Tensor, weight: Tensor | None
) -> tuple[Tensor, State, Tensor]:
    """x, h and dt in the type of a cell's `weight`, whatever runs the cell. Spans of time and
    states are converted (stamps give float64 differences), x under autocast only. Raises
    ArgumentError."""
    for name, value, remedy in (
        ("x", x, "a tensor: torch.as_tensor(x)"),
        ("dt", dt, "a tensor with a span of time for every row and step: torch.full(shape, dt)"),
    ):
        if not isinstance(value, Tensor):
            raise ArgumentError(name, f"a {type(value).__name__}", remedy)
    single = isinstance(h, Tensor)
    parts = (h,) if single else h
    if not isinstance(parts, (tuple, list)) or not all(isinstance(p, Tensor) for p in parts):
        remedy = "the state's tensors: cell.initial_state(batch) at the start"
        raise ArgumentError("h", f"a {type(h).__name__}", remedy)
    kind = x.dtype if weight is None else weight.dtype
    if x.dtype != kind and not (x.is_floating_point() and torch.is_autocast_enabled(x.device.type)):
        raise ArgumentError("x", str(x.dtype), f"{kind} as the cell is: x.to({kind})")
    if not x.is_floating_point():
        raise ArgumentError("x", str(x.dtype), "floating point numbers: x.float()")
    parts = tuple(_to(part, kind) for part in parts)
    return _to(x, kind), parts[0] if single else parts, _to(dt, kind)


def _to(value: Tensor, kind: torch.dtype) -> Tensor:
    return value if value.dtype == kind else value.to(kind)


def check_step(
    x: Tensor, h: State, dt: Tensor, inputs: int, state: tuple[StateArray, ...]
) -> Tensor:
    """Checks x (B, F), h, dt (B,) and returns dt; raises ShapeError, NotFiniteError and
    TimeError."""
    batch = len(x) if x.ndim else 0
    _shape("x", x, (batch, inputs))
    arrays = _check_state(h, batch, state)
    _shape("dt", dt, (batch,))
    if not is_transformed():
        for name, value in (("x", x), *arrays):
            _finite(name, value)
    return check_dt(dt)


def check_sequence(
    x: Tensor,
    h: State,
    dt: Tensor,
    is_first: Tensor | None,
    inputs: int,
    state: tuple[StateArray, ...],
) -> Tensor:
    """Checks x (B, T, F), h, dt (B, T), is_first (B, T) or None and returns dt; raises ShapeError,
    NotFiniteError and TimeError."""
    if x.ndim != 3 or x.shape[1] == 0 or x.shape[2] != inputs:
        raise ShapeError("x", x.shape, f"(batch, time of at least 1, {inputs})")
    batch, time = x.shape[:2]
    arrays = _check_state(h, batch, state)
    _shape("dt", dt, (batch, time))
    if is_first is not None:
        _shape("is_first", is_first, (batch, time))
    if is_transformed():
        return check_dt(dt)
    if x.device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
        return check_at_once(dt, x=x, **dict(arrays))
    for name, value in (("x", x), *arrays):
        _finite(name, value)
    return check_dt(dt)


def check_at_once(dt: Tensor, **values: Tensor) -> Tensor:
    """Checks dt and named values on a GPU: the host waits once a sequence, for a few numbers that
    say whether all is well. (A CUDA graph cannot wait while it is recorded; there bad numbers
    become NaN.) Returns dt."""
    if not dt.numel():
        return dt
    sums = [value.detach().sum() for value in values.values()]
    *totals, shortest, longest = torch.stack([*sums, *dt.detach().aminmax()]).tolist()
    for (name, value), total in zip(values.items(), totals, strict=True):
        if not np.isfinite(total):
            _find_not_finite(name, value)
    if not (shortest >= SHORTEST and longest < np.inf):
        raise TimeError(dt[~((dt >= SHORTEST) & (dt < torch.inf))][0].item())
    return dt


def blank_masked(
    x: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """x (B, T, F), dt (B, T), is_first (B, T) as they are where mask (B, T) is true and harmless
    where it is false, so that padding is never read. Raises ShapeError."""
    if mask is None or x.ndim != 3:
        return x, dt, is_first
    shape = tuple(x.shape[:2])
    for name, value in (("mask", mask), ("dt", dt), ("is_first", is_first)):
        if value is not None:
            _shape(name, value, shape)
    mask = mask.bool()
    is_first = None if is_first is None else is_first.bool() & mask
    return torch.where(mask.unsqueeze(-1), x, 0.0), torch.where(mask, dt, 1.0), is_first


def check_dt(dt: Tensor) -> Tensor:
    """Returns dt when all of it is finite and positive (at least `SHORTEST`). On the CPU anything
    else raises TimeError. On other devices, where a check would make the host wait at every step,
    and where numbers cannot be looked at, bad entries become NaN and so do the outputs they
    cause."""
    good = (dt >= SHORTEST) & (dt < torch.inf)
    if dt.device.type != "cpu" or is_transformed():
        return torch.where(good, dt, torch.nan)
    if not good.all():
        raise TimeError(dt[~good][0].item())
    return dt


def reset_mask(is_first: Tensor | None, like: Tensor) -> Tensor | None:
    """(B, T, 1) numbers to multiply the state with: 0 where a sequence starts, 1 elsewhere."""
    return None if is_first is None else (~is_first.bool()).unsqueeze(-1).to(like.dtype)


def widen(flags: Tensor, like: Tensor) -> Tensor:
    """flags (B, 1) with as many dimensions as `like` (B, ...)."""
    return flags if like.ndim == 2 else flags.view(-1, *(1 for _ in like.shape[1:]))


def _check_state(h: State, batch: int, state: tuple[StateArray, ...]) -> list[tuple[str, Tensor]]:
    """The arrays of h by their names in messages; raises ShapeError."""
    parts = (h,) if isinstance(h, Tensor) else h
    if len(parts) != len(state) or isinstance(h, Tensor) != (len(state) == 1):
        got = tuple(tuple(part.shape) for part in parts)
        names = ", ".join(array.name for array in state)
        raise ShapeError("h", got, f"a tuple of {names}" if len(state) > 1 else "one tensor")
    names = ["h"] if len(state) == 1 else [f"h.{array.name}" for array in state]
    arrays = list(zip(names, parts, strict=True))
    for array, (name, part) in zip(state, arrays, strict=True):
        _shape(name, part, (batch, *array.shape))
    return arrays


def _finite(name: str, value: Tensor) -> None:
    """Raises NotFiniteError on the CPU; on other devices NaN passes into the outputs. A sum is the
    cheapest check of all numbers."""
    if value.device.type == "cpu" and not np.isfinite(_sum(value)):
        _find_not_finite(name, value)


def _find_not_finite(name: str, value: Tensor) -> None:
    """Raises NotFiniteError for the first bad number. There may be none: a sum can overflow."""
    bad = (~torch.isfinite(value)).nonzero()
    if len(bad):
        raise NotFiniteError(name, value[tuple(bad[0])].item(), tuple(bad[0].tolist()))


def _sum(value: Tensor) -> float:
    """numpy's sum: PyTorch's would start threads that then compete with the fused kernels."""
    if value.dtype not in (torch.float32, torch.float64):
        return value.detach().sum().item()
    with np.errstate(over="ignore", invalid="ignore"):
        return value.detach().numpy().sum()


def _shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(value.shape) != expected:
        raise ShapeError(name, value.shape, expected)
