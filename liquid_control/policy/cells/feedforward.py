"""Steering without recurrence: a layer that sees one frame's features, or those of the last few
frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.sequence_checks import check_sequence


class FeedForwardCell(Cell):
    """`units` tanh units on the inputs of the last `stack` frames, blind to dt, behind the
    recurrent cells' face.

    The state is the units' last activity, which nothing reads again and which is kept so that it
    can be watched, and the inputs of the last `stack` - 1 frames, oldest first: (B, units + (stack
    - 1) F). Frames before the start are zero.
    """

    def __init__(self, inputs: int, units: int, stack: int = 1) -> None:
        super().__init__()
        for name, value in (("inputs", inputs), ("units", units), ("stack", stack)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"FeedForwardCell.{name}", value, "a whole number of at least 1")
        self.inputs, self.outputs, self.stack, self.neurons = (
            inputs,
            units,
            stack,
            units + (stack - 1) * inputs,
        )
        self.layer = nn.Linear(stack * inputs, units)
        nn.init.xavier_uniform_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        if self.stack == 1:
            y = torch.tanh(self.layer(x))
            return y, y
        seen = torch.cat([h[:, self.outputs :], x], dim=1)  # (B, stack * F), oldest frame first
        y = torch.tanh(self.layer(seen))
        return y, torch.cat([y, seen[:, self.inputs :]], dim=1)

    def unroll(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h as `initial_state`, dt (B, T) → y (B, T, units), h; frames
        before one that is_first (B, T) bool marks are forgotten. Raises ShapeError, NotFiniteError,
        TimeError."""
        check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        before = self.stack - 1
        past = h[:, self.outputs :].unflatten(1, (before, self.inputs)) if before else x[:, :0]
        frames = torch.cat([past, x], dim=1)
        seen = frames.unfold(1, self.stack, 1).transpose(
            2, 3
        )  # (B, T, stack, F), oldest frame first
        if is_first is not None:
            run = F.pad(
                is_first.long().cumsum(1), (before, 0)
            )  # (B, before + T): which sequence a frame belongs to
            same = run.unfold(1, self.stack, 1) == run[:, before:, None]  # (B, T, stack)
            seen = seen * same.unsqueeze(-1).to(seen.dtype)
        y = torch.tanh(self.layer(seen.flatten(2)))
        return y, torch.cat([y[:, -1], seen[:, -1, 1:].flatten(1)], dim=1)
