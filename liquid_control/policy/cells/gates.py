"""Gated layers (LSTM, GRU): how their weights start, and how a gate blends."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def blend(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """start + share (end - start). Under autocast the three may have different types."""
    if not start.dtype == end.dtype == share.dtype:
        kind = torch.promote_types(torch.promote_types(start.dtype, end.dtype), share.dtype)
        start, end, share = start.to(kind), end.to(kind), share.to(kind)
    return torch.lerp(start, end, share)


def initialise_gates(layer: nn.RNNBase, gates: int) -> None:
    """Each gate by itself: Glorot uniform for the inputs, orthogonal for the state; biases 0."""
    for name, parameter in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(parameter)
            continue
        for gate in parameter.data.chunk(gates):
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(gate)
            else:
                nn.init.orthogonal_(gate)
