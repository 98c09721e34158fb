"""What an input contributes to the frames: on how many it was known, and the reason where on none.

The same record is kept of the robot's sensors, of a replay, of training and of an inspection. An
input that was recorded and met no frame contributes nothing, whatever else is in order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from liquid_control.signals import Reason

LEAST_FRAMES = 30
"""Fewest frames of a moving vehicle on which a value of exactly 0 counts as no measurement."""
OTHER_CLOCK = 1.0  # s; a sample further from its frame is of another clock, or the input was silent

WORDS = {
    Reason.MALFORMED: "not a number (or marked as not measured), or beyond any sensor",
    Reason.NOT_MEASURED: "marked as not measured (covariance[0] = -1, or NaN)",
    Reason.DUPLICATE: "stamped like the one before",
    Reason.OLDER: "stamped before the one before",
}


@dataclasses.dataclass(frozen=True)
class Contribution:
    """Of one input: `samples` taken, the `frames` there were, those of them on which it was known
    (`met`), and why it contributes nothing (`reason`, empty where it does). `declared`: its own
    messages say that it is not measured."""

    samples: int
    frames: int
    met: int
    reason: str = ""
    declared: bool = False

    def because(self, reason: str) -> Contribution:
        """The same for another reason."""
        return dataclasses.replace(self, reason=reason)


class Account:
    """Counts samples and frames of one input as they come."""

    def __init__(self) -> None:
        self.samples = self.frames = self.met = 0
        self.refused: Counter[Reason] = Counter()
        self._moving = self._zero = 0
        self._sample_ns = self._apart_ns = 0

    def take(self, stamp_ns: int) -> None:
        """Counts a sample that is kept."""
        self.samples += 1
        self._sample_ns = stamp_ns

    def frame(self, stamp_ns: int, value: float | None, moves: bool) -> None:
        """Counts a frame with the value that it gets, None where nothing is known. `moves`: the
        vehicle is not known to stand."""
        self.frames += 1
        if value is None:
            self._apart_ns = stamp_ns - self._sample_ns
            return
        self.met += 1
        self._moving += moves
        self._zero += moves and value == 0.0

    @property
    def contribution(self) -> Contribution:
        """What was counted so far."""
        declared = not self.samples and self.refused[Reason.NOT_MEASURED] > 0
        return Contribution(self.samples, self.frames, self.met, self._reason(), declared)

    def _reason(self) -> str:
        if not self.frames:
            return ""
        if not self.samples:
            return nothing_taken(self.refused)
        if not self.met:
            return apart(self._apart_ns * 1e-9, self._sample_ns == 0)
        if self._moving >= LEAST_FRAMES and self._zero == self._moving:
            return "it is exactly 0 while the vehicle moves: its driver does not fill it in"
        return ""


def nothing_taken(refused: Counter[Reason]) -> str:
    """The reason of an input of which no sample was taken."""
    if not refused:
        return "no sample arrived"
    reason, count = refused.most_common(1)[0]
    return f"{count} of {refused.total()} samples are {WORDS.get(reason, reason.value)}"


def apart(seconds: float, zero: bool = False) -> str:
    """The reason of an input whose samples all miss the frames, by the time from a sample to a
    frame; `zero`: the samples' stamps are 0."""
    if zero:
        return "its stamps are 0: the header is not filled in"
    when = "before" if seconds > 0 else "after"
    if abs(seconds) < OTHER_CLOCK:
        far = f": the last one is {abs(seconds):.2f} s {when} it" if seconds else ""
        return f"no sample is near enough to a picture in time{far}"
    return (
        f"its samples are stamped {abs(seconds):.1f} s {when} the pictures: another clock, or "
        "recorded at another time"
    )
