"""Serialised messages (CDR, as DDS sends them): a decoder made from a message definition, without generated code.

The layout is that of OMG DDS-XTypes 1.3, 7.4.1 (version 1 of the encoding): numbers aligned to their own size, counted from behind the
encapsulation header of four bytes; strings and sequences after a count. Lengths are checked against the data before they are used.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import numpy as np
from rosbags.interfaces import Nodetype

from liquid_control.errors import MessageError

NUMBERS = {"bool": "?", "byte": "B", "char": "B", "octet": "B", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i",
           "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d"}
LONGEST_FIXED = 2**20  # elements of a fixed array in a definition
DEEPEST = 32  # messages inside messages

Read = Callable[[memoryview, int], tuple[object, int]]


def decoder(kind: str, fields: Mapping) -> Callable[[bytes | memoryview], SimpleNamespace]:
    """A function from serialised bytes to an object with the attributes of message type `kind`.

    `fields`: type name to (constants, [(field name, description)]) as rosbags' parsers give them. Sequences and arrays of numbers become
    numpy arrays that look into the message's bytes; nothing is copied. Raises MessageError here for a definition that is incomplete or
    nested too deeply, and from the function for data that are shorter than they claim.
    """
    readers = {}

    def decode(data: bytes | memoryview) -> SimpleNamespace:
        if len(data) < 4 or data[0] != 0 or data[1] > 1:
            raise MessageError(kind, f"got encapsulation {bytes(data[:2]).hex() or 'nothing'}, expected plain CDR (0000 or 0001)")
        order = "<" if data[1] else ">"
        if order not in readers:
            readers[order] = _message(kind, fields, order, 0)
        try:
            return readers[order](memoryview(data)[4:], 0)[0]
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise MessageError(kind, f"{len(data)} bytes do not hold the message ({error})") from error

    readers["<"] = _message(kind, fields, "<", 0)
    return decode


def _message(kind: str, fields: Mapping, order: str, depth: int) -> Read:
    if kind not in fields:
        raise MessageError(kind, "no definition of this type in the recording or among the known ones")
    if depth > DEEPEST:
        raise MessageError(kind, f"messages nested more than {DEEPEST} deep")
    steps, run = [], []
    for name, description in fields[kind][1]:
        if description[0] == Nodetype.BASE and description[1][0] in NUMBERS:
            run.append((name, NUMBERS[description[1][0]]))
            continue
        if run:
            steps.append((tuple(n for n, _ in run), _numbers([code for _, code in run], order)))
            run = []
        steps.append((name, _value(description, fields, order, depth)))
    if run:
        steps.append((tuple(n for n, _ in run), _numbers([code for _, code in run], order)))

    def read(data: memoryview, at: int) -> tuple[SimpleNamespace, int]:
        message = SimpleNamespace()
        values = message.__dict__
        for name, step in steps:
            value, at = step(data, at)
            if type(name) is tuple:
                values.update(zip(name, value, strict=True))
            else:
                values[name] = value
        return message, at

    return read


def _value(description: tuple, fields: Mapping, order: str, depth: int) -> Read:
    node, detail = description
    if node == Nodetype.NAME:
        return _message(detail, fields, order, depth + 1)
    if node == Nodetype.BASE:
        if detail[0] == "string":
            return _string(order)
        if detail[0] in NUMBERS:
            return _one(NUMBERS[detail[0]], order)
        raise MessageError(detail[0], "fields of this type are not supported")
    of, length = detail
    fixed = node == Nodetype.ARRAY
    if fixed and length > LONGEST_FIXED:
        raise MessageError("array", f"{length} elements in a definition, expected at most {LONGEST_FIXED}")
    if of[0] == Nodetype.BASE and of[1][0] in NUMBERS:
        return _array(np.dtype(NUMBERS[of[1][0]]).newbyteorder(order), length if fixed else None, order)
    return _list(_value(of, fields, order, depth), length if fixed else None, order)


def _numbers(codes: list[str], order: str) -> Read:
    """Consecutive numbers, unpacked at once; padding depends on where they begin, so that there is one layout per offset of 8."""
    layouts = {}

    def read(data: memoryview, at: int) -> tuple[tuple, int]:
        begin = at & 7
        if begin not in layouts:
            layouts[begin] = struct.Struct(order + _padded(codes, begin))
        layout = layouts[begin]
        return layout.unpack_from(data, at), at + layout.size

    return read


def _padded(codes: list[str], at: int) -> str:
    text = []
    for code in codes:
        size = struct.calcsize("=" + code)
        text.append("x" * (-at % size) + code)
        at += -at % size + size
    return "".join(text)


def _one(code: str, order: str) -> Read:
    read_all = _numbers([code], order)

    def read(data: memoryview, at: int) -> tuple[object, int]:
        (value,), at = read_all(data, at)
        return value, at

    return read


def _count(data: memoryview, at: int, order: str) -> tuple[int, int]:
    at += -at & 3
    return (int.from_bytes(data[at : at + 4], "little" if order == "<" else "big") if at + 4 <= len(data) else 2**32), at + 4


def _string(order: str) -> Read:
    def read(data: memoryview, at: int) -> tuple[str, int]:
        length, at = _count(data, at, order)
        if length > len(data) - at:
            raise ValueError(f"a string of {length} bytes at {at}")
        return bytes(data[at : at + length]).rstrip(b"\0").decode(), at + length

    return read


def _array(kind: np.dtype, length: int | None, order: str) -> Read:
    def read(data: memoryview, at: int) -> tuple[np.ndarray, int]:
        count = length
        if count is None:
            count, at = _count(data, at, order)
        if count:
            at += -at % kind.itemsize
        if count * kind.itemsize > len(data) - at:
            raise ValueError(f"{count} elements of {kind} at {at}")
        return np.frombuffer(data, kind, count, at) if count else np.empty(0, kind), at + count * kind.itemsize

    return read


def _list(read_one: Read, length: int | None, order: str) -> Read:
    def read(data: memoryview, at: int) -> tuple[list, int]:
        count = length
        if count is None:
            count, at = _count(data, at, order)
        if count > len(data) - at and count:
            raise ValueError(f"{count} elements at {at}")
        values = []
        for _ in range(count):
            value, at = read_one(data, at)
            values.append(value)
        return values, at

    return read
