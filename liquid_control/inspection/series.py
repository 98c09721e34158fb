"""Recorded numbers: a series of bounded length, ranges, stuck and clipped stretches."""

from __future__ import annotations

import dataclasses

import numpy as np

LARGEST = 2**18  # rows of a series
BLOCK = 4096
STUCK_SAMPLES, STUCK_SECONDS = 20, 0.5
MOST_STRETCHES = 256
ABSURD = 1e12  # larger than any measurement in any unit
CLIPPED_SAMPLES, CLIPPED_SHARE, CLIPPED_RUN = 20, 0.002, 5


@dataclasses.dataclass(frozen=True)
class ColumnReport:
    """One column: range, mean, standard deviation, and how often it is exactly at its lowest or
    highest value."""

    lowest: float
    highest: float
    mean: float
    deviation: float
    at_lowest: int
    at_highest: int
    longest_run_at_end: int

    @property
    def constant(self) -> bool:
        return self.lowest == self.highest

    def clipped(self, count: int) -> bool:
        """Whether the column saturates: many samples, several in a row, at exactly the same
        extreme."""
        often = max(self.at_lowest, self.at_highest) >= max(CLIPPED_SAMPLES, CLIPPED_SHARE * count)
        return not self.constant and often and self.longest_run_at_end >= CLIPPED_RUN


class SeriesTrack:
    """Rows (seconds, values...) in received order. `rows` is (N, 1 + columns) with N at most
    LARGEST: beyond, neighbours are averaged.

    Ranges, and stretches in which all columns of a `group` repeat exactly while the vehicle moves,
    are counted on every sample.
    """

    def __init__(self, columns: int, groups: dict[str, slice] | None = None) -> None:
        self.columns, self.count, self.not_finite = columns, 0, 0
        self.stuck: dict[str, list[tuple[float, float]]] = {name: [] for name in groups or {}}
        self._groups = groups or {}
        self._pending: list[tuple] = []
        self._moving: list[bool] = []
        self._stride = 1
        self._rows = np.zeros((0, 1 + columns))
        self._low, self._high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self._sum, self._square = np.zeros(columns), np.zeros(columns)
        self._at_low, self._at_high = np.zeros(columns, int), np.zeros(columns, int)
        self._run = np.zeros(columns, int)
        self._open: dict[str, tuple[np.ndarray, float, float, int]] = {}

    def push(self, row: tuple, moving: bool = True) -> None:
        self._pending.append(row)
        self._moving.append(moving)
        if len(self._pending) >= BLOCK:
            self._fold()

    @property
    def rows(self) -> np.ndarray:
        self._fold()
        return self._rows

    def report(self) -> tuple[ColumnReport, ...]:
        """One of each column; empty while nothing finite was pushed."""
        self._fold()
        for name in list(self._open):
            self._close(name)
        if not self.count:
            return ()
        mean = self._sum / self.count
        deviation = np.sqrt(np.maximum(self._square / self.count - mean**2, 0.0))
        table = zip(
            self._low,
            self._high,
            mean,
            deviation,
            self._at_low,
            self._at_high,
            self._run,
            strict=True,
        )
        return tuple(
            ColumnReport(
                float(low), float(high), float(m), float(d), int(n_low), int(n_high), int(run)
            )
            for low, high, m, d, n_low, n_high, run in table
        )

    def _fold(self) -> None:
        if not self._pending:
            return
        rows, moving = np.array(self._pending, np.float64), np.array(self._moving)
        self._pending, self._moving = [], []
        finite = (np.abs(rows) < ABSURD).all(1)  # NaN is not
        self.not_finite += int((~finite).sum())
        rows, moving = rows[finite], moving[finite]
        if not len(rows):
            return
        values = rows[:, 1:]
        self._extremes(values)
        self.count += len(rows)
        self._sum += values.sum(0)
        self._square += (values**2).sum(0)
        for name, group in self._groups.items():
            self._runs(name, rows[:, 0], values[:, group], moving)
        used = len(rows) // self._stride * self._stride
        self._rows = np.concatenate(
            [self._rows, rows[:used].reshape(-1, self._stride, rows.shape[1]).mean(1)]
        )
        while len(self._rows) > LARGEST:
            self._rows = (
                self._rows[: len(self._rows) // 2 * 2].reshape(-1, 2, rows.shape[1]).mean(1)
            )
            self._stride = min(2 * self._stride, BLOCK)

    def _extremes(self, values: np.ndarray) -> None:
        for extreme, count, beyond in (
            (values.min(0), self._at_low, -1),
            (values.max(0), self._at_high, 1),
        ):
            known = self._low if beyond < 0 else self._high
            newer = (extreme - known) * beyond > 0
            count[newer] = 0
            known[newer] = extreme[newer]
            self._run[newer] = 0
            hits = values == known
            count += hits.sum(0)
            for column in np.flatnonzero(hits.any(0)):
                self._run[column] = max(self._run[column], _longest_run(hits[:, column]))

    def _runs(self, name: str, seconds: np.ndarray, values: np.ndarray, moving: np.ndarray) -> None:
        """Finds stretches of exact repetition; the one at a block's end stays open for the next
        block."""
        last, since, until, count = self._open.get(
            name, (values[0] + 1.0, seconds[0], seconds[0], 0)
        )
        same = (
            np.concatenate([[bool((values[0] == last).all())], (values[1:] == values[:-1]).all(1)])
            & moving
        )
        starts = np.flatnonzero(~same)
        goes_on = int(starts[0]) if len(starts) else len(same)
        if goes_on:
            until, count = seconds[goes_on - 1], count + goes_on
        self._open[name] = (last, since, until, count)
        for begin, end in zip(starts, np.append(starts[1:], len(same)), strict=False):
            self._close(name)
            self._open[name] = (values[begin], seconds[begin], seconds[end - 1], int(end - begin))

    def _close(self, name: str) -> None:
        _, since, until, count = self._open.pop(name)
        if (
            count >= STUCK_SAMPLES
            and until - since >= STUCK_SECONDS
            and len(self.stuck[name]) < MOST_STRETCHES
        ):
            self.stuck[name].append((float(since), float(until - since)))


def _longest_run(hits: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hits.view(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
