"""When a vehicle without a speed sensor is not driven forward, by its throttle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

STANDING_NS = 500_000_000
"""Without throttle for longer than this the car is taken to stand."""
LIGHT = 0.01
"""Less throttle than this is none."""
BACKWARD = "driven backward or braked, by the throttle: the steering is not used"
STANDS = "no throttle for more than 0.5 s: the steering is not used"


def forward_of(throttle: Sequence[float]) -> float:
    """1 or -1, the sign of most of the throttle: of some cars forward is negative; 0 where there is
    no throttle at all."""
    driven = [value for value in throttle if abs(value) > LIGHT]
    if not driven:
        return 0.0
    return 1.0 if 2 * sum(value > 0.0 for value in driven) >= len(driven) else -1.0


def not_driven(
    stamps_ns: Sequence[int], throttle: Sequence[float], forward: float
) -> Iterator[tuple[int, str]]:
    """(index, reason) of moments whose throttle is against the direction `forward`, or has been 0
    for some time."""
    begin_ns = latest_ns = None
    for index, (stamp_ns, value) in enumerate(zip(stamps_ns, throttle, strict=True)):
        value *= forward
        none = not value > LIGHT and not math.isnan(value)
        jumped = latest_ns is None or not 0 <= stamp_ns - latest_ns <= STANDING_NS
        begin_ns = None if not none else stamp_ns if begin_ns is None or jumped else begin_ns
        latest_ns = stamp_ns
        if value < -LIGHT:
            yield index, BACKWARD
        elif begin_ns is not None and stamp_ns - begin_ns > STANDING_NS:
            yield index, STANDS
