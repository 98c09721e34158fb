"""Whether a prediction that adapts is better than the one that does not."""

from __future__ import annotations

import math
from collections.abc import Mapping

from liquid_control.errors import ConfigError


class Trust:
    """Compares two squared errors over a window of data that neither prediction has learnt from.
    `used`: whether the adapted one is to be used: its root mean square error is lower than the
    base's by the share `better`; once used, until it is lower by less than half of that.

    `memory`: length of the exponential window, in data; `fewest`: data before a decision.
    """

    def __init__(self, better: float, memory: float, fewest: float) -> None:
        self._on, self._off = 1.0 - better, 1.0 - better / 2.0
        self._keep, self._fewest = 1.0 - 1.0 / memory, fewest
        self.reset()

    def reset(self) -> None:
        """Forgets all data."""
        self.used, self.weight = False, 0.0
        self._base = self._adapted = 0.0

    def push(self, base: float, adapted: float) -> None:
        """Squared errors of one datum. Data that is not finite forgets all."""
        self._base = self._keep * self._base + base
        self._adapted = self._keep * self._adapted + adapted
        self.weight = self._keep * self.weight + 1.0
        if not math.isfinite(self._base + self._adapted):
            self.reset()

    @property
    def base(self) -> float:
        """Mean squared error of the base; NaN before any data."""
        return self._base / self.weight if self.weight else math.nan

    @property
    def adapted(self) -> float:
        """Mean squared error of the adapted prediction; NaN before any data."""
        return self._adapted / self.weight if self.weight else math.nan

    def decide(self, added: float = 0.0, allowed: bool = True) -> bool:
        """`used` from now on. `added`: a further mean squared error of the adapted prediction,
        where the base has none. Not `allowed`: not used."""
        better = self.ratio(added) < (self._off if self.used else self._on)
        self.used = allowed and better and self.weight >= self._fewest
        return self.used

    def ratio(self, added: float = 0.0) -> float:
        """The adapted root mean square error over the base's; infinite without an error of the
        base."""
        if not self.weight or not self._base > 0.0:
            return math.inf
        return math.sqrt((self.adapted + added) / self.base)

    def state(self) -> dict[str, object]:
        """What `restore` takes."""
        return {
            "used": self.used,
            "weight": self.weight,
            "base": self._base,
            "adapted": self._adapted,
        }

    def restore(self, values: Mapping) -> None:
        """Goes on from an earlier `state`. Raises ConfigError."""
        weight, base, adapted = (
            checked(values, name, 0.0, 1e12) for name in ("weight", "base", "adapted")
        )
        if not isinstance(values.get("used"), bool):
            raise ConfigError("used", values.get("used"), "true or false")
        self.weight, self._base, self._adapted = weight, base, adapted
        self.used = values["used"]


def checked(values: object, name: str, low: float, high: float) -> float:
    """A number of a mapping of JSON. Raises ConfigError for one that is not there or not within
    `low` and `high`."""
    value = values.get(name) if isinstance(values, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(name, value, f"a number from {low:g} to {high:g}")
    return float(value)
