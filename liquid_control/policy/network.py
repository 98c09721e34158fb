"""The whole policy: image and inertial features → core → path curvature."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError, ImageError, ShapeError
from liquid_control.model.car import MEASUREMENTS
from liquid_control.model.cores import CoreConfig
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import join_state, split_state
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.cores import build_core, count_parameters
from liquid_control.policy.encoder import PublishedEncoder, SlimEncoder, StridedEncoder
from liquid_control.policy.kernels.choose import unroll

OUTPUTS = 1
INERTIAL_CENTRE = (0.0, 0.0, 10.0)
"""Subtracted from `signals.MEASUREMENTS` (rad/s, m/s², m/s) before the division by
`INERTIAL_SPREAD`."""
INERTIAL_SPREAD = (0.5, 4.0, 4.0)
INERTIAL_CLIP = 3.0
"""Largest scaled inertial feature: a sensor that runs wild stays one input among 32."""
AUXILIARY = ("lane_offset", "heading_error", "curvature", "curvature_ahead")
"""What the auxiliary head predicts from one image, for training only, in units of
`AUXILIARY_UNITS`."""
AUXILIARY_UNITS = (0.5, 0.1, 0.04, 0.04)
"""About the spread of each target, so that the head starts at the right size: [m], [rad], [1/m]
here, [1/m] ahead."""


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """curvature (B, T) [1/m], auxiliary (B, T, 4) as in `AUXILIARY` and its units, state (B, U)
    after the last input."""

    curvature: Tensor
    auxiliary: Tensor
    state: Tensor


class PolicyNetwork(nn.Module):
    """Encoder, recurrent cell and scales, all of them inside, so that pictures and SI numbers go in
    and curvature comes out.

    `wiring` is drawn from `config` unless given (as by a model file), and None for a core without
    one. Raises ConfigError for sizes that do not fit.
    """

    def __init__(
        self, config: PolicyConfig, preprocess: PreprocessConfig, wiring: NcpWiring | None = None
    ) -> None:
        super().__init__()
        self.config, self.preprocess = config, preprocess
        sensory = config.image_features + len(MEASUREMENTS)
        if wiring is None and config.core.wired:
            wiring = config.core.wiring.draw(sensory, OUTPUTS)
        self.wiring = wiring
        _check_wiring(self.wiring, config.core, sensory, OUTPUTS)
        encoder = {"slim": SlimEncoder, "strided": StridedEncoder, "published": PublishedEncoder}[
            config.encoder
        ]
        self.encoder = encoder(preprocess.height, preprocess.width, config.image_features)
        self.cell = build_core(config.core, sensory, OUTPUTS, self.wiring)
        self.auxiliary = nn.Linear(config.image_features, len(AUXILIARY))
        self.input_scale, self.input_shift = (
            nn.Parameter(torch.ones(sensory)),
            nn.Parameter(torch.zeros(sensory)),
        )
        self.output_scale, self.output_shift = (
            nn.Parameter(torch.ones(1)),
            nn.Parameter(torch.zeros(1)),
        )
        self.register_buffer("inertial_centre", torch.tensor(INERTIAL_CENTRE), persistent=False)
        self.register_buffer("inertial_spread", torch.tensor(INERTIAL_SPREAD), persistent=False)
        self.to(memory_format=torch.channels_last)

    @property
    def recurrent_parameters(self) -> int:
        """Trained numbers of the core and its readout, as papers count them: 1,065 of the LTC on
        the published wiring."""
        return count_parameters(self.cell)

    def initial_state(self, batch: int) -> Tensor:
        """State (B, U) at the start of a sequence."""
        return join_state(self.cell.initial_state(batch))

    def unroll(
        self,
        image: Tensor,
        inertial: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        state: Tensor | None = None,
    ) -> Prediction:
        """A batch of sequences: image (B, T, h, w, 3) uint8 RGB, inertial (B, T, 3) SI, dt (B, T)
        s, is_first (B, T) bool, state (B, U) or None for the initial one. Raises ShapeError,
        ImageError and TimeError."""
        self._check(image, inertial, leading=2)
        batch, time = image.shape[:2]
        features = self.encoder(image.flatten(0, 1)).unflatten(0, (batch, time))
        return self.unroll_features(features, inertial, dt, is_first, state)

    def unroll_features(
        self,
        features: Tensor,
        inertial: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        state: Tensor | None = None,
    ) -> Prediction:
        """As `unroll`, from what the encoder made of the images: features (B, T,
        image_features)."""
        state = self.initial_state(len(features)) if state is None else state
        h = self._split(state)
        motor, h = unroll(
            self.cell, self._sense(features, inertial), h, dt * self.config.time_scale, is_first
        )
        return Prediction(self._curvature(motor), self.auxiliary(features), join_state(h))

    def step(
        self, image: Tensor, inertial: Tensor, dt: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One frame: image (B, h, w, 3) uint8 RGB, inertial (B, 3) SI, dt (B,) s, state (B, U) →
        curvature (B,), next state (B, U). Raises ShapeError, ImageError and TimeError."""
        self._check(image, inertial, leading=1)
        motor, h = self.cell.step(
            self._sense(self.encoder(image), inertial),
            self._split(state),
            dt * self.config.time_scale,
        )
        return self._curvature(motor), join_state(h)

    def forward(
        self, image: Tensor, inertial: Tensor, dt: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        motor, h = self.cell(
            self._sense(self.encoder(image), inertial),
            split_state(state, self.cell.state),
            dt * self.config.time_scale,
        )
        return self._curvature(motor), join_state(h)

    def sense(self, image: Tensor, inertial: Tensor) -> Tensor:
        """The core's input: image (B, h, w, 3), inertial (B, 3) SI → (B, image_features +
        3), scaled."""
        return self._sense(self.encoder(image), inertial)

    def _sense(self, features: Tensor, inertial: Tensor) -> Tensor:
        scaled = ((inertial - self.inertial_centre) / self.inertial_spread).clamp(
            -INERTIAL_CLIP, INERTIAL_CLIP
        )
        return torch.cat([features, scaled], dim=-1) * self.input_scale + self.input_shift

    def _curvature(self, motor: Tensor) -> Tensor:
        scale = self.config.curvature_scale * self.config.output_gain
        return (motor * self.output_scale + self.output_shift).squeeze(-1) * scale

    def _split(self, state: Tensor) -> State:
        if state.shape[1:] != (self.cell.state_size,):
            raise ShapeError("state", state.shape, f"(batch, {self.cell.state_size})")
        return split_state(state, self.cell.state)

    def _check(self, image: Tensor, inertial: Tensor, leading: int) -> None:
        if image.dtype != torch.uint8:
            raise ImageError("type", image.dtype, "uint8 RGB as preprocess gives it")
        size = (self.preprocess.height, self.preprocess.width, 3)
        if image.ndim != leading + 3 or tuple(image.shape[leading:]) != size:
            raise ShapeError("image", image.shape, ("batch", "time")[:leading] + size)
        expected = (*image.shape[:leading], len(MEASUREMENTS))
        if tuple(inertial.shape) != expected:
            raise ShapeError("inertial", inertial.shape, expected)


def _check_wiring(wiring: NcpWiring | None, core: CoreConfig, inputs: int, outputs: int) -> None:
    if not core.wired:
        if wiring is not None:
            raise ConfigError("wiring", f"one for {core.name}", "none: the core has no wiring")
        return
    expected = core.wiring.sizes(inputs, outputs)
    sizes = {name: getattr(wiring, name) for name in expected}
    if sizes != expected:
        raise ConfigError("wiring", sizes, f"{expected}, as the config says")
