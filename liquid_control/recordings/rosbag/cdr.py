"""Serialised messages (CDR, as DDS sends them): a decoder made from a message definition, without
generated code.

The layout is that of OMG DDS-XTypes 1.3, 7.4.1 (version 1 of the encoding): numbers aligned to
their own size, counted from behind the encapsulation header of four bytes; strings and sequences
after a count. Whatever has a fixed layout is unpacked at once. Lengths are checked against the data
before they are used, and no definition makes a decoder that works long on few bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from rosbags.interfaces import Nodetype

from liquid_control.errors import MessageError
from liquid_control.recordings.rosbag.cdr_values import (
    Code,
    code_of,
    listed,
    numbers,
    padded,
    string,
)

LARGEST_LAYOUT = 2**12  # values that a definition may repeat by fixed arrays
LARGEST_WITH_LISTS = (
    2**22
)  # bytes of a message with lists of texts or messages: each element becomes an object
DEEPEST = 32  # messages inside messages


class Message:
    """One decoded message; its attributes are the fields of its type. Arrays and sequences of
    numbers are numpy arrays."""

    def __repr__(self) -> str:
        return f"Message({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class _Fixed(NamedTuple):
    """A value without counts inside: what `struct` unpacks ((code, alignment, bytes) each), and
    what makes the value of it."""

    codes: tuple[Code, ...]
    build: Callable[[tuple, int], object] | None  # None: the unpacked value itself


class _Open(NamedTuple):
    """A value with counts inside. `smallest`: bytes that it takes at least."""

    read: Callable[[memoryview, int], tuple[object, int]]
    smallest: int
    has_lists: bool


def decoder(kind: str, fields: Mapping) -> Callable[[bytes | memoryview], Message]:
    """A function from serialised bytes to a Message of type `kind`.

    `fields`: type name to (constants, [(field name, description)]) as rosbags' parsers give them.
    Longer arrays look into the message's bytes; nothing is copied. Raises MessageError here for a
    definition that is incomplete, circular or too large, and from the function for data that are
    shorter than they claim.
    """
    plans = {order: _Plan(fields, order).message(kind, ()) for order in "<>"}
    reads = {
        order: (plan if isinstance(plan, _Open) else _open([(None, plan)], order))
        for order, plan in plans.items()
    }

    def decode(data: bytes | memoryview) -> Message:
        if len(data) < 4 or data[0] != 0 or data[1] > 1:
            raise MessageError(
                kind,
                f"got encapsulation {bytes(data[:2]).hex() or 'nothing'}, "
                "expected plain CDR (0000 or 0001)",
            )
        read, _, has_lists = reads["<" if data[1] else ">"]
        if has_lists and len(data) > LARGEST_WITH_LISTS:
            raise MessageError(
                kind,
                f"{len(data)} bytes, expected at most {LARGEST_WITH_LISTS} of a type with lists",
            )
        try:
            return read(memoryview(data)[4:], 0)[0]
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise MessageError(
                kind, f"{len(data)} bytes do not hold the message ({error})"
            ) from error

    return decode


class _Plan:
    """Turns descriptions into _Fixed and _Open, each message type once."""

    def __init__(self, fields: Mapping, order: str) -> None:
        self.fields, self.order = fields, order
        self.known: dict[str, _Fixed | _Open] = {}

    def message(self, kind: str, inside: tuple[str, ...]) -> _Fixed | _Open:
        if kind in self.known:
            return self.known[kind]
        if kind not in self.fields:
            raise MessageError(
                kind, "no definition of this type in the recording or among the known ones"
            )
        if kind in inside or len(inside) > DEEPEST:
            raise MessageError(
                kind, f"its definition contains itself or is more than {DEEPEST} deep"
            )
        if not self.fields[kind][1]:  # a structure without members takes one byte
            self.known[kind] = _Fixed((code_of("byte"),), lambda values, at: _message({}))
            return self.known[kind]
        parts = [
            (name, self.value(description, (*inside, kind)))
            for name, description in self.fields[kind][1]
        ]
        fixed = all(isinstance(part, _Fixed) for _, part in parts)
        self.known[kind] = _joined(kind, parts) if fixed else _open(parts, self.order)
        return self.known[kind]

    def value(self, description: tuple, inside: tuple[str, ...]) -> _Fixed | _Open:
        node, detail = description
        if node == Nodetype.NAME:
            return self.message(detail, inside)
        if node == Nodetype.BASE:
            return (
                _Open(string(self.order), 4, False)
                if detail[0] == "string"
                else _Fixed((code_of(detail[0]),), None)
            )
        of, length = detail
        kind = (
            np.dtype(self.order + code_of(of[1][0])[0])
            if of[0] == Nodetype.BASE and of[1][0] != "string"
            else None
        )
        if node == Nodetype.SEQUENCE:
            if kind is not None:
                return _Open(numbers(kind, self.order), 4, False)
            part = _reader(self.value(of, inside), self.order)
            return _Open(listed(part.read, part.smallest, self.order), 4, True)
        if kind is not None:
            size = kind.itemsize
            return _Fixed(
                ((f"{length * size}s", size, length * size),),
                lambda values, at: np.frombuffer(values[at], kind),
            )
        return self._repeated(self.value(of, inside), length)

    def _repeated(self, part: _Fixed | _Open, length: int) -> _Fixed | _Open:
        if length > LARGEST_LAYOUT or (
            isinstance(part, _Fixed) and length * len(part.codes) > LARGEST_LAYOUT
        ):
            raise MessageError(
                "array",
                f"{length} elements in a definition, expected at most {LARGEST_LAYOUT} values",
            )
        if isinstance(part, _Fixed):
            width = len(part.codes)
            return _Fixed(
                part.codes * length,
                lambda values, at: [_value(part, values, at + width * k) for k in range(length)],
            )

        def read(data: memoryview, at: int) -> tuple[list, int]:
            values = []
            for _ in range(length):
                value, at = part.read(data, at)
                values.append(value)
            return values, at

        return _Open(read, part.smallest * length, True)


def _value(part: _Fixed, values: tuple, at: int) -> object:
    return values[at] if part.build is None else part.build(values, at)


def _joined(kind: str, parts: list[tuple[str, _Fixed]]) -> _Fixed:
    """A message whose fields are all of a fixed layout."""
    codes = tuple(code for _, part in parts for code in part.codes)
    if len(codes) > LARGEST_LAYOUT:
        raise MessageError(
            kind, f"a definition with {len(codes)} values, expected at most {LARGEST_LAYOUT}"
        )
    names = tuple(name for name, _ in parts)
    if all(part.build is None for _, part in parts):
        return _Fixed(
            codes,
            lambda values, at: _message(
                dict(zip(names, values[at : at + len(names)], strict=True))
            ),
        )
    places, at = [], 0
    for name, part in parts:
        places.append((name, part.build, at))
        at += len(part.codes)

    def build(values: tuple, at: int) -> Message:
        return _message(
            {
                name: values[at + k] if make is None else make(values, at + k)
                for name, make, k in places
            }
        )

    return _Fixed(codes, build)


def _message(values: dict[str, object]) -> Message:
    message = Message.__new__(Message)
    message.__dict__ = values
    return message


def _open(parts: list[tuple[str | None, _Fixed | _Open]], order: str) -> _Open:
    """A message with open fields: each stretch of fixed ones is unpacked at once. The name None
    stands for the message itself."""
    steps: list[
        tuple
    ] = []  # (struct by offset, codes, [(name, build, place)], None) or (None, None, name, read)
    for name, part in parts:
        if isinstance(part, _Open):
            steps.append((None, None, name, part.read))
            continue
        if not steps or steps[-1][0] is None:
            steps.append(({}, [], [], None))
        steps[-1][2].append((name, part.build, len(steps[-1][1])))
        steps[-1][1].extend(part.codes)
    itself = parts == [(None, parts[0][1])] if parts else False

    def read(data: memoryview, at: int) -> tuple[Message, int]:
        values = {}
        for layouts, codes, names, read_one in steps:
            if layouts is None:
                values[names], at = read_one(data, at)
                continue
            layout = layouts.get(at & 7)
            if layout is None:
                layout = layouts[at & 7] = struct.Struct(order + padded(codes, at & 7))
            found = layout.unpack_from(data, at)
            at += layout.size
            for name, build, place in names:
                values[name] = found[place] if build is None else build(found, place)
        return (values[None] if itself else _message(values)), at

    smallest = sum(
        part.smallest if isinstance(part, _Open) else sum(code[2] for code in part.codes)
        for _, part in parts
    )
    return _Open(
        read, smallest, any(isinstance(part, _Open) and part.has_lists for _, part in parts)
    )


def _reader(part: _Fixed | _Open, order: str) -> _Open:
    return part if isinstance(part, _Open) else _open([(None, part)], order)
