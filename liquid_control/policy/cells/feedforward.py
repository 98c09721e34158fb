"""Steering without recurrence: a layer on the features of one frame, or of the last few frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.model.cores import FeedForwardConfig, FeedForwardStackConfig
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell, check_sizes
from liquid_control.policy.cells.sequence_checks import State


def build(
    config: FeedForwardConfig | FeedForwardStackConfig, inputs: int, wiring: None
) -> FeedForwardCell:
    """The core of a policy."""
    return FeedForwardCell(inputs, config.units, config.stack)


class FeedForwardCell(Cell):
    """`units` tanh units on the inputs of the last `stack` frames; dt is checked and not used.

    The state is the units' last activity, for display only, and the inputs of the last `stack` - 1
    frames, oldest first (stack - 1, F). Frames before the start are zero. Raises ConfigError.
    """

    def __init__(self, inputs: int, units: int, stack: int = 1) -> None:
        super().__init__()
        check_sizes("FeedForwardCell", inputs=inputs, units=units, stack=stack)
        self.inputs, self.outputs, self.stack = inputs, units, stack
        self.state = (StateArray("state", (units,)),)
        if stack > 1:
            past = StateArray("past", (stack - 1, inputs))
            self.state = StateArray("activity", (units,)), past
        self.layer = nn.Linear(stack * inputs, units)
        nn.init.xavier_uniform_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        if self.stack == 1:
            y = torch.tanh(self.layer(x))
            return y, y
        frames = torch.cat([h[1], x.unsqueeze(1)], dim=1)  # (B, stack, F), oldest frame first
        y = torch.tanh(self.layer(frames.flatten(1)))
        return y, (y, frames[:, 1:])

    def forward_sequence(
        self, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """`unroll` without its checks, all frames at once."""
        if mask is not None:
            return super().forward_sequence(x, h, dt, is_first, mask)
        before = self.stack - 1
        past = h[1] if before else x[:, :0]
        frames = torch.cat([past, x], dim=1).unfold(1, self.stack, 1)
        frames = frames.transpose(2, 3)  # (B, T, stack, F), oldest frame first
        if is_first is not None:
            run = F.pad(is_first.long().cumsum(1), (before, 0))  # (B, before + T) sequence number
            same = run.unfold(1, self.stack, 1) == run[:, before:, None]  # (B, T, stack)
            frames = frames * same.unsqueeze(-1).to(frames.dtype)
        y = torch.tanh(self.layer(frames.flatten(2)))
        return y, (y[:, -1], frames[:, -1, 1:]) if before else y[:, -1]
