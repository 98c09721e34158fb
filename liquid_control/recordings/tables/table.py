"""A recording as a table: a row for each moment, with the name of a picture and what was measured
beside it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

from liquid_control.recordings.values import Damage

MOST_DAMAGE = 100
UNKNOWN = math.nan
Vector = tuple[float, float, float]
NO_VECTOR: Vector = (UNKNOWN, UNKNOWN, UNKNOWN)

NORMALISED, ANGLE, CURVATURE = "normalised", "angle", "curvature"
"""What a column of steering holds: -1 to 1 of the largest curvature, front-wheel radians, 1/m."""


class Row(NamedTuple):
    """A moment. `picture`: a file, relative to the table's folder, "" for none. `steering`: in the
    unit of the table's steering; `speed` [m/s], `throttle` -1 to 1; NaN where it is not known.
    `gyro` [rad/s] and `acceleration` [m/s²] of the IMU's axes, NaN where it is not measured.
    `first`: what is before it in the table is not what came before it."""

    stamp_ns: int
    picture: str = ""
    steering: float = UNKNOWN
    speed: float = UNKNOWN
    throttle: float = UNKNOWN
    gyro: Vector = NO_VECTOR
    acceleration: Vector = NO_VECTOR
    first: bool = False


@dataclasses.dataclass(eq=False)
class Table:
    """What a format reads of its index, without the pictures.

    `rows` in recorded order. `folder` of the pictures. `names`: the column of each role. `others`:
    columns that are not used. `kind`: of the steering. `positive`: the side of its positive values.
    `left_out`: by reason,
    rows (or what the reason names) that are not used. `damage`: what cannot be read. `remarks`:
    "role: text", what was taken in place of what is recorded.
    """

    folder: Path
    rows: list[Row] = dataclasses.field(default_factory=list)
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    others: tuple[str, ...] = ()
    kind: str = NORMALISED
    positive: str = "right"
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    damage: list[Damage] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)
    unlisted: int = 0

    def leave_out(self, reason: str, count: int = 1) -> None:
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def lose(self, file: str, offset: int | None, problem: str, lost: str) -> None:
        """Lists damage; beyond `MOST_DAMAGE` places it is counted in one entry."""
        if len(self.damage) < MOST_DAMAGE:
            self.damage.append(Damage(file, offset, problem, lost))
            return
        self.unlisted += 1
        more = Damage("further files or lines", None, f"{self.unlisted} more", "their rows")
        self.damage[MOST_DAMAGE:] = [more]
