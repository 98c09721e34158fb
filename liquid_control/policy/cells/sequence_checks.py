"""What every recurrent cell does with its arguments: check them, restart the state where a sequence
starts, skip what is masked."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from liquid_control.errors import NotFiniteError, ShapeError, TimeError


def check_step(x: Tensor, h: Tensor, dt: Tensor, inputs: int, neurons: int) -> Tensor:
    """Checks x (B, F), h (B, U), dt (B,) and returns dt; raises ShapeError, NotFiniteError and
    TimeError."""
    batch = len(x) if x.ndim else 0
    _shape("x", x, (batch, inputs))
    _shape("h", h, (batch, neurons))
    _shape("dt", dt, (batch,))
    _finite("x", x)
    _finite("h", h)
    return check_dt(dt)


def check_sequence(
    x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, inputs: int, neurons: int
) -> Tensor:
    """Checks x (B, T, F), h (B, U), dt (B, T), is_first (B, T) or None and returns dt; raises
    ShapeError, NotFiniteError and TimeError."""
    if x.ndim != 3 or x.shape[1] == 0 or x.shape[2] != inputs:
        raise ShapeError("x", x.shape, f"(batch, time of at least 1, {inputs})")
    batch, time = x.shape[:2]
    _shape("h", h, (batch, neurons))
    _shape("dt", dt, (batch, time))
    if is_first is not None:
        _shape("is_first", is_first, (batch, time))
    if x.device.type == "cuda" and not torch.cuda.is_current_stream_capturing():
        return check_in_one_look(x, h, dt)
    _finite("x", x)
    _finite("h", h)
    return check_dt(dt)


def check_in_one_look(x: Tensor, h: Tensor, dt: Tensor) -> Tensor:
    """The same for the values of x, h and dt on a GPU: the host waits for it once a sequence, for
    four numbers that say whether all is well. (A CUDA graph cannot wait while it is recorded; there
    bad numbers become NaN.) Returns dt."""
    if not dt.numel():
        return dt
    looks = [x.detach().sum(), h.detach().sum(), *dt.detach().aminmax()]
    of_x, of_h, shortest, longest = torch.stack(looks).tolist()
    for name, value, total in (("x", x, of_x), ("h", h, of_h)):
        if not np.isfinite(total):
            _find_not_finite(name, value)
    if not (shortest > 0 and longest < np.inf):
        raise TimeError(dt[~((dt > 0) & (dt < torch.inf))][0].item())
    return dt


def blank_masked(
    x: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """x (B, T, F), dt (B, T), is_first (B, T) as they are where mask (B, T) is true and harmless
    where it is false, so that nobody has to look at what pads a sequence. Raises ShapeError."""
    if mask is None or x.ndim != 3:
        return x, dt, is_first
    shape = tuple(x.shape[:2])
    for name, value in (("mask", mask), ("dt", dt), ("is_first", is_first)):
        if value is not None:
            _shape(name, value, shape)
    mask = mask.bool()
    is_first = None if is_first is None else is_first.bool() & mask
    return torch.where(mask.unsqueeze(-1), x, 0.0), torch.where(mask, dt, 1.0), is_first


def unroll_steps(
    cell: nn.Module, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """States after each input, (B, T, state), and after the last, (B, state): one call of `cell(x,
    h, dt)` per input. The state is zeroed before inputs marked by is_first, and stays as it is at
    inputs that mask leaves out."""
    keep = reset_mask(is_first, x)
    states = []
    for t in range(x.shape[1]):
        h = h if keep is None else h * keep[:, t]
        _, advanced = cell(x[:, t], h, dt[:, t])
        h = advanced if mask is None else torch.where(mask[:, t, None].bool(), advanced, h)
        states.append(h)
    return torch.stack(states, dim=1), h


def check_dt(dt: Tensor) -> Tensor:
    """Returns dt when all of it is finite and positive. On the CPU anything else raises TimeError.
    Elsewhere, where looking would make the host wait for the device at every step, bad entries
    become NaN and so do the outputs they cause."""
    good = (dt > 0) & (dt < torch.inf)
    if dt.device.type != "cpu":
        return torch.where(good, dt, torch.nan)
    if not good.all():
        raise TimeError(dt[~good][0].item())
    return dt


def reset_mask(is_first: Tensor | None, like: Tensor) -> Tensor | None:
    """(B, T, 1) numbers to multiply the state with: 0 where a sequence starts, 1 elsewhere."""
    return None if is_first is None else (~is_first.bool()).unsqueeze(-1).to(like.dtype)


def _finite(name: str, value: Tensor) -> None:
    """On the CPU; elsewhere NaN passes into the outputs that it causes. A sum is the quickest look
    at all of it."""
    if value.device.type == "cpu" and not np.isfinite(_sum(value)):
        _find_not_finite(name, value)


def _find_not_finite(name: str, value: Tensor) -> None:
    """There need not be any: a sum can overflow."""
    bad = (~torch.isfinite(value)).nonzero()
    if len(bad):
        raise NotFiniteError(name, value[tuple(bad[0])].item(), tuple(bad[0].tolist()))


def _sum(value: Tensor) -> float:
    """numpy's, because PyTorch would wake its threads for it, which then keep the cores busy that
    the fused kernels want."""
    if value.dtype not in (torch.float32, torch.float64):
        return value.detach().sum().item()
    with np.errstate(over="ignore", invalid="ignore"):
        return value.detach().numpy().sum()


def _shape(name: str, value: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(value.shape) != expected:
        raise ShapeError(name, value.shape, expected)
