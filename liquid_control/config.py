"""One frozen dataclass per stage; each field has default, unit, bounds and one line of doc.

YAML files, ROS parameters and flags only override these defaults. Construction checks every field.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from liquid_control.errors import ConfigError

REQUIRED = dataclasses.MISSING
"""The default of a field that must be given; on the command line it is positional."""


def number(default: float | int, low: float, high: float, unit: str, doc: str):
    """A bounded numeric field; its type annotation says whether whole numbers are required."""
    return _field(default, doc, _range(low, high, unit), low=low, high=high, unit=unit)


def choice(default: str, options: tuple[str, ...], doc: str, *, alias: str = ""):
    """A field that takes one of a few words. `alias`: a second name of its flag, without the
    prefix of nested settings."""
    return _field(default, doc, " or ".join(options), options=options, alias=alias)


def switch(default: bool, doc: str):
    """A boolean field. Where the default is True its flag is --no-NAME."""
    return _field(default, doc, help=f"do not {doc}" if default else doc)


def text(default: str, doc: str, *, flag: str = "", positional: bool = False):
    """A free text field. `flag`: the name of its flag where that is not the field's."""
    return _field(default, doc, flag=flag, positional=positional)


def path(default: object, doc: str, *, writes: str = ""):
    """A field for a path or None. `writes`: "folder" or "file" where results are written there."""
    return _field(default, doc, writes=writes)


def several(default: tuple, doc: str, *, flag: str = "", positional: bool = False):
    """A field for any number of words or paths. `flag`: as in `text`."""
    return _field(default, doc, flag=flag, positional=positional)


def group(default: object, *, flat: bool = False):
    """A field that holds settings itself; their flags get its name as prefix, unless `flat`."""
    return dataclasses.field(default=default, metadata={"flat": flat})


def variant(name: str, variants: Callable[[], Mapping[str, type]], doc: str, *, alias: str):
    """The field by which several settings classes name themselves. On the command line it is the
    flag of the field that holds the settings, or `alias`; `variants` are the classes by name, and
    the other flags of the group are those of the class that is named."""
    metadata = {"doc": doc, "help": doc, "variants": variants, "alias": alias, "flat": True}
    return dataclasses.field(default=name, kw_only=True, metadata=metadata)


def _field(default: object, doc: str, values: str = "", **metadata):
    """`doc`: one line; `values`: the allowed ones. `help` is both, for the command line."""
    shown = {"help": f"{doc}; {values}" if values else doc} | metadata
    return dataclasses.field(default=default, metadata={"doc": doc, "values": values, **shown})


def _range(low: float, high: float, unit: str) -> str:
    power = isinstance(high, int) and high > 2**20 and high & (high + 1) == 0
    top = f"2^{high.bit_length()}-1" if power else high if isinstance(high, int) else f"{high:g}"
    return f"{low:g} to {top} {unit}".rstrip()


class Flag(NamedTuple):
    """A field of settings, by the name of its flag: "fit.batch" for --fit.batch."""

    name: str
    field: dataclasses.Field
    kind: type
    positional: bool


def flags(settings: type, prefix: str = "") -> Iterator[Flag]:
    """All fields of a settings class and of the settings in it."""
    kinds = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        kind, meta = kinds[field.name], field.metadata
        name = prefix + (meta.get("flag") or field.name.replace("_", "-"))
        if dataclasses.is_dataclass(kind):
            kind = type(field.default) if dataclasses.is_dataclass(field.default) else kind
            yield from flags(kind, prefix if meta.get("flat") else f"{name}.")
        elif "variants" in meta:
            yield Flag(prefix.rstrip("."), field, kind, False)
        else:
            required = field.default is field.default_factory is dataclasses.MISSING
            yield Flag(name, field, kind, required or meta.get("positional", False))


def check(config: object) -> None:
    """Raises ConfigError when a field of a config dataclass breaks its bounds; NaN breaks every
    bound."""
    for field in dataclasses.fields(config):
        name, value, meta = (
            f"{type(config).__name__}.{field.name}",
            getattr(config, field.name),
            field.metadata,
        )
        if "low" in meta:
            kinds = (int,) if field.type == "int" else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds):
                raise ConfigError(
                    name, value, "a whole number" if field.type == "int" else "a number"
                )
            if not meta["low"] <= value <= meta["high"]:
                raise ConfigError(
                    name, value, f"{meta['low']} to {meta['high']} {meta['unit']}".rstrip()
                )
        elif "options" in meta and value not in meta["options"]:
            raise ConfigError(name, value, "one of " + ", ".join(meta["options"]))
        elif field.type == "bool" and not isinstance(value, bool):
            raise ConfigError(name, value, "true or false")


def from_mapping(kind: type, values: Mapping):
    """Builds config dataclass `kind` from a mapping (YAML, JSON), and a field that holds settings
    from a mapping within it. Unknown names are refused, missing ones take defaults."""
    if not isinstance(values, Mapping):
        raise ConfigError(kind.__name__, values, "a mapping of field names to values")
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            raise ConfigError(
                f"{kind.__name__}.{name}",
                values[name],
                "one of the fields " + ", ".join(sorted(known)),
            )
    return kind(**{name: _from_value(known[name], value) for name, value in values.items()})


def _from_value(default: object, value: object):
    if dataclasses.is_dataclass(default) and not dataclasses.is_dataclass(value):
        return from_mapping(type(default), value)
    return value


@dataclasses.dataclass(frozen=True)
class VehicleConfig:
    """The vehicle that is steered, as a kinematic bicycle."""

    wheelbase: float = number(2.6, 0.05, 20.0, "m", "distance between front and rear axle")
    max_steering_angle: float = number(
        0.55, 0.01, 1.2, "rad", "largest front-wheel angle the vehicle can take"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class TimelineConfig:
    """How stamps become an ordered sequence with known gaps."""

    nominal_dt: float = number(0.04, 0.001, 1.0, "s", "dt given to a frame that starts a sequence")
    max_gap: float = number(0.6, 0.01, 60.0, "s", "a longer silence starts a new sequence")
    clock_jump: float = number(
        1.0,
        0.05,
        3600.0,
        "s",
        "a frame older than the last by more than this is a clock reset, not a late frame",
    )
    max_future: float = number(
        0.25, 0.0, 60.0, "s", "a stamp further ahead of the receiver's clock is refused"
    )
    imu_window: float = number(
        0.2, 0.005, 5.0, "s", "inertial samples older than this at a frame are discarded"
    )
    assumed_speed: float = number(
        10.0, 0.0, 100.0, "m/s", "speed given to the policy while no speed is measured"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class PreprocessConfig:
    """Crop by fractions of the camera picture, then area resize to the policy's image size."""

    height: int = number(64, 8, 1024, "px", "height of the policy's image")
    width: int = number(128, 8, 2048, "px", "width of the policy's image")
    crop_top: float = number(0.0, 0.0, 0.9, "", "share of rows cut off at the top")
    crop_bottom: float = number(0.0, 0.0, 0.9, "", "share of rows cut off at the bottom")
    crop_left: float = number(0.0, 0.0, 0.9, "", "share of columns cut off at the left")
    crop_right: float = number(0.0, 0.0, 0.9, "", "share of columns cut off at the right")

    def __post_init__(self) -> None:
        check(self)
        for low, high in (("crop_top", "crop_bottom"), ("crop_left", "crop_right")):
            if getattr(self, low) + getattr(self, high) > 0.95:
                raise ConfigError(
                    f"PreprocessConfig.{low} + {high}",
                    getattr(self, low) + getattr(self, high),
                    "at most 0.95",
                )


@dataclasses.dataclass(frozen=True)
class GateConfig:
    """Limits of the safety gate."""

    max_steering_angle: float = number(0.5, 0.01, 1.2, "rad", "largest steering angle let through")
    max_steering_rate: float = number(
        0.8, 0.01, 5.0, "rad/s", "largest change of steering angle per second"
    )
    max_lateral_acceleration: float = number(
        3.0, 0.1, 20.0, "m/s²", "largest speed² x curvature let through (ISO 11270: 3.0)"
    )
    max_lateral_jerk: float = number(
        15.0,
        0.1,
        1000.0,
        "m/s³",
        "largest speed² x change of curvature per second (ISO 11270: 5.0)",
    )
    max_speed: float = number(20.0, 0.0, 60.0, "m/s", "largest speed let through")
    max_acceleration: float = number(
        3.0, 0.1, 20.0, "m/s²", "largest increase of the speed per second"
    )
    max_deceleration: float = number(
        6.0, 0.1, 20.0, "m/s²", "largest decrease of the speed per second"
    )
    stale_after: float = number(
        0.2, 0.01, 5.0, "s", "an action whose frame is older than this is not used"
    )
    max_future: float = number(
        0.1, 0.0, 5.0, "s", "an action stamped further ahead than this is not used"
    )
    speed_stale_after: float = number(
        0.5, 0.01, 10.0, "s", "a measured speed older than this counts as unknown"
    )
    deceleration: float = number(3.0, 0.1, 15.0, "m/s²", "deceleration while no action is usable")
    safe_behaviour: str = choice(
        "hold",
        ("hold", "follow", "release"),
        "the wheels while no action is usable: hold their angle, follow the last proposed "
        "curvature, or be released to the driver",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.deceleration > self.max_deceleration:
            raise ConfigError(
                "GateConfig.deceleration",
                self.deceleration,
                f"at most max_deceleration = {self.max_deceleration}",
            )


@dataclasses.dataclass(frozen=True)
class WorldConfig:
    """The simulated road, vehicle and sensors; ranges are drawn once per episode."""

    length: float = number(500.0, 50.0, 20000.0, "m", "length of the road")
    cruise_low: float = number(8.0, 1.0, 40.0, "m/s", "lowest cruise speed drawn")
    cruise_high: float = number(15.0, 1.0, 40.0, "m/s", "highest cruise speed drawn")
    image_height: int = number(64, 8, 720, "px", "height of the camera picture")
    image_width: int = number(128, 8, 1280, "px", "width of the camera picture")
    frame_rate_low: float = number(20.0, 1.0, 100.0, "Hz", "lowest camera rate drawn")
    frame_rate_high: float = number(30.0, 1.0, 100.0, "Hz", "highest camera rate drawn")
    frame_jitter: float = number(0.15, 0.0, 0.9, "", "largest relative deviation of a frame period")
    drop_share: float = number(0.05, 0.0, 0.95, "", "share of frames that never arrive")
    stratum: int = number(-1, -1, 7, "", "appearance stratum (sim.appearance); -1 draws one")
    trees: int = number(60, 0, 2000, "", "trees along the road")

    def __post_init__(self) -> None:
        check(self)
        for low, high in (("cruise_low", "cruise_high"), ("frame_rate_low", "frame_rate_high")):
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(
                    f"WorldConfig.{low}",
                    getattr(self, low),
                    f"at most {high} = {getattr(self, high)}",
                )
