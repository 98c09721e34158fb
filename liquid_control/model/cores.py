"""The recurrent cores that a policy can have: settings, learning rate, state and names of each. No
torch.

To add a core, write its cell and a `build` function in a file of `policy/cells/`, and its settings
here as a subclass of `CoreConfig` in `CORES`. Training, export, runtimes, reports and tests read
what they need from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from liquid_control.config import check, from_mapping, number, variant
from liquid_control.errors import ConfigError
from liquid_control.model.state import StateArray
from liquid_control.model.wiring import NcpWiring

TIME_GATE = (
    "1 / |t_a|: a CfC has no leak and no conductances; what stands in is how long dt must grow "
    "until the odds of its time gate σ(t_a dt + t_b), which moves the state from one target to the "
    "other, change by the factor e"
)
LABELS = {"cell": "memory"}
"""Names of a state array's numbers for people, where they are not the array's name."""


@dataclasses.dataclass(frozen=True)
class CoreConfig:
    """Settings of a core; `CORES` has a subclass for each. Construction checks every field.

    A subclass sets
    `title`: the core in a word or two;
    `cell`: "module:function" that builds its cell: build(config, inputs, wiring) -> Cell;
    `rate`: learning rate: the best of 0.005, 0.01, 0.02 and 0.04 in 1500 steps behind one encoder,
    by the error on held-out drives (doc/cores.md);
    `uses_time`: whether its step depends on dt;
    `liquid`: whether its time constants depend on its input;
    `time_constant`, `time_constant_title`: the meaning of its cell's `time_constants_of_step`, in
    words;
    `step_seconds`: about how long a processor core takes for a training step on frozen features.

    The outputs of a core with a field `wiring` are its motor neurons; those of any other core are
    read out by one linear layer.
    """

    name: str
    title: ClassVar[str]
    cell: ClassVar[str]
    rate: ClassVar[float]
    uses_time: ClassVar[bool] = True
    liquid: ClassVar[bool] = False
    wired: ClassVar[bool] = False
    time_constant: ClassVar[str] = "none: the gates of this core do not depend on time"
    time_constant_title: ClassVar[str] = "time constant"
    step_seconds: ClassVar[float] = 3e-3

    def __post_init__(self) -> None:
        if self.name != type(self).name:
            raise ConfigError(f"{type(self).__name__}.name", self.name, type(self).name)
        check(self)

    def state(self, inputs: int, outputs: int) -> tuple[StateArray, ...]:
        """The arrays of the state, which its cell must have too, of a core with these numbers of
        inputs and outputs: one array of `units` numbers unless a subclass says otherwise."""
        return (StateArray("state", (self.units,)),)

    def state_names(self, inputs: int, outputs: int) -> tuple[str, ...]:
        """A name for each number of the state, in order: unit_0, unit_1, ... for the first array,
        the array's name or its label and a number for the others."""
        first, *others = self.state(inputs, outputs)
        arrays = [("unit", first.size)]
        arrays += [(LABELS.get(array.name, array.name), array.size) for array in others]
        return number_names(arrays)

    def least_weights(self, wiring: NcpWiring | None) -> int:
        """How many numbers the weights hold at least. A model file with fewer is refused before
        its cell is built; for cores that take memory before the shapes of weights are known."""
        return 0


def number_names(groups: list[tuple[str, int]]) -> tuple[str, ...]:
    """name_0, name_1, ... for each group (name, size)."""
    return tuple(f"{name}_{index}" for name, size in groups for index in range(size))


def named(name: str):
    """The field `name` of a core's settings."""
    return variant(name, lambda: CORES, "recurrent core", alias="--core")


def units():
    """The field `units` of a core's settings."""
    return number(19, 1, 4096, "", "units")


@dataclasses.dataclass(frozen=True)
class WiringConfig:
    """The draw of a neural circuit policy's wiring, see `NcpWiring.build`."""

    inter: int = number(12, 1, 4096, "", "inter neurons")
    command: int = number(6, 1, 4096, "", "command neurons")
    sensory_fanout: int = number(6, 1, 4096, "", "inter neurons that each sensory neuron drives")
    inter_fanout: int = number(4, 1, 4096, "", "command neurons that each inter neuron drives")
    recurrent_command: int = number(6, 0, 65536, "", "synapses among command neurons")
    motor_fanin: int = number(6, 1, 4096, "", "command neurons that drive each motor neuron")
    seed: int = number(22222, 0, 2**31 - 1, "", "seed of the wiring draw")

    def __post_init__(self) -> None:
        check(self)

    def draw(self, inputs: int, outputs: int) -> NcpWiring:
        """The wiring for these numbers of inputs and motor neurons. Raises ConfigError for sizes
        that no such wiring has."""
        return NcpWiring.build(inputs=inputs, motor=outputs, **dataclasses.asdict(self))

    def sizes(self, inputs: int, outputs: int) -> dict[str, int]:
        """Neurons by layer, as `NcpWiring` names them."""
        return {"inputs": inputs, "inter": self.inter, "command": self.command, "motor": outputs}


@dataclasses.dataclass(frozen=True)
class WiredCoreConfig(CoreConfig):
    """Settings of a core on a wiring. Its state is one number for each neuron."""

    wired: ClassVar[bool] = True
    liquid: ClassVar[bool] = True
    wiring: WiringConfig = WiringConfig()

    def state(self, inputs: int, outputs: int) -> tuple[StateArray, ...]:
        neurons = outputs + self.wiring.command + self.wiring.inter
        return (StateArray("state", (neurons,)),)

    def state_names(self, inputs: int, outputs: int) -> tuple[str, ...]:
        wiring = self.wiring
        return number_names(
            [("motor", outputs), ("command", wiring.command), ("inter", wiring.inter)]
        )


@dataclasses.dataclass(frozen=True)
class LtcConfig(WiredCoreConfig):
    """Liquid time-constant neurons on a wiring."""

    title: ClassVar[str] = "LTC"
    cell: ClassVar[str] = "liquid_control.policy.cells.ltc:build"
    rate: ClassVar[float] = 0.04
    time_constant: ClassVar[str] = (
        "effective time constant τ = cm / (gleak + Σ w σ(·)) from the neuron's conductances at "
        "that moment"
    )
    name: str = named("ltc")
    unfolds: int = number(3, 1, 64, "", "solver steps per frame")


@dataclasses.dataclass(frozen=True)
class CfcConfig(WiredCoreConfig):
    """Closed-form continuous-time neurons on a wiring."""

    title: ClassVar[str] = "CfC"
    cell: ClassVar[str] = "liquid_control.policy.cells.wired_cfc:build"
    rate: ClassVar[float] = 0.02
    time_constant: ClassVar[str] = TIME_GATE
    time_constant_title: ClassVar[str] = "time gate"
    name: str = named("cfc")

    def least_weights(self, wiring: NcpWiring | None) -> int:
        """Four dense matrices for each layer: the cell draws its masks, as large as its weights,
        when it is built."""
        sizes = (wiring.inputs, wiring.inter, wiring.command, wiring.motor)
        layers = zip(sizes, sizes[1:], strict=False)
        return 4 * sum(size * (before + size) for before, size in layers)


@dataclasses.dataclass(frozen=True)
class CfcFullConfig(CoreConfig):
    """Closed-form continuous-time units, fully connected, behind a backbone."""

    title: ClassVar[str] = "CfC, fully connected"
    cell: ClassVar[str] = "liquid_control.policy.cells.cfc:build"
    rate: ClassVar[float] = 0.005
    liquid: ClassVar[bool] = True
    time_constant: ClassVar[str] = TIME_GATE
    time_constant_title: ClassVar[str] = "time gate"
    step_seconds: ClassVar[float] = 12e-3
    name: str = named("cfc_full")
    units: int = units()
    backbone: int = number(128, 0, 4096, "", "units of the layer before the heads; 0: no layer")


@dataclasses.dataclass(frozen=True)
class CfcMixedConfig(CoreConfig):
    """Mixed memory: an LSTM steps, and a fully connected CfC carries its output through time."""

    title: ClassVar[str] = "CfC, mixed memory"
    cell: ClassVar[str] = "liquid_control.policy.cells.cfc:build"
    rate: ClassVar[float] = 0.02
    liquid: ClassVar[bool] = True
    time_constant: ClassVar[str] = TIME_GATE
    time_constant_title: ClassVar[str] = "time gate"
    step_seconds: ClassVar[float] = 17e-3
    name: str = named("cfc_mixed")
    units: int = units()
    backbone: int = number(128, 0, 4096, "", "units of the layer before the heads; 0: no layer")

    def state(self, inputs: int, outputs: int) -> tuple[StateArray, ...]:
        return StateArray("hidden", (self.units,)), StateArray("cell", (self.units,))


@dataclasses.dataclass(frozen=True)
class CtRnnConfig(CoreConfig):
    """Continuous-time RNN."""

    title: ClassVar[str] = "CT-RNN"
    cell: ClassVar[str] = "liquid_control.policy.cells.ct_rnn:build"
    rate: ClassVar[float] = 0.005
    time_constant: ClassVar[str] = "the fixed time constant of the cell: it never changes"
    step_seconds: ClassVar[float] = 8e-3
    name: str = named("ct_rnn")
    units: int = units()
    unfolds: int = number(3, 1, 64, "", "solver steps per frame")


@dataclasses.dataclass(frozen=True)
class GruConfig(CoreConfig):
    """Gated recurrent units without time."""

    title: ClassVar[str] = "GRU"
    cell: ClassVar[str] = "liquid_control.policy.cells.gru:build"
    rate: ClassVar[float] = 0.01
    uses_time: ClassVar[bool] = False
    step_seconds: ClassVar[float] = 7e-3
    name: str = named("gru")
    units: int = units()


@dataclasses.dataclass(frozen=True)
class GruTimedConfig(CoreConfig):
    """Gated recurrent units with dt as one more input."""

    title: ClassVar[str] = "GRU with time"
    cell: ClassVar[str] = "liquid_control.policy.cells.gru:build"
    rate: ClassVar[float] = 0.02
    step_seconds: ClassVar[float] = 7e-3
    name: str = named("gru_timed")
    units: int = units()


@dataclasses.dataclass(frozen=True)
class LstmConfig(CoreConfig):
    """Long short-term memory without time."""

    title: ClassVar[str] = "LSTM"
    cell: ClassVar[str] = "liquid_control.policy.cells.lstm:build"
    rate: ClassVar[float] = 0.02
    uses_time: ClassVar[bool] = False
    step_seconds: ClassVar[float] = 5e-3
    name: str = named("lstm")
    units: int = units()

    def state(self, inputs: int, outputs: int) -> tuple[StateArray, ...]:
        return StateArray("hidden", (self.units,)), StateArray("cell", (self.units,))


@dataclasses.dataclass(frozen=True)
class FeedForwardConfig(CoreConfig):
    """A layer on one frame: no recurrence."""

    title: ClassVar[str] = "feed-forward"
    cell: ClassVar[str] = "liquid_control.policy.cells.feedforward:build"
    rate: ClassVar[float] = 0.04
    uses_time: ClassVar[bool] = False
    stack: ClassVar[int] = 1
    name: str = named("feedforward")
    units: int = units()


@dataclasses.dataclass(frozen=True)
class FeedForwardStackConfig(CoreConfig):
    """A layer on the last few frames: no recurrence."""

    title: ClassVar[str] = "feed-forward, stacked frames"
    cell: ClassVar[str] = "liquid_control.policy.cells.feedforward:build"
    rate: ClassVar[float] = 0.01
    uses_time: ClassVar[bool] = False
    name: str = named("feedforward_stack")
    units: int = units()
    stack: int = number(4, 1, 256, "", "frames that it sees at once")

    def state(self, inputs: int, outputs: int) -> tuple[StateArray, ...]:
        if self.stack == 1:
            return super().state(inputs, outputs)
        past = StateArray("past", (self.stack - 1, inputs))
        return StateArray("activity", (self.units,)), past


CORES: dict[str, type[CoreConfig]] = {
    core.name: core
    for core in (
        LtcConfig,
        CfcConfig,
        CfcFullConfig,
        CfcMixedConfig,
        CtRnnConfig,
        GruConfig,
        GruTimedConfig,
        LstmConfig,
        FeedForwardConfig,
        FeedForwardStackConfig,
    )
}
"""Settings by name."""

PRESETS: dict[str, CoreConfig] = {
    "ltc": LtcConfig(),
    "cfc": CfcConfig(),
    "cfc_full": CfcFullConfig(),
    "cfc_mixed": CfcMixedConfig(),
    "ct_rnn_19": CtRnnConfig(),
    "ct_rnn_64": CtRnnConfig(units=64),
    "gru": GruConfig(),
    "gru_timed": GruTimedConfig(),
    "lstm_19": LstmConfig(),
    "lstm_64": LstmConfig(units=64),
    "feedforward": FeedForwardConfig(units=64),
    "feedforward_stack": FeedForwardStackConfig(units=64),
}
"""The cores that are compared on the road, in the sizes that they have there."""


def core_from_dict(values: object) -> CoreConfig:
    """The inverse of `dataclasses.asdict` for a core's settings. Raises ConfigError."""
    if not isinstance(values, Mapping):
        raise ConfigError("core", values, "a mapping of settings")
    return from_mapping(find_core(values.get("name")), values)


def find_core(name: object) -> type[CoreConfig]:
    """The settings class of a core. Raises ConfigError for a name that is not in `CORES`."""
    if not isinstance(name, str) or name not in CORES:
        raise ConfigError("core", name, "one of " + ", ".join(CORES))
    return CORES[name]
