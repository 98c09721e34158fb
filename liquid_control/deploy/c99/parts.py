"""A saved policy as the parts that its C source consists of: sizes and float32 tables in the order
in which the C code walks through them. numpy only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from liquid_control.errors import ConfigError, MissingDependencyError, ModelFileError
from liquid_control.model.cores import CfcConfig, LtcConfig
from liquid_control.model.encoders import STRIDES
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.spec import column
from liquid_control.model.wiring import NcpWiring, Synapse

Weights = Mapping[str, np.ndarray]
FLOOR = 1e-30
"""`policy.cells.synapses.FLOOR`; a robot has no PyTorch."""
NORM_FLOOR = 1e-5
"""Of the variance in the encoders' normalisation."""
LOG2_E = np.float32(np.log2(np.e))


@dataclasses.dataclass(frozen=True, eq=False)
class Convolution:
    """`weight` (rows of the kernel, columns * channels, maps), `bias` (maps,); a ReLU follows.
    Sizes are (rows, columns) of what comes in and goes out; pads half the kernel."""

    weight: np.ndarray
    bias: np.ndarray
    channels: int
    stride: tuple[int, int]
    size_in: tuple[int, int]
    size_out: tuple[int, int]

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[1] // self.channels

    @property
    def maps(self) -> int:
        return len(self.bias)

    @property
    def multiply_adds(self) -> int:
        """Of one picture, the zeros of the border included."""
        return self.size_out[0] * self.size_out[1] * self.weight.size


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """Linear layer, normalisation and tanh behind the convolutions. `weight` (groups, inputs of a
    group, outputs of a group): a group sees every `groups`-th number. `gain`, `shift` (features,)
    of the normalisation."""

    weight: np.ndarray
    bias: np.ndarray
    gain: np.ndarray
    shift: np.ndarray

    @property
    def groups(self) -> int:
        return len(self.weight)


@dataclasses.dataclass(frozen=True, eq=False)
class LtcCircuit:
    """`first` (neurons + 1,): where each neuron's synapses begin, in two lists sorted by target:
    from the inputs and from neurons. `synapses` (S, 4) of each: slope and offset of the exponent
    of two, conductance times reversal potential, conductance. `neurons` (U, 3): capacitance, leak
    times its potential, leak."""

    first: tuple[np.ndarray, np.ndarray]
    sources: tuple[np.ndarray, np.ndarray]
    synapses: tuple[np.ndarray, np.ndarray]
    neurons: np.ndarray
    unfolds: int


@dataclasses.dataclass(frozen=True, eq=False)
class CfcLayer:
    """`weight` (sources + own, 4 * units): heads of the target state, the second target, slope and
    offset of the time gate; zeros where the wiring has no connection. `start`: number of its first
    neuron."""

    weight: np.ndarray
    bias: np.ndarray
    start: int

    @property
    def units(self) -> int:
        return len(self.bias) // 4


@dataclasses.dataclass(frozen=True, eq=False)
class CfcLayers:
    """Layers in the order of computation."""

    layers: tuple[CfcLayer, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """All of a policy. `measurements` (4, M): centre, scale, and the bounds of what these make of a
    number; `inputs` (2, F): scale and shift of the core's inputs; `actions` (5, A): scale and shift
    of the core's outputs, unit, lowest value and span, the last 0 where an action has no bounds.
    `height` and `width` are 0 without a picture."""

    height: int
    width: int
    convolutions: tuple[Convolution, ...]
    features: Features | None
    measurements: np.ndarray
    inputs: np.ndarray
    core: LtcCircuit | CfcLayers
    neurons: int
    outputs: int
    time_scale: float
    actions: np.ndarray

    @property
    def has_image(self) -> bool:
        return self.features is not None


def parts_of(info: ModelInfo) -> Parts:
    """Raises ConfigError for a core whose C code does not exist, ModelFileError for a weight that
    is missing, MissingDependencyError without safetensors."""
    weights, spec, image = _weights(info), info.spec, info.spec.image
    core = _core(info, weights)
    convolutions = () if image is None else _convolutions(info, weights)
    centre, scale = column(spec.measurements, "centre"), column(spec.measurements, "scale")
    bounds = [(column(spec.measurements, side) - centre) / scale for side in ("low", "high")]
    actions = np.zeros((5, len(spec.actions)))
    actions[0], actions[1] = weights["output_scale"], weights["output_shift"]
    actions[2] = column(spec.actions, "scale") * info.policy.output_gain
    for place, one in enumerate(spec.actions):
        if one.is_bounded:
            actions[3:, place] = one.low, one.high - one.low
    return Parts(
        0 if image is None else image.height,
        0 if image is None else image.width,
        convolutions,
        None if image is None else _features(info, weights, convolutions[-1]),
        np.stack([centre, scale, *bounds]).astype(np.float32),
        np.stack([weights["input_scale"], weights["input_shift"]]),
        core,
        info.wiring.neurons,
        info.wiring.motor,
        float(info.policy.time_scale),
        actions.astype(np.float32),
    )


class _Named(dict):
    """Weights by name; one that is missing is named with its file."""

    def __init__(self, values: Weights, info: ModelInfo) -> None:
        super().__init__(values)
        self._file = info.weights_path

    def __missing__(self, name: str) -> np.ndarray:
        raise ModelFileError(self._file, f"has no {name}", "Copy the whole model directory again")


def _weights(info: ModelInfo) -> Weights:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError("safetensors", "pip install safetensors") from None
    return _Named(safetensors.numpy.load(info.weights_path.read_bytes()), info)


def _convolutions(info: ModelInfo, weights: Weights) -> tuple[Convolution, ...]:
    found, size = [], (info.spec.image.height, info.spec.image.width)
    for number, stride in enumerate(STRIDES[info.policy.encoder]):
        name = f"encoder.convolutions.{2 * number}"
        weight = weights[f"{name}.weight"]  # (maps, channels, rows, columns)
        maps, channels, rows, columns = weight.shape
        after = -(-size[0] // stride[0]), -(-size[1] // stride[1])
        table = weight.transpose(2, 3, 1, 0).reshape(rows, columns * channels, maps)
        found.append(Convolution(table, weights[f"{name}.bias"], channels, stride, size, after))
        size = after
    return tuple(found)


def _features(info: ModelInfo, weights: Weights, last: Convolution) -> Features:
    pixels = last.size_out[0] * last.size_out[1]
    if "encoder.linear.weight" not in weights:  # the published encoder: a layer for each map
        names = [f"encoder.linears.{number}" for number in range(last.maps)]
        weight = np.stack([weights[f"{name}.weight"].T for name in names])
        bias = np.concatenate([weights[f"{name}.bias"] for name in names])
        return Features(weight, bias, np.ones_like(bias), np.zeros_like(bias))
    weight = weights["encoder.linear.weight"]  # (features, maps * pixels)
    table = weight.reshape(len(weight), last.maps, pixels).transpose(2, 1, 0)
    return Features(
        table.reshape(1, pixels * last.maps, len(weight)),
        weights["encoder.linear.bias"],
        weights["encoder.norm.weight"],
        weights["encoder.norm.bias"],
    )


def _core(info: ModelInfo, weights: Weights) -> LtcCircuit | CfcLayers:
    config = info.policy.core
    if isinstance(config, LtcConfig):
        return _ltc(config, info.wiring, weights)
    if isinstance(config, CfcConfig):
        return _cfc(info.wiring, weights)
    raise ConfigError("core", config.name, "ltc or cfc: no other core has C code")


def _ltc(config: LtcConfig, wiring: NcpWiring, weights: Weights) -> LtcCircuit:
    parts = (("sensory", wiring.sensory), ("recurrent", wiring.synapses))
    lists = [_synapses(name, synapses, wiring.neurons, weights) for name, synapses in parts]
    first, sources, synapses = zip(*lists, strict=True)
    leak = _positive(weights["cell.raw_gleak"])
    capacitance = _positive(weights["cell.raw_cm"])
    neurons = np.stack([capacitance, leak * weights["cell.vleak"], leak], axis=1)
    return LtcCircuit(first, sources, synapses, neurons, config.unfolds)


def _synapses(
    part: str, synapses: tuple[Synapse, ...], neurons: int, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted by target: where each neuron's begin, sources, and numbers, see `LtcCircuit`."""
    table = np.array(synapses, np.int64).reshape(-1, 3)
    order = np.argsort(table[:, 1], kind="stable")
    source, target = table[order, :2].T
    sigma, mu, erev, raw = (
        weights[f"cell.{part}.{name}"][order] for name in ("sigma", "mu", "erev", "raw_w")
    )
    conductance = _positive(raw)
    numbers = [-LOG2_E * sigma, LOG2_E * (sigma * mu), conductance * erev, conductance]
    return np.searchsorted(target, np.arange(neurons + 1)), source, np.stack(numbers, axis=1)


def _positive(raw: np.ndarray) -> np.ndarray:
    """`policy.cells.synapses.positive` of the softplus."""
    return np.logaddexp(raw.astype(np.float64), 0.0).astype(np.float32) + np.float32(FLOOR)


def _cfc(wiring: NcpWiring, weights: Weights) -> CfcLayers:
    layers = []
    for name, neurons, exists in wiring.layers():
        weight = weights[f"cell.{name}.weight"] * exists  # (4, units, sources + own)
        table = weight.reshape(-1, weight.shape[-1]).T
        layers.append(
            CfcLayer(np.ascontiguousarray(table), weights[f"cell.{name}.bias"], neurons.start)
        )
    return CfcLayers(tuple(layers))
