"""The closed-form continuous-time cell, plain and on a wiring.

Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 2022. With
z made of input and state, and the learned time offset t_b of the authors' code, the variants are

    default        h ← tanh(ff1 z) (1 - s) + tanh(ff2 z) s,    s = σ(t_a(z) dt + t_b(z))        (Eq.
    4) no_gate        h ← tanh(ff1 z) + tanh(ff2 z) s pure           h ← A - A exp(-dt (|w_tau| +
    |ff1 z|)) ff1 z                                  (Cf-S) mixed_memory   an LSTM steps first, and
    its output is the state that the default rule carries through dt

(`mixed_no_gate` and `mixed_pure` join the LSTM with the other rules.) A mixed cell's state is h and
the LSTM's cell state side by side; the other cells' state is h.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.cfc_rule import (
    ACTIVATIONS,
    HEADS,
    VARIANTS,
    LstmMemory,
    advance,
    choose,
    head_count,
)
from liquid_control.policy.cells.sequence_checks import blank_masked, check_sequence, unroll_steps
from liquid_control.policy.kernels.choose import check_kernel, fused_unroll


class ClosedFormCell(Cell):
    """What both have in common."""

    def unroll(
        self,
        x: Tensor,
        h: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), dt (B, T) → y (B, T, M), h; is_first and mask (B, T) as in
        `LtcCell.unroll`."""
        x, dt, is_first = blank_masked(x, dt, is_first, mask)
        dt = check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        fused = fused_unroll(self, x, mask)
        if fused is not None:
            return fused(self, x, h, dt, is_first, mask)
        states, h = unroll_steps(self, x, h, dt, is_first, mask)
        return states[:, :, : self.outputs], h


class CfcCell(ClosedFormCell):
    """CfC of `units` fully connected neurons, all of them the output: it has no wiring to honour.

    `layers` layers of `backbone` units (0: none) with `activation` and, in training, `dropout`
    after each come before the heads. `variant` is one of `VARIANTS`, `kernel` says what `unroll`
    runs on, see `dispatch.KERNELS`. Raises ConfigError.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        backbone: int = 128,
        variant: str = "default",
        layers: int = 1,
        activation: str = "lecun_tanh",
        dropout: float = 0.0,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        for name, value, low in (
            ("inputs", inputs, 1),
            ("units", units, 1),
            ("backbone", backbone, 0),
            ("layers", layers, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"CfcCell.{name}", value, f"a whole number of at least {low}")
        if (
            isinstance(dropout, bool)
            or not isinstance(dropout, (int, float))
            or not 0 <= dropout < 1
        ):
            raise ConfigError("CfcCell.dropout", dropout, "a share of at least 0 and below 1")
        self.rule, mixed = choose("CfcCell.variant", variant, VARIANTS)
        choose("CfcCell.activation", activation, ACTIVATIONS)
        self.kernel = check_kernel("CfcCell", kernel)
        self.variant, self.activation, self.dropout, self.units = (
            variant,
            activation,
            dropout,
            units,
        )
        self.inputs, self.neurons, self.outputs = inputs, units * (2 if mixed else 1), units
        self.memory = LstmMemory(inputs, units) if mixed else None
        self.backbone = nn.Linear(inputs + units, backbone) if backbone else None
        self.deeper = nn.ModuleList(
            nn.Linear(backbone, backbone) for _ in range(layers - 1 if backbone else 0)
        )
        self.heads = nn.Linear(backbone or inputs + units, head_count(self.rule) * units)
        for layer in (self.backbone, *self.deeper, self.heads):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)
        self.rate, self.asymptote = _pure_parameters(self.rule, units)

    @classmethod
    def from_ncps(cls, module: nn.Module, kernel: str = "auto") -> CfcCell:
        """The same cell from an `ncps.torch.CfC` without wiring or a `CfCCell`, see `peer_weights`.
        Raises ConfigError."""
        from liquid_control.policy.from_ncps import cfc_from_ncps

        return cfc_from_ncps(cls, module, kernel)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks."""
        h, c = _remember(self.memory, x, h)
        z = torch.cat([x, h], dim=1)
        for layer in () if self.backbone is None else (self.backbone, *self.deeper):
            z = F.dropout(ACTIVATIONS[self.activation](layer(z)), self.dropout, self.training)
        h = advance(self.rule, self.heads(z), dt, self.rate, self.asymptote)
        return h, h if c is None else torch.cat([h, c], dim=1)


class WiredCfcCell(ClosedFormCell):
    """CfC layers masked by a wiring: one each for inter, command and motor neurons of an NCP, or
    one of a free wiring.

    Honoured of the wiring: synapses from the inputs, between layers, and between the neurons of a
    free wiring exist and no others do. Not honoured: polarity (weights start with any sign), and an
    NCP's recurrent command synapses: as in the authors' code every layer of an NCP listens to all
    of its own neurons. `dense_time` leaves the two time heads unmasked, as ncps does (for weights
    that come from there): then timing depends on every input whatever the wiring says.

    The state is numbered as the wiring's neurons are (NCP: motor, command, inter), and the motor
    neurons are the output. The LSTM of a mixed variant is fully connected. Raises ConfigError.
    """

    def __init__(
        self,
        wiring: NcpWiring | FreeWiring,
        variant: str = "default",
        dense_time: bool = False,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.rule, mixed = choose("WiredCfcCell.variant", variant, VARIANTS)
        self.kernel = check_kernel("WiredCfcCell", kernel)
        self.wiring, self.variant, self.dense_time, self.units = (
            wiring,
            variant,
            dense_time,
            wiring.neurons,
        )
        self.inputs, self.neurons, self.outputs = (
            wiring.inputs,
            wiring.neurons * (2 if mixed else 1),
            wiring.motor,
        )
        self.memory = LstmMemory(wiring.inputs, wiring.neurons) if mixed else None
        self.layers = []
        for name, neurons, existing in _layers(wiring):
            self.add_module(name, MaskedHeads(existing, self.rule, dense_time))
            self.layers.append((name, neurons.start, neurons.stop))

    @classmethod
    def from_ncps(cls, module: nn.Module, kernel: str = "auto") -> WiredCfcCell:
        """The same cell from an `ncps.torch.CfC` with a wiring or a `WiredCfCCell`, see
        `peer_weights`. Raises ConfigError."""
        from liquid_control.policy.from_ncps import wired_cfc_from_ncps

        return wired_cfc_from_ncps(cls, module, kernel)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        h, c = _remember(self.memory, x, h)
        after = []
        for name, first, last in self.layers:
            layer = getattr(self, name)
            x = advance(self.rule, layer(x, h[:, first:last]), dt, layer.rate, layer.asymptote)
            after.append(x)
        h = torch.cat(
            after[::-1], dim=1
        )  # computed from inter to motor, numbered from motor to inter
        return h[:, : self.outputs], h if c is None else torch.cat([h, c], dim=1)


class MaskedHeads(nn.Module):
    """The heads of one layer, masked: `existing` (units, sources + units) are the connections from
    the layer before and from its own."""

    def __init__(self, existing: np.ndarray, rule: str, dense_time: bool) -> None:
        super().__init__()
        units, sources = existing.shape
        heads = (
            [existing, existing, np.ones_like(existing), np.ones_like(existing)]
            if dense_time
            else [existing] * HEADS
        )
        mask = np.concatenate(heads[: head_count(rule)])
        self.register_buffer(
            "mask", torch.tensor(mask, dtype=torch.get_default_dtype()), persistent=False
        )
        self.weight = nn.Parameter(torch.empty(head_count(rule), units, sources))
        self.bias = nn.Parameter(torch.zeros(head_count(rule) * units))
        for head in self.weight:
            nn.init.xavier_uniform_(head)
        self.rate, self.asymptote = _pure_parameters(rule, units)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return F.linear(torch.cat([x, h], dim=1), self.weight.flatten(0, 1) * self.mask, self.bias)


def _layers(wiring: NcpWiring | FreeWiring) -> list[tuple[str, range, np.ndarray]]:
    """Name, neurons and existing connections (units, sources + units) of each layer, in the order
    of computation."""
    sensory, between = (
        np.zeros((wiring.neurons, wiring.inputs)),
        np.zeros((wiring.neurons, wiring.neurons)),
    )
    for matrix, synapses in ((sensory, wiring.sensory), (between, wiring.synapses)):
        for source, target, _ in synapses:
            matrix[target, source] = 1.0
    if isinstance(wiring, FreeWiring):
        return [("circuit", range(wiring.neurons), np.concatenate([sensory, between], axis=1))]
    layers, before = [], sensory
    for name, neurons in (
        ("inter", wiring.inter_neurons),
        ("command", wiring.command_neurons),
        ("motor", wiring.motor_neurons),
    ):
        layers.append(
            (
                name,
                neurons,
                np.concatenate([before[neurons], np.ones((len(neurons), len(neurons)))], axis=1),
            )
        )
        before = between[:, neurons]
    return layers


def _pure_parameters(rule: str, units: int) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    """w_tau and A of the pure rule."""
    return (
        (nn.Parameter(torch.zeros(units)), nn.Parameter(torch.ones(units)))
        if rule == "pure"
        else (None, None)
    )


def _remember(memory: LstmMemory | None, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor | None]:
    return (h, None) if memory is None else memory(x, *h.chunk(2, dim=1))
