"""Which frames of a recording are good driving, in unbroken stretches, and why others are not."""

from __future__ import annotations

import numpy as np

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.data.from_recording import LEAST_FRAMES, RecordedDrive
from liquid_control.recordings.driven_curvature import Driven
from liquid_control.recordings.stretches import PAUSE

LONGEST_GAP = 0.5
"""A longer time without a frame ends a stretch [s]."""
TOO_SHORT = "stretches too short to drive in"
PAUSES = "pauses and jumps of the clock"
STILL_FOR, STILL = 1.0, 0.2
"""A picture that changes for this long [s] by less than this share of its usual change stands
still."""
STILL_GREY = 2.0
"""And by no more than this many grey levels from frame to frame."""
EVERY = 4
"""Of the pixels, in both directions, that are compared."""
MARKED = ("deleted",)
"""Words of reasons for which a format leaves out frames that were driven badly."""


def stretches_of(
    drive: RecordedDrive, driven: Driven, scale: DrivingScale
) -> tuple[list[slice], dict[str, float]]:
    """Runs of frames of good driving, and the seconds of what is left out by reason."""
    stamp_ns, speed = drive.columns["stamp_ns"], driven.speed
    steps = np.diff(stamp_ns) * 1e-9
    short = steps[(steps > 0.0) & (steps <= LONGEST_GAP)]
    usual = float(np.median(short)) if len(short) else 0.0
    reasons = np.full(len(stamp_ns), "", object)
    reasons[~np.isfinite(driven.curvature)] = _without_steering(drive)
    if usual:
        still = _still(drive.image, round(STILL_FOR / usual))
        reasons[still] = "the picture stands still while the wheels turn"
    reasons[speed < scale.slowest] = f"slower than {scale.slowest:.2g} m/s"
    reasons[speed < -scale.slowest] = "reverse"
    reasons[~np.isfinite(speed)] = "no speed is known"
    left_out: dict[str, float] = {}
    for reason, count in drive.facts["skipped"].items():
        if any(word in reason for word in MARKED):
            add(left_out, reason, count * usual)
    for reason in reasons[reasons != ""]:
        add(left_out, reason, usual)
    breaks = (steps <= 0.0) | (steps > LONGEST_GAP)
    for step in steps[breaks & (steps <= PAUSE)]:  # longer ones are no time of the recording
        add(left_out, PAUSES, max(float(step), 0.0))
    begins = np.concatenate([[True], breaks | drive.columns["is_first"][1:]])
    found = []
    for first, last in _runs(reasons == "", begins):
        if last - first >= LEAST_FRAMES:
            found.append(slice(first, last))
        else:
            add(left_out, TOO_SHORT, (last - first) * usual)
    return found, left_out


def add(seconds: dict[str, float], reason: str, more: float) -> None:
    """Adds to the seconds of a reason."""
    seconds[reason] = seconds.get(reason, 0.0) + more


def _runs(good: np.ndarray, begins: np.ndarray) -> list[tuple[int, int]]:
    """First and last, exclusive, of the runs of `good` frames (N,) that no other begins in."""
    runs, first = [], None
    for index, (is_good, is_new) in enumerate(zip(good, begins, strict=True)):
        if first is not None and (is_new or not is_good):
            runs.append((first, index))
            first = None
        if first is None and is_good:
            first = index
    return runs if first is None else [*runs, (first, len(good))]


def _without_steering(drive: RecordedDrive) -> str:
    """The reason of frames without a target, with what the format says of the steering."""
    said = [reason for reason in drive.facts["skipped"] if "steering" in reason]
    return "no steering is known" + (f" ({'; '.join(said)})" if said else "")


def _still(pictures: np.ndarray, window: int) -> np.ndarray:
    """Frames (N,) around which nothing moves in the picture."""
    if len(pictures) <= window or not window:
        return np.zeros(len(pictures), bool)
    change, before = np.zeros(len(pictures)), None
    for index, picture in enumerate(pictures):
        now = picture[::EVERY, ::EVERY].astype(np.int16)
        change[index] = np.abs(now - before).mean() if before is not None else 0.0
        before = now
    mean = np.convolve(change, np.full(window, 1.0 / window), "valid")
    still = mean < min(STILL * float(np.median(change)), STILL_GREY)
    covered = np.zeros(len(pictures), bool)
    for first in np.flatnonzero(still):
        covered[first : first + window] = True
    return covered
