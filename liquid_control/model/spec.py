"""What a policy takes and gives: named inputs, outputs and state. A car's curvature is one spec,
see `model.car`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.config import PreprocessConfig, from_mapping
from liquid_control.errors import ConfigError
from liquid_control.model.state import StateArray

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
LONGEST_TEXT = 1000
MOST_FEATURES = 4096
"""Of each kind."""
LARGEST_STATE = 2**31 - 1
"""Numbers of one array of the state."""
TAKEN = ("image", "measurements", "dt", "action")
"""Names in an exported graph that are not those of the state."""


@dataclasses.dataclass(frozen=True)
class Feature:
    """One number that a policy is given or gives.

    `low`, `high`: bounds in `unit`, None for none; the network clips measurements to them, and maps
    an action that has both to between them.
    `centre`, `scale`: the network works with (value - centre) / scale; the centre of an action or
    an auxiliary target is 0. `mirror`: the sign of the value when left and right are exchanged: -1
    for a turn, 1 for a speed. Raises ConfigError.
    """

    name: str
    unit: str
    centre: float = 0.0
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    mirror: int = 1
    doc: str = ""

    def __post_init__(self) -> None:
        _check_name("Feature.name", self.name)
        for field in ("unit", "doc"):
            value = getattr(self, field)
            if not isinstance(value, str) or len(value) > LONGEST_TEXT:
                raise ConfigError(f"{self.name}.{field}", value, f"at most {LONGEST_TEXT} letters")
        for field in ("centre", "scale", "low", "high"):
            value = getattr(self, field)
            if not (_is_number(value) or (value is None and field in ("low", "high"))):
                raise ConfigError(f"{self.name}.{field}", value, "a finite number")
        if not self.scale > 0:
            raise ConfigError(f"{self.name}.scale", self.scale, "more than 0")
        if None not in (self.low, self.high) and not self.low < self.high:
            raise ConfigError(f"{self.name}.low", self.low, f"less than high = {self.high}")
        if isinstance(self.mirror, bool) or self.mirror not in (-1, 1):
            raise ConfigError(f"{self.name}.mirror", self.mirror, "-1 or 1")

    @property
    def is_bounded(self) -> bool:
        """Whether it has both bounds."""
        return self.low is not None and self.high is not None


@dataclasses.dataclass(frozen=True)
class PolicySpec:
    """The interface of a policy. All arrays are float32 but for the image.

    `image`: how its (h, w, 3) uint8 RGB picture is made, None for a policy without one.
    `measurements` (M,) and `actions` (A,): its other inputs and its outputs, in SI units, in this
    order. `auxiliary` (K,): further training targets, estimated from the image. `state`: arrays
    that are fed back at every step; a network adds those of its core. Raises ConfigError.
    """

    image: PreprocessConfig | None
    measurements: tuple[Feature, ...]
    actions: tuple[Feature, ...]
    auxiliary: tuple[Feature, ...] = ()
    state: tuple[StateArray, ...] = ()

    def __post_init__(self) -> None:
        for array in self.state:
            _check_name("PolicySpec.state", array.name)
            sound = all(_is_count(extent) for extent in array.shape)
            if not sound or array.size > LARGEST_STATE or array.name in TAKEN:
                raise ConfigError(
                    "PolicySpec.state", tuple(array), f"sizes of at least 1, not {TAKEN}"
                )
        for kind in ("measurements", "actions", "auxiliary", "state"):
            names = [entry.name for entry in getattr(self, kind)]
            if len(names) > MOST_FEATURES:
                raise ConfigError(f"PolicySpec.{kind}", len(names), f"at most {MOST_FEATURES}")
            if len(set(names)) != len(names):
                raise ConfigError(f"PolicySpec.{kind}", names, "each name once")
        if not self.actions:
            raise ConfigError("PolicySpec.actions", (), "at least one")
        for feature in (*self.actions, *self.auxiliary):
            if feature.centre:
                raise ConfigError(f"{feature.name}.centre", feature.centre, "0 for what is given")
        if self.image is None and not self.measurements:
            raise ConfigError("PolicySpec", "no input", "an image or a measurement")
        if self.image is None and self.auxiliary:
            raise ConfigError("PolicySpec.auxiliary", self.auxiliary, "none without an image")

    @property
    def state_size(self) -> int:
        """Numbers in the state, over all arrays."""
        return sum(array.size for array in self.state)

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        return {
            "image": None if self.image is None else dataclasses.asdict(self.image),
            **{
                kind: [dataclasses.asdict(feature) for feature in getattr(self, kind)]
                for kind in ("measurements", "actions", "auxiliary")
            },
            "state": [{"name": array.name, "shape": list(array.shape)} for array in self.state],
        }

    @classmethod
    def from_dict(cls, values: object) -> PolicySpec:
        """The inverse of `to_dict`. Raises ConfigError for unknown, missing and wrong values."""
        _check_keys("PolicySpec", values, [field.name for field in dataclasses.fields(cls)])
        image = values["image"]
        features = {
            kind: tuple(_feature(kind, entry) for entry in _entries(kind, values[kind]))
            for kind in ("measurements", "actions", "auxiliary")
        }
        return cls(
            image=None if image is None else from_mapping(PreprocessConfig, image),
            state=tuple(_state_array(entry) for entry in _entries("state", values["state"])),
            **features,
        )


def names(features: Sequence[Feature]) -> tuple[str, ...]:
    """The names of features, in order."""
    return tuple(feature.name for feature in features)


def column(features: Sequence[Feature], field: str) -> np.ndarray:
    """One number of each feature: (F,) float64. A missing bound is infinite."""
    missing = {"low": -math.inf, "high": math.inf}.get(field)
    values = [getattr(feature, field) for feature in features]
    return np.array([missing if value is None else value for value in values], np.float64)


def middles(actions: Sequence[Feature]) -> np.ndarray:
    """What a network gives for each action where its core gives 0: (A,) float64, the middle of the
    bounds, 0 without both."""
    return np.array([(one.low + one.high) / 2 if one.is_bounded else 0.0 for one in actions])


def _feature(kind: str, entry: object) -> Feature:
    _check_keys(f"PolicySpec.{kind}", entry, [field.name for field in dataclasses.fields(Feature)])
    return Feature(**entry)


def _state_array(entry: object) -> StateArray:
    _check_keys("PolicySpec.state", entry, StateArray._fields)
    shape = entry["shape"]
    if not isinstance(shape, (list, tuple)) or len(shape) > 8 or not all(map(_is_count, shape)):
        raise ConfigError("PolicySpec.state.shape", shape, "a list of sizes of at least 1")
    return StateArray(entry["name"], tuple(shape))


def _entries(kind: str, values: object) -> Sequence:
    if not isinstance(values, (list, tuple)) or len(values) > MOST_FEATURES:
        raise ConfigError(f"PolicySpec.{kind}", values, f"a list of at most {MOST_FEATURES}")
    return values


def _check_keys(name: str, values: object, keys: Sequence[str]) -> None:
    if not isinstance(values, Mapping) or set(values) != set(keys):
        raise ConfigError(name, values, f"a mapping with exactly {', '.join(keys)}")


def _check_name(field: str, value: object) -> None:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ConfigError(field, value, "a name of small letters, digits and _")


def _is_number(value: object) -> bool:
    sound = isinstance(value, (int, float)) and not isinstance(value, bool)
    return sound and -1e30 <= value <= 1e30


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_STATE
