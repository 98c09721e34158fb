"""The wiring of a neural circuit policy: which neuron drives which, and with what polarity.

Lechner et al., "Neural circuit policies enabling auditable autonomy", Nature Machine Intelligence 2020, methods.
Drawn with the raw 64-bit output of PCG64, the one stream that numpy promises never to change: the same seed
gives the same graph on every platform and version.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

import numpy as np

from liquid_control.errors import ConfigError

Synapse = tuple[int, int, int]
"""(source, target, polarity): polarity +1 excites, -1 inhibits."""


@dataclasses.dataclass(frozen=True)
class NcpWiring:
    """A layered circuit: sensory → inter → command (with synapses among themselves) → motor.

    Neurons are numbered as in ncps: motor first, then command, then inter. Sensory neurons are the inputs and have
    numbers of their own. `sensory` holds the synapses from inputs to inter neurons, `synapses` those between neurons.
    Construction checks every synapse and raises ConfigError.
    """

    inputs: int
    inter: int
    command: int
    motor: int
    sensory: tuple[Synapse, ...]
    synapses: tuple[Synapse, ...]

    def __post_init__(self) -> None:
        for name in ("inputs", "inter", "command", "motor"):
            _whole(name, getattr(self, name), 1)
        units = {"inter": self.inter_neurons, "command": self.command_neurons, "motor": self.motor_neurons}
        allowed = {(s, t) for s, t in (("inter", "command"), ("command", "command"), ("command", "motor"))}
        layer = {index: name for name, indices in units.items() for index in indices}
        for source, target, polarity in self.sensory:
            if not (0 <= source < self.inputs and layer.get(target) == "inter" and polarity in (-1, 1)):
                raise ConfigError("NcpWiring.sensory", (source, target, polarity), "(input, inter neuron, -1 or 1)")
        for source, target, polarity in self.synapses:
            if (layer.get(source), layer.get(target)) not in allowed or polarity not in (-1, 1):
                raise ConfigError("NcpWiring.synapses", (source, target, polarity), "a synapse along the layers with polarity -1 or 1")
        for name in ("sensory", "synapses"):
            pairs = [synapse[:2] for synapse in getattr(self, name)]
            if len(set(pairs)) != len(pairs):
                raise ConfigError(f"NcpWiring.{name}", f"{len(pairs) - len(set(pairs))} repeated", "distinct synapses")

    @classmethod
    def build(
        cls,
        inputs: int = 32,
        inter: int = 12,
        command: int = 6,
        motor: int = 1,
        sensory_fanout: int = 6,
        inter_fanout: int = 4,
        recurrent_command: int = 6,
        motor_fanin: int = 6,
        seed: int = 22222,
    ) -> NcpWiring:
        """Draws a wiring.

        Every input drives `sensory_fanout` inter neurons, every inter neuron `inter_fanout` command neurons,
        `recurrent_command` distinct pairs of command neurons (a neuron may drive itself) are joined, and every motor
        neuron listens to `motor_fanin` command neurons. A neuron that the draw left without a partner takes over the
        layer's mean number of synapses from the best connected ones. Synapses are moved, never added, so the count is
        inputs*sensory_fanout + inter*inter_fanout + recurrent_command + motor*motor_fanin for every seed (252 by
        default). Raises ConfigError for sizes that no such wiring has.
        """
        sizes = {"inputs": inputs, "inter": inter, "command": command, "motor": motor}
        for name, value in sizes.items():
            _whole(name, value, 1)
        _whole("sensory_fanout", sensory_fanout, -(-inter // inputs), inter)
        _whole("inter_fanout", inter_fanout, -(-command // inter), command)
        _whole("recurrent_command", recurrent_command, 0, command * command)
        _whole("motor_fanin", motor_fanin, -(-command // motor), command)
        _whole("seed", seed, 0)
        bits = np.random.PCG64(seed)
        sensory = _draw(bits, inputs, inter, sensory_fanout)
        to_command = _draw(bits, inter, command, inter_fanout)
        pairs = _pick(bits, command * command, recurrent_command)
        to_motor = _draw(bits, motor, command, motor_fanin)
        first_command, first_inter = motor, motor + command
        between = [(first_inter + s, first_command + t) for s, t in to_command]
        between += [(first_command + p // command, first_command + p % command) for p in pairs]
        between += [(first_command + s, t) for t, s in to_motor]
        return cls(
            **sizes,
            sensory=_with_polarity(bits, [(s, first_inter + t) for s, t in sensory]),
            synapses=_with_polarity(bits, between),
        )

    @property
    def neurons(self) -> int:
        """Neurons with a state: all but the sensory ones."""
        return self.motor + self.command + self.inter

    @property
    def motor_neurons(self) -> range:
        return range(self.motor)

    @property
    def command_neurons(self) -> range:
        return range(self.motor, self.motor + self.command)

    @property
    def inter_neurons(self) -> range:
        return range(self.motor + self.command, self.neurons)

    @property
    def synapse_count(self) -> int:
        """All synapses, those from the inputs included."""
        return len(self.sensory) + len(self.synapses)

    @property
    def sensory_synapse_count(self) -> int:
        """Synapses from inputs to inter neurons."""
        return len(self.sensory)

    @property
    def sha256(self) -> str:
        """Hash of sizes and synapses in canonical JSON."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def to_dict(self) -> dict:
        """For JSON; `from_dict` reads it back."""
        return json.loads(json.dumps(dataclasses.asdict(self))) | {"sha256": self.sha256}

    @classmethod
    def from_dict(cls, values: Mapping) -> NcpWiring:
        """Reads `to_dict`'s mapping; raises ConfigError when it is malformed or does not match its own hash."""
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or sorted(values) != sorted([*names, "sha256"]):
            raise ConfigError("NcpWiring", sorted(values) if isinstance(values, Mapping) else values, f"a mapping of {names} and sha256")
        fields = {name: values[name] for name in names}
        for name in ("sensory", "synapses"):
            try:
                fields[name] = tuple((int(s), int(t), int(p)) for s, t, p in fields[name])
            except (TypeError, ValueError):
                raise ConfigError(f"NcpWiring.{name}", "another structure", "a list of [source, target, polarity]") from None
        wiring = cls(**fields)
        if wiring.sha256 != values["sha256"]:
            raise ConfigError("NcpWiring.sha256", values["sha256"], f"{wiring.sha256}, the hash of these synapses")
        return wiring


def _whole(name: str, value: object, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low or (high is not None and value > high):
        upper = "" if high is None else f" and at most {high}"
        raise ConfigError(f"NcpWiring.{name}", value, f"a whole number of at least {low}{upper}, so that every neuron can have a partner")


def _pick(bits: np.random.PCG64, count: int, size: int) -> list[int]:
    """`size` distinct numbers below `count`, uniform: the places of the smallest random keys."""
    return [int(i) for i in np.argsort(bits.random_raw(count), kind="stable")[:size]]


def _draw(bits: np.random.PCG64, drawers: int, targets: int, fanout: int) -> list[tuple[int, int]]:
    """Distinct (drawer, target) pairs, `fanout` per drawer, with every target reached."""
    chosen = [set(_pick(bits, targets, fanout)) for _ in range(drawers)]
    fan_in = [sum(target in choice for choice in chosen) for target in range(targets)]
    for orphan in [target for target in range(targets) if fan_in[target] == 0]:
        for drawer in _pick(bits, drawers, drawers):
            richest = max(chosen[drawer], key=lambda target: (fan_in[target], -target))
            if fan_in[orphan] < max(1, drawers * fanout // targets) and fan_in[richest] > 1:
                chosen[drawer] ^= {orphan, richest}
                fan_in[orphan], fan_in[richest] = fan_in[orphan] + 1, fan_in[richest] - 1
    return [(drawer, target) for drawer in range(drawers) for target in sorted(chosen[drawer])]


def _with_polarity(bits: np.random.PCG64, pairs: list[tuple[int, int]]) -> tuple[Synapse, ...]:
    """Polarity -1 or 1 with equal probability: the highest of 64 random bits."""
    return tuple((s, t, 1 if raw >> 63 else -1) for (s, t), raw in zip(pairs, bits.random_raw(len(pairs)).tolist(), strict=True))
