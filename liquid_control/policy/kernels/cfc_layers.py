"""A CfC's circuit, and its weights in the order that all fused kernels read."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.cpu.cfc_packing import Circuit, dense_circuit, wired_circuit

GATED = {"default": True, "no_gate": False}
"""variant: whether ff1 is weighted by 1 - s, for the variants that the kernels implement."""


def circuit_of(cell: WiredCfcCell | CfcCell) -> tuple[Circuit, np.ndarray]:
    """The circuit of a cell, and where its connections stand, see
    `cfc_packing.connect`."""
    if isinstance(cell, WiredCfcCell):
        return wired_circuit(cell.wiring, cell.dense_time)
    return dense_circuit(cell.inputs, cell.units)


def layer_weights(cell: WiredCfcCell | CfcCell) -> tuple[list[Tensor], list[Tensor]]:
    """Weights (4, numbers) and biases (4, units) of each layer in the order of computation; 0 where
    `dense_time` keeps ff1 and ff2 out. A `CfcCell` (without backbone) is one layer."""
    if isinstance(cell, CfcCell):
        return [cell.heads.weight.view(HEADS, -1)], [cell.heads.bias.view(HEADS, -1)]
    layers = [getattr(cell, name) for name, *_ in cell.layers]
    weights = [layer.weight.reshape(HEADS, -1) for layer in layers]
    if cell.dense_time:
        weights = [
            weight * layer.mask.view(HEADS, -1)
            for weight, layer in zip(weights, layers, strict=True)
        ]
    return weights, [layer.bias.view(HEADS, -1) for layer in layers]
