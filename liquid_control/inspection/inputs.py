"""What each input contributes to the pictures of a recording, and what is wrong where it is
nothing: counted by the robot's own time line, in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from liquid_control.inspection.findings import FAULT, WARNING, Finding, warning
from liquid_control.perception.contribution import WORDS, Account, Contribution
from liquid_control.perception.timeline import Timeline
from liquid_control.recordings.contributions import ROLE_OF, contributions
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import Entry
from liquid_control.signals import Frame, ImuSample, Observation, Reason, SpeedSample

NEAR_NS = 500_000_000
"""A steering angle within this time of a picture is known on it."""
RECEIVE = "read it with --stamps receive"
SAID = ("zero_stamps", "constant_stamps", "not_covered", "no_messages", "other_clock")
"""Findings that already say why a whole role contributes nothing."""
UNIT = ("speed_unit", "gyro_unit", "acceleration_unit")
"""Findings that say why numbers are beyond any sensor."""
CLOCK = ("other_clock", "late", "from_the_future")
"""Findings of a clock that is not the others'."""
PICTURE = np.zeros((1, 1, 3), np.uint8)

GIVEN = {
    "yaw_rate": "the policy is given 0",
    "lateral_acceleration": "the policy is given 0",
    "speed": f"the policy assumes {Timeline().config.assumed_speed:g} m/s",
    "steering": "nothing to compare a replay with",
}
REMEDIES = {
    "imu": "name another topic with --topics.imu, or correct the IMU's driver",
    "speed": "name another topic with --topics.speed",
    "steering": "name another topic with --topics.steering",
}


class Inputs:
    """Takes the entries of a recording in received order. `moving`: as of `Timeline`."""

    def __init__(self, moving: float) -> None:
        self._timeline = Timeline(moving=moving)
        self._steering = Account()
        self._angle_ns: int | None = None

    def push(self, entry: Entry) -> None:
        if entry.role == "camera":
            seen = self._timeline.push_frame(Frame(entry.stamp_ns, PICTURE))
            if isinstance(seen, Observation):
                near = self._angle_ns is not None
                near = near and abs(entry.stamp_ns - self._angle_ns) <= NEAR_NS
                self._steering.frame(entry.stamp_ns, 1.0 if near else None, moves=False)
        elif isinstance(entry.sample, ImuSample):
            self._timeline.push_imu(entry.sample)
        elif isinstance(entry.sample, SpeedSample):
            self._timeline.push_speed(entry.sample)
        elif entry.sample is not None and not entry.problem:
            self._angle_ns = entry.stamp_ns
            self._steering.take(entry.stamp_ns)

    def contributions(self, source: Source) -> dict[str, Contribution]:
        """Of the recording whose entries were taken."""
        return contributions(source, self._timeline.contributions, self._steering.contribution)


def judge_inputs(
    contributed: Mapping[str, Contribution],
    remarks: Sequence[str],
    roles: Collection[str],
    findings: Sequence[Finding],
) -> Iterator[Finding]:
    """Inputs of recorded roles that contribute nothing, beyond what `findings` say, and what was
    taken in place of what is recorded."""
    yield from judge_remarks(remarks)
    said = {one.role: one.train for one in findings if one.code in SAID}
    of_camera = any(one.role == "camera" and one.code in CLOCK for one in findings)
    blamed = any(one.role == "camera" and one.train == FAULT for one in findings)
    in_unit = {one.role for one in findings if one.code in UNIT}
    absent = {
        name: one for name, one in contributed.items() if one.reason and ROLE_OF[name] in roles
    }
    without_target = not (gives_target(contributed) or _is_there(contributed, "steering"))
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, one in absent.items():
        by_reason.setdefault((ROLE_OF[name], one.reason), []).append(name)
    for (role, reason), names in by_reason.items():
        target = without_target and set(names) & {"yaw_rate", "speed", "steering"}
        if role in said and (not target or said[role] == FAULT):
            continue
        if role in in_unit and not target and WORDS[Reason.MALFORMED] in reason:
            continue
        by_camera = of_camera and any(words in reason for words in ("stamp", "in time"))
        if by_camera and (blamed or not target):  # the pictures' clock, not this role's
            continue
        words = " and no ".join(names).replace("_", " ")
        text = f"no {words}: {reason}; {GIVEN[names[0]]}"
        if target:
            text += ", and there is neither steering nor gyro and speed to train on"
        elif role == "steering":
            text += "; training takes its target from gyro and speed"
        train = FAULT if target else WARNING
        remedy = "" if "--topics" in reason else RECEIVE if "stamp" in reason else REMEDIES[role]
        if by_camera:
            role, remedy, blamed = "camera", RECEIVE, True
        yield Finding("contributes_nothing", role, text, remedy, WARNING, train)


def judge_remarks(remarks: Sequence[str]) -> Iterator[Finding]:
    """What was taken in place of what is recorded, as `Source.remarks` has it."""
    for remark in remarks:
        yield warning("receipt_used", remark.partition(":")[0], remark.partition(": ")[2])


def gives_target(contributed: Mapping[str, Contribution]) -> bool:
    """Whether a target of training can be taken from gyro and speed."""
    return _is_there(contributed, "yaw_rate") and _is_there(contributed, "speed")


def _is_there(contributed: Mapping[str, Contribution], name: str) -> bool:
    return contributed[name].met > 0 and not contributed[name].reason
