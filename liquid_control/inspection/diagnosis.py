"""What is wrong with the recorded motion, jointly: mounting of the IMU, frame of the speed, and
errors of scale and sign, by the smallest set that explains all relations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.inspection.imu_axes import (
    gravity_direction,
    is_down,
    is_upright,
    rotations,
    tolerance,
    turned,
)
from liquid_control.inspection.motion_signals import Signals
from liquid_control.inspection.relations import Relations, relations_of
from liquid_control.inspection.speed_frame import SpeedFault, speed_fault
from liquid_control.inspection.suspects import Explanation, explanations
from liquid_control.recordings.motion import Track

UNUSED = ("longitudinal", "heading", "position")
"""Signals that no policy uses: an error of theirs is the more likely one to have stayed unseen."""
BENDING = 0.3  # m/s²
WITHOUT_ACCELEROMETER = ("steering_gyro", "heading_gyro", "heading_steering") + (
    "camera_gyro",
    "camera_steering",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """`relations`: of the signals as recorded. `rotation`: (3, 3) that brings the IMU into body
    axes, None where it is in them; `others`: further ones that fit as well. `up`: direction of
    gravity as recorded. `upside`: what gravity on another axis than z means: "" (it is on z, or the
    sign of z is explained), "mounting", "accelerometer" (its axes alone are wrong), "either".

    `explained`: equally good explanations by errors of scale and sign, the best first; empty where
    none explains all. `speed`: what is wrong with the speed but its scale. `corrected`: the signals
    with all that is explained by one explanation alone taken out.
    """

    relations: Relations
    rotation: np.ndarray | None
    up: np.ndarray | None
    upside: str
    others: tuple[np.ndarray, ...]
    explained: tuple[Explanation, ...]
    speed: SpeedFault | None
    corrected: Signals

    @property
    def checked(self) -> set[str]:
        """Signals whose scale others tell."""
        return {
            name
            for one in self.relations.measured
            if math.isfinite(one.sigma)
            for name in one.exponents
        }


@dataclasses.dataclass(frozen=True, eq=False)
class _Candidate:
    rotation: np.ndarray
    relations: Relations
    explained: list[Explanation]
    turned: bool
    axis_wrong: bool
    lost: int = 0

    @property
    def cost(self) -> float:
        if not self.explained:
            return math.inf
        errors = sum(0.9 if one.suspect in UNUSED else 1.0 for one in self.explained[0].errors)
        return errors + self.turned + self.axis_wrong + self.lost


def diagnose(signals: Signals, wheelbase: float) -> Diagnosis:
    """Holds all signals against each other."""
    fault = speed_fault(signals, wheelbase)
    judged = signals if fault is None else fault.corrected(signals)
    up = gravity_direction(judged)
    off_axis = up is not None and not is_upright(judged, up)
    sideways = off_axis and not is_down(judged, up)
    plain = relations_of(judged, wheelbase)
    first = _Candidate(np.eye(3), plain, explanations(plain.measured), False, sideways)
    candidates = [first]
    if first.cost > 0 or _is_unfollowed(plain, judged):
        candidates = _with_mountings(first, judged, wheelbase, rotations(up, tolerance(judged))[1:])
    best = min(one.cost for one in candidates)
    chosen = [one for one in candidates if one.cost == best]
    mounted = [one for one in chosen if one.turned and one.cost < math.inf]
    winner = mounted[0] if mounted and (off_axis or not _blames_others(first)) else chosen[0]
    upside = ""
    if off_axis:
        either = len({one.turned for one in chosen}) > 1
        upside = "either" if either else "mounting" if winner.turned else upside
        upside = "accelerometer" if sideways and not winner.turned else upside
    return Diagnosis(
        plain,
        winner.rotation if winner.turned else None,
        up,
        upside,
        tuple(one.rotation for one in mounted if one is not winner) if winner.turned else (),
        tuple(likeliest(winner.explained, judged)),
        fault,
        _corrected(judged, winner),
    )


def likeliest(found: list[Explanation], signals: Signals) -> list[Explanation]:
    """Of explanations between which the recording does not decide, those by units and signs that
    people meet, where there are any; a speed that is mostly positive has the right sign."""
    forward = len(signals.speed) > 0 and float(np.median(signals.speed.value)) > 0.0
    right = [
        one
        for one in found
        if not (forward and any(e.suspect == "speed" and e.factor < 0 for e in one.errors))
    ]
    right = right or found
    common = [one for one in right if all(error.common for error in one.errors)]
    return common or right


def _is_unfollowed(relations: Relations, signals: Signals) -> bool:
    """Whether the gyro's z or acceleration y does not follow what it should, in a drive that
    bends."""
    if len(signals.gyro[2]) < 2:
        return False
    yaw, lateral = relations.fits["steering_gyro"], relations.fits["lateral_gyro"]
    bends = lateral.excitation > BENDING and not lateral.known
    return not (yaw.known or yaw.reason) or bends


def _blames_others(candidate: _Candidate) -> bool:
    """Whether an error of another signal than a horizontal acceleration may explain it."""
    return any(
        error.suspect not in ("lateral", "longitudinal")
        for one in candidate.explained
        for error in one.errors
    )


def _with_mountings(
    first: _Candidate, signals: Signals, wheelbase: float, mountings: list[np.ndarray]
) -> list[_Candidate]:
    """All mountings that gravity allows. One that loses a relation which another one has does not
    explain it."""
    found = [first]
    shared: dict[bytes, dict] = {}
    for rotation in mountings:
        key = np.round(rotation[2], 6).tobytes()
        relations = relations_of(turned(signals, rotation), wheelbase, shared.get(key))
        shared[key] = {name: relations.fits[name] for name in WITHOUT_ACCELEROMETER}
        found.append(_Candidate(rotation, relations, explanations(relations.measured), True, False))
    names = {one.name for candidate in found for one in candidate.relations.measured}
    return [
        dataclasses.replace(one, lost=sum(not one.relations.known(name) for name in names))
        for one in found
    ]


def _corrected(signals: Signals, winner: _Candidate) -> Signals:
    if winner.turned:
        signals = turned(signals, winner.rotation)
    found = likeliest(winner.explained, signals)
    if len(found) != 1:
        return signals
    for error in found[0].errors:
        if error.suspect == "speed":
            signals = dataclasses.replace(signals, speed=_times(signals.speed, 1 / error.factor))
        elif error.suspect == "gyro":
            gyro = tuple(_times(axis, 1 / error.factor) for axis in signals.gyro)
            signals = dataclasses.replace(signals, gyro=gyro)
    return signals


def _times(track: Track, factor: float) -> Track:
    return Track(track.stamp_ns, track.value * factor)
