"""The recurrent cells that liquid ones are compared with, behind the same face: `step`, `unroll`,
dt always given."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.sequence_checks import check_sequence, reset_mask


class CtRnnCell(Cell):
    """Continuous-time RNN (Funahashi and Nakamura 1993), dh/dt = -h/tau + tanh(W [x, h] + b).

    Solved by `unfolds` explicit Euler steps of dt / unfolds, as in the code of Hasani et al. 2021
    (there tau = 1 and dt = 0.6). Stable for dt < 2 tau unfolds. With `exponential` each step decays
    exactly while tanh is held: of the same order, and stable for every dt.
    """

    def __init__(
        self, inputs: int, units: int, unfolds: int = 6, tau: float = 1.0, exponential: bool = False
    ) -> None:
        super().__init__()
        _check("CtRnnCell", inputs=inputs, units=units, unfolds=unfolds)
        if not tau > 0:
            raise ConfigError("CtRnnCell.tau", tau, "a positive time constant")
        self.inputs, self.neurons, self.outputs, self.unfolds, self.tau = (
            inputs,
            units,
            units,
            unfolds,
            tau,
        )
        self.exponential = exponential
        self.sensory = nn.Linear(inputs, units)
        self.recurrent = nn.Linear(units, units, bias=False)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        h = self._solve(self.sensory(x), h, (dt / self.unfolds).unsqueeze(1))
        return h, h

    def unroll(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h (B, U), dt (B, T) → y (B, T, U), h (B, U); the state is zeroed
        before inputs marked by is_first (B, T) bool. Raises ShapeError and TimeError."""
        dt = check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        keep = reset_mask(is_first, x)
        outputs = []
        for t, (drive, delta) in enumerate(
            zip(self.sensory(x).unbind(1), (dt / self.unfolds).unsqueeze(2).unbind(1), strict=True)
        ):
            h = self._solve(drive, h if keep is None else h * keep[:, t], delta)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h

    def _solve(self, drive: Tensor, h: Tensor, delta: Tensor) -> Tensor:
        """drive (B, U) from the input, held for all substeps of delta (B, 1)."""
        weight, scale = self.recurrent.weight.t(), delta if self.tau == 1.0 else delta / self.tau
        scale = -torch.expm1(-scale) if self.exponential else scale
        for _ in range(self.unfolds):
            target = torch.tanh(torch.addmm(drive, h, weight))
            h = torch.lerp(h, target if self.tau == 1.0 else target * self.tau, scale)
        return h


class GatedCell(Cell):
    """LSTM or GRU. With `timed` dt is one more input feature; without it the cell is blind to time,
    as usual.

    The state is h, for the LSTM h and its cell state side by side (B, 2U); the output is h. With
    `one_bias` a gate has one bias, as in the papers; PyTorch's second one stays zero and is not
    trained.
    """

    def __init__(
        self,
        kind: str,
        inputs: int,
        units: int,
        timed: bool = True,
        forget_bias: float = 1.0,
        one_bias: bool = False,
    ) -> None:
        super().__init__()
        _check("GatedCell", inputs=inputs, units=units)
        if kind not in ("lstm", "gru"):
            raise ConfigError("GatedCell.kind", kind, "lstm or gru")
        self.kind, self.timed, self.inputs, self.outputs = kind, timed, inputs, units
        self.neurons = 2 * units if kind == "lstm" else units
        self.layer = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](inputs + timed, units, batch_first=True)
        for name, parameter in self.layer.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
            else:
                for gate in parameter.data.chunk(4 if kind == "lstm" else 3):
                    nn.init.xavier_uniform_(gate) if name.startswith(
                        "weight_ih"
                    ) else nn.init.orthogonal_(gate)
        if kind == "lstm":
            nn.init.constant_(
                self.layer.bias_ih_l0.data[units : 2 * units], forget_bias
            )  # torch's gates: input, forget, cell, output
        self.layer.bias_hh_l0.requires_grad_(not one_bias)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks, written out so that any runtime can run it."""
        layer, x = self.layer, torch.cat([x, dt.unsqueeze(1)], dim=1) if self.timed else x
        h, c = h.chunk(2, dim=1) if self.kind == "lstm" else (h, None)
        driven = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)
        recurrent = F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0)
        if c is None:
            (reset, keep, new), (h_reset, h_keep, h_new) = (
                driven.chunk(3, dim=1),
                recurrent.chunk(3, dim=1),
            )
            new = torch.tanh(new + torch.sigmoid(reset + h_reset) * h_new)
            h = torch.lerp(new, h, torch.sigmoid(keep + h_keep))
            return h, h
        into, keep, new, out = (driven + recurrent).chunk(4, dim=1)
        c = torch.sigmoid(keep) * c + torch.sigmoid(into) * torch.tanh(new)
        h = torch.sigmoid(out) * torch.tanh(c)
        return h, torch.cat([h, c], dim=1)

    def unroll(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h (B, neurons), dt (B, T) → y (B, T, U), h (B, neurons); see
        `CtRnnCell.unroll`."""
        dt = check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        if is_first is None:
            return self._run(x, h, dt)
        keep, outputs = reset_mask(is_first, x), []
        for t in range(x.shape[1]):
            y, h = self._run(x[:, t : t + 1], h * keep[:, t], dt[:, t : t + 1])
            outputs.append(y)
        return torch.cat(outputs, dim=1), h

    def _run(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([x, dt.unsqueeze(2)], dim=2) if self.timed else x
        if self.kind == "gru":
            y, h = self.layer(x, h.unsqueeze(0).contiguous())
            return y, h[0]
        y, parts = self.layer(
            x, tuple(part.unsqueeze(0).contiguous() for part in h.chunk(2, dim=1))
        )
        return y, torch.cat([part[0] for part in parts], dim=1)


def _check(cell: str, **sizes: int) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{cell}.{name}", value, "a whole number of at least 1")
