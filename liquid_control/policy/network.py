"""The whole policy: image and measurements → core → actions."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError, ImageError, ShapeError
from liquid_control.model.cores import CoreConfig
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import Feature, PolicySpec, column
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.cores import build_core, count_parameters
from liquid_control.policy.encoder import ENCODERS
from liquid_control.policy.kernels.choose import unroll


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """`action` (B, T, A) in SI units, `auxiliary` (B, T, K) in units of the features' scales, None
    for a policy without an auxiliary head, `state` after the last input."""

    action: Tensor
    auxiliary: Tensor | None
    state: State


class PolicyNetwork(nn.Module):
    """Encoder, recurrent core and scales: pictures and SI numbers in, actions in SI units out.

    `spec`: what it takes and gives; its own `spec` has the core's state, too. `wiring` is drawn
    from `config` unless given (as by a model file), and None for a core without one. `encoder` and
    `auxiliary` are None for a spec without an image or auxiliary targets; `before`, `behind` and
    `head`, the layers around the core, for a config without a `width`. Raises ConfigError for sizes
    that do not fit.
    """

    def __init__(
        self, config: PolicyConfig, spec: PolicySpec, wiring: NcpWiring | None = None
    ) -> None:
        super().__init__()
        inputs, outputs = config.core_sizes(spec)
        if wiring is None and config.core.wired:
            wiring = config.core.wiring.draw(inputs, outputs)
        _check_wiring(wiring, config.core, inputs, outputs)
        self.config, self.wiring = config, wiring
        # Creation in this order: it fixes the random numbers that each weight starts with.
        image = spec.image
        self.encoder = (
            None
            if image is None
            else ENCODERS[config.encoder](image.height, image.width, config.image_features)
        )
        self.cell = build_core(config.core, inputs, outputs, wiring)
        self.auxiliary = (
            nn.Linear(config.image_features, len(spec.auxiliary)) if spec.auxiliary else None
        )
        features, actions, width = config.features(spec), len(spec.actions), config.width
        self.before = nn.Linear(features, width) if width else None
        self.behind = nn.Linear(outputs + width, width) if width else None
        self.head = nn.Linear(width, actions) if width else None
        self.input_scale = nn.Parameter(torch.ones(features))
        self.input_shift = nn.Parameter(torch.zeros(features))
        self.output_scale = nn.Parameter(torch.ones(actions))
        self.output_shift = nn.Parameter(torch.zeros(actions))
        self.spec = dataclasses.replace(spec, state=self.cell.state)
        self._bounded = any(feature.is_bounded for feature in spec.actions)
        self._add_constants(spec.measurements, spec.actions)
        self.to(memory_format=torch.channels_last)

    def _add_constants(
        self, measurements: tuple[Feature, ...], actions: tuple[Feature, ...]
    ) -> None:
        """Scales and bounds of the spec, which are not saved with the weights."""
        centre, scale = column(measurements, "centre"), column(measurements, "scale")
        constants = {
            "measurement_centre": centre,
            "measurement_scale": scale,
            "lowest_measurement": (column(measurements, "low") - centre) / scale,
            "highest_measurement": (column(measurements, "high") - centre) / scale,
            "action_unit": column(actions, "scale") * self.config.output_gain,
        }
        if self._bounded:
            low = np.array([one.low if one.is_bounded else 0.0 for one in actions])
            span = np.array([one.high - one.low if one.is_bounded else 1.0 for one in actions])
            constants |= {"lowest_action": low, "action_span": span}
            bounded = torch.tensor([one.is_bounded for one in actions])
            self.register_buffer("bounded_action", bounded, persistent=False)
        for name, values in constants.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    @property
    def preprocess(self) -> PreprocessConfig | None:
        """How the image is made."""
        return self.spec.image

    @property
    def recurrent_parameters(self) -> int:
        """Trained numbers of the core and its readout, as papers count them: 1,065 of the LTC on
        the published wiring."""
        return count_parameters(self.cell)

    def initial_state(self, batch: int) -> State:
        """The state of B sequences at their start: the tensor (B, *shape) where `spec.state` has
        one array, a tuple of tensors in its order where it has several."""
        return self.cell.initial_state(batch)

    def unroll(
        self,
        image: Tensor | None,
        measurements: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        state: State | None = None,
    ) -> Prediction:
        """A batch of sequences: image (B, T, h, w, 3) uint8 RGB or None, measurements (B, T, M) SI,
        dt (B, T) s, is_first (B, T) bool, state or None for the initial one. Raises ShapeError,
        ImageError and TimeError."""
        self._check(image, measurements, leading=2)
        if image is None:
            return self.unroll_features(None, measurements, dt, is_first, state)
        batch, time = image.shape[:2]
        features = self.encoder(image.flatten(0, 1)).unflatten(0, (batch, time))
        return self.unroll_features(features, measurements, dt, is_first, state)

    def unroll_features(
        self,
        features: Tensor | None,
        measurements: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        state: State | None = None,
    ) -> Prediction:
        """As `unroll`, from the encoder's features of the images (B, T, image_features)."""
        state = self.initial_state(len(dt)) if state is None else state
        inputs, dt = self._sense(features, measurements), dt * self.config.time_scale
        motor, state = unroll(self.cell, inputs, state, dt, is_first)
        auxiliary = None if self.auxiliary is None else self.auxiliary(features)
        return Prediction(self._act(motor, inputs), auxiliary, state)

    def step(
        self, image: Tensor | None, measurements: Tensor, dt: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """One frame: image (B, h, w, 3) uint8 RGB or None, measurements (B, M) SI, dt (B,) s, state
        → action (B, A), next state. Raises ShapeError, ImageError and TimeError."""
        self._check(image, measurements, leading=1)
        inputs = self.sense(image, measurements)
        motor, state = self.cell.step(inputs, state, dt * self.config.time_scale)
        return self._act(motor, inputs), state

    def forward(
        self, image: Tensor | None, measurements: Tensor, dt: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """`step` without its checks: the graph that is exported."""
        inputs = self.sense(image, measurements)
        motor, state = self.cell(inputs, state, dt * self.config.time_scale)
        return self._act(motor, inputs), state

    def sense(self, image: Tensor | None, measurements: Tensor) -> Tensor:
        """The core's input: image (B, h, w, 3), measurements (B, M) SI → (B, image_features + M),
        scaled, or (B, width) of the layer before the core."""
        return self._sense(None if image is None else self.encoder(image), measurements)

    def _sense(self, features: Tensor | None, measurements: Tensor | None) -> Tensor:
        inputs = [] if features is None else [features]
        if self.spec.measurements:
            scaled = (measurements - self.measurement_centre) / self.measurement_scale
            inputs.append(scaled.clamp(self.lowest_measurement, self.highest_measurement))
        scaled = torch.cat(inputs, dim=-1) * self.input_scale + self.input_shift
        return scaled if self.before is None else torch.tanh(self.before(scaled))

    def _act(self, motor: Tensor, inputs: Tensor) -> Tensor:
        """Actions (..., A) in SI units of the core's outputs and inputs. One with bounds is a
        sigmoid between them: its scale is the slope in the middle."""
        if self.behind is not None:
            motor = self.head(torch.tanh(self.behind(torch.cat([motor, inputs], dim=-1))))
        action = (motor * self.output_scale + self.output_shift) * self.action_unit
        if not self._bounded:
            return action
        within = torch.sigmoid(action * (4.0 / self.action_span)) * self.action_span
        return torch.where(self.bounded_action, within + self.lowest_action, action)

    def _check(self, image: Tensor | None, measurements: Tensor, leading: int) -> None:
        if (image is None) != (self.spec.image is None):
            raise ImageError("missing" if image is None else "given", image, self.spec.image)
        given = measurements.shape[:leading]
        if image is not None:
            if image.dtype != torch.uint8:
                raise ImageError("type", image.dtype, "uint8 RGB as preprocess gives it")
            size = (self.spec.image.height, self.spec.image.width, 3)
            if image.ndim != leading + 3 or tuple(image.shape[leading:]) != size:
                raise ShapeError("image", image.shape, ("batch", "time")[:leading] + size)
            given = image.shape[:leading]
        expected = (*given, len(self.spec.measurements))
        if measurements.ndim != leading + 1 or tuple(measurements.shape) != expected:
            raise ShapeError("measurements", measurements.shape, expected)


def _check_wiring(wiring: NcpWiring | None, core: CoreConfig, inputs: int, outputs: int) -> None:
    if not core.wired:
        if wiring is not None:
            raise ConfigError("wiring", f"one for {core.name}", "none: the core has no wiring")
        return
    expected = core.wiring.sizes(inputs, outputs)
    sizes = {name: getattr(wiring, name) for name in expected}
    if sizes != expected:
        raise ConfigError("wiring", sizes, f"{expected}, as config and spec say")
