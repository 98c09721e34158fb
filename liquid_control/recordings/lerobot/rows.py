"""The rows of a LeRobot dataset's parquet files, by episode, in the order of their times."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from liquid_control.recordings.clock import GAP_NS
from liquid_control.recordings.lerobot.columns import Columns, Number
from liquid_control.recordings.lerobot.dataset import EPISODE_FILE, LARGEST_EPISODE, Dataset
from liquid_control.recordings.stretches import PAUSE
from liquid_control.recordings.tables.table import UNKNOWN
from liquid_control.recordings.time_order import in_order, is_shuffled
from liquid_control.system.parquet import ParquetError, numbers, read_columns

TIME, EPISODE, FRAME = "timestamp", "episode_index", "frame_index"
LATEST_S = 4e9
BEGIN_NS = 10**9
"""Where the first episode is placed whose times begin at 0: a receipt of 0 is none."""
NO_TIME, UNORDERED = "a row without a time", "a row whose time is out of order"
OF_ANOTHER = "a row of another episode than its file is named after"


class Rows(NamedTuple):
    """What a file holds, (N,) each; NaN where a value is not known."""

    episode: np.ndarray
    seconds: np.ndarray
    frame: np.ndarray
    steering: np.ndarray
    speed: np.ndarray
    throttle: np.ndarray
    twist_speed: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """The rows of one episode in one file. `rows`: (M,) their numbers in the file, in the order of
    their times. `shift_ns`: added to their times. `left_out`: rows that are not used, by reason."""

    file: Path
    episode: int
    rows: np.ndarray
    begin_ns: int
    end_ns: int
    shift_ns: int
    left_out: dict[str, int]


class RowReader:
    """Reads files by their columns, and keeps the last one: an episode is a part of a file."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.read = functools.lru_cache(maxsize=1)(self._read)

    def _read(self, file: Path) -> Rows:
        """Raises ParquetError."""
        roles = self._columns[:4]
        names = {TIME, EPISODE, FRAME, *(one.feature for one in roles if one is not None)}
        table = read_columns(file, names.__contains__)
        if TIME not in table.column_names:
            raise ParquetError(file, f"has no column {TIME}")
        numbered = EPISODE_FILE.fullmatch(file.name)
        episode = numbers(table, EPISODE)
        if EPISODE not in table.column_names:
            episode = np.full(len(table), float(numbered[1]) if numbered else 0.0)

        def of(number: Number | None) -> np.ndarray:
            if number is None:
                return np.full(len(table), UNKNOWN)
            return numbers(table, number.feature, number.place)

        return Rows(episode, numbers(table, TIME), numbers(table, FRAME), *map(of, roles))


def pieces_of(dataset: Dataset, reader: RowReader) -> list[Piece]:
    """All episodes one behind the other, each a stretch: where its times do not go on far behind
    those of the one before, as of times from 0 on, they are moved there."""
    found: list[Piece] = []
    for file in dataset.data:
        try:
            rows = reader.read(file)
        except ParquetError as error:
            dataset.lose(file, error.problem, "its rows")
            continue
        found += _pieces(file, rows)
    found.sort(key=lambda piece: piece.episode)
    _compare_lengths(dataset, found)
    placed, end_ns = [], BEGIN_NS - GAP_NS
    for piece in found:
        shift_ns = 0
        apart_ns = PAUSE * 1e9 if placed else 0
        if not piece.begin_ns > max(end_ns, 0) + apart_ns:
            shift_ns = end_ns + GAP_NS - piece.begin_ns
        end_ns = piece.end_ns + shift_ns
        moved = {"begin_ns": piece.begin_ns + shift_ns, "end_ns": end_ns, "shift_ns": shift_ns}
        placed.append(dataclasses.replace(piece, **moved))
    return placed


def _pieces(file: Path, rows: Rows) -> list[Piece]:
    numbered = EPISODE_FILE.fullmatch(file.name)
    known = (rows.episode >= 0) & (rows.episode < LARGEST_EPISODE)
    episode = np.where(known, rows.episode, -1).astype(np.int64)
    found = []
    for index in np.unique(episode).tolist():
        left_out = {}
        at = np.flatnonzero(episode == index)
        if index < 0 or numbered and index != int(numbered[1]):
            left_out = {OF_ANOTHER: len(at)}
            at = at[:0]
        seconds = rows.seconds[at]
        timed = np.isfinite(seconds) & (seconds >= 0.0) & (seconds < LATEST_S)
        if not timed.all():
            left_out[NO_TIME] = int(np.count_nonzero(~timed))
        at, seconds = at[timed], seconds[timed]
        order = np.argsort(seconds, kind="stable") if is_shuffled(seconds) else in_order(seconds)
        if len(order) < len(at):
            left_out[UNORDERED] = len(at) - len(order)
        at, seconds = at[order], seconds[order]
        begin_ns, end_ns = (round(seconds[end] * 1e9) if len(at) else 0 for end in (0, -1))
        found.append(Piece(file, index, at, begin_ns, end_ns, 0, left_out))
    return found


def _compare_lengths(dataset: Dataset, pieces: list[Piece]) -> None:
    """Names episodes that the index has and no file, and those of another length."""
    there: dict[int, int] = {}
    for piece in pieces:
        count = len(piece.rows) + sum(piece.left_out.values())
        there[piece.episode] = there.get(piece.episode, 0) + count
    named = dataset.lengths
    missing = [index for index in named if index not in there]
    for index in missing[:8]:
        dataset.lose(f"episode {index}", "missing: no file holds its rows", f"{named[index]} rows")
    if len(missing) > 8:
        dataset.lose("episodes", f"{len(missing) - 8} more are missing", "their rows")
    for index in sorted(there.keys() & named.keys()):
        if there[index] != named[index]:
            problem = f"{there[index]} rows, its index says {named[index]}"
            dataset.lose(f"episode {index}", problem, "those that are not there")
