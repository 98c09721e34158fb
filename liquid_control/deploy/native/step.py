"""One step of a cell at batch 1, for robots: numpy in and out, a few microseconds, no PyTorch.

The equations are those of the cells' `step`, with the same parameters: a cell's `state_dict` as
numpy arrays, or the weights of a model as safetensors reads them. Construction compiles: seconds
the first time on a machine, from numba's cache after that. An object has scratch memory, so that it
serves one thread; the state it returns is a new array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from liquid_control.deploy.native.step_cpu import HEADER, HEADS, cfc_step, ltc_step
from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.kernels.cpu.ltc_packing import circuit, pack
from liquid_control.policy.kernels.cpu.simd import LANES, lines

FLOAT = np.dtype(np.float32)
GATES = {"default": 1, "no_gate": 0}
CONNECTIONS = "_extra_state"
"""In a cell's state_dict the hash of its wiring, which is an argument here."""


class LtcStep:
    """`LtcCell.step` for one sample. `weights` holds the parameters under LtcCell's names, those of
    an affine cell included.

    Raises ConfigError for a parameter that is missing or unknown and ShapeError for one of the
    wrong size.
    """

    def __init__(
        self,
        wiring: NcpWiring | FreeWiring,
        weights: Mapping[str, np.ndarray],
        unfolds: int = 6,
        positivity: str = "softplus",
    ) -> None:
        if isinstance(unfolds, bool) or not isinstance(unfolds, int) or unfolds < 1:
            raise ConfigError("LtcStep.unfolds", unfolds, "a whole number of at least 1")
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        shapes = {name: (wiring.neurons,) for name in ("raw_cm", "raw_gleak", "vleak")}
        for part, synapses in (("sensory", wiring.sensory), ("recurrent", wiring.synapses)):
            shapes |= {
                f"{part}.{name}": (len(synapses),) for name in ("raw_w", "sigma", "mu", "erev")
            }
        maps = (
            {"input_scale": (self.inputs,), "input_shift": (self.inputs,)}
            if "input_scale" in weights
            else {}
        )
        outputs = {"output_scale": (self.outputs,), "output_shift": (self.outputs,)} if maps else {}
        values = _parameters(weights, shapes | maps | outputs)
        raw = (values[name] for name in (*shapes, *maps))
        tables = pack(wiring, *raw, positivity=positivity)
        columns = [
            _columns(table)
            for table in (tables.sensory[:, :4], tables.recurrent[:, :4], tables.neurons)
        ]
        output = [values[name] for name in outputs] or [
            np.ones(self.outputs, np.float32),
            np.zeros(self.outputs, np.float32),
        ]
        scratch = _padded(max(len(wiring.sensory), len(wiring.synapses))) + 6 * _padded(
            self.neurons
        )
        self._buffer = _buffer(
            wiring,
            (unfolds,),
            np.concatenate(circuit(wiring)[0]),
            np.concatenate([*columns, *output]),
            scratch,
        )
        self.step(np.zeros(self.inputs, np.float32), self.initial_state(), 1.0)
        ltc_step.disable_compile()

    @classmethod
    def from_cell(cls, cell) -> LtcStep:
        """The step of an LtcCell with its present weights."""
        return cls(cell.wiring, _arrays(cell), cell.unfolds, cell.positivity)

    def initial_state(self) -> np.ndarray:
        """Resting state (U,)."""
        return np.zeros(self.neurons, np.float32)

    def step(self, x: np.ndarray, h: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """x (F,), h (U,), dt → y (M,), h (U,), float32. Raises ShapeError and TimeError."""
        return _step(ltc_step, x, h, dt, self)


class WiredCfcStep:
    """`WiredCfcCell.step` for one sample. `weights` holds the parameters under WiredCfcCell's
    names; `variant` is default or no_gate. Raises ConfigError for a parameter that is missing or
    unknown and ShapeError for one of the wrong size."""

    def __init__(
        self,
        wiring: NcpWiring | FreeWiring,
        weights: Mapping[str, np.ndarray],
        variant: str = "default",
        dense_time: bool = False,
    ) -> None:
        if variant not in GATES:
            raise ConfigError("WiredCfcStep.variant", variant, "default or no_gate")
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        layers = wiring.layers()
        shapes = {}
        for name, neurons, existing in layers:
            shapes |= {
                f"{name}.weight": (HEADS, *existing.shape),
                f"{name}.bias": (HEADS * len(neurons),),
            }
        values, tables = _parameters(weights, shapes), []
        for name, _, existing in layers:
            units, sources = existing.shape
            mask = np.stack([existing, existing, existing | dense_time, existing | dense_time])
            table = np.zeros((sources + 1, HEADS, _padded(units)), np.float32)
            table[:-1, :, :units] = (values[f"{name}.weight"] * mask).transpose(2, 0, 1)
            table[-1, :, :units] = values[f"{name}.bias"].reshape(HEADS, units)
            tables.append(table.ravel())
        lists = np.array(
            [number for _, neurons, _ in layers for number in (neurons.start, len(neurons))]
        )
        scratch = max(existing.shape[1] for *_, existing in layers) + _padded(
            max(len(neurons) for _, neurons, _ in layers)
        )
        self._buffer = _buffer(
            wiring, (len(layers), GATES[variant]), lists, np.concatenate(tables), scratch
        )
        self.step(np.zeros(self.inputs, np.float32), self.initial_state(), 1.0)
        cfc_step.disable_compile()

    @classmethod
    def from_cell(cls, cell) -> WiredCfcStep:
        """The step of a WiredCfcCell with its present weights."""
        return cls(cell.wiring, _arrays(cell), cell.variant, cell.dense_time)

    def initial_state(self) -> np.ndarray:
        """State (U,) at the start of a sequence."""
        return np.zeros(self.neurons, np.float32)

    def step(self, x: np.ndarray, h: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """x (F,), h (U,), dt → y (M,), h (U,), float32. Raises ShapeError and TimeError."""
        return _step(cfc_step, x, h, dt, self)


def _step(
    kernel, x: np.ndarray, h: np.ndarray, dt: float, owner: LtcStep | WiredCfcStep
) -> tuple[np.ndarray, np.ndarray]:
    """Arguments are checked only when the kernel refuses them, because most calls are correct."""
    neurons = owner.neurons
    out = np.empty(neurons + owner.outputs, np.float32)
    if type(x) is not np.ndarray or x.dtype is not FLOAT:
        x = np.ascontiguousarray(x, np.float32)
    try:
        good = kernel(x, h, dt, owner._buffer, out)
    except TypeError:
        good = False
    if not good:
        x, h = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(h, np.float32)
        for name, value, size in (("x", x, owner.inputs), ("h", h, neurons)):
            if value.shape != (size,):
                raise ShapeError(name, value.shape, (size,))
        if not 0.0 < dt < math.inf:
            raise TimeError(dt)
        kernel(x, h, float(dt), owner._buffer, out)
    return out[neurons:], out[:neurons]


def _buffer(
    wiring: NcpWiring | FreeWiring,
    numbers: tuple,
    lists: np.ndarray,
    tables: np.ndarray,
    scratch: int,
) -> np.ndarray:
    """The one array of `step_cpu`, its parts aligned to cache lines."""
    tables_at = HEADER + _padded(len(lists))
    scratch_at = tables_at + _padded(len(tables))
    buffer = lines(_padded(scratch_at + scratch) // LANES, np.float32).reshape(-1)
    buffer[:] = 1
    integers = buffer.view(np.int32)
    header = (wiring.inputs, wiring.neurons, wiring.motor, tables_at, scratch_at, *numbers)
    integers[: len(header)] = header
    integers[HEADER : HEADER + len(lists)] = lists
    buffer[tables_at : tables_at + len(tables)] = tables
    return buffer


def _padded(size: int) -> int:
    return -(-size // LANES) * LANES


def _columns(table: np.ndarray) -> np.ndarray:
    """(S, columns) → its columns one after the other, each padded with zeros to full vectors."""
    result = np.zeros((table.shape[1], _padded(len(table))), np.float32)
    result[:, : len(table)] = table.T
    return result.ravel()


def _arrays(cell) -> dict[str, np.ndarray]:
    return {name: value.detach().cpu().numpy() for name, value in cell.state_dict().items()}


def _parameters(
    weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    for problem, names in (
        ("missing", shapes.keys() - weights.keys()),
        ("unknown", weights.keys() - shapes.keys() - {CONNECTIONS}),
    ):
        if names:
            raise ConfigError(
                "weights",
                f"{problem} {', '.join(sorted(names))}",
                "exactly the parameters " + ", ".join(shapes),
            )
    values = {name: np.asarray(weights[name], np.float32) for name in shapes}
    for name, shape in shapes.items():
        if values[name].shape != shape:
            raise ShapeError(name, values[name].shape, shape)
    return values
