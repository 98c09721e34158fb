"""Wirings without layers: any input may drive any neuron and any neuron any other, itself
included."""

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
    draw_pairs,
    share,
    whole,
    with_polarity,
)


@dataclasses.dataclass(frozen=True)
class FreeWiring:
    """A circuit of `neurons` neurons, the first `motor` of which are the output; the face that
    cells need of `NcpWiring`.

    `sensory` holds the synapses from inputs to neurons, `synapses` those between neurons.
    Construction checks every synapse and raises ConfigError.
    """

    inputs: int
    neurons: int
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
        for name, high in (("inputs", None), ("neurons", None), ("motor", self.neurons)):
            whole(f"FreeWiring.{name}", getattr(self, name), 1, high)
        for name, sources in (("sensory", self.inputs), ("synapses", self.neurons)):
            for source, target, polarity in getattr(self, name):
                if not (
                    0 <= source < sources and 0 <= target < self.neurons and polarity in (-1, 1)
                ):
                    raise ConfigError(
                        f"FreeWiring.{name}",
                        (source, target, polarity),
                        f"(source below {sources}, neuron below {self.neurons}, -1 or 1)",
                    )
            distinct(f"FreeWiring.{name}", getattr(self, name))

    @classmethod
    def fully_connected(
        cls,
        inputs: int,
        neurons: int,
        motor: int | None = None,
        self_connections: bool = True,
        seed: int = 1111,
    ) -> FreeWiring:
        """Every input drives every neuron and every neuron every other (itself with
        `self_connections`); the seed draws the polarities, a fair coin each. All neurons are motor
        ones unless `motor` says fewer. Raises ConfigError."""
        _sizes(inputs, neurons, seed)
        between = [
            (s, t) for s in range(neurons) for t in range(neurons) if self_connections or s != t
        ]
        sensory = [(s, t) for s in range(inputs) for t in range(neurons)]
        return cls._drawn(np.random.PCG64(seed), inputs, neurons, motor, sensory, between)

    @classmethod
    def sparse(
        cls,
        inputs: int,
        neurons: int,
        motor: int | None = None,
        sparsity: float = 0.5,
        seed: int = 1111,
    ) -> FreeWiring:
        """A random share 1 - `sparsity` of all synapses: round(inputs neurons (1 - sparsity)) from
        the inputs and round(neurons² (1 - sparsity)) between neurons, these counts exactly.

        Every input drives a neuron, and every neuron has a synapse from an input, one from a neuron
        and one to a neuron: what the draw left out takes a synapse over from the best connected.
        Raises ConfigError when there are too few.
        """
        _sizes(inputs, neurons, seed)
        density = 1.0 - share("FreeWiring.sparsity", sparsity)
        bits, drawn = np.random.PCG64(seed), []
        for sources in (inputs, neurons):
            size, needed = round(sources * neurons * density), max(sources, neurons)
            if size < needed:
                at_most = 1 - needed / (sources * neurons)
                raise ConfigError(
                    "FreeWiring.sparsity",
                    sparsity,
                    f"at most {at_most:.4g} for {sources} sources and {neurons} neurons, "
                    "so that every one can have a partner",
                )
            drawn.append(draw_pairs(bits, sources, neurons, size))
        return cls._drawn(bits, inputs, neurons, motor, *drawn)

    @classmethod
    def _drawn(
        cls,
        bits: np.random.PCG64,
        inputs: int,
        neurons: int,
        motor: int | None,
        sensory: list,
        between: list,
    ) -> FreeWiring:
        motor = neurons if motor is None else motor
        return cls(
            inputs, neurons, motor, with_polarity(bits, sensory), with_polarity(bits, between)
        )

    def layers(self) -> list[Layer]:
        """One layer of all neurons, along the synapses."""
        sensory = adjacency(self.sensory, self.neurons, self.inputs)
        between = adjacency(self.synapses, self.neurons, self.neurons)
        sources = np.concatenate([sensory, between], axis=1)
        return [Layer("circuit", range(self.neurons), sources)]


def _sizes(inputs: int, neurons: int, seed: int) -> None:
    for name, value, low in (("inputs", inputs, 1), ("neurons", neurons, 1), ("seed", seed, 0)):
        whole(f"FreeWiring.{name}", value, low)
