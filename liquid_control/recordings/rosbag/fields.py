"""One number or vector of a message by its path, `drive.steering_angle`, `data[0]` or
`angular_velocity`: of decoded messages and of rclpy's alike."""

from __future__ import annotations

import array
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from liquid_control.errors import FieldError

MOST_LISTED, MOST_ELEMENTS, DEEPEST = 24, 4, 8
_PATH = re.compile(r"[A-Za-z]\w*(\[\d{1,6}\])*(\.[A-Za-z]\w*(\[\d{1,6}\])*)*")
_STEP = re.compile(r"\w+")
_ASIDE = ("header", "stamp", "timestamp", "layout")
_NUMBERS = (int, float, np.integer, np.floating)
_SEQUENCES = (list, tuple, array.array)


def split_field(name: str) -> tuple[str, str]:
    """`/vehicle/servo:angle` to topic and path; the path is '' where none is named."""
    topic, _, path = name.partition(":")
    return topic, path


def number_reader(path: str) -> Callable[[object], float]:
    """A function from messages to the number at `path`; it raises ValueError for a message that has
    none there. Raises FieldError for a path that is none."""
    find = _finder(path)

    def read(message: object) -> float:
        value = find(message)
        if not _is_number(value):
            raise ValueError(f"its {path} is no number")
        return float(value)

    return read


def vector_reader(path: str) -> Callable[[object], tuple[float, float, float]]:
    """As `number_reader`, for three numbers: fields x, y, z, or an array of three."""
    find = _finder(path)

    def read(message: object) -> tuple[float, float, float]:
        vector = _vector(find(message))
        if vector is None:
            raise ValueError(f"its {path} is no vector of three")
        return vector

    return read


def numbers_in(message: object) -> list[str]:
    """Paths of the numbers of a message, without stamps and layouts; of arrays the first."""
    return _listed(_numbers(message, "", 0))


def vectors_in(message: object) -> list[str]:
    """Paths of the vectors of three of a message."""
    return _listed(_vectors(message, "", 0))


class Leaf(NamedTuple):
    """What a role reads at a path: its name, the reader of a path, and the paths in a message."""

    name: str
    reader: Callable[[str], Callable[[object], object]]
    paths: Callable[[object], list[str]]


NUMBER = Leaf("number", number_reader, numbers_in)
VECTOR = Leaf("vector", vector_reader, vectors_in)


def check_field(path: str, messages: Iterable[object], leaf: Leaf = NUMBER) -> None:
    """Raises FieldError, with what there is, unless one of `messages` has such a leaf at `path`."""
    read, listed = leaf.reader(path), []
    for message in messages:
        try:
            read(message)
            return
        except ValueError:
            listed = listed or leaf.paths(message)
    there = (
        f"one of its {leaf.name}s: {', '.join(listed)}" if listed else f"a type with a {leaf.name}"
    )
    raise FieldError(path, f"no {leaf.name} of its messages", there)


def check_default(path: str, message: object) -> None:
    """As `check_field`, of a number in a message of rclpy that was just made, whose sequences are
    empty: what lies in them is believed."""
    number_reader(path)
    value = message
    try:
        for step in _STEP.findall(path):
            if step[0].isdigit() and not isinstance(value, str) and not len(value):
                return
            value = value[int(step)] if step[0].isdigit() else getattr(value, step)
    except (AttributeError, IndexError, TypeError):
        pass  # check_field says it
    check_field(path, [message])


def _finder(path: str) -> Callable[[object], object]:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise FieldError(path, "no path", "names and indices, as in twist.linear.x or data[0]")
    steps = _STEP.findall(path)

    def find(message: object) -> object:
        value = message
        try:
            for step in steps:
                value = value[int(step)] if step[0].isdigit() else getattr(value, step)
        except (AttributeError, IndexError, TypeError) as error:
            raise ValueError(f"it has no {path}") from error
        return value

    return find


def _is_number(value: object) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _vector(value: object) -> tuple[float, float, float] | None:
    parts = value
    if not isinstance(value, (np.ndarray, *_SEQUENCES)):
        parts = [getattr(value, axis, None) for axis in "xyz"] if not hasattr(value, "w") else ()
    if len(parts) != 3 or not all(map(_is_number, parts)):
        return None
    return tuple(map(float, parts))


def _listed(paths: Iterator[str]) -> list[str]:
    found = list(itertools.islice(paths, MOST_LISTED + 1))
    return [*found[:MOST_LISTED], "..."] if len(found) > MOST_LISTED else found


def _numbers(value: object, path: str, depth: int) -> Iterator[str]:
    if _is_number(value):
        yield path
    elif isinstance(value, (np.ndarray, array.array)):
        # One that is empty now may be filled in the next message.
        yield from (f"{path}[{k}]" for k in range(min(max(len(value), 1), MOST_ELEMENTS)))
    else:
        for inner, part in _parts(value, path, depth):
            yield from _numbers(part, inner, depth + 1)


def _vectors(value: object, path: str, depth: int) -> Iterator[str]:
    if path and _vector(value) is not None:
        yield path
    elif not isinstance(value, (np.ndarray, array.array)):
        for inner, part in _parts(value, path, depth):
            yield from _vectors(part, inner, depth + 1)


def _parts(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    """The fields of a message or the first elements of a list, with their paths."""
    if isinstance(value, (bool, np.bool_, str, bytes, *_NUMBERS)) or depth > DEEPEST:
        return
    if isinstance(value, _SEQUENCES):
        yield from ((f"{path}[{k}]", part) for k, part in enumerate(value[:MOST_ELEMENTS]))
        return
    for name in getattr(value, "get_fields_and_field_types", lambda: vars(value))():
        if name not in _ASIDE:
            yield f"{path}.{name}" if path else name, getattr(value, name)
