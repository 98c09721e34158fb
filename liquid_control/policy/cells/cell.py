"""What every recurrent cell is to whoever uses one."""

from __future__ import annotations

from torch import Tensor, nn

from liquid_control.policy.cells.sequence_checks import check_step


class Cell(nn.Module):
    """A state that one input after another moves on through time. `neurons` is the state's size U,
    of cells with a second memory 2U.

    Whoever derives sets `inputs`, `neurons` and `outputs`, has `forward`, which is `step` without
    its checks and the graph that is exported, and `unroll` for sequences, see `LtcCell.unroll`.
    """

    inputs: int
    neurons: int
    outputs: int

    def initial_state(self, batch: int) -> Tensor:
        """State (B, neurons) at rest, at the start of a sequence."""
        return next(self.parameters()).new_zeros(batch, self.neurons)

    def step(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """One input: x (B, inputs), h (B, neurons), dt (B,) → y (B, outputs), h. Raises ShapeError,
        NotFiniteError, TimeError."""
        return self.forward(x, h, check_step(x, h, dt, self.inputs, self.neurons))
