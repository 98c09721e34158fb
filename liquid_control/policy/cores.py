"""From a core's settings to the cell behind a policy's encoder: a circuit whose motor neurons are
the outputs, or a cell whose outputs one linear layer reads out."""

from __future__ import annotations

import importlib

from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.cores import CoreConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.kernels import choose


class Readout(Cell):
    """A cell whose outputs (B, U) one linear layer turns into the core's outputs (B, M). The state
    is the cell's."""

    def __init__(self, recurrent: Cell, outputs: int) -> None:
        super().__init__()
        self.recurrent, self.readout = recurrent, nn.Linear(recurrent.outputs, outputs)
        self.inputs, self.outputs, self.state = recurrent.inputs, outputs, recurrent.state

    def forward(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        y, h = self.recurrent(x, h, dt)
        return self.readout(y), h

    def forward_sequence(
        self, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """`unroll` without its checks, by the fastest implementation."""
        y, h = choose.forward_sequence(self.recurrent, x, h, dt, is_first, mask)
        return self.readout(y), h

    def time_constants_of_step(
        self, x: Tensor, before: State, dt: Tensor, after: State
    ) -> Tensor | None:
        """Those of the cell."""
        return self.recurrent.time_constants_of_step(x, before, dt, after)

    def read(self, h: State) -> Tensor:
        """The outputs (B, M) that stand in a state."""
        return self.readout(self.recurrent.read(h))


def build_core(
    config: CoreConfig, inputs: int, outputs: int, wiring: NcpWiring | None = None
) -> Cell:
    """The cell of a core, with these numbers of inputs and outputs. `wiring`: for a core that has
    one. Raises ConfigError."""
    module, function = config.cell.split(":")
    cell = getattr(importlib.import_module(module), function)(config, inputs, wiring)
    if cell.state != config.state(inputs, outputs):
        raise ConfigError(f"{config.cell} state", cell.state, config.state(inputs, outputs))
    return cell if config.wired else Readout(cell, outputs)


def count_parameters(core: nn.Module) -> int:
    """Numbers of a core that training sets and that have an effect: not those that are frozen, or
    masked by a module's buffer `mask` (0 where a weight has no effect)."""
    trained = sum(parameter.numel() for parameter in core.parameters() if parameter.requires_grad)
    masks = (mask for name, mask in core.named_buffers() if name.rpartition(".")[2] == "mask")
    return trained - sum(int((mask == 0).sum()) for mask in masks)
