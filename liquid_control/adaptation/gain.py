"""The gain of the vehicle: the path curvature that it reaches over the commanded one.

Recursive least squares of differences over about one second: a constant error of the gyro, of the
steering and the bank of the road are the same at both ends and cancel. A second regressor, the
change of the steering within the last moments, takes the delay of the vehicle, which would else
look like a smaller gain. In information form: A = sum of x x', b = sum of x y with exponential
forgetting, and a prior of gain 1 that is never forgotten, which bounds the covariance; forgetting
and bounded regressors keep it from collapsing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from liquid_control.adaptation.steering import SteeringLog
from liquid_control.adaptation.trust import Trust, checked
from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale, sharpest
from liquid_control.errors import ConfigError

APART = 1.0
"""Time between the two ends of a difference [s]."""
TOLERANCE = 0.25
"""They may be nearer or further apart by this [s]."""
SMOOTH, QUICK = 0.3, 0.1
"""The steering is the mean over the first time before a frame, its change that of the mean over the
second [s]."""
SETTLED = 2.0
"""Nothing is learnt within this time after engaging, and from this time before a takeover [s]."""
EXCITED = 0.02
"""A difference is used where the steering has changed by more than this share of the sharpest
curvature of the vehicle."""
STEADY = 0.5
"""And where at both ends it does not move quickly: its change is at most this share of the
difference. The delay of the vehicle would else look like a smaller gain."""
BUCKETS = (-3.0, 0.0, 3.0)
"""Edges of the classes of the change of steering, in units of the smallest that is used."""
FEWEST, FEWEST_IN_ALL = 100, 1000
"""Frames of each class, and of all, before the gain counts."""
MEMORY = 4000.0
"""Frames that are remembered."""
PRIOR = 50.0
"""Weight of the prior, in frames with the smallest change of steering that is used."""
WINDOW, FEWEST_SCORED = 1500.0, 500.0
"""Of the comparison, in frames."""
LEAST = 0.05
"""A gain that differs from 1 by less is not used; one that is used, by less than half of it."""
SLOW, SLOWEST, SLOWER = 5.0, 60.0, 0.25
"""The gain follows with this time constant at first, at last [s], and it grows by this share of the
time of learning."""


class _Row(NamedTuple):
    """At one frame: time [s], smooth steering, its change, and the curvature reached, in units of
    the smallest change that is used."""

    at: float
    steering: float
    change: float
    reached: float


class VehicleGain:
    """`gain`: reached over commanded curvature, slowly following, within 1 ± `largest`. `used`:
    whether the steering is to be divided by it: it predicts the reached curvature better than gain
    1 does, on frames that it has not learnt from. `vehicle`: as controller and gate know it.
    `better`: see `Trust`. `lateral_acceleration`: the largest of a frame that is used [m/s²].
    """

    def __init__(
        self,
        vehicle: VehicleConfig,
        largest: float = 0.3,
        better: float = 0.1,
        lateral_acceleration: float = 2.5,
    ) -> None:
        self._largest, self._lateral = largest, lateral_acceleration
        self._unit = EXCITED * sharpest(vehicle)
        self._bound = 2.0 / EXCITED
        self.slowest = driving_scale(vehicle).speeds[1]
        self._trust = Trust(better, WINDOW, FEWEST_SCORED)
        self._rows: deque[_Row] = deque(maxlen=512)
        self._waiting: deque[tuple[float, float, float, float, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """Forgets all that was learnt."""
        self.gain, self.learnt, self.counts = 1.0, 0.0, [0] * (len(BUCKETS) + 1)
        self.refused: dict[str, int] = {}
        self._a11 = self._a12 = self._a22 = self._b1 = self._b2 = 0.0
        self._trust.reset()
        self.interrupt()

    def interrupt(self) -> None:
        """The policy no longer drives, or the drive begins anew: what has not been learnt yet is
        dropped."""
        self._rows.clear()
        self._waiting.clear()
        self._since: float | None = None

    @property
    def used(self) -> bool:
        """Whether the gain is in use."""
        return self._trust.used

    @property
    def factor(self) -> float:
        """What the steering is multiplied by."""
        return 1.0 / self.gain if self.used else 1.0

    @property
    def counted(self) -> bool:
        """Whether enough was learnt in each class of steering."""
        return min(self.counts) >= FEWEST and sum(self.counts) >= FEWEST_IN_ALL

    @property
    def why(self) -> str:
        """Why the gain is in use, or is not."""
        if self.used:
            return f"in use: its error is {self._trust.ratio():.2f} of that of gain 1"
        if not self.counted:
            return f"too little steering yet: {self.counts} frames by class"
        if self._trust.weight < FEWEST_SCORED:
            return "not compared for long enough yet"
        if abs(self.gain - 1.0) < LEAST:
            return f"not needed: the gain is {self.gain:.3f}"
        return f"no better: its error is {self._trust.ratio():.2f} of that of gain 1"

    @property
    def covariance(self) -> tuple[float, float, float]:
        """Elements 11, 12, 22 of the inverse of the information."""
        a11, a12, a22 = self._a11 + PRIOR, self._a12, self._a22 + PRIOR
        determinant = a11 * a22 - a12 * a12
        return a22 / determinant, -a12 / determinant, a11 / determinant

    def frame(
        self, stamp_ns: int, yaw_rate: float, speed: float, log: SteeringLog, began_ns: int
    ) -> None:
        """A frame on which the policy drives. `yaw_rate` [rad/s] and `speed` [m/s] as measured;
        `log`: the gate's commands. `began_ns`: since when the policy drives without a break."""
        at = stamp_ns / 1e9
        if not (abs(yaw_rate) < 10.0 and self.slowest <= speed < 200.0):
            self._refuse("slow" if speed < self.slowest else "not measured")
            return
        steering = log.mean(stamp_ns - round(SMOOTH * 1e9), stamp_ns)
        quick = log.mean(stamp_ns - round(QUICK * 1e9), stamp_ns)
        if steering is None or quick is None:
            self._refuse("steering unknown")
            return
        row = _Row(
            at,
            self._limited(steering),
            self._limited(quick - steering),
            self._limited(yaw_rate / speed),
        )
        if self._rows and not 0.0 < at - self._rows[-1].at < APART:
            self.interrupt()
        self._rows.append(row)
        while self._rows[0].at < at - APART - TOLERANCE:
            self._rows.popleft()
        self._learn_waiting(at)
        if (stamp_ns - began_ns) / 1e9 < SETTLED + APART:
            self._refuse("engaged a moment ago")
            return
        if abs(yaw_rate * speed) > self._lateral:
            self._refuse("lateral acceleration")
            return
        self._take(row)

    def state(self) -> dict[str, object]:
        """What `restore` takes."""
        return {
            "gain": self.gain,
            "learnt": self.learnt,
            "counts": list(self.counts),
            "information": [self._a11, self._a12, self._a22, self._b1, self._b2],
            "trust": self._trust.state(),
        }

    def restore(self, values: Mapping) -> None:
        """Goes on from an earlier `state`. Raises ConfigError, and is then as after `reset`."""
        self.reset()
        gain = checked(values, "gain", 1.0 - self._largest, 1.0 + self._largest)
        learnt = checked(values, "learnt", 0.0, 1e12)
        counts, information = values.get("counts"), values.get("information")
        if not isinstance(counts, list) or len(counts) != len(self.counts):
            raise ConfigError("counts", counts, f"{len(self.counts)} whole numbers")
        if any(type(one) is not int or not 0 <= one < 2**53 for one in counts):
            raise ConfigError("counts", counts, f"{len(self.counts)} whole numbers")
        if not isinstance(information, list) or len(information) != 5:
            raise ConfigError("information", information, "five numbers")
        largest = MEMORY * self._bound**2 * 4.0
        named = {str(place): one for place, one in enumerate(information)}
        numbers = [checked(named, name, -largest, largest) for name in named]
        if min(numbers[0], numbers[2]) < 0 or numbers[0] * numbers[2] < numbers[1] ** 2 * 0.999:
            raise ConfigError("information", information, "a positive matrix")
        trust = Trust(1.0 - self._trust._on, WINDOW, FEWEST_SCORED)
        trust.restore(values.get("trust") if isinstance(values.get("trust"), Mapping) else {})
        self.gain, self.learnt, self.counts, self._trust = gain, learnt, list(counts), trust
        self._a11, self._a12, self._a22, self._b1, self._b2 = numbers

    def _refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    def _limited(self, curvature: float) -> float:
        """In units, within what the vehicle could ever do."""
        return min(max(curvature / self._unit, -self._bound), self._bound)

    def _take(self, row: _Row) -> None:
        """Scores the difference to the row a second earlier, which is learnt later."""
        then = self._rows[0]
        if row.at - then.at < APART - TOLERANCE:
            return
        x1, x2, y = (
            row.steering - then.steering,
            row.change - then.change,
            row.reached - then.reached,
        )
        quickest = max(abs(row.change), abs(then.change))
        if abs(x1) < 1.0 or quickest > STEADY * abs(x1):
            return
        if self.counted:
            change, without = self._change(self.gain), self._change(1.0)
            adapted, base = y - self.gain * x1 - change * x2, y - x1 - without * x2
            self._trust.push(base * base, adapted * adapted)
            least = LEAST / 2.0 if self.used else LEAST
            self._trust.decide(allowed=abs(self.gain - 1.0) >= least)
        passed = min(row.at - self._rows[-2].at, 0.2) if len(self._rows) > 1 else 0.0
        self._waiting.append((row.at, x1, x2, y, passed))

    def _learn_waiting(self, now: float) -> None:
        """Learns the differences that are older than a takeover would reach back, two at most."""
        for _ in range(2):
            if not self._waiting or now - self._waiting[0][0] < SETTLED:
                return
            self._learn(*self._waiting.popleft()[1:])

    def _learn(self, x1: float, x2: float, y: float, passed: float) -> None:
        keep = 1.0 - 1.0 / MEMORY
        self._a11 = keep * self._a11 + x1 * x1
        self._a12 = keep * self._a12 + x1 * x2
        self._a22 = keep * self._a22 + x2 * x2
        self._b1 = keep * self._b1 + x1 * y
        self._b2 = keep * self._b2 + x2 * y
        self.counts[sum(x1 > edge for edge in BUCKETS)] += 1
        self.learnt += passed
        if not self.counted:
            return
        p11, p12, _ = self.covariance
        found = p11 * (self._b1 + PRIOR) + p12 * self._b2
        if not math.isfinite(found):
            self.reset()
            return
        found = min(max(found, 1.0 - self._largest), 1.0 + self._largest)
        slow = min(SLOW + SLOWER * self.learnt, SLOWEST)
        self.gain += (1.0 - math.exp(-passed / slow)) * (found - self.gain)

    def _change(self, gain: float) -> float:
        """The best weight of the change of steering with this gain."""
        return (self._b2 - gain * self._a12) / (self._a22 + PRIOR)
