"""The commands of replays as CSV and parquet: one row a command, numbers to the last bit, so that
equal files mean equal commands."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from liquid_control.errors import MissingDependencyError
from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.evaluate.replay.metrics import LONGEST_GAP
from liquid_control.recordings.driven_curvature import Track, at
from liquid_control.signals import Limit
from liquid_control.system.files import write_atomically

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

REMEDY = "Install the report extra: pip install 'liquid_control[report]', or leave out --out"


def columns(log: ReplayLog) -> dict[str, Sequence]:
    """`COLUMNS` of one log, floats as float64 arrays with NaN for unknown."""
    issued = log.issued
    recorded = at(
        issued.stamp_ns,
        Track(log.recorded.stamp_ns, log.recorded.steering_angle).tidy(),
        LONGEST_GAP,
    )
    names = {value: " ".join(Limit(value).names()) for value in np.unique(issued.limits).tolist()}
    count = len(issued)
    return dict(
        zip(
            COLUMNS,
            (
                [log.bag] * count,
                [log.model] * count,
                np.where(issued.on_frame, "frame", "timer").tolist(),
                issued.stamp_ns,
                issued.issued_ns,
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
    """Writes atomically."""
    with write_atomically(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for log in logs:
            writer.writerows(_rows(columns(log)))


def write_parquet(logs: Iterable[ReplayLog], path: Path) -> None:
    """Writes atomically, at least one log. Raises MissingDependencyError without pyarrow."""
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
