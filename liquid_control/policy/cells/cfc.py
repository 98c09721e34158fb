"""The closed-form continuous-time cell (CfC), fully connected; `cfc_rule` has the equations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.cores import CfcFullConfig, CfcMixedConfig
from liquid_control.policy.cells.cell import Cell, check_kernel, check_sizes
from liquid_control.policy.cells.cfc_rule import (
    ACTIVATIONS,
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


def build(config: CfcFullConfig | CfcMixedConfig, inputs: int, wiring: None) -> CfcCell:
    """The core of a policy."""
    variant = "mixed_memory" if isinstance(config, CfcMixedConfig) else "default"
    return CfcCell(inputs, config.units, config.backbone, variant)


class CfcCell(Cell):
    """CfC of `units` fully connected neurons, all of them outputs.

    `layers` layers of `backbone` units (0: none) with `activation` and, in training, `dropout`
    after each come before the heads. `variant` is one of `cfc_rule.VARIANTS`; `kernel`: see
    `cell.KERNELS`. Raises ConfigError.
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
        check_sizes("CfcCell", inputs=inputs, units=units, layers=layers)
        check_sizes("CfcCell", low=0, backbone=backbone)
        number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
        if not number or not 0 <= dropout < 1:
            raise ConfigError("CfcCell.dropout", dropout, "a share of at least 0 and below 1")
        self.rule, mixed = find_option("CfcCell.variant", variant, VARIANTS)
        find_option("CfcCell.activation", activation, ACTIVATIONS)
        self.kernel = check_kernel("CfcCell", kernel)
        self.variant, self.activation, self.dropout = variant, activation, dropout
        self.inputs, self.units, self.outputs = inputs, units, units
        self.state = closed_form_state(units, mixed)
        self.memory = LstmStep(inputs, units) if mixed else None
        self.backbone = nn.Linear(inputs + units, backbone) if backbone else None
        self.deeper = nn.ModuleList(
            nn.Linear(backbone, backbone) for _ in range(layers - 1 if backbone else 0)
        )
        self.heads = nn.Linear(backbone or inputs + units, head_count(self.rule) * units)
        for layer in (self.backbone, *self.deeper, self.heads):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)
        self.rate, self.asymptote = pure_parameters(self.rule, units)

    forward_sequence = unroll_steps

    def forward(self, x: Tensor, h: State, dt: Tensor) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        h, c = (h, None) if self.memory is None else self.memory(x, *h)
        h = advance(self.rule, self._heads(x, h), dt, self.rate, self.asymptote)
        return h, h if c is None else (h, c)

    def time_constants_of_step(
        self, x: Tensor, before: State, dt: Tensor, after: State
    ) -> Tensor | None:
        """1 / |t_a| of each unit's time gate (B, U); None for the pure rule, which has none."""
        if self.rule == "pure":
            return None
        h = before if self.memory is None else self.memory(x, *before)[0]
        return gate_times(self._heads(x, h).chunk(HEADS, dim=1)[2])

    def _heads(self, x: Tensor, h: Tensor) -> Tensor:
        """x (B, F), h (B, U) → ff1, ff2, t_a, t_b (B, 4 U)."""
        z = torch.cat([x, h], dim=1)
        for layer in () if self.backbone is None else (self.backbone, *self.deeper):
            z = F.dropout(ACTIVATIONS[self.activation](layer(z)), self.dropout, self.training)
        return self.heads(z)
