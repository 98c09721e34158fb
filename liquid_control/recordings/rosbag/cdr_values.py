"""The leaves of serialised messages: numbers, texts and sequences at their alignments, lengths
checked before they are used."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from liquid_control.errors import MessageError

Code = tuple[str, int, int]
"""Of one number: what `struct` calls it, its alignment and its size [bytes]."""

NUMBERS = {
    "bool": "?",
    "byte": "B",
    "char": "B",
    "octet": "B",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_COUNTS = {order: struct.Struct(order + "I").unpack_from for order in "<>"}


def code_of(name: str) -> Code:
    if name not in NUMBERS:
        raise MessageError(name, "fields of this type are not supported")
    size = struct.calcsize("=" + NUMBERS[name])
    return NUMBERS[name], size, size


def padded(codes: list[Code], at: int) -> str:
    """The layout for `struct` of numbers of which the first begins `at` bytes behind a multiple of
    8."""
    text = []
    for code, alignment, size in codes:
        gap = -at % alignment
        text.append("x" * gap + code)
        at += gap + size
    return "".join(text)


def _count(data: memoryview, at: int, order: str) -> tuple[int, int]:
    at += -at & 3
    if at + 4 > len(data):
        raise ValueError(f"no count at {at}")
    return _COUNTS[order](data, at)[0], at + 4


def string(order: str) -> Callable:
    def read(data: memoryview, at: int) -> tuple[str, int]:
        length, at = _count(data, at, order)
        if length > len(data) - at:
            raise ValueError(f"a string of {length} bytes at {at}")
        return str(data[at : at + length - 1], "utf-8") if length else "", at + length

    return read


def numbers(kind: np.dtype, order: str) -> Callable:
    def read(data: memoryview, at: int) -> tuple[np.ndarray, int]:
        count, at = _count(data, at, order)
        if not count:
            return np.empty(0, kind), at
        at += -at % kind.itemsize
        if count * kind.itemsize > len(data) - at:
            raise ValueError(f"{count} elements of {kind} at {at}")
        return np.frombuffer(data, kind, count, at), at + count * kind.itemsize

    return read


def listed(read_one: Callable, smallest: int, order: str) -> Callable:
    """A sequence of elements that take at least `smallest` bytes each."""
    if smallest < 1:
        raise MessageError("sequence", "of elements without content")

    def read(data: memoryview, at: int) -> tuple[list, int]:
        count, at = _count(data, at, order)
        if count * smallest > len(data) - at:
            raise ValueError(f"{count} elements at {at}")
        values = []
        for _ in range(count):
            value, at = read_one(data, at)
            values.append(value)
        return values, at

    return read
