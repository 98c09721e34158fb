"""The checks that every recurrent cell makes on its arguments, and the state reset between sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from liquid_control.errors import ShapeError, TimeError


def check_step(x: Tensor, h: Tensor, dt: Tensor, inputs: int, neurons: int) -> Tensor:
    """Checks x (B, F), h (B, U), dt (B,) and returns dt; raises ShapeError and TimeError."""
    batch = len(x) if x.ndim else 0
    _shape("x", x, (batch, inputs))
    _shape("h", h, (batch, neurons))
    _shape("dt", dt, (batch,))
    return check_dt(dt)


def check_sequence(x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, inputs: int, neurons: int) -> Tensor:
    """Checks x (B, T, F), h (B, U), dt (B, T), is_first (B, T) or None and returns dt; raises ShapeError and TimeError."""
    if x.ndim != 3 or x.shape[1] == 0 or x.shape[2] != inputs:
        raise ShapeError("x", x.shape, f"(batch, time of at least 1, {inputs})")
    batch, time = x.shape[:2]
    _shape("h", h, (batch, neurons))
    _shape("dt", dt, (batch, time))
    if is_first is not None:
        _shape("is_first", is_first, (batch, time))
    return check_dt(dt)


def check_dt(dt: Tensor) -> Tensor:
    """Returns dt when all of it is finite and positive. On the CPU anything else raises TimeError. Elsewhere, where
    looking would make the host wait for the device, bad entries become NaN and so do the outputs they cause."""
    good = (dt > 0) & (dt < torch.inf)
    if dt.device.type != "cpu":
        return torch.where(good, dt, torch.nan)
    if not good.all():
        raise TimeError(dt[~good][0].item())
    return dt


def reset_mask(is_first: Tensor | None, like: Tensor) -> Tensor | None:
    """(B, T, 1) numbers to multiply the state with: 0 where a sequence starts, 1 elsewhere."""
    return None if is_first is None else (~is_first.bool()).unsqueeze(-1).to(like.dtype)


def _shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(value.shape) != expected:
        raise ShapeError(name, value.shape, expected)
