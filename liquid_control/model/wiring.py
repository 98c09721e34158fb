"""The wiring of a neural circuit policy: which neuron drives which, and with what polarity.

Lechner et al., "Neural circuit policies enabling auditable autonomy", Nature Machine Intelligence
2020, methods.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.errors import ConfigError
from liquid_control.model import wiring_json
from liquid_control.model.wiring_draw import (
    Layer,
    Synapse,
    adjacency,
    distinct,
    draw_fans,
    pick,
    share,
    whole,
    with_polarity,
)


@dataclasses.dataclass(frozen=True)
class NcpWiring:
    """A layered circuit: sensory → inter → command (with synapses among themselves) → motor.

    Neurons are numbered as in ncps: motor first, then command, then inter. Sensory neurons are the
    inputs and are numbered separately. `sensory` holds the synapses from inputs to inter neurons,
    `synapses` those between neurons. Construction checks every synapse and raises ConfigError.
    """

    inputs: int
    inter: int
    command: int
    motor: int
    sensory: tuple[Synapse, ...]
    synapses: tuple[Synapse, ...]

    __hash__ = wiring_json.remembered_hash
    sha256 = property(wiring_json.sha256)
    to_dict = wiring_json.to_dict
    from_dict = classmethod(wiring_json.from_dict)
    motor_neurons = property(wiring_json.motor_neurons)
    sensory_synapse_count = property(wiring_json.sensory_synapse_count)
    synapse_count = property(wiring_json.synapse_count)

    def __post_init__(self) -> None:
        for name in ("inputs", "inter", "command", "motor"):
            whole(f"NcpWiring.{name}", getattr(self, name), 1)
        units = {
            "inter": self.inter_neurons,
            "command": self.command_neurons,
            "motor": self.motor_neurons,
        }
        allowed = {
            (s, t) for s, t in (("inter", "command"), ("command", "command"), ("command", "motor"))
        }
        layer = {index: name for name, indices in units.items() for index in indices}
        for source, target, polarity in self.sensory:
            if not (
                0 <= source < self.inputs and layer.get(target) == "inter" and polarity in (-1, 1)
            ):
                raise ConfigError(
                    "NcpWiring.sensory",
                    (source, target, polarity),
                    "(input, inter neuron, -1 or 1)",
                )
        for source, target, polarity in self.synapses:
            if (layer.get(source), layer.get(target)) not in allowed or polarity not in (-1, 1):
                raise ConfigError(
                    "NcpWiring.synapses",
                    (source, target, polarity),
                    "a synapse along the layers with polarity -1 or 1",
                )
        for name in ("sensory", "synapses"):
            distinct(f"NcpWiring.{name}", getattr(self, name))

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

        Every input drives `sensory_fanout` inter neurons, every inter neuron `inter_fanout` command
        neurons, `recurrent_command` distinct pairs of command neurons (a neuron may drive itself)
        are joined, and every motor neuron listens to `motor_fanin` command neurons. A neuron that
        the draw left without a partner takes over the layer's mean number of synapses from the best
        connected ones. Synapses are moved, never added, so the count is inputs*sensory_fanout +
        inter*inter_fanout + recurrent_command + motor*motor_fanin for every seed (252 by default).
        Raises ConfigError for sizes that no such wiring has.
        """
        sizes = {"inputs": inputs, "inter": inter, "command": command, "motor": motor}
        for name, value in sizes.items():
            whole(f"NcpWiring.{name}", value, 1)
        whole("NcpWiring.sensory_fanout", sensory_fanout, -(-inter // inputs), inter)
        whole("NcpWiring.inter_fanout", inter_fanout, -(-command // inter), command)
        whole("NcpWiring.recurrent_command", recurrent_command, 0, command * command)
        whole("NcpWiring.motor_fanin", motor_fanin, -(-command // motor), command)
        whole("NcpWiring.seed", seed, 0)
        bits = np.random.PCG64(seed)
        sensory = draw_fans(bits, inputs, inter, sensory_fanout)
        to_command = draw_fans(bits, inter, command, inter_fanout)
        pairs = pick(bits, command * command, recurrent_command)
        to_motor = draw_fans(bits, motor, command, motor_fanin)
        first_command, first_inter = motor, motor + command
        between = [(first_inter + s, first_command + t) for s, t in to_command]
        between += [(first_command + p // command, first_command + p % command) for p in pairs]
        between += [(first_command + s, t) for t, s in to_motor]
        return cls(
            **sizes,
            sensory=with_polarity(bits, [(s, first_inter + t) for s, t in sensory]),
            synapses=with_polarity(bits, between),
        )

    @classmethod
    def automatic(
        cls, inputs: int, neurons: int, motor: int, sparsity: float = 0.5, seed: int = 22222
    ) -> NcpWiring:
        """Draws a wiring of `neurons` neurons, `motor` of them motor ones, with the sizes that
        ncps' AutoNCP would choose.

        Of the rest, two in five are command neurons and the others inter neurons. Fans are the
        share 1 - `sparsity` of the layer that they reach, and as many more as it takes to give
        every neuron a partner (AutoNCP adds synapses instead); command neurons get twice that share
        of their number as recurrent synapses. Raises ConfigError.
        """
        whole("NcpWiring.motor", motor, 1)
        whole("NcpWiring.inputs", inputs, 1)
        whole("NcpWiring.neurons", neurons, motor + 2)
        density = 1.0 - share("NcpWiring.sparsity", sparsity)
        command = max(int(0.4 * (neurons - motor)), 1)
        inter = neurons - motor - command
        return cls.build(
            inputs=inputs,
            inter=inter,
            command=command,
            motor=motor,
            sensory_fanout=max(int(inter * density), -(-inter // inputs)),
            inter_fanout=max(int(command * density), -(-command // inter)),
            recurrent_command=min(max(int(command * density * 2), 1), command * command),
            motor_fanin=max(int(command * density), -(-command // motor)),
            seed=seed,
        )

    @property
    def neurons(self) -> int:
        """Neurons with a state: all but the sensory ones."""
        return self.motor + self.command + self.inter

    @property
    def command_neurons(self) -> range:
        return range(self.motor, self.motor + self.command)

    @property
    def inter_neurons(self) -> range:
        return range(self.motor + self.command, self.neurons)

    def layers(self) -> list[Layer]:
        """inter, command, motor, in the order of computation. Inputs of a layer: the previous layer
        along the synapses, and all neurons of the same layer."""
        between, layers = adjacency(self.synapses, self.neurons, self.neurons), []
        before = adjacency(self.sensory, self.neurons, self.inputs)
        for name, neurons in (
            ("inter", self.inter_neurons),
            ("command", self.command_neurons),
            ("motor", self.motor_neurons),
        ):
            own = np.ones((len(neurons), len(neurons)), bool)
            layers.append(Layer(name, neurons, np.concatenate([before[neurons], own], axis=1)))
            before = between[:, neurons]
        return layers
