"""The networks of the published tables: a recurrent cell and a linear read-out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from liquid_control.experiments.tables.recipes import Recipe
from liquid_control.experiments.tables.series import Series
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import HEADS, LstmStep
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.gru import GruCell
from liquid_control.policy.cells.lstm import LstmCell
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.choose import unroll


class TableNetwork(nn.Module):
    """A cell, then a linear layer on its outputs. `affine`: each input is scaled and shifted first,
    as in the code of the LTC's authors."""

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
        """x (B, T, F), dt (B, T) in the table's units → (B, T, G); with length (B,), the outputs
        after the last real step (B, G)."""
        x = x if self.scale is None else x * self.scale + self.shift
        y, _ = unroll(self.cell, x, self.cell.initial_state(len(x)), dt * self.period)
        return self.readout(y if length is None else y[torch.arange(len(y)), length - 1])


def build(model: str, recipe: Recipe, series: Series, seed: int) -> TableNetwork:
    """The network of one run. PyTorch's random generator and `seed` (polarities of an LTC's
    synapses) determine its weights.

    Weights are drawn as in the authors' libraries: Glorot uniform for each head by itself, biases
    zero; LTCs with gleak 1 and cm 0.5, as in their code of 2021.
    """
    inputs, targets = series.x.shape[2], 1 if series.y.ndim == 1 else series.y.shape[2]
    cell = CELLS[model](recipe, inputs, seed)
    return TableNetwork(cell, targets, recipe.period, affine=model == "ltc")


def _ltc(recipe: Recipe, inputs: int, seed: int) -> LtcCell:
    cell = LtcCell(FreeWiring.fully_connected(inputs, recipe.units, seed=seed))
    with torch.no_grad():
        cell.raw_gleak.fill_(math.log(math.expm1(1.0)))
        cell.raw_cm.fill_(math.log(math.expm1(0.5)))
    return cell


def _cfc(recipe: Recipe, inputs: int, seed: int, variant: str = "default") -> CfcCell:
    sizes = recipe.units, recipe.backbone, variant, recipe.layers
    cell = CfcCell(inputs, *sizes, recipe.activation, recipe.dropout)
    _initialise_cfc(cell)
    return cell


def _mixed_memory(recipe: Recipe, inputs: int, seed: int) -> CfcCell:
    cell = _cfc(recipe, inputs, seed, "mixed_memory")
    _set_forget_bias(cell.memory, recipe)
    return cell


def _lstm_cfc(recipe: Recipe, inputs: int, seed: int) -> LstmCfcCell:
    sizes = recipe.units, recipe.backbone, recipe.layers
    cell = LstmCfcCell(inputs, *sizes, recipe.activation, recipe.dropout)
    _initialise_cfc(cell.liquid)
    _set_forget_bias(cell.memory, recipe)
    return cell


def _ct_rnn(recipe: Recipe, inputs: int, seed: int) -> CtRnnCell:
    cell = CtRnnCell(inputs, recipe.units)
    fan = math.sqrt(6 / (inputs + 2 * recipe.units))  # one matrix for [x, h] in the authors' code
    for weight in (cell.sensory.weight, cell.recurrent.weight):
        nn.init.uniform_(weight, -fan, fan)
    nn.init.zeros_(cell.sensory.bias)
    return cell


def _lstm(recipe: Recipe, inputs: int, seed: int) -> LstmCell:
    return LstmCell(inputs, recipe.units, recipe.timed, recipe.forget_bias)


def _gru(recipe: Recipe, inputs: int, seed: int) -> GruCell:
    return GruCell(inputs, recipe.units, recipe.timed)


CELLS = {
    "ltc": _ltc,
    "cfc": _cfc,
    "mixed_memory": _mixed_memory,
    "memory_first": _lstm_cfc,
    "memory_first_tuned": _lstm_cfc,
    "ct_rnn": _ct_rnn,
    "lstm": _lstm,
    "gru": _gru,
}
"""The cell of each model, by its name in the recipes."""


def _initialise_cfc(cell: CfcCell) -> None:
    for layer in (cell.backbone, *cell.deeper, *cell.heads.weight.chunk(HEADS)):
        nn.init.xavier_uniform_(layer.weight if isinstance(layer, nn.Linear) else layer.data)
    for layer in (cell.backbone, *cell.deeper, cell.heads):
        nn.init.zeros_(layer.bias)


def _set_forget_bias(lstm: LstmStep, recipe: Recipe) -> None:
    forget = lstm.gates.bias[2 * recipe.units : 3 * recipe.units]
    nn.init.constant_(forget.data, recipe.forget_bias)
