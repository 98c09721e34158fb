"""Which features and which of their numbers are a vehicle's camera, steering, speed and throttle,
by their names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from liquid_control.errors import AmbiguousTopicError, TopicError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.tables.table import ANGLE, CURVATURE, NORMALISED

TWIST = "yaw rate"
"""A kind of steering: the yaw rate [rad/s] of a command with a speed."""
DEGREE = math.pi / 180.0
ACTION, OBSERVED = "action", "observation"
STEERING = re.compile(r"steer|wheel_angle|curvature|(^|\W)angle$")
YAW_RATE = re.compile(r"(theta|angular|yaw|rotation)\W?(vel|velocity|rate|z)|(^|\W)(wz|omega)$")
SPEED = re.compile(r"speed|velocity|(^|\W)(vel|vx)$|(x|linear|forward)\W?(vel|x)$")
NOT_SPEED = re.compile(
    r"angular|theta|yaw|rotation|wheel|motor_(left|right)|limit|max|(^|\W)[yz]\W"
)
THROTTLE = re.compile(r"throttle|(^|\W)gas")
IN_DEGREES = re.compile(r"deg(rees?)?(\W|$|_)|theta\.vel")
IN_RADIANS = re.compile(r"(^|\W|_)rad(ians?)?(\W|$|_)|wheel_angle")
FRONT = re.compile(r"front|forward|cent(re|er)|road|dash")
SIDES = re.compile(r"left|right|rear|back|side|wrist|map")


class Number(NamedTuple):
    """One number of a feature. `place`: in its values; `label`: its name there, "" for none."""

    feature: str
    place: int = 0
    label: str = ""
    many: bool = False

    @property
    def name(self) -> str:
        """As `--topics.*` name it."""
        if not self.many:
            return self.feature
        return f"{self.feature}:{self.label}" if self.label else f"{self.feature}[{self.place}]"

    @property
    def spellings(self) -> set[str]:
        plain = {self.name, f"{self.feature}[{self.place}]"}
        return plain | ({f"{self.feature}.{self.label}"} if self.label else set())


class Columns(NamedTuple):
    """The number of each role, None where there is none. `kind` of the steering, `unit`: its factor
    to radians or rad/s."""

    steering: Number | None
    speed: Number | None
    throttle: Number | None
    twist_speed: Number | None
    kind: str
    unit: float


def numbers_of(widths: Mapping[str, int], features: Mapping[str, Mapping]) -> list[Number]:
    """All numbers of the columns with these widths, by the names that their features give them."""
    found = []
    for feature, count in widths.items():
        labels = list(_labels(features.get(feature, {}).get("names")))
        labels = labels if len(labels) == count else [""] * count
        found += [Number(feature, at, labels[at], count > 1) for at in range(count)]
    return found


def choose_numbers(numbers: Sequence[Number], settings: RecordingSettings) -> Columns:
    """Raises TopicError for a name of the settings that is not there."""
    topics = settings.topics
    steering = _asked("steering", topics.steering, numbers)
    if steering is None:
        likely = [one for one in numbers if STEERING.search(_words(one))]
        likely = likely or [one for one in numbers if YAW_RATE.search(_words(one))]
        steering = next(iter(sorted(likely, key=_is_observed)), None)
    speed = _asked("speed", topics.speed, numbers)
    if speed is None:
        likely = [one for one in numbers if _is_observed(one) and is_speed(one)]
        speed = next(iter(likely), None)
    throttle = next((one for one in numbers if THROTTLE.search(_words(one))), None)
    words = "" if steering is None else _words(steering)
    unit = DEGREE if IN_DEGREES.search(words) else 1.0
    twist_speed = None
    if "curvature" in words:
        kind = CURVATURE
    elif not STEERING.search(words) and YAW_RATE.search(words):
        kind = TWIST
        beside = [one for one in numbers if one.feature == steering.feature and is_speed(one)]
        twist_speed = next(iter(beside), speed)
    elif unit != 1.0 or IN_RADIANS.search(words):
        kind = ANGLE
    else:
        kind = NORMALISED
    return Columns(steering, speed, throttle, twist_speed, kind, unit)


def choose_camera(cameras: Sequence[str], settings: RecordingSettings) -> str:
    """ "" where there is none. Of several that of the road, by its name. Raises TopicError for a
    name of the settings that is not there, AmbiguousTopicError where several are left."""
    asked = settings.topics.camera
    if asked:
        named = [one for one in cameras if asked in (one, one.rpartition(".")[2])]
        if not named:
            raise TopicError("camera", asked, f"one of {', '.join(cameras) or 'none: no pictures'}")
        return named[0]
    left = list(cameras)
    for words, wanted in ((SIDES, False), (FRONT, True)):
        kept = [one for one in left if (words.search(one.lower()) is not None) == wanted]
        left = kept or left
    if len(left) > 1:
        raise AmbiguousTopicError("camera", tuple(left))
    return left[0] if left else ""


def is_speed(number: Number) -> bool:
    """Whether a number is named like a speed, measured or commanded."""
    words = _words(number)
    return SPEED.search(words) is not None and NOT_SPEED.search(words) is None


def _asked(role: str, name: str, numbers: Sequence[Number]) -> Number | None:
    if not name:
        return None
    found = [one for one in numbers if name in one.spellings or name == one.label != ""]
    if not found:
        there = ", ".join(one.name for one in numbers) or "none: no numbers"
        raise TopicError(role, name, f"one of {there}")
    return found[0]


def _labels(names: object) -> Iterator[str]:
    """The names in a list, or in the lists of a mapping, which older versions have."""
    if isinstance(names, Mapping):
        for inner in names.values():
            yield from _labels(inner)
    elif isinstance(names, (list, tuple)):
        for inner in names:
            if isinstance(inner, (list, tuple, Mapping)):
                yield from _labels(inner)
            else:
                yield str(inner)


def _words(number: Number) -> str:
    return (number.label if number.many else number.feature).lower().replace(" ", "_")


def _is_observed(number: Number) -> bool:
    return number.feature.startswith(OBSERVED)
