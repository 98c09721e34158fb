"""When the recorded camera exposes: periods drawn from those that were recorded."""

from __future__ import annotations

import numpy as np

from liquid_control.sim.conditions.condition import Condition

LONGEST = 0.5
"""A longer period is a pause of the recorder [s]."""


class RecordedClock:
    """As `sim.sensors.CameraClock`. Periods are drawn from the recorded `stamp_ns`, so drops and
    jitter are the recording's own; a condition's rate, jitter and drops replace them."""

    def __init__(
        self,
        stamp_ns: np.ndarray,
        condition: Condition,
        drop_share: float,
        rng: np.random.Generator,
    ) -> None:
        steps = np.diff(stamp_ns) * 1e-9
        steps = steps[(steps > 0.0) & (steps <= LONGEST)]
        usual = float(np.median(steps))
        rate, jitter = condition.frame_rate, condition.frame_jitter
        if jitter >= 0.0 or rate > 0.0:
            steps = np.full(1, 1.0 / rate if rate > 0.0 else usual)
        self._steps, self._jitter, self._rng = steps, max(jitter, 0.0), rng
        self._drops = condition.drop_share if condition.drop_share >= 0.0 else drop_share
        self._next = usual * rng.random()

    def due(self, now: float) -> tuple[float, bool] | None:
        """(exposure time [s], dropped) when an exposure fell before `now`, else None."""
        if now < self._next:
            return None
        exposed = self._next
        jitter, period = self._jitter, self._steps[self._rng.integers(len(self._steps))]
        self._next += float(period) * (1.0 + self._rng.uniform(-jitter, jitter))
        return exposed, bool(self._rng.random() < self._drops)
