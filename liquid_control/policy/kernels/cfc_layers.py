"""A wired CfC's weights as all fused kernels take them."""

from __future__ import annotations

from torch import Tensor

from liquid_control.policy.cells.cfc import WiredCfcCell
from liquid_control.policy.cells.cfc_rule import HEADS

GATED = {"default": True, "no_gate": False}
"""Whether ff1 fades as ff2 comes in, for the variants that the kernels know."""


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
