"""What each input of a recording contributes to its frames, for replay, training and inspection.

The measurements keep their own account in the time line; the driver's steering is held against the
frames here. The source knows why messages hold no value.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from liquid_control.perception.contribution import LEAST_FRAMES, Contribution, apart
from liquid_control.recordings.motion import Track, at
from liquid_control.recordings.source import Source

ROLE_OF = {
    "yaw_rate": "imu",
    "lateral_acceleration": "imu",
    "speed": "speed",
    "steering": "steering",
}
"""The role that each input is read from."""

INSTEAD = {
    "yaw_rate": "the policy is given 0, as on a robot whose IMU is silent",
    "lateral_acceleration": "the policy is given 0, as on a robot whose IMU is silent",
    "speed": "the policy assumes one, and the gate judges at the largest",
    "steering": "there is nothing to compare with",
}
"""What a replay does without each input."""

NOT_RECORDED = "no topic of it is recorded"
MOST_NAMED = 3


def contributions(
    source: Source, measured: Mapping[str, Contribution], steering: Contribution
) -> dict[str, Contribution]:
    """Of a recording that was read: `measured` by the time line and the driver's steering, with the
    source's own reason where no message held a value."""
    found = {}
    for name, one in (*measured.items(), ("steering", steering)):
        role = ROLE_OF[name]
        if role not in source.roles:
            one = one.because(NOT_RECORDED + named_for(role, source))
        elif not one.samples and role in source.absent and not one.declared:
            one = one.because(source.absent[role])
        found[name] = one
    return found


def named_for(role: str, source: Source) -> str:
    """What could be named for a role that is not there."""
    found = source.alternatives.get(role, ())
    return f"; --topics.{role} may name {' or '.join(found[:MOST_NAMED])}" if found else ""


def steering_contribution(stamp_ns: np.ndarray, steering: Track, max_gap: float) -> Contribution:
    """Of a steering track to frames (N,) stamped `stamp_ns`; see `motion.at` for `max_gap` [s]."""
    tidy = steering.tidy()
    angle = at(stamp_ns, tidy, max_gap)
    known = angle[np.isfinite(angle)]
    reason = ""
    if not len(known) and len(stamp_ns):
        reason = _reason(stamp_ns, steering, tidy)
    elif len(known) >= LEAST_FRAMES and np.ptp(tidy.value) == 0.0:
        reason = f"it is {known[0]:.3g} rad throughout: it is not the driver's"
    return Contribution(len(steering), len(stamp_ns), len(known), reason)


def failures(contributed: Mapping[str, Contribution], roles: Mapping[str, object]) -> list[str]:
    """The inputs that were recorded and met no frame for another reason than their own word."""
    return [
        name
        for name, one in contributed.items()
        if ROLE_OF[name] in roles and one.frames and not one.met and not one.declared
    ]


def _reason(frames_ns: np.ndarray, steering: Track, tidy: Track) -> str:
    if not len(steering):
        return "no message holds a value"
    if not len(tidy):
        return "no value is a number of possible size"
    if len(tidy) < 2 < len(steering):
        return "all its samples have the same stamp"
    first_ns, last_ns = int(frames_ns.min()), int(frames_ns.max())
    if tidy.stamp_ns[-1] < first_ns:
        return apart((last_ns - int(tidy.stamp_ns[-1])) * 1e-9)
    if tidy.stamp_ns[0] > last_ns:
        return apart((first_ns - int(tidy.stamp_ns[0])) * 1e-9)
    return apart(0.0)
