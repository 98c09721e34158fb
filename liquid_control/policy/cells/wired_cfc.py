"""The closed-form continuous-time cell on a wiring; `cfc_rule` has the equations."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.model.cores import CfcConfig
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells import connections
from liquid_control.policy.cells.cell import Cell, check_kernel
from liquid_control.policy.cells.cfc_rule import (
    HEADS,
    VARIANTS,
    LstmStep,
    advance,
    closed_form_state,
    find_option,
    gate_times,
    head_count,
    pure_parameters,
    unroll_steps,
)
from liquid_control.policy.cells.sequence_checks import State


def build(config: CfcConfig, inputs: int, wiring: NcpWiring) -> WiredCfcCell:
    """The core of a policy."""
    return WiredCfcCell(wiring)


class WiredCfcCell(Cell):
    """CfC layers masked by a wiring: one each for inter, command and motor neurons of an NCP, or
    one of a free wiring.

    Honoured of the wiring: synapses from the inputs, between layers, and between the neurons of a
    free wiring exist and no others do. Not honoured: polarity (weights start with any sign), and an
    NCP's recurrent command synapses: as in the authors' code every layer of an NCP is fully
    connected to itself. `dense_time` leaves the two time heads unmasked, as ncps does (for weights
    from ncps): then timing depends on every input, whatever the wiring states.

    The state is numbered as the wiring's neurons are (NCP: motor, command, inter), and the motor
    neurons are the output. The LSTM of a mixed variant is fully connected. `kernel`: see
    `cell.KERNELS`. Raises ConfigError.
    """

    def __init__(
        self,
        wiring: NcpWiring | FreeWiring,
        variant: str = "default",
        dense_time: bool = False,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.rule, mixed = find_option("WiredCfcCell.variant", variant, VARIANTS)
        self.kernel = check_kernel("WiredCfcCell", kernel)
        self.wiring, self.variant, self.dense_time = wiring, variant, dense_time
        self.inputs, self.units, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        self.state = closed_form_state(wiring.neurons, mixed)
        self.memory = LstmStep(wiring.inputs, wiring.neurons) if mixed else None
        self.layers = []  # (name, first neuron, end) in the order of computation
        for name, neurons, sources in wiring.layers():
            self.add_module(name, MaskedHeads(sources, self.rule, dense_time))
            self.layers.append((name, neurons.start, neurons.stop))
        sources = (layer for _, _, layer in wiring.layers())
        self.connections = connections.digest("cfc", f"dense_time={dense_time}", *sources)

    get_extra_state = connections.get_extra_state
    set_extra_state = connections.set_extra_state
    _load_from_state_dict = connections.load_from_state_dict

    forward_sequence = unroll_steps

    def forward(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        h, c = (h, None) if self.memory is None else self.memory(x, *h)
        after = []
        for name, first, end in self.layers:
            layer = getattr(self, name)
            x = advance(self.rule, layer(x, h[:, first:end]), dt, layer.rate, layer.asymptote)
            after.append(x)
        h = torch.cat(after[::-1], dim=1)  # computed inter to motor, numbered motor to inter
        return h[:, : self.outputs], h if c is None else (h, c)

    def time_constants_of_step(
        self, x: Tensor, before: State, dt: Tensor, after: State
    ) -> Tensor | None:
        """1 / |t_a| of each neuron's time gate (B, U); None for the pure rule, which has none."""
        if self.rule == "pure":
            return None
        h = before if self.memory is None else self.memory(x, *before)[0]
        _, after = self(x, before, dt)
        after = after if self.memory is None else after[0]
        slopes = []
        for name, first, end in self.layers:
            slopes.append(getattr(self, name)(x, h[:, first:end]).chunk(HEADS, dim=1)[2])
            x = after[:, first:end]  # the next layer listens to the new state of this one
        return gate_times(torch.cat(slopes[::-1], dim=1))


class MaskedHeads(nn.Module):
    """The heads of one layer. sources (units, sources + units) bool: the connections that exist,
    from the layer before and from its own."""

    def __init__(self, sources: np.ndarray, rule: str, dense_time: bool) -> None:
        super().__init__()
        units, count = sources.shape
        time = np.ones_like(sources) if dense_time else sources
        mask = np.concatenate(([sources] * 2 + [time] * (HEADS - 2))[: head_count(rule)])
        self.register_buffer(
            "mask", torch.tensor(mask, dtype=torch.get_default_dtype()), persistent=False
        )
        self.weight = nn.Parameter(torch.empty(head_count(rule), units, count))
        self.bias = nn.Parameter(torch.zeros(head_count(rule) * units))
        for head in self.weight:
            nn.init.xavier_uniform_(head)
        self.rate, self.asymptote = pure_parameters(rule, units)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (B, sources), h (B, units) → heads (B, 4 units), of the pure rule (B, units)."""
        return F.linear(torch.cat([x, h], dim=1), self.weight.flatten(0, 1) * self.mask, self.bias)
