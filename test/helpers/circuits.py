"""Circuits, cells with weights of their own, and inputs on which two ways to step a cell are
compared."""

from __future__ import annotations

import torch

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring

NCP = NcpWiring.build()
ODD = NcpWiring.build(
    inputs=5,
    inter=20,
    command=7,
    motor=3,
    sensory_fanout=5,
    inter_fanout=3,
    recurrent_command=9,
    motor_fanin=4,
    seed=7,
)
TINY = NcpWiring.build(
    inputs=2,
    inter=2,
    command=2,
    sensory_fanout=1,
    inter_fanout=1,
    recurrent_command=2,
    motor_fanin=2,
)
FREE = FreeWiring.sparse(inputs=9, neurons=21, motor=2, sparsity=0.4)


def shifted(cell):
    """The cell, with every parameter away from where it starts."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return cell


def inputs(cell, batch, time, dtype=torch.float32):
    """x, h, dt that differ in every row and step, is_first, mask, where the cell is."""
    x = torch.randn(batch, time, cell.inputs, dtype=dtype) * 2
    h = torch.randn(batch, cell.state_size, dtype=dtype) / 2
    dt = torch.rand(batch, time, dtype=dtype) * 3 + 0.1
    is_first, mask = torch.rand(batch, time) < 0.2, torch.rand(batch, time) < 0.7
    device = next(cell.parameters()).device
    return [tensor.to(device) for tensor in (x, h, dt, is_first, mask)]


def with_gradients(unroll, cell, x, h, dt, *more):
    """Outputs, and gradients of a loss that weighs every output differently, for inputs and
    parameters."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, h, dt)]
    y, last = unroll(*leaves, *more)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
    loss = (y * weights).sum() + last.square().sum()
    return y.detach(), last.detach(), *torch.autograd.grad(loss, [*leaves, *cell.parameters()])
