"""Stamps of one stream: intervals, gaps, disorder and clock against receipt, in memory that does
not grow with the recording."""

from __future__ import annotations

import dataclasses
from array import array

import numpy as np

BLOCK = 8192  # stamps that are evaluated at once
EDGES = np.geomspace(1e-5, 1e4, 4501)
"""Of the intervals' histogram [s]; bins are half a percent wide."""
MOST_GAPS = 128
EXAMPLES = 16
MOST_BINS = 4096
GAP_TIMES, GAP_LEAST = 5.0, 0.1
"""A gap is longer than this multiple of the median interval, and than this [s]."""
SET_BACK_NS = 1_000_000_000
CONSTANT_SHARE = 0.02  # of the messages bring another stamp than the one before, at most
GOING_SHARE = 0.5  # of the received time: stamps that cover more do not stand still, but are coarse
PICKED = 64
"""Latencies that are kept of each block."""
GOLDEN = (5**0.5 - 1.0) / 2.0  # a step that falls in with no batch of messages
SHARED = 0.5  # of the messages, at least, repeat the stamp before: several have one stamp


@dataclasses.dataclass(frozen=True, eq=False)
class StampReport:
    """Statistics of one stream's stamps. Seconds count from the recording's start; `gaps` are
    (start, length), longest first; `first`, `last`, `interval`, `latency` in s, `rate` of messages
    in Hz. `seconds`: what the intervals add up to; none reaches from one stretch to the next.
    `received`: the same of the receipts.

    `latency`: receipt minus own stamp [s], its minimum; `usual_latency`: the median of its minima
    over time; `latency_spread`: its 90th percentile above
    that; `drift`: growth of the minimum [s/s]; `jump`: its largest step [s]. NaN where the messages
    carry no stamps. `latencies` (L, 2): rows (seconds, minimum since the row before). `intervals`:
    counts between `EDGES`.
    """

    count: int
    seconds: float
    received: float
    first: float
    last: float
    interval: float
    rate: float
    jitter: float
    dropped: int
    gaps: tuple[tuple[float, float], ...]
    gap_count: int
    backward: int
    duplicates: int
    zeros: int
    constant: bool
    disorder_at: tuple[float, ...]
    latency: float
    usual_latency: float
    latency_spread: float
    drift: float
    jump: float
    latencies: np.ndarray
    intervals: np.ndarray


class StampTrack:
    """Takes the stamps of one stream in received order; `origin_ns` is the recording's start."""

    def __init__(self, origin_ns: int) -> None:
        self.origin_ns, self.count = origin_ns, 0
        self._stamps, self._received, self._own = array("q"), array("q"), array("q")
        self._before: int | None = None
        self._latest: int | None = None
        self._arrived = 0
        self._first = self._last = None
        self._intervals = np.zeros(len(EDGES) - 1, np.int64)
        self._seconds = self._received_seconds = 0.0
        self._longest = np.zeros((0, 2))
        self._backward = self._duplicates = self._zeros = 0
        self._examples: list[float] = []
        self._bin_width, self._bins = 1.0, {}
        self._latencies = np.zeros(0)

    def push(self, stamp_ns: int, received_ns: int, own_ns: int | None = None) -> None:
        """`stamp_ns`: the stamp in use; `own_ns`: the message's own, where it has one."""
        self._stamps.append(stamp_ns)
        self._received.append(received_ns)
        self._own.append(own_ns or 0)
        if len(self._stamps) >= BLOCK:
            self._fold()

    def begin(self) -> None:
        """Begins a stretch: no interval leads from the stamps so far to those that follow."""
        self._fold()
        self._before = self._latest = None

    def report(self) -> StampReport | None:
        """None while nothing was pushed."""
        self._fold()
        if not self.count:
            return None
        interval = self._quantile(0.5)
        least = max(GAP_TIMES * interval, GAP_LEAST)
        gaps = (
            self._longest[self._longest[:, 1] > least]
            if np.isfinite(interval)
            else self._longest[:0]
        )
        middle = np.sqrt(EDGES[1:] * EDGES[:-1])
        lost = (
            self._intervals * np.maximum(np.rint(middle / interval) - 1.0, 0.0)
            if np.isfinite(interval)
            else np.zeros(1)
        )
        high, low = self._quantile(0.975), self._quantile(0.025)
        many = self.count - 1 - self._duplicates <= CONSTANT_SHARE * self.count
        several = self._duplicates >= SHARED * self.count and self._seconds > 0.0
        return StampReport(
            count=self.count,
            seconds=self._seconds,
            received=self._received_seconds,
            first=float(self._first),
            last=float(self._last),
            interval=interval,
            rate=self.count / self._seconds if several else 1.0 / interval,
            jitter=(high - low) / 2.0 / interval,
            dropped=max(int(lost.sum()) - self._duplicates, 0),
            gaps=tuple((float(start), float(length)) for start, length in gaps),
            gap_count=int(self._intervals[EDGES[:-1] > least].sum()),
            backward=self._backward,
            duplicates=self._duplicates,
            zeros=self._zeros,
            constant=self.count > 2
            and many
            and self._seconds < GOING_SHARE * self._received_seconds,
            disorder_at=tuple(self._examples),
            intervals=self._intervals,
            **self._clock(),
        )

    def _fold(self) -> None:
        if not self._stamps:
            return
        columns = (self._stamps, self._received, self._own)
        stamps, received, own = (np.array(column, np.int64) for column in columns)
        del self._stamps[:], self._received[:], self._own[:]
        seconds = (stamps - self.origin_ns) * 1e-9
        self._received_seconds += float(np.ptp(received)) * 1e-9
        known = stamps != 0
        self._zeros += int((~known).sum())
        self.count += len(stamps)
        if known.any():
            low, high = seconds[known].min(), seconds[known].max()
            self._first = low if self._first is None else min(self._first, low)
            self._last = high if self._last is None else max(self._last, high)
        elif self._first is None:
            self._first = self._last = float((received[0] - self.origin_ns) * 1e-9)
        self._fold_steps(stamps[known], received[known])
        stamped = own != 0
        self._fold_latency(
            (received - self.origin_ns)[stamped] * 1e-9, (received - own)[stamped] * 1e-9
        )

    def _fold_steps(self, stamps: np.ndarray, received: np.ndarray) -> None:
        """Intervals are measured from the latest stamp so far, so that a late message makes no gap.
        A clock that is set back starts a new series, and so does one that is set forward: stamps
        that leap further than receipts are no silence."""
        if not len(stamps):
            return
        chain = stamps if self._before is None else np.concatenate([[self._before], stamps])
        arrivals = received if self._before is None else np.insert(received, 0, self._arrived)
        leaps = (np.diff(chain) > SET_BACK_NS) & (np.diff(arrivals) < 0.5 * np.diff(chain))
        self._arrived = int(received[-1])
        steps = np.diff(chain)
        self._before = int(stamps[-1])
        self._duplicates += int((steps == 0).sum())
        self._backward += int((steps < 0).sum())
        odd = (chain[:-1][steps <= 0] - self.origin_ns) * 1e-9
        self._examples += odd[: EXAMPLES - len(self._examples)].tolist()
        if self._latest is not None:
            chain[0] = self._latest
        for piece in np.split(chain, np.flatnonzero(leaps | (np.diff(chain) < -SET_BACK_NS)) + 1):
            latest = np.maximum.accumulate(piece)
            forward = np.diff(latest) * 1e-9
            self._seconds += float(forward.sum())
            starts = (latest[:-1] - self.origin_ns) * 1e-9
            self._intervals += np.histogram(
                np.clip(forward[forward > 0], EDGES[0], EDGES[-1]), EDGES
            )[0]
            longest = np.concatenate(
                [self._longest, np.stack([starts, forward], 1)[forward > GAP_LEAST]]
            )
            self._longest = longest[np.argsort(-longest[:, 1], kind="stable")][:MOST_GAPS]
            self._latest = int(latest[-1])

    def _fold_latency(self, seconds: np.ndarray, latency: np.ndarray) -> None:
        for place, value in zip(
            (seconds / self._bin_width).astype(int).tolist(), latency.tolist(), strict=True
        ):
            if value < self._bins.get(place, np.inf):
                self._bins[place] = value
        if len(self._bins) > MOST_BINS:
            self._bin_width *= 2.0
            merged: dict[int, float] = {}
            for place, value in self._bins.items():
                merged[place // 2] = min(value, merged.get(place // 2, np.inf))
            self._bins = merged
        picked = np.arange(len(latency))
        if len(picked) > PICKED:
            picked = np.unique((np.arange(PICKED) * GOLDEN % 1.0 * len(latency)).astype(int))
        self._latencies = np.concatenate([self._latencies, latency[picked]])[-BLOCK:]

    def _clock(self) -> dict:
        if not self._bins:
            return {
                **dict.fromkeys(
                    ("latency", "usual_latency", "latency_spread", "drift", "jump"), float("nan")
                ),
                "latencies": np.zeros((0, 2)),
            }
        places = np.array(sorted(self._bins))
        least = np.array([self._bins[place] for place in places])
        drift = float(np.polyfit(places * self._bin_width, least, 1)[0]) if len(places) > 9 else 0.0
        jump = float(np.abs(np.diff(least)).max()) if len(least) > 1 else 0.0
        spread = float(np.quantile(self._latencies, 0.9) - least.min())
        rows = np.stack([places * self._bin_width, least], 1)
        return {
            "latency": float(least.min()),
            "usual_latency": float(np.median(least)),
            "latency_spread": max(spread, 0.0),
            "drift": drift,
            "jump": jump,
            "latencies": rows,
        }

    def _quantile(self, share: float) -> float:
        """Of the forward intervals [s]."""
        total = np.cumsum(self._intervals)
        if not total[-1]:
            return float("nan")
        place = int(np.searchsorted(total, share * total[-1]))
        return float(np.sqrt(EDGES[place] * EDGES[place + 1]))
