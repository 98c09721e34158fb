"""When a sequence is run by the plain loop, one call of the cell for each input.

Kernels and the loops that a cell writes out read its weights once and run outside of autograd. The
plain loop takes their place where that would be seen: under the transforms of torch.func,
forward-mode differentiation, tracing and export, and where hooks, pruning, weight normalisation or
a replaced part change what a call of the cell does.
"""

from __future__ import annotations

import contextlib

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.modules import module as modules
from torch.nn.utils.parametrize import is_parametrized

GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
PARTS = {nn.Linear, nn.ModuleList, nn.GRU, nn.LSTM}
"""PyTorch's parts of cells. A part of another type (quantised, an adapter) computes something
else than the kernels."""
PACKAGE = __name__.partition(".")[0] + "."


def is_transformed() -> bool:
    """Whether tensors may have no numbers that can be looked at: inside torch.func.grad, vmap and
    others, forward-mode differentiation, tracing or export."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()
        or torch.compiler.is_exporting()
    )


def find_obstacle(cell: nn.Module) -> str:
    """What keeps kernels from running a cell, in words; empty where nothing does."""
    if is_transformed():
        return "inside torch.func, forward-mode differentiation, tracing or export"
    if any(getattr(modules, name) for name in GLOBAL_HOOKS):
        return "with global module hooks"
    return _obstacle_in(cell, whole=True)


def has_hooks(part: nn.Module) -> bool:
    """Whether a call of this part does more, or something else, than its class says. Pruning and
    the older weight normalisation set a weight in such a hook."""
    own = part.__dict__
    return bool(
        own["_forward_pre_hooks"]
        or own["_forward_hooks"]
        or own["_backward_hooks"]
        or own["_backward_pre_hooks"]
        or "forward" in own
    )


def _obstacle_in(part: nn.Module, whole: bool = False) -> str:
    kind = type(part)
    if has_hooks(part):
        return f"with hooks on a {kind.__name__}"
    if kind not in PARTS and not whole and not kind.__module__.startswith(PACKAGE):
        if not is_parametrized(part):
            return f"with a {kind.__name__} as a part"
    for name, child in part._modules.items():  # any access evaluates parametrisations
        if child is not None and name != "parametrizations":
            found = _obstacle_in(child)
            if found:
                return found
    return ""


def own_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """Switches autocast off: a cell's state is a sum over time, and is computed in the cell's type
    by whatever runs it."""
    available = torch.amp.is_autocast_available(device.type)  # not on the meta device
    if available and torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()
