"""The networks of the published tables: a recurrent cell and a linear read-out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from liquid_control.experiments.tables.recipes import Recipe
from liquid_control.experiments.tables.series import Series
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.gru import GruCell
from liquid_control.policy.cells.lstm import LstmCell
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.choose import unroll

MEMORY_FIRST = ("memory_first", "memory_first_tuned")
"""One cell, two recipes."""


class TableNetwork(nn.Module):
    """cell, then a linear layer from its outputs. `affine`: each input is scaled and shifted first,
    as the LTC's authors do."""

    def __init__(self, cell: nn.Module, targets: int, period: float, affine: bool) -> None:
        super().__init__()
        self.cell, self.period = cell, period
        self.scale, self.shift = (
            (nn.Parameter(torch.ones(cell.inputs)), nn.Parameter(torch.zeros(cell.inputs)))
            if affine
            else (None, None)
        )
        self.readout = nn.Linear(cell.outputs, targets)
        nn.init.xavier_uniform_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)

    def forward(self, x: Tensor, dt: Tensor, length: Tensor | None) -> Tensor:
        """x (B, T, F), dt (B, T) in the table's units → (B, T, G); with length (B,), what is read
        after the last real step (B, G)."""
        x = x if self.scale is None else x * self.scale + self.shift
        y, _ = unroll(self.cell, x, self.cell.initial_state(len(x)), dt * self.period)
        return self.readout(y if length is None else y[torch.arange(len(y)), length - 1])


def build(model: str, recipe: Recipe, series: Series, seed: int) -> TableNetwork:
    """The network of one run. The generator of PyTorch and `seed` (polarities of an LTC's synapses)
    decide its start.

    Kernels start as the authors' libraries start them, Glorot uniform for each head by itself, with
    biases of zero; LTCs with gleak 1 and cm 0.5, as their code of 2021 does.
    """
    inputs, targets = series.x.shape[2], 1 if series.y.ndim == 1 else series.y.shape[2]
    cell = _cell(model, recipe, inputs, seed)
    if isinstance(cell, LtcCell):
        with torch.no_grad():
            cell.raw_gleak.fill_(math.log(math.expm1(1.0)))
            cell.raw_cm.fill_(math.log(math.expm1(0.5)))
    liquid = cell.liquid if isinstance(cell, LstmCfcCell) else cell
    if isinstance(liquid, CfcCell):
        for layer in (liquid.backbone, *liquid.deeper, *liquid.heads.weight.chunk(HEADS)):
            nn.init.xavier_uniform_(layer.weight if isinstance(layer, nn.Linear) else layer.data)
        for layer in (liquid.backbone, *liquid.deeper, liquid.heads):
            nn.init.zeros_(layer.bias)
    if model in ("mixed_memory", *MEMORY_FIRST):
        nn.init.constant_(
            cell.memory.gates.bias[2 * recipe.units : 3 * recipe.units].data, recipe.forget_bias
        )
    if isinstance(cell, CtRnnCell):
        fan = math.sqrt(
            6 / (inputs + 2 * recipe.units)
        )  # one matrix for [x, h] in the authors' code
        for weight in (cell.sensory.weight, cell.recurrent.weight):
            nn.init.uniform_(weight, -fan, fan)
        nn.init.zeros_(cell.sensory.bias)
    return TableNetwork(cell, targets, recipe.period, affine=model == "ltc")


def _cell(model: str, recipe: Recipe, inputs: int, seed: int) -> nn.Module:
    if model == "ltc":
        return LtcCell(FreeWiring.fully_connected(inputs, recipe.units, seed=seed))
    if model in ("cfc", "mixed_memory"):
        variant = "default" if model == "cfc" else model
        return CfcCell(
            inputs,
            recipe.units,
            recipe.backbone,
            variant,
            recipe.layers,
            recipe.activation,
            recipe.dropout,
        )
    if model in MEMORY_FIRST:
        return LstmCfcCell(
            inputs, recipe.units, recipe.backbone, recipe.layers, recipe.activation, recipe.dropout
        )
    if model == "ct_rnn":
        return CtRnnCell(inputs, recipe.units)
    if model == "lstm":
        return LstmCell(inputs, recipe.units, recipe.timed, recipe.forget_bias)
    return GruCell(inputs, recipe.units, recipe.timed)
