"""Conductance synapses of the LTC: parameters, and what arrives at the targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.model.wiring_draw import Synapse

FLOOR = 1e-30
"""Added to every conductance and capacitance: a softplus in float32 is 0 below -103. No sum with a
number above 1e-22 notices (1e-14 in float64)."""
LARGEST_MATRIX = 2**15
"""Numbers of a matrix of sources and synapses up to which two small matrix products are faster than
gathering and scattering. Above it they would cost neurons³ where all neurons are connected."""


POSITIVITIES = ("softplus", "absolute")
"""How a raw number becomes a positive one. `softplus`: its slope vanishes with it. `absolute`:
|raw|, with a slope of 1 at 0, so that training can leave a conductance of 0 again."""


def positive(raw: Tensor, positivity: str) -> Tensor:
    """raw made positive, never 0."""
    if positivity == "absolute":
        return torch.where(raw < 0, -raw, raw) + FLOOR
    return F.softplus(raw) + FLOOR


class Matrices(NamedTuple):
    """slope (sources, S) and offset (S,) with σ(v slope + offset) = σ(sigma (v_source - mu)), and
    conductance (S, 2 targets), which sums w σ(.) erev and w σ(.) over each target's synapses."""

    slope: Tensor
    offset: Tensor
    conductance: Tensor

    def activation(self, v: Tensor) -> Tensor:
        """σ(.) of every synapse (..., S) from the sources' voltages (..., sources)."""
        if v.ndim == 2:
            return torch.sigmoid(torch.addmm(self.offset, v, self.slope))
        return torch.sigmoid(F.linear(v, self.slope.T, self.offset))

    def currents(self, v: Tensor) -> Tensor:
        """Sums of w σ(.) erev and of w σ(.) for each target (..., 2 targets)."""
        return self.activation(v) @ self.conductance


class Lists(NamedTuple):
    """The same with one number for each synapse (S,), for circuits of many."""

    source: Tensor
    target: Tensor
    sigma: Tensor
    offset: Tensor
    w_erev: Tensor
    w: Tensor
    targets: int

    def activation(self, v: Tensor) -> Tensor:
        """As `Matrices.activation`."""
        heard = v.gather(-1, self.source.expand(*v.shape[:-1], -1))
        return torch.sigmoid(heard * self.sigma + self.offset)

    def currents(self, v: Tensor) -> Tensor:
        """As `Matrices.currents`."""
        activation = self.activation(v)
        index, zeros = self.target.expand_as(activation), v.new_zeros(*v.shape[:-1], self.targets)
        sums = [zeros.scatter_add(-1, index, activation * weight) for weight in self[4:6]]
        return torch.cat(sums, dim=-1)


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
        positivity: str,
    ) -> None:
        super().__init__()
        self.positivity = positivity
        table = np.array(synapses, dtype=np.int64).reshape(-1, 3)
        self.raw_w = uniform(len(table), 0.001, 1.0, positivity)
        self.sigma = uniform(len(table), *sigma)
        self.mu = uniform(len(table), *mu)
        self.erev = nn.Parameter(torch.tensor(table[:, 2], dtype=torch.get_default_dtype()))
        self.targets = targets
        self.many = len(table) * max(sources, targets) > LARGEST_MATRIX
        source, target = torch.from_numpy(table[:, :2].T.copy()).to(self.erev.device)
        if not self.many:
            source, target = torch.eye(sources)[:, source], torch.eye(targets)[target]
        self.register_buffer("source", source, persistent=False)  # (sources, S), of many (S,)
        self.register_buffer("target", target, persistent=False)  # (S, targets), of many (S,)

    def forward(self) -> Matrices | Lists:
        """What a step needs, from the parameters as they are."""
        w = positive(self.raw_w, self.positivity)
        if self.many:
            lists = self.sigma, -self.sigma * self.mu, w * self.erev, w
            return Lists(self.source, self.target, *lists, self.targets)
        conductance = torch.cat(
            [self.target * (w * self.erev).unsqueeze(1), self.target * w.unsqueeze(1)], dim=1
        )
        return Matrices(self.source * self.sigma, -self.sigma * self.mu, conductance)


def uniform(size: int, low: float, high: float, positivity: str = "") -> nn.Parameter:
    """Numbers (size,) drawn from low to high; with a positivity the raw ones behind them."""
    values = torch.empty(size).uniform_(low, high)
    return nn.Parameter(torch.log(torch.expm1(values)) if positivity == "softplus" else values)
