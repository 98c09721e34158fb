"""Sets of time series for the published tables, and the reading of their files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from liquid_control.errors import LiquidControlError


class TableDataError(LiquidControlError):
    """A data file of a published table is missing, truncated or of the wrong shape."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """N sequences of T steps. A target per step, or one label per sequence.

    dt is in the units of the table, not seconds. Steps at and after `length` are padding (dt 1, x
    0).
    """

    x: np.ndarray  # (N, T, F) float32
    dt: np.ndarray  # (N, T) float32
    y: np.ndarray  # (N, T, G) float32, or (N,) float32 labels 0 and 1
    length: np.ndarray  # (N,) int64

    def __len__(self) -> int:
        return len(self.x)


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """What a table trains, chooses and tests on."""

    train: Series
    validation: Series
    test: Series


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the files of a table come from and what they must be."""

    folder: str
    """name below the data folder"""
    files: int
    columns: int
    origin: str
    """what to fetch"""

    @property
    def remedy(self) -> str:
        return (
            f"Fetch {self.origin}, {self.files} .npy files, "
            f"and put them into the folder {self.folder} of --data"
        )


def read_traces(data: Path, source: Source, rows: int) -> list[np.ndarray]:
    """The files of `source` below `data` in the order of their names, (rows or more, columns)
    float32 each.

    Raises TableDataError, which names the file, for a number of files other than the published one
    (the splits would be others) and for a file that is no such array.
    """
    folder = data / source.folder
    if not folder.is_dir():
        raise TableDataError(folder, "no such folder", source.remedy)
    paths = sorted(folder.glob("*.npy"))
    if len(paths) != source.files:
        raise TableDataError(
            folder, f"{len(paths)} .npy files instead of {source.files}", source.remedy
        )
    return [_read(path, source, rows) for path in paths]


def _read(path: Path, source: Source, rows: int) -> np.ndarray:
    try:
        trace = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TableDataError(path, f"cannot be read as an array ({error})", source.remedy) from None
    expected = f"({rows} or more, {source.columns}) floating"
    if (
        not isinstance(trace, np.ndarray)
        or trace.ndim != 2
        or trace.shape[1] != source.columns
        or len(trace) < rows
    ):
        raise TableDataError(
            path, f"got shape {getattr(trace, 'shape', None)}, expected {expected}", source.remedy
        )
    if trace.dtype.kind != "f":
        raise TableDataError(path, f"got {trace.dtype}, expected {expected}", source.remedy)
    if not np.isfinite(trace).all():
        raise TableDataError(path, "holds NaN or infinite numbers", source.remedy)
    return trace.astype(np.float32)
