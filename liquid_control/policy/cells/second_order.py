"""Derivatives of any order for code whose backward pass is written out.

Such a backward pass computes first derivatives, and autograd cannot look into it: differentiated
again by `torch.autograd.grad(..., inputs)`, it would leave its share out without an error. Here the
gradient is computed by the plain loop whenever it is to be differentiated again
(`create_graph=True`), and by the written-out code otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.errors import ConfigError


def differentiable_again(
    fast: Callable[[], tuple[Tensor, Tensor | tuple]],
    loop: Callable,
    cell: nn.Module,
    x: Tensor,
    h: Tensor | tuple[Tensor, ...],
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
    """fast(), which is loop(cell, x, h, dt, is_first, mask) with a backward pass written out."""
    y, after = fast()
    if not y.requires_grad or torch.compiler.is_compiling():
        return y, after
    single = isinstance(h, Tensor)
    outputs, arrays = (y, after) if single else (y, *after), (h,) if single else tuple(h)

    def again(x: Tensor, dt: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        if cell.training and _draws(cell):
            raise ConfigError(
                "second derivatives",
                f"a fused kernel of a {type(cell).__name__} with dropout",
                "kernel='reference', or no dropout: the masks that it drew are not kept",
            )
        arrays, weights = rest[: len(outputs) - 1], rest[len(outputs) - 1 :]
        names = (f"cell.{name}" for name, _ in cell.named_parameters(remove_duplicate=False))
        call = x, arrays[0] if single else arrays, dt, is_first, mask
        y, after = torch.func.functional_call(
            _Loop(cell, loop), dict(zip(names, weights, strict=True)), call
        )
        return (y, after) if single else (y, *after)

    y, *after = _Again.apply(again, len(outputs), *outputs, x, dt, *arrays, *_parameters(cell))
    return y, after[0] if single else tuple(after)


class _Again(torch.autograd.Function):
    """The first `count` tensors, copied; `again` computes them from the others."""

    @staticmethod
    def forward(ctx, again, count, *tensors):
        ctx.set_materialize_grads(False)
        ctx.again, ctx.count = again, count
        ctx.save_for_backward(*tensors[count:])
        return tuple(tensor.clone() for tensor in tensors[:count])

    @staticmethod
    def backward(ctx, *d_outputs):
        needed = ctx.needs_input_grad[2 + ctx.count :]
        if not torch.is_grad_enabled():
            return None, None, *d_outputs, *(None for _ in needed)
        sources = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
        pairs = zip(ctx.again(*sources), d_outputs, strict=True)
        outputs, d_outputs = zip(*((y, d) for y, d in pairs if d is not None), strict=True)
        wanted = [source for source, need in zip(sources, needed, strict=True) if need]
        found = iter(
            torch.autograd.grad(outputs, wanted, d_outputs, create_graph=True, allow_unused=True)
        )
        gradients = (next(found) if need else None for need in needed)
        return None, None, *(None for _ in range(ctx.count)), *gradients


class _Loop(nn.Module):
    """A cell's loop as a module, so that torch.func can run it with other weights."""

    def __init__(self, cell: nn.Module, loop: Callable) -> None:
        super().__init__()
        self.cell, self.loop = cell, loop

    def forward(self, *arguments):
        return self.loop(self.cell, *arguments)


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    """In the order of named_parameters(remove_duplicate=False), five times as fast."""
    found = [parameter for parameter in module._parameters.values() if parameter is not None]
    for child in module._modules.values():
        if child is not None:
            found += _parameters(child)
    return found


def _draws(cell: nn.Module) -> bool:
    return any(getattr(part, "dropout", 0) for part in cell.modules())
