"""Log of a replay: every command, the recorded steering, counts and times, and the commands as CSV
and parquet. A few bytes a frame, no pictures.

Numbers are written to the last bit, so that equal files mean equal commands.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.errors import MissingDependencyError
from liquid_control.inspection.findings import Finding
from liquid_control.perception.contribution import Contribution
from liquid_control.recordings.clock import Segment
from liquid_control.recordings.driven_curvature import Track, at
from liquid_control.signals import Action, Command, Limit, Verdict
from liquid_control.system.files import write_atomically

LONGEST_GAP = 0.5
"""Recorded angles further apart than this [s] are not interpolated."""

REMEDY = "Install the report extra: pip install 'liquid_control[report]', or leave out --out"

COLUMNS = (
    "bag",
    "model",
    "cause",
    "stamp_ns",
    "issued_ns",
    "curvature",
    "proposed_angle",
    "steering_angle",
    "speed",
    "measured_speed",
    "recorded_angle",
    "limits",
    "safe_stop",
)
"""Cause: frame (a new proposal) or timer (the gate's own). Angles in rad, curvature in 1/m, speeds
in m/s; empty is unknown."""

ROW = {
    "stamp_ns": "q",
    "issued_ns": "q",
    "on_frame": "b",
    "curvature": "d",
    "proposed_angle": "d",
    "steering_angle": "d",
    "speed": "d",
    "measured_speed": "d",
    "yaw_rate": "d",
    "limits": "q",
    "safe_stop": "b",
    "chosen_speed": "d",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Issued:
    """Commands in the order of their issue, (C,) each.

    `stamp_ns`: of the frame behind it, that of a refused proposal included; `issued_ns`;
    `on_frame`: caused by a new proposal, else by the gate's timer. The proposal: path `curvature`
    [1/m], `proposed_angle` of the front wheels [rad]. After the gate: `steering_angle` [rad],
    `speed` [m/s]. `measured_speed` [m/s] and mean `yaw_rate` [rad/s], NaN where unknown; `limits`:
    values of `Limit`; `safe_stop`. `chosen_speed` [m/s]: the policy's own, NaN where it gives none.
    """

    stamp_ns: np.ndarray
    issued_ns: np.ndarray
    on_frame: np.ndarray
    curvature: np.ndarray
    proposed_angle: np.ndarray
    steering_angle: np.ndarray
    speed: np.ndarray
    measured_speed: np.ndarray
    yaw_rate: np.ndarray
    limits: np.ndarray
    safe_stop: np.ndarray
    chosen_speed: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def of_frames(self) -> Issued:
        """Only the commands that a frame caused: one row a frame."""
        chosen = self.on_frame.astype(bool)
        return Issued(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """The driver's steering as recorded: stamps (S,) ns and front-wheel angles (S,) rad."""

    stamp_ns: np.ndarray
    steering_angle: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)


@dataclasses.dataclass(frozen=True, eq=False)
class ReplayLog:
    """One model on one recording.

    `counts`: the controller's. `skipped`: messages that could not be decoded, by reason. `damage`:
    what could not be read. `roles`: stream by role. `seconds`: length of the recording's stretches.
    `wall`: seconds that the replay took, all models together. `decode_s` (F,): seconds to decode
    and preprocess each picture; `step_s` (F,): seconds of each step of the policy. `clock_offset`:
    median of receipt minus stamp [s]. `contributions`: of each measurement and of the steering to
    the frames that were used. `remarks`: what was taken in place of what is recorded. `findings`:
    what is wrong with clocks and stamps, as an inspection has it. `segments`: stretches of the
    recording, with what was added to its times. `full_curvature`: see `Source`.
    """

    model: str
    bag: str
    issued: Issued
    recorded: Recorded
    vehicle: VehicleConfig
    frames: int
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    damage: tuple[str, ...]
    roles: Mapping[str, str]
    seconds: float
    wall: float
    decode_s: np.ndarray
    step_s: np.ndarray
    clock_offset: float | None
    contributions: Mapping[str, Contribution]
    remarks: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    segments: tuple[Segment, ...] = ()
    full_curvature: float | None = None

    def as_recorded(self) -> tuple[np.ndarray, np.ndarray]:
        """(C,) ns of each command: stamp of its frame and issue, by the clocks of the recording."""
        issued_ns, stamp_ns = self.issued.issued_ns, self.issued.stamp_ns
        begins = [segment.begin_ns for segment in self.segments]
        place = np.searchsorted(begins, issued_ns, side="right") - 1
        added = [(one.shift_ns, one.stamps_ns.get("camera", one.shift_ns)) for one in self.segments]
        shift_ns, of_frames = np.array([*added, (0, 0)], np.int64)[place].T
        return stamp_ns - of_frames, issued_ns - shift_ns

    def since_start(self, stamps_ns: np.ndarray) -> np.ndarray:
        """Stamps as seconds since the first frame that was used."""
        return (
            np.asarray(stamps_ns, np.int64) - (self.issued.stamp_ns[0] if len(self.issued) else 0)
        ) / 1e9


class Rows:
    """Grows the columns of `Issued`."""

    def __init__(self) -> None:
        self._columns = {name: array(kind) for name, kind in ROW.items()}
        self._append = [column.append for column in self._columns.values()]

    def add(
        self,
        command: Command,
        verdict: Verdict,
        action: Action | None,
        angle: float,
        speed: float,
        yaw_rate: float,
        on_frame: bool,
        chosen_speed: float,
    ) -> None:
        bend = action.curvature if action else float("nan")
        values = (
            action.stamp_ns if on_frame else command.stamp_ns,
            command.issued_ns,
            on_frame,
            bend,
            angle,
            command.steering_angle,
            command.speed,
            speed,
            yaw_rate,
            verdict.limits.value,
            verdict.safe_stop,
            chosen_speed if math.isfinite(chosen_speed) else float("nan"),
        )
        for append, value in zip(self._append, values, strict=True):
            append(value)

    def issued(self) -> Issued:
        return Issued(*(np.array(column) for column in self._columns.values()))


def columns(log: ReplayLog) -> dict[str, Sequence]:
    """`COLUMNS` of one log, floats as float64 arrays with NaN for unknown."""
    issued = log.issued
    recorded = at(
        issued.stamp_ns,
        Track(log.recorded.stamp_ns, log.recorded.steering_angle).tidy(),
        LONGEST_GAP,
    )
    stamp_ns, issued_ns = log.as_recorded()
    names = {value: " ".join(Limit(value).names()) for value in np.unique(issued.limits).tolist()}
    count = len(issued)
    return dict(
        zip(
            COLUMNS,
            (
                [log.bag] * count,
                [log.model] * count,
                np.where(issued.on_frame, "frame", "timer").tolist(),
                stamp_ns,
                issued_ns,
                issued.curvature,
                issued.proposed_angle,
                issued.steering_angle,
                issued.speed,
                issued.measured_speed,
                recorded,
                [names[value] for value in issued.limits.tolist()],
                issued.safe_stop.astype(int).tolist(),
            ),
            strict=True,
        )
    )


def write_csv(logs: Iterable[ReplayLog], path: Path) -> None:
    """Writes `COLUMNS` of all logs, atomically."""
    with write_atomically(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for log in logs:
            writer.writerows(_rows(columns(log)))


def write_parquet(logs: Iterable[ReplayLog], path: Path) -> None:
    """Writes `COLUMNS` of at least one log, atomically. Raises MissingDependencyError without
    pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("pyarrow", REMEDY) from None
    with write_atomically(path) as partial, ExitStack() as stack:
        writer = None
        for log in logs:
            table = pyarrow.table(
                {
                    name: pyarrow.array(values, from_pandas=True)
                    for name, values in columns(log).items()
                }
            )
            if writer is None:
                writer = stack.enter_context(parquet.ParquetWriter(partial, table.schema))
            writer.write_table(table)


def _rows(table: dict[str, Sequence]) -> Iterator[tuple]:
    """Rows of plain values; floats in the shortest form that reads back as the same float."""
    plain = [
        _texts(values)
        if isinstance(values, np.ndarray) and values.dtype.kind == "f"
        else list(values)
        for values in table.values()
    ]
    return zip(*plain, strict=True)


def _texts(values: np.ndarray) -> list[str]:
    return [repr(value) if value == value else "" for value in values.tolist()]
