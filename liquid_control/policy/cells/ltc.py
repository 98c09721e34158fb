"""The liquid time-constant cell on a wiring.

Hasani et al., "Liquid time-constant networks", AAAI 2021: every synapse is a conductance that
depends on the voltage of its source, so a neuron's time constant changes with its input. With v the
neurons' voltages,

    cm dv/dt = gleak (vleak - v) + Σ w σ(sigma (v_source - mu)) (erev - v),

solved by `unfolds` semi-implicit steps per input, each of Δ = dt / unfolds:

    v ← (cm/Δ v + gleak vleak + Σ w σ(.) erev) / (cm/Δ + gleak + Σ w σ(.))

A denominator of positive terms only cannot vanish; v stays within the range of vleak, erev and its
start.

Honoured of the wiring: every synapse, sensory and recurrent, has one conductance, and no other
synapse exists; polarity is where its reversal potential erev starts, and training may move it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.cores import LtcConfig
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.state import StateArray
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells import connections
from liquid_control.policy.cells.cell import Cell, check_kernel, check_sizes
from liquid_control.policy.cells.ltc_solver import solve_sequence
from liquid_control.policy.cells.second_order import differentiable_again
from liquid_control.policy.cells.sequence_checks import check_step, reset_mask
from liquid_control.policy.cells.synapses import (
    POSITIVITIES,
    Lists,
    Matrices,
    Synapses,
    positive,
    uniform,
)


def build(config: LtcConfig, inputs: int, wiring: NcpWiring) -> LtcCell:
    """The core of a policy. Features and states lie in -1..1: half-activation points within that
    range and gentle slopes give every synapse a gradient from the start."""
    return LtcCell(
        wiring, config.unfolds, sensory_mu=(-0.5, 0.5), recurrent_mu=(-0.25, 0.25), sigma=(0.9, 2.4)
    )


class LtcCell(Cell):
    """LTC neurons joined by `wiring`; the motor neurons' voltages are the output.

    Only synapses that exist have parameters: 3 per neuron and 4 per synapse. w, cm and gleak are
    stored before a softplus, so that every optimiser step keeps them positive. Initial ranges are
    those of the authors' code unless given: `sensory_mu` and `recurrent_mu` of the half-activation
    points, `sigma` of their slopes (choose them to match the spread of inputs and states: a synapse
    that starts flat learns slowly). `affine` adds the authors' learned scale and shift of every
    input and output (2 F + 2 M parameters), which start as the identity. `positivity`: see
    `synapses.POSITIVITIES`. `kernel`: see `cell.KERNELS`. Raises ConfigError.
    """

    def __init__(
        self,
        wiring: NcpWiring | FreeWiring,
        unfolds: int = 6,
        kernel: str = "auto",
        sensory_mu: tuple[float, float] = (0.3, 0.8),
        affine: bool = False,
        recurrent_mu: tuple[float, float] = (0.3, 0.8),
        sigma: tuple[float, float] = (3.0, 8.0),
        positivity: str = "softplus",
    ) -> None:
        super().__init__()
        if positivity not in POSITIVITIES:
            expected = "one of " + ", ".join(POSITIVITIES)
            raise ConfigError("LtcCell.positivity", positivity, expected)
        self.kernel = check_kernel("LtcCell", kernel)
        check_sizes("LtcCell", unfolds=unfolds)
        self.wiring, self.unfolds, self.affine = wiring, unfolds, affine
        self.positivity = positivity
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        self.state = (StateArray("state", (wiring.neurons,)),)
        self.raw_cm = uniform(self.neurons, 0.4, 0.6, positivity)
        self.raw_gleak = uniform(self.neurons, 0.001, 1.0, positivity)
        self.vleak = uniform(self.neurons, -0.2, 0.2)
        ranges = (sensory_mu, sigma, positivity), (recurrent_mu, sigma, positivity)
        self.sensory = Synapses(wiring.sensory, self.inputs, self.neurons, *ranges[0])
        self.recurrent = Synapses(wiring.synapses, self.neurons, self.neurons, *ranges[1])
        if affine:
            self.input_scale, self.input_shift = (
                nn.Parameter(torch.ones(self.inputs)),
                nn.Parameter(torch.zeros(self.inputs)),
            )
            self.output_scale, self.output_shift = (
                nn.Parameter(torch.ones(self.outputs)),
                nn.Parameter(torch.zeros(self.outputs)),
            )
        tables = (np.array(table, np.int64) for table in (wiring.sensory, wiring.synapses))
        pairs = (table.reshape(-1, 3)[:, :2] for table in tables)
        self.connections = connections.digest(f"ltc {positivity}", *pairs)

    get_extra_state = connections.get_extra_state
    set_extra_state = connections.set_extra_state
    _load_from_state_dict = connections.load_from_state_dict

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        capacitance, constant = self._drive(self._map_inputs(x), dt)
        synapses = self.recurrent()
        for _ in range(self.unfolds):
            numerator, denominator = self._sums(synapses, h, constant).chunk(2, dim=1)
            h = (capacitance * h + numerator) / denominator
        return self.read(h), h

    def forward_sequence(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`unroll` without its checks: x (B, T, F), h (B, U), dt (B, T) → y (B, T, M), h (B, U),
        with the backward pass written out; circuits of many synapses step by step."""
        if self.recurrent.many or self.sensory.many:
            return super().forward_sequence(x, h, dt, is_first, mask)

        def solve() -> tuple[Tensor, Tensor]:
            drive, keep = self._drive(self._map_inputs(x), dt), reset_mask(is_first, x)
            states = solve_sequence(h, *drive, keep, mask, self.recurrent(), self.unfolds)
            return self.map_outputs(states[:, :, : self.outputs]), states[:, -1]

        return differentiable_again(solve, Cell.forward_sequence, self, x, h, dt, is_first, mask)

    def read(self, h: Tensor) -> Tensor:
        """The outputs (B, M) that stand in voltages (B, U)."""
        return self.map_outputs(h[:, : self.outputs])

    def map_outputs(self, y: Tensor) -> Tensor:
        """Voltages of the motor neurons (..., M) to outputs (..., M): the affine map, if any."""
        return y * self.output_scale + self.output_shift if self.affine else y

    def time_constants(self, x: Tensor, h: Tensor) -> Tensor:
        """tau_sys (B, U) = cm / (gleak + Σ w σ(.)) of each neuron at x (B, F), h (B, U), in the
        unit of dt."""
        check_step(x, h, torch.ones_like(h[:, 0]), self.inputs, self.state)
        recurrent = self.recurrent().currents(h)[:, self.neurons :]
        sensory = self.sensory().currents(self._map_inputs(x))[:, self.neurons :]
        return self._positive(self.raw_cm) / (self._positive(self.raw_gleak) + sensory + recurrent)

    def time_constants_of_step(
        self, x: Tensor, before: Tensor, dt: Tensor, after: Tensor
    ) -> Tensor:
        """`time_constants` after the step."""
        return self.time_constants(x, after)

    def _map_inputs(self, x: Tensor) -> Tensor:
        return x * self.input_scale + self.input_shift if self.affine else x

    def _positive(self, raw: Tensor) -> Tensor:
        return positive(raw, self.positivity)

    def _drive(self, x: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of a step that do not depend on the state, for any leading dimensions: cm/Δ
        (..., U), and numerator and denominator without recurrent synapses (..., 2U)."""
        capacitance = self._positive(self.raw_cm) * (self.unfolds / dt).unsqueeze(-1)
        gleak = self._positive(self.raw_gleak)
        currents = self.sensory().currents(x)
        leak = torch.cat([gleak * self.vleak, gleak])
        return capacitance, currents + leak + F.pad(capacitance, (self.neurons, 0))

    def _sums(self, synapses: Matrices | Lists, h: Tensor, constant: Tensor) -> Tensor:
        """Numerator and denominator (B, 2U) of a substep without cm/Δ v."""
        if isinstance(synapses, Matrices):
            return torch.addmm(constant, synapses.activation(h), synapses.conductance)
        return constant + synapses.currents(h)
