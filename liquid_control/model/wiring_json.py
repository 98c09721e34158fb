"""What all wirings share: counts, and JSON data with a hash, which readers check."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Protocol, TypeVar

from liquid_control.errors import ConfigError


class Wiring(Protocol):
    """A frozen dataclass of sizes and two lists of synapses."""

    motor: int
    sensory: tuple[tuple[int, int, int], ...]
    synapses: tuple[tuple[int, int, int], ...]


Kind = TypeVar("Kind", bound=Wiring)


def motor_neurons(wiring: Wiring) -> range:
    """Places of the motor neurons in the state: the first ones."""
    return range(wiring.motor)


def sensory_synapse_count(wiring: Wiring) -> int:
    """Synapses from the inputs."""
    return len(wiring.sensory)


def synapse_count(wiring: Wiring) -> int:
    """All synapses, those from the inputs included."""
    return len(wiring.sensory) + len(wiring.synapses)


def sha256(wiring: Wiring) -> str:
    """Hash of sizes and synapses in canonical JSON."""
    return hashlib.sha256(
        json.dumps(dataclasses.asdict(wiring), sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def remembered_hash(wiring: Wiring) -> int:
    """The hash of a frozen wiring's fields, computed once: a circuit can have 100,000 synapses, and
    kernels look it up for every sequence."""
    known = wiring.__dict__.get("_hash")
    if known is None:
        fields = dataclasses.fields(wiring)
        known = hash(tuple(getattr(wiring, field.name) for field in fields))
        object.__setattr__(wiring, "_hash", known)
    return known


def to_dict(wiring: Wiring) -> dict:
    """Plain JSON data: the fields and `sha256`."""
    return json.loads(json.dumps(dataclasses.asdict(wiring))) | {"sha256": sha256(wiring)}


def from_dict(kind: type[Kind], values: Mapping) -> Kind:
    """Reads `to_dict`'s mapping; raises ConfigError when it is malformed or does not match its own
    hash."""
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(values, Mapping) or sorted(values) != sorted([*names, "sha256"]):
        raise ConfigError(
            kind.__name__,
            sorted(values) if isinstance(values, Mapping) else values,
            f"a mapping of {names} and sha256",
        )
    fields = {name: values[name] for name in names}
    for name in ("sensory", "synapses"):
        try:
            fields[name] = tuple((int(s), int(t), int(p)) for s, t, p in fields[name])
        except (TypeError, ValueError, OverflowError):
            raise ConfigError(
                f"{kind.__name__}.{name}",
                "another structure",
                "a list of [source, target, polarity]",
            ) from None
    wiring = kind(**fields)
    if sha256(wiring) != values["sha256"]:
        raise ConfigError(
            f"{kind.__name__}.sha256",
            values["sha256"],
            f"{sha256(wiring)}, the hash of these synapses",
        )
    return wiring
