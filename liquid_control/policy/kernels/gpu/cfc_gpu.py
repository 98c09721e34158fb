"""The triton kernels of the CfC, and the matrix products around them, as one differentiable
operation of PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.cfc_layers import GATED, layer_weights
from liquid_control.policy.kernels.cpu.cfc_packing import Circuit, dense_circuit, wired_circuit
from liquid_control.policy.kernels.gpu import triton_cfc
from liquid_control.policy.kernels.gpu.launch_gpu import (
    LARGEST,
    contiguous,
    is_supported,
    on_device,
    warps,
)

WEIGHTS = 512
"""Bytes of registers that a thread may fill with weights, half of what it has."""


def choose_wired(cell: WiredCfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: the gated rules without mixed memory, up to `LARGEST`
    neurons."""
    applies = cell.variant in GATED and cell.units <= LARGEST and is_supported(x)
    return unroll if applies else None


def choose_dense(cell: CfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: the gated rules without backbone and mixed memory, up to
    `LARGEST` neurons."""
    applies = cell.variant in GATED and cell.units <= LARGEST and is_supported(x)
    return unroll if applies and cell.backbone is None else None


def unroll(
    cell: WiredCfcCell | CfcCell,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """`forward_sequence` of a cell that `choose_wired` or `choose_dense` takes."""
    dense = isinstance(cell, CfcCell)
    places = (
        dense_places(cell.inputs, cell.units, x.device)
        if dense
        else wired_places(cell.wiring, cell.dense_time, x.device)
    )
    weights, biases = layer_weights(cell)
    gate = GATED[cell.variant]
    return unroll_cfc(places, weights, biases, gate, cell.outputs, x, h, dt, is_first, mask)


class Places(NamedTuple):
    """Where the C connections of a circuit stand, on a device."""

    listed: Tensor  # (C,) in the layers' matrices, flattened one after the other
    weights: Tensor  # (C,) in (U, F + U): inputs, state
    products: Tensor  # (C,) in (U, F + 2 U): inputs, state before, state after
    neurons: Tensor  # (U,) in the state, in the order of computation
    layer: Tensor  # (U,) int32: which layer a neuron of the state belongs to
    layers: int


@functools.lru_cache(maxsize=64)
def wired_places(wiring: NcpWiring | FreeWiring, dense_time: bool, device: torch.device) -> Places:
    """Those of a `WiredCfcCell`."""
    layer = np.zeros(wiring.neurons)
    if isinstance(wiring, NcpWiring):
        layer[wiring.command_neurons], layer[wiring.motor_neurons] = 1, 2
    return _places(*wired_circuit(wiring, dense_time), wiring.inputs, layer, device)


@functools.lru_cache(maxsize=64)
def dense_places(inputs: int, units: int, device: torch.device) -> Places:
    """Those of a `CfcCell`."""
    return _places(*dense_circuit(inputs, units), inputs, np.zeros(units), device)


def _places(
    circuit: Circuit, listed: np.ndarray, inputs: int, layer: np.ndarray, device: torch.device
) -> Places:
    units = len(circuit.neuron)
    target = np.repeat(circuit.neuron, np.diff(circuit.start))
    column = np.where(circuit.source < inputs + units, circuit.source, circuit.source - units)
    places = (
        listed,
        target * (inputs + units) + column,
        target * (inputs + 2 * units) + circuit.source,
        circuit.neuron,
    )
    tensors = [torch.from_numpy(place).to(device) for place in (*places, layer.astype(np.int32))]
    return Places(*tensors, int(layer.max()) + 1)


def unroll_cfc(
    places: Places,
    layers: list[Tensor],
    biases: list[Tensor],
    gate: bool,
    motor: int,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The CfC over a sequence, for tensors of float32 or float64 on one GPU: x (B, T, F), h (B, U),
    dt (B, T), is_first and mask (B, T) or None → y (B, T, motor), the first `motor` numbers of the
    state after each input, and h (B, U).

    `layers` (4, numbers) and `biases` (4, units) of each layer in the order of computation. `gate`:
    whether ff1 fades as ff2 comes in. Differentiable once, with respect to all tensors but is_first
    and mask.
    """
    is_first, mask = (None if part is None else part.bool() for part in (is_first, mask))
    return _Unroll.apply(
        x,
        h.to(x),
        dt.to(x),
        is_first,
        mask,
        places,
        gate,
        motor,
        torch.is_grad_enabled(),
        *layers,
        *biases,
    )


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h, dt, is_first, mask, places, gate, motor, differentiable, *parameters):
        x, h, dt, is_first, mask = contiguous(x, h, dt, is_first, mask)
        (batch, time, features), units = x.shape, h.shape[1]
        layers, biases = parameters[: len(parameters) // 2], parameters[len(parameters) // 2 :]
        weights = x.new_zeros(HEADS, units * (features + units))
        weights[:, places.weights] = torch.cat(layers, dim=1)[:, places.listed]
        weights = weights.view(HEADS * units, features + units)
        bias = x.new_empty(HEADS, units)
        bias[:, places.neurons] = torch.cat(biases, dim=1)
        pre = torch.addmm(bias.view(-1), x.view(-1, features), weights[:, :features].T)
        recurrent = weights.view(HEADS, units, -1)[:, :, features:].transpose(1, 2).contiguous()
        y, last = x.new_empty(batch, time, motor), torch.empty_like(h)
        kept = x.new_empty(batch * time, triton_cfc.KEPT.value if differentiable else 0, units)
        size = triton.next_power_of_2(units)
        if batch:
            with on_device(x):
                triton_cfc.advance[(batch,)](
                    pre,
                    h,
                    dt,
                    is_first,
                    mask,
                    recurrent,
                    places.layer,
                    y,
                    last,
                    kept,
                    time,
                    units,
                    motor,
                    size,
                    places.layers,
                    gate,
                    is_first is not None,
                    mask is not None,
                    differentiable,
                    num_warps=warps(HEADS * size * size, WEIGHTS // x.element_size()),
                )
        ctx.save_for_backward(x, dt, is_first, mask, weights, kept)
        ctx.rest = (
            places,
            gate,
            motor,
            [layer.shape[1] for layer in layers],
            [bias.shape[1] for bias in biases],
        )
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_last):
        x, dt, is_first, mask, weights, kept = ctx.saved_tensors
        places, gate, motor, sizes, units_of = ctx.rest
        (batch, time, features), units = x.shape, kept.shape[2]
        size = triton.next_power_of_2(units)
        d_pre, d_h, d_dt = (
            x.new_empty(batch * time, HEADS * units),
            x.new_empty(batch, units),
            torch.empty_like(dt),
        )
        if batch:
            with on_device(x):
                triton_cfc.advance_back[(batch,)](
                    kept,
                    dt,
                    is_first,
                    mask,
                    weights,
                    places.layer,
                    d_y.contiguous(),
                    d_last.contiguous(),
                    d_pre,
                    d_h,
                    d_dt,
                    time,
                    features,
                    units,
                    motor,
                    size,
                    places.layers,
                    gate,
                    is_first is not None,
                    mask is not None,
                    num_warps=warps(HEADS * size * size, WEIGHTS // x.element_size()),
                )
        sources = torch.cat([x.view(-1, features), kept[:, :2].flatten(1)], dim=1)  # (B T, F + 2 U)
        products = (d_pre.T @ sources).view(HEADS, -1)
        d_layers = x.new_zeros(HEADS, sum(sizes))
        d_layers[:, places.listed] = products[:, places.products]
        d_biases = d_pre.sum(0).view(HEADS, units)[:, places.neurons]
        d_x = (d_pre @ weights[:, :features]).view_as(x)
        return (
            d_x,
            d_h,
            d_dt,
            None,
            None,
            None,
            None,
            None,
            None,
            *d_layers.split(sizes, dim=1),
            *d_biases.split(units_of, dim=1),
        )
