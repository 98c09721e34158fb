"""From a policy's config to the memory behind its encoder: a wired circuit, or an unwired cell
whose units one line reads out."""

from __future__ import annotations

from torch import Tensor, nn

from liquid_control.config import PolicyConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.feedforward import FeedForwardCell
from liquid_control.policy.cells.gru import GruCell
from liquid_control.policy.cells.lstm import LstmCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.cells.wired_cfc import MaskedHeads, WiredCfcCell
from liquid_control.policy.kernels import choose


class Readout(Cell):
    """A cell whose outputs one linear layer turns into one motor output (B, 1). The state is the
    cell's."""

    def __init__(self, recurrent: Cell) -> None:
        super().__init__()
        self.recurrent, self.readout = recurrent, nn.Linear(recurrent.outputs, 1)
        self.inputs, self.outputs, self.state = recurrent.inputs, 1, recurrent.state

    def forward(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        y, h = self.recurrent(x, h, dt)
        return self.readout(y), h

    def read(self, h: State) -> Tensor:
        return self.readout(self.recurrent.read(h))

    def forward_sequence(
        self, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, State]:
        """`unroll` without its checks, by the fastest implementation."""
        y, h = choose.forward_sequence(self.recurrent, x, h, dt, is_first, mask)
        return self.readout(y), h


def build_memory(config: PolicyConfig, inputs: int, wiring: NcpWiring | None) -> nn.Module:
    """The cell that `config.memory` names, with one output. `wiring` is for the wired ones and None
    for the others."""
    units, name = config.units, config.memory
    if name == "ltc":
        # Features and states lie in -1..1: half-activation points in their midst and gentle slopes
        # keep every synapse alive from the start.
        return LtcCell(
            wiring,
            config.unfolds,
            sensory_mu=(-0.5, 0.5),
            recurrent_mu=(-0.25, 0.25),
            sigma=(0.9, 2.4),
        )
    if name == "cfc":
        return WiredCfcCell(wiring)
    if name in ("cfc_full", "cfc_mixed"):
        return Readout(
            CfcCell(
                inputs, units, config.backbone, "default" if name == "cfc_full" else "mixed_memory"
            )
        )
    if name == "ct_rnn":
        # Explicit Euler steps would be unstable after a silence of 6 * unfolds units of time or
        # more.
        return Readout(CtRnnCell(inputs, units, config.unfolds, exponential=True))
    if name in ("feedforward", "feedforward_stack"):
        return Readout(
            FeedForwardCell(inputs, units, config.stack if name == "feedforward_stack" else 1)
        )
    if name == "lstm":
        return Readout(LstmCell(inputs, units, timed=False, one_bias=True))
    return Readout(GruCell(inputs, units, timed=name == "gru_timed", one_bias=True))


def count_parameters(memory: nn.Module) -> int:
    """Numbers of a memory that training sets and steering depends on: not those that are frozen or
    that a wiring masks."""
    trained = sum(parameter.numel() for parameter in memory.parameters() if parameter.requires_grad)
    masked = sum(
        int((part.mask == 0).sum()) for part in memory.modules() if isinstance(part, MaskedHeads)
    )
    return trained - masked
