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

from liquid_control.model.cores import LtcConfig
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.state import StateArray
from liquid_control.model.wiring import NcpWiring
from liquid_control.model.wiring_draw import Synapse
from liquid_control.policy.cells.cell import Cell, check_kernel, check_sizes
from liquid_control.policy.cells.ltc_solver import solve_sequence
from liquid_control.policy.cells.sequence_checks import check_step, reset_mask


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
    input and output (2 F + 2 M parameters), which start as the identity. `kernel`: see
    `cell.KERNELS`. Raises ConfigError.
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
    ) -> None:
        super().__init__()
        self.kernel = check_kernel("LtcCell", kernel)
        check_sizes("LtcCell", unfolds=unfolds)
        self.wiring, self.unfolds, self.affine = wiring, unfolds, affine
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        self.state = (StateArray("state", (wiring.neurons,)),)
        self.raw_cm = _uniform(self.neurons, 0.4, 0.6, positive=True)
        self.raw_gleak = _uniform(self.neurons, 0.001, 1.0, positive=True)
        self.vleak = _uniform(self.neurons, -0.2, 0.2)
        self.sensory = Synapses(wiring.sensory, self.inputs, self.neurons, sensory_mu, sigma)
        self.recurrent = Synapses(wiring.synapses, self.neurons, self.neurons, recurrent_mu, sigma)
        if affine:
            self.input_scale, self.input_shift = (
                nn.Parameter(torch.ones(self.inputs)),
                nn.Parameter(torch.zeros(self.inputs)),
            )
            self.output_scale, self.output_shift = (
                nn.Parameter(torch.ones(self.outputs)),
                nn.Parameter(torch.zeros(self.outputs)),
            )

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        capacitance, constant = self._drive(self._map_inputs(x), dt)
        slope, offset, conductance = self.recurrent.matrices()
        for _ in range(self.unfolds):
            activation = torch.sigmoid(torch.addmm(offset, h, slope))
            numerator, denominator = torch.addmm(constant, activation, conductance).chunk(2, dim=1)
            h = (capacitance * h + numerator) / denominator
        return self.read(h), h

    def forward_sequence(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`unroll` without its checks: x (B, T, F), h (B, U), dt (B, T) → y (B, T, M), h (B, U),
        with the backward pass written out."""
        states = solve_sequence(
            h,
            *self._drive(self._map_inputs(x), dt),
            reset_mask(is_first, x),
            mask,
            self.recurrent.matrices(),
            self.unfolds,
        )
        return self.map_outputs(states[:, :, : self.outputs]), states[:, -1]

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
        slope, offset, conductance = self.recurrent.matrices()
        recurrent = torch.sigmoid(torch.addmm(offset, h, slope)) @ conductance[:, self.neurons :]
        slope, offset, conductance = self.sensory.matrices()
        sensory = (
            torch.sigmoid(torch.addmm(offset, self._map_inputs(x), slope))
            @ conductance[:, self.neurons :]
        )
        return F.softplus(self.raw_cm) / (F.softplus(self.raw_gleak) + sensory + recurrent)

    def time_constants_of_step(
        self, x: Tensor, before: Tensor, dt: Tensor, after: Tensor
    ) -> Tensor:
        """`time_constants` after the step."""
        return self.time_constants(x, after)

    def _map_inputs(self, x: Tensor) -> Tensor:
        return x * self.input_scale + self.input_shift if self.affine else x

    def _drive(self, x: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of a step that do not depend on the state, for any leading dimensions: cm/Δ
        (..., U), and numerator and denominator without recurrent synapses (..., 2U)."""
        capacitance = F.softplus(self.raw_cm) * (self.unfolds / dt).unsqueeze(-1)
        gleak = F.softplus(self.raw_gleak)
        slope, offset, conductance = self.sensory.matrices()
        currents = torch.sigmoid(F.linear(x, slope.T, offset)) @ conductance
        leak = torch.cat([gleak * self.vleak, gleak])
        return capacitance, currents + leak + F.pad(capacitance, (self.neurons, 0))


class Synapses(nn.Module):
    """Parameters of a list of synapses from `sources` to `targets` neurons, one number per synapse
    each."""

    def __init__(
        self,
        synapses: tuple[Synapse, ...],
        sources: int,
        targets: int,
        mu: tuple[float, float],
        sigma: tuple[float, float],
    ) -> None:
        super().__init__()
        table = np.array(synapses, dtype=np.int64).reshape(-1, 3)
        self.raw_w = _uniform(len(table), 0.001, 1.0, positive=True)
        self.sigma = _uniform(len(table), *sigma)
        self.mu = _uniform(len(table), *mu)
        self.erev = nn.Parameter(torch.tensor(table[:, 2], dtype=torch.get_default_dtype()))
        one_hot = torch.eye(sources)[:, table[:, 0]], torch.eye(targets)[table[:, 1]]
        self.register_buffer("source", one_hot[0], persistent=False)  # (sources, S)
        self.register_buffer("target", one_hot[1], persistent=False)  # (S, targets)

    def matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """slope (sources, S) and offset (S,) with σ(v slope + offset) = σ(sigma (v_source - mu)),
        and conductance (S, 2 targets), which sums w σ(.) erev and w σ(.) over each target's
        synapses. Two small matrix products are faster than gathering and scattering."""
        w = F.softplus(self.raw_w)
        conductance = torch.cat(
            [self.target * (w * self.erev).unsqueeze(1), self.target * w.unsqueeze(1)], dim=1
        )
        return self.source * self.sigma, -self.sigma * self.mu, conductance


def _uniform(size: int, low: float, high: float, positive: bool = False) -> nn.Parameter:
    values = torch.empty(size).uniform_(low, high)
    return nn.Parameter(torch.log(torch.expm1(values)) if positive else values)
