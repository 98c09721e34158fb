"""Settings of a policy's network. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from liquid_control.config import check, choice, from_mapping, number
from liquid_control.errors import ConfigError
from liquid_control.model.cores import CORES, CoreConfig, LtcConfig, core_from_dict, find_core
from liquid_control.model.spec import PolicySpec

FORMER_NAMES = {
    "inter": ("wiring", "inter"),
    "command": ("wiring", "command"),
    "sensory_fanout": ("wiring", "sensory_fanout"),
    "inter_fanout": ("wiring", "inter_fanout"),
    "recurrent_command": ("wiring", "recurrent_command"),
    "motor_fanin": ("wiring", "motor_fanin"),
    "wiring_seed": ("wiring", "seed"),
    "unfolds": ("unfolds",),
    "units": ("units",),
    "backbone": ("backbone",),
    "stack": ("stack",),
}
"""Settings of cores that models of version 0.1.0 have among the other fields, and their place
now."""


@dataclasses.dataclass(frozen=True)
class PolicyConfig:
    """The network: encoder, recurrent core, scales."""

    encoder: str = choice(
        "strided",
        ("strided", "slim", "published"),
        "image encoder: for 64x128, 32x64, or the head of 79,420 parameters",
    )
    core: CoreConfig = LtcConfig()
    image_features: int = number(29, 1, 1024, "", "features that the encoder makes of one image")
    time_scale: float = number(
        20.0, 1e-3, 1e4, "1/s", "cell time per second: 20 makes a 50 ms frame one unit"
    )
    output_gain: float = number(
        4.0, 0.01, 100.0, "", "network output per unit of the motor neuron's state"
    )
    width: int = number(
        0,
        0,
        4096,
        "",
        "units of a layer before the core and of one behind it, which sees both; 0: the core's "
        "outputs are the actions",
    )
    core_outputs: int = number(10, 1, 4096, "", "outputs of a core between layers")

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.core, CoreConfig):
            raise ConfigError("PolicyConfig.core", self.core, "settings, such as LtcConfig()")

    def features(self, spec: PolicySpec) -> int:
        """Inputs of a network with this spec: image features, then measurements."""
        return self.image_features * (spec.image is not None) + len(spec.measurements)

    def core_sizes(self, spec: PolicySpec) -> tuple[int, int]:
        """Inputs and outputs of the core of a policy with this spec: the network's, unless the core
        is between layers."""
        if self.width:
            return self.width, self.core_outputs
        return self.features(spec), len(spec.actions)

    @classmethod
    def from_dict(cls, values: object) -> PolicyConfig:
        """The inverse of `dataclasses.asdict`, also for models of version 0.1.0, which call the
        core memory and have its settings among the other fields. Raises ConfigError."""
        if not isinstance(values, Mapping):
            raise ConfigError("PolicyConfig", values, "a mapping of field names to values")
        values = dict(values)
        if "memory" in values:
            values["core"] = _former_core(values)
        elif "core" in values:
            values["core"] = core_from_dict(values["core"])
        return from_mapping(cls, values)


def _former_core(values: dict) -> CoreConfig:
    """Takes the core's name and settings out of the fields of a model of version 0.1.0. It has the
    settings of all cores; those of others are checked and dropped."""
    name = find_core(values.pop("memory")).name
    if values.pop("motor", 1) != 1:
        raise ConfigError("PolicyConfig.motor", "another number", "1")
    settings: dict[str, dict] = {name: {}}
    for former, path in FORMER_NAMES.items():
        if former in values:
            owner = next(core for core in (name, *CORES) if _has_setting(core, path[0]))
            group = settings.setdefault(owner, {})
            for part in path[:-1]:
                group = group.setdefault(part, {})
            group[path[-1]] = values.pop(former)
    cores = {owner: core_from_dict({"name": owner} | given) for owner, given in settings.items()}
    return cores[name]


def _has_setting(core: str, name: str) -> bool:
    return any(field.name == name for field in dataclasses.fields(CORES[core]))
