"""A wired CfC's weights in the order that all fused kernels read."""

from __future__ import annotations

from torch import Tensor

from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.wired_cfc import WiredCfcCell

GATED = {"default": True, "no_gate": False}
"""variant: whether ff1 is weighted by 1 - s, for the variants that the kernels implement."""


def layer_weights(cell: WiredCfcCell) -> tuple[list[Tensor], list[Tensor]]:
    """Weights (4, numbers) and biases (4, units) of each layer in the order of computation; 0 where
    `dense_time` keeps ff1 and ff2 out."""
    layers = [getattr(cell, name) for name, *_ in cell.layers]
    weights = [layer.weight.reshape(HEADS, -1) for layer in layers]
    if cell.dense_time:
        weights = [
            weight * layer.mask.view(HEADS, -1)
            for weight, layer in zip(weights, layers, strict=True)
        ]
    return weights, [layer.bias.view(HEADS, -1) for layer in layers]
