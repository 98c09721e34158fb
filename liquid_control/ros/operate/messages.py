"""What a page may send on the command socket, read strictly. Pure: no sockets, no ROS.

Each message is one JSON object with exactly the fields of its kind: `session` (the word that this
connection was given), `number` (1, 2, 3, ...), `tick` (the latest that the page heard) and `kind`.
A beat has the `stick`, a request to record has `on`.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math

LARGEST = 512
"""Bytes of the longest message."""
LARGEST_NUMBER = 2**53 - 1
"""Beyond it a page cannot count."""


class Kind(enum.Enum):
    """What a page wants."""

    BEAT = "beat"
    CLAIM = "claim"
    LEAVE = "leave"
    TAKEOVER = "takeover"
    EMERGENCY_STOP = "emergency_stop"
    ACKNOWLEDGE = "acknowledge"
    ENGAGE = "engage"
    BY_HAND = "by_hand"
    BY_POLICY = "by_policy"
    RECORD = "record"
    MARK = "mark"


ANYONES = (Kind.TAKEOVER, Kind.EMERGENCY_STOP)
"""What stops the vehicle is heard from every page, however late."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stick:
    """Where the virtual stick is: `steering` and `speed` in [-1, 1], positive to the left and
    forward."""

    steering: float
    speed: float


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A well-formed message. `stick` of a beat; `on` of a request to record."""

    kind: Kind
    number: int
    tick: int
    stick: Stick | None = None
    on: bool = False


class Malformed(ValueError):
    """Not a message of a page; the text says why."""


FIELDS = {"session", "number", "tick", "kind"}
MORE = {Kind.BEAT: {"stick"}, Kind.RECORD: {"on"}}


def read(data: object, session: str) -> Message:
    """The message in `data`, what a socket handed over. Raises Malformed, and nothing else."""
    found = _object(data)
    if found.get("session") != session:
        raise Malformed("another session")
    try:
        kind = Kind(found.get("kind"))
    except ValueError:
        raise Malformed("unknown kind") from None
    if found.keys() != FIELDS | MORE.get(kind, set()):
        raise Malformed(f"fields of {kind.value}")
    number, tick = (_count(found[name]) for name in ("number", "tick"))
    on = found.get("on", False)
    if not isinstance(on, bool):
        raise Malformed("on")
    return Message(kind, number, tick, _stick(found.get("stick")), on)


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, str) or len(data) > LARGEST:
        raise Malformed("no text, or too long")
    try:
        found = json.loads(data, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Malformed("no JSON") from None
    if not isinstance(found, dict):
        raise Malformed("no object")
    return found


def _refuse(word: str) -> float:
    raise Malformed(word)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a field twice")
    return found


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
        raise Malformed("number or tick")
    return value


def _stick(value: object) -> Stick | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed("stick")
    for each in value:
        if type(each) not in (int, float) or not abs(each) <= 1.0 or math.isnan(each):
            raise Malformed("stick")
    return Stick(float(value[0]), float(value[1]))
