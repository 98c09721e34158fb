"""A quantity of the vehicle that is measured, as the gate believes it: the speed and the angle of
the front wheels."""

from __future__ import annotations

AGREE_WITHIN = 1.0
"""Readings further apart than this are not compared [s]."""


class Measured:
    """Believes a reading that agrees with the one before it: two may differ by `noise`, and by
    `fastest` per second, which is more than any vehicle reaches. One reading alone, or after an
    impossible one, is no evidence. Times in ns on a steady clock."""

    def __init__(self, largest: float, noise: float, fastest: float) -> None:
        self._largest, self._noise, self._fastest = largest, noise, fastest
        self._reading: tuple[float, int] | None = None
        self._believed: tuple[float, int] | None = None

    @property
    def last(self) -> float | None:
        """The reading believed last, however long ago."""
        return None if self._believed is None else self._believed[0]

    def push(self, value: float, at_ns: int, usable: bool = True) -> bool:
        """Takes a reading; False when it is not believed: not `usable` (too old, say), not finite,
        larger than `largest`, or further from the one before than any vehicle gets in the time
        between."""
        possible = usable and abs(value) <= self._largest  # False for NaN
        believed = possible and self._agrees(value, at_ns)
        self._reading = (value, at_ns) if possible else None
        if believed:
            self._believed = value, at_ns
        return believed

    def known(self, steady_ns: int, stale_after: float) -> float | None:
        """The reading believed last, while it is not older than `stale_after` [s]."""
        if self._believed is None or steady_ns - self._believed[1] > stale_after * 1e9:
            return None
        return self._believed[0]

    def _agrees(self, value: float, at_ns: int) -> bool:
        if self._reading is None:
            return False
        before, then_ns = self._reading
        passed = abs(at_ns - then_ns) / 1e9
        return (
            passed <= AGREE_WITHIN and abs(value - before) <= self._noise + self._fastest * passed
        )
