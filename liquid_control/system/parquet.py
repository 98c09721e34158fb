"""Parquet files of unknown origin. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from liquid_control.errors import LiquidControlError, MissingDependencyError
from liquid_control.system.files import POINTER

try:
    import pyarrow
    import pyarrow.compute
    from pyarrow import parquet
except ImportError as error:
    raise MissingDependencyError(
        "pyarrow",
        "Parquet is read by it. Install the bags extra: pip install 'liquid_control[bags]'",
    ) from error

UNREADABLE = (pyarrow.ArrowException, OSError, ValueError, TypeError, MemoryError, KeyError)
"""What pyarrow raises for damaged files."""
END = b"PAR1"


class ParquetError(LiquidControlError):
    """A parquet file cannot be read, or has no such column."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem


def open_parquet(path: Path) -> parquet.ParquetFile:
    """Raises ParquetError for a file that is none, and for one that is cut."""
    try:
        with open(path, "rb") as file:
            begin = file.read(len(POINTER))
            file.seek(max(path.stat().st_size - len(END), 0))
            end = file.read()
    except OSError as error:
        raise ParquetError(path, error.strerror or "unreadable") from error
    if begin == POINTER:
        raise ParquetError(path, "a Git LFS pointer: fetch it with git lfs pull")
    if not begin.startswith(END):
        raise ParquetError(path, "no parquet file" if begin else "an empty file")
    if end != END:
        raise ParquetError(path, "cut: its footer, which says where its columns are, is missing")
    try:
        return parquet.ParquetFile(path, page_checksum_verification=True)
    except UNREADABLE as error:
        raise ParquetError(path, f"a damaged footer ({_short(error)})") from error


def names_of(path: Path) -> dict[str, pyarrow.DataType]:
    """The columns of a file by name. Raises ParquetError."""
    with open_parquet(path) as file:
        try:
            return {field.name: field.type for field in file.schema_arrow}
        except UNREADABLE as error:
            raise ParquetError(path, f"a damaged schema ({_short(error)})") from error


def read_columns(path: Path, wanted: Callable[[str], bool]) -> pyarrow.Table:
    """The columns of a file whose names are `wanted`. Raises ParquetError."""
    with open_parquet(path) as file:
        try:
            names = [name for name in file.schema_arrow.names if wanted(name)]
            table = file.read(columns=names, use_threads=False)
            table = table.select([name for name in names if name in table.column_names])
            table.validate(full=True)
        except UNREADABLE as error:
            raise ParquetError(path, f"damaged ({_short(error)})") from error
    return table


def numbers(table: pyarrow.Table, name: str, place: int = 0) -> np.ndarray:
    """(N,) float64: number `place` of each value of a column, NaN where there is none."""
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    column = table.column(name).combine_chunks()
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pyarrow.array([], column.type)
    kind = column.type
    try:
        if _is_list(kind):
            length = pyarrow.compute.list_value_length(column)
            if column.null_count or not len(column) or pyarrow.compute.min(length).as_py() <= place:
                column = pyarrow.array(
                    [_element(value, place) for value in column.to_pylist()], pyarrow.float64()
                )
            else:
                column = pyarrow.compute.list_element(column, place)
        elif place:
            return np.full(len(table), np.nan)
        return column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    except UNREADABLE:
        return np.full(len(table), np.nan)


def width(kind: pyarrow.DataType, described: object) -> int:
    """How many numbers a value of a column holds, as its type or its feature's shape says; 0 for
    one that holds no numbers."""
    types = pyarrow.types
    if types.is_floating(kind) or types.is_integer(kind):
        return 1
    if not _is_list(kind) or not (
        types.is_floating(kind.value_type) or types.is_integer(kind.value_type)
    ):
        return 0
    if types.is_fixed_size_list(kind):
        return kind.list_size
    if isinstance(described, (list, tuple)) and len(described) == 1:
        return described[0] if isinstance(described[0], int) and 0 < described[0] < 1024 else 1
    return 1


def holds_files(kind: pyarrow.DataType) -> bool:
    """Whether a column holds files: bytes, or a struct of bytes and path."""
    if pyarrow.types.is_struct(kind):
        return {kind.field(at).name for at in range(kind.num_fields)} >= {"bytes"}
    return pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)


class FileColumn:
    """The files in a column of a file, of one group of rows at a time."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises ParquetError."""
        self._file, self._name, self._path = open_parquet(path), name, path
        metadata = self._file.metadata
        counts = [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)]
        self._begins = np.cumsum([0, *counts])
        self._group, self._values = -1, None

    def close(self) -> None:
        self._file.close()

    def __getitem__(self, row: int) -> tuple[bytes | None, str | None]:
        """(bytes, path) of a row. Raises ParquetError."""
        group = int(np.searchsorted(self._begins, row, side="right")) - 1
        try:
            if group != self._group:
                self._values = None  # before the next: two would be held
                table = self._file.read_row_group(group, columns=[self._name], use_threads=False)
                self._values, self._group = table.column(self._name), group
            value = self._values[row - int(self._begins[group])].as_py()
        except (*UNREADABLE, IndexError) as error:
            raise ParquetError(self._path, f"damaged ({_short(error)})") from error
        if isinstance(value, dict):
            data, path = value.get("bytes"), value.get("path")
            return data, path if isinstance(path, str) else None
        return value, None


def _is_list(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _element(value: object, place: int) -> float | None:
    usable = isinstance(value, list) and place < len(value) and value[place] is not None
    return float(value[place]) if usable else None


def _short(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:100]
