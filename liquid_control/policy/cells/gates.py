"""How the weights of gated layers (LSTM, GRU) start."""

from __future__ import annotations

from torch import nn


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
