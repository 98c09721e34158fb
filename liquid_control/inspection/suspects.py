"""Which signals are wrong: the smallest set of them whose errors of scale and sign explain every
relation."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from liquid_control.inspection.relations import Measured

SUSPECTS: Mapping[str, Mapping[str, int]] = {
    "steering": {"steering": 1},
    "gyro": {"gyro": 1},
    "speed": {"speed": 1},
    "lateral": {"lateral": 1},
    "longitudinal": {"longitudinal": 1},
    "accelerometer": {"lateral": 1, "longitudinal": 1, "vertical": 1},
    "vertical": {"vertical": 1},
    "position": {"position": 1},
    "heading": {"heading": 1},
    "camera": {"camera": 1},
}
"""What can be wrong at once, as signals that share one error."""

IN_UNITS = ("gyro", "accelerometer", "position")
"""Suspects that have the scale of some unit, or nearly the right one: unlike the ratio of a
steering wheel or the ticks of an encoder, theirs does not depend on the vehicle."""
STIFF, OPEN = 30.0, {"steering": 3000.0, "speed": 300.0}
"""Standard deviations of the logarithm of a scale before anything is measured."""
LARGEST = math.log(2000.0)  # of any scale
NEARLY = 0.25  # of the logarithm
SIGN_ONLY = ("vertical",)
"""Suspects of a sign alone: one axis has no unit of its own."""

MOST = 2
WITHIN = 3.0  # standard deviations of a relation that is explained
CLEARLY = 9.0
"""Difference of the sums of squares from which on the better of two explanations is taken."""
TOGETHER = 12.0
"""Difference from which on one error is taken although each relation holds by itself. A steering's
is left to the wheelbase."""
KNOWN_UNIT = 0.08  # of the logarithm

UNITS: Mapping[str, Mapping[float, str]] = {
    "speed": {
        3.6: "km/h",
        2.2369: "mph",
        1.9438: "knots",
        3.2808: "ft/s",
        100.0: "cm/s",
        1000.0: "mm/s",
    },
    "gyro": {57.2958: "degrees per second", 1000.0: "mrad/s", 57295.8: "mdeg/s"},
    "accelerometer": {1 / 9.81: "g", 1000 / 9.81: "mg", 100.0: "cm/s²", 1000.0: "mm/s²"},
    "position": {100.0: "cm", 1000.0: "mm", 3.2808: "feet", 0.001: "km"},
    "steering": {57.2958: "degrees"},
}
"""Values of a signal in other units, for one in SI."""


@dataclasses.dataclass(frozen=True)
class Error:
    """Of one suspect: how many times the right value it has, negative for a flipped sign, and the
    standard error of its logarithm. `scaled`: whether the scale was measured, or only the sign."""

    suspect: str
    factor: float
    doubt: float
    scaled: bool

    @property
    def unit(self) -> tuple[float, str] | None:
        """(exact factor, name) of the unit that the factor fits."""
        if not self.scaled:
            return None
        for exact, name in UNITS.get(self.suspect, {}).items():
            if abs(math.log(abs(self.factor) / exact)) < max(KNOWN_UNIT, 2.0 * self.doubt):
                return math.copysign(exact, self.factor), name
        return None

    @property
    def only_flipped(self) -> bool:
        return self.factor < 0 and abs(math.log(-self.factor)) < max(0.4, 3.0 * self.doubt)

    @property
    def plausible(self) -> bool:
        size = abs(math.log(abs(self.factor)))
        if size > LARGEST and self.unit is None:
            return False
        near = size < NEARLY
        return self.suspect not in IN_UNITS or near or self.unit is not None

    @property
    def common(self) -> bool:
        """Whether it is a unit or a sign that people meet."""
        wheel = self.suspect == "steering" and any(
            low < abs(self.factor) < high for low, high in ((6.0, 30.0), (400.0, 1700.0))
        )
        return self.only_flipped or self.unit is not None or wheel


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Errors that explain every relation; `cost`: sum of squared deviations left."""

    errors: tuple[Error, ...]
    cost: float


def explanations(measured: Sequence[Measured]) -> list[Explanation]:
    """The smallest sets, the best first; one without errors where all relations hold, none where
    no set of `MOST` explains them. More than one: the recording does not decide between them."""
    present = {name for one in measured for name in one.exponents}
    suspects = [name for name, parts in SUSPECTS.items() if present & set(parts)]
    for size in range(MOST + 1):
        found = _of_size(size, suspects, measured)
        if not found:
            continue
        if size == 0:
            # Several relations that are each nearly off by the same error add up to one.
            likelier = _of_size(1, suspects, measured)
            if likelier and likelier[0].cost < found[0].cost - TOGETHER:
                found = likelier if likelier[0].errors[0].suspect != "steering" else found
        return [one for one in found if one.cost < found[0].cost + CLEARLY]
    return []


def _of_size(size: int, suspects: Sequence[str], measured: Sequence[Measured]) -> list[Explanation]:
    """All explanations by this number of suspects, the best first."""
    sets = itertools.combinations(suspects, size)
    found = [one for names in sets for one in _with(names, measured)]
    return sorted(found, key=lambda one: one.cost)


def _with(names: tuple[str, ...], measured: Sequence[Measured]) -> Iterator[Explanation]:
    """The explanation by errors of these suspects, if there is one. A flip explains a sign only
    where a relation has one."""
    powers = np.array(
        [
            [sum(one.exponents.get(part, 0) for part in SUSPECTS[name]) for name in names]
            for one in measured
        ],
        float,
    ).reshape(len(measured), len(names))
    scaled = np.array([np.isfinite(one.sigma) for one in measured], bool)
    logs = np.array([one.log for one in measured])
    sigma = np.array([one.sigma if np.isfinite(one.sigma) else 1.0 for one in measured])
    scales = powers * [name not in SIGN_ONLY for name in names]
    design = (scales / sigma[:, None])[scaled]
    target = (logs / sigma)[scaled]
    # What the relations leave open goes to the scale that is least fixed by the sensor's maker.
    prior = np.diag([1.0 / OPEN.get(name, STIFF) for name in names])
    rows, wanted = np.vstack([design, prior]), np.concatenate([target, np.zeros(len(names))])
    solution = np.linalg.lstsq(rows, wanted, rcond=None)[0] if len(names) else np.zeros(0)
    left = target - design @ solution
    if np.any(np.abs(left) > WITHIN):
        return
    doubts = np.sqrt(np.maximum(np.diag(np.linalg.pinv(design.T @ design)), 0.0))
    best = None
    for flips in itertools.product((1, -1), repeat=len(names)):
        signs = np.prod(np.where(powers % 2 == 1, np.array(flips), 1.0), axis=1)
        if all(one.sign in (0, sign) for one, sign in zip(measured, signs, strict=True)):
            best = flips
            break
    if best is None:
        return
    errors = tuple(
        Error(name, flip * math.exp(log), float(doubt), bool(np.any(design[:, column] != 0.0)))
        for column, (name, flip, log, doubt) in enumerate(
            zip(names, best, solution, doubts, strict=True)
        )
    )
    if all(error.plausible for error in errors):
        yield Explanation(errors, float(np.sum(left**2)))
