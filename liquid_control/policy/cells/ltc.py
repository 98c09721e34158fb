"""The liquid time-constant cell on a wiring.

Hasani et al., "Liquid time-constant networks", AAAI 2021: every synapse is a conductance that
depends on the voltage of its source, so a neuron's time constant changes with its input. With v the
neurons' voltages,

    cm dv/dt = gleak (vleak - v) + Σ w σ(sigma (v_source - mu)) (erev - v),

solved by `unfolds` semi-implicit steps per input, each of Δ = dt / unfolds:

    v ← (cm/Δ v + gleak vleak + Σ w σ(.) erev) / (cm/Δ + gleak + Σ w σ(.))

A denominator of positive terms only cannot vanish; v stays within the range of vleak, erev and its
start.

Honoured of the wiring: every synapse, sensory and recurrent, exists with a conductance of its own
and no other does; polarity is where its reversal potential erev starts, and training may move it.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring, Synapse
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.ltc_solver import solve_sequence
from liquid_control.policy.cells.sequence_checks import (
    blank_masked,
    check_sequence,
    check_step,
    reset_mask,
)
from liquid_control.policy.kernels.choose import check_kernel, fused_unroll


class LtcCell(Cell):
    """LTC neurons joined by `wiring`; the motor neurons' voltages are the output.

    Only synapses that exist have parameters: 3 per neuron and 4 per synapse. w, cm and gleak are
    stored before a softplus and so are positive whatever the optimiser does. Initial ranges are
    those of the authors' code unless given: `sensory_mu` and `recurrent_mu` of the half-activation
    points, `sigma` of their slopes (choose them to match the spread of inputs and states: a synapse
    that starts flat learns slowly). `kernel` says what `unroll` runs on, see `dispatch.KERNELS`.
    `affine` adds the authors' learned scale and shift of every input and output (2 F + 2 M
    parameters), which start as the identity.
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
        if isinstance(unfolds, bool) or not isinstance(unfolds, int) or unfolds < 1:
            raise ConfigError("LtcCell.unfolds", unfolds, "a whole number of at least 1")
        self.wiring, self.unfolds = wiring, unfolds
        self.inputs, self.neurons, self.outputs, self.affine = (
            wiring.inputs,
            wiring.neurons,
            wiring.motor,
            affine,
        )
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

    @classmethod
    def from_ncps(cls, module: nn.Module, kernel: str = "auto") -> LtcCell:
        """The same cell from an `ncps.torch.LTC` or `LTCCell`, see `peer_weights`. Raises
        ConfigError."""
        from liquid_control.policy.from_ncps import ltc_from_ncps

        return ltc_from_ncps(cls, module, kernel)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        capacitance, constant = self._drive(self._map_inputs(x), dt)
        slope, offset, conductance = self.recurrent.matrices()
        for _ in range(self.unfolds):
            activation = torch.sigmoid(torch.addmm(offset, h, slope))
            numerator, denominator = torch.addmm(constant, activation, conductance).chunk(2, dim=1)
            h = (capacitance * h + numerator) / denominator
        return self._map_outputs(h[:, : self.outputs]), h

    def unroll(
        self,
        x: Tensor,
        h: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h (B, U), dt (B, T) → y (B, T, M), h (B, U).

        The state is zeroed before inputs marked by is_first (B, T) bool. Inputs that mask (B, T)
        bool leaves out (false) do not happen: they leave the state, repeat the output before, and
        nobody looks at their x, dt and is_first. Raises ShapeError, NotFiniteError, TimeError.
        """
        x, dt, is_first = blank_masked(x, dt, is_first, mask)
        dt = check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        fused = fused_unroll(self, x, mask)
        if fused is not None:
            y, h = fused(self, x, h, dt, is_first, mask)
        else:
            keep = reset_mask(is_first, x)
            states = solve_sequence(
                h,
                *self._drive(self._map_inputs(x), dt),
                keep,
                mask,
                self.recurrent.matrices(),
                self.unfolds,
            )
            y, h = states[:, :, : self.outputs], states[:, -1]  # (B, T, M), (B, U)
        return self._map_outputs(y), h

    def time_constants(self, x: Tensor, h: Tensor) -> Tensor:
        """How fast each neuron forgets at x (B, F), h (B, U): tau_sys (B, U) = cm / (gleak + Σ w
        σ(.)), in the unit of dt."""
        check_step(x, h, torch.ones_like(h[:, 0]), self.inputs, self.neurons)
        slope, offset, conductance = self.recurrent.matrices()
        recurrent = torch.sigmoid(torch.addmm(offset, h, slope)) @ conductance[:, self.neurons :]
        slope, offset, conductance = self.sensory.matrices()
        sensory = (
            torch.sigmoid(torch.addmm(offset, self._map_inputs(x), slope))
            @ conductance[:, self.neurons :]
        )
        return F.softplus(self.raw_cm) / (F.softplus(self.raw_gleak) + sensory + recurrent)

    def _map_inputs(self, x: Tensor) -> Tensor:
        return x * self.input_scale + self.input_shift if self.affine else x

    def _map_outputs(self, y: Tensor) -> Tensor:
        return y * self.output_scale + self.output_shift if self.affine else y

    def _drive(self, x: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """What does not depend on the state, for any leading dimensions: cm/Δ (..., U) and the
        constant parts of numerator and denominator side by side (..., 2U)."""
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
