"""One number of a message by its path, `drive.steering_angle` or `data[0]`: of decoded messages and
of rclpy's alike."""

from __future__ import annotations

import array
import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from liquid_control.errors import FieldError

MOST_LISTED, MOST_ELEMENTS, DEEPEST = 24, 4, 8
_PATH = re.compile(r"[A-Za-z]\w*(\[\d{1,6}\])*(\.[A-Za-z]\w*(\[\d{1,6}\])*)*")
_STEP = re.compile(r"\w+")
_ASIDE = ("header", "stamp", "timestamp", "layout")
_NUMBERS = (int, float, np.integer, np.floating)


def split_field(name: str) -> tuple[str, str]:
    """`/vehicle/servo:angle` to topic and path; the path is '' where none is named."""
    topic, _, path = name.partition(":")
    return topic, path


def number_reader(path: str) -> Callable[[object], float]:
    """A function from messages to the number at `path`; it raises ValueError for a message that has
    none there. Raises FieldError for a path that is none."""
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise FieldError(path, "no path", "names and indices, as in twist.linear.x or data[0]")
    steps = _STEP.findall(path)

    def read(message: object) -> float:
        value = message
        try:
            for step in steps:
                value = value[int(step)] if step[0].isdigit() else getattr(value, step)
        except (AttributeError, IndexError, TypeError) as error:
            raise ValueError(f"it has no {path}") from error
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, _NUMBERS):
            raise ValueError(f"its {path} is no number")
        return float(value)

    return read


def check_field(path: str, messages: Iterable[object]) -> None:
    """Raises FieldError, with the numbers that there are, unless one of `messages` has `path`."""
    read, listed = number_reader(path), []
    for message in messages:
        try:
            read(message)
            return
        except ValueError:
            listed = listed or numbers_in(message)
    numbers = "one of its numbers: " + ", ".join(listed) if listed else "a type with numbers"
    raise FieldError(path, "no number of its messages", numbers)


def check_default(path: str, message: object) -> None:
    """As `check_field`, of a message of rclpy that was just made, whose sequences are empty: what
    lies in them is believed."""
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


def numbers_in(message: object) -> list[str]:
    """Paths of the numbers of a message, without stamps and layouts; of arrays the first."""
    found = []
    for path in _walk(message, "", 0):
        if len(found) == MOST_LISTED:
            return [*found, "..."]
        found.append(path)
    return found


def _walk(value: object, path: str, depth: int) -> Iterator[str]:
    if isinstance(value, (bool, np.bool_, str, bytes)) or depth > DEEPEST:
        return
    if isinstance(value, _NUMBERS):
        yield path
    elif isinstance(value, (np.ndarray, array.array)):
        # One that is empty now may be filled in the next message.
        yield from (f"{path}[{k}]" for k in range(min(max(len(value), 1), MOST_ELEMENTS)))
    elif isinstance(value, (list, tuple)):
        for k, element in enumerate(value[:MOST_ELEMENTS]):
            yield from _walk(element, f"{path}[{k}]", depth + 1)
    else:
        names = getattr(value, "get_fields_and_field_types", lambda: vars(value))()
        for name in names:
            if name not in _ASIDE:
                inner = f"{path}.{name}" if path else name
                yield from _walk(getattr(value, name), inner, depth + 1)
