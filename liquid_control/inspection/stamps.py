"""Statistics of one topic's stamps in memory that does not grow with the recording: intervals,
gaps, disorder, clock against receipt."""

from __future__ import annotations

import dataclasses
from array import array

import numpy as np

BLOCK = 8192
EDGES = np.geomspace(
    1e-5, 1e4, 4501
)  # of the intervals' histogram [s]; bins are half a percent wide
LONGEST_KEPT = 128
EXAMPLES = 16
MOST_BINS = 4096
GAP_TIMES, GAP_LEAST = 5.0, 0.1
"""A gap is longer than so many times the usual interval, and than so many seconds."""
SET_BACK_NS = 1_000_000_000
CONSTANT_SHARE = 0.02  # of the messages bring another stamp than the one before, at most


@dataclasses.dataclass(frozen=True, eq=False)
class StampReport:
    """What the stamps of one topic are like. Seconds count from the recording's start; `gaps` are
    (start, length), longest first.

    `latency`: receive minus header stamp [s], its least; `latency_spread`: its 90 % above that;
    `drift`: how the least one grows [s/s]; `jump`: its largest step [s]. NaN where no header stamps
    are known. `latencies`: rows (seconds, least latency since the row before). `intervals`: counts
    between `EDGES`.
    """

    count: int
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
    latency_spread: float
    drift: float
    jump: float
    latencies: np.ndarray
    intervals: np.ndarray


class StampTrack:
    """Takes the stamps of one topic in order of receipt; `origin_ns` is the recording's start."""

    def __init__(self, origin_ns: int) -> None:
        self.origin_ns, self.count = origin_ns, 0
        self._stamps, self._receives, self._headers = array("q"), array("q"), array("q")
        self._before: int | None = None
        self._latest: int | None = None
        self._first = self._last = None
        self._intervals = np.zeros(len(EDGES) - 1, np.int64)
        self._longest = np.zeros((0, 2))
        self._backward = self._duplicates = self._zeros = 0
        self._examples: list[float] = []
        self._bin_width, self._bins = 1.0, {}
        self._latencies = np.zeros(0)

    def push(self, stamp_ns: int, receive_ns: int, header_ns: int | None = None) -> None:
        """`stamp_ns`: the one in use; `header_ns`: the message's own, where it has one."""
        self._stamps.append(stamp_ns)
        self._receives.append(receive_ns)
        self._headers.append(header_ns or 0)
        if len(self._stamps) >= BLOCK:
            self._fold()

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
        return StampReport(
            count=self.count,
            first=float(self._first),
            last=float(self._last),
            interval=interval,
            rate=1.0 / interval if interval > 0 else float("nan"),
            jitter=(high - low) / 2.0 / interval,
            dropped=int(lost.sum()),
            gaps=tuple((float(start), float(length)) for start, length in gaps),
            gap_count=int(self._intervals[EDGES[:-1] > least].sum()),
            backward=self._backward,
            duplicates=self._duplicates,
            zeros=self._zeros,
            constant=self.count > 2
            and self.count - 1 - self._duplicates <= CONSTANT_SHARE * self.count,
            disorder_at=tuple(self._examples),
            intervals=self._intervals,
            **self._clock(),
        )

    def _fold(self) -> None:
        if not self._stamps:
            return
        stamps, receives, headers = (
            np.array(kept, np.int64) for kept in (self._stamps, self._receives, self._headers)
        )
        del self._stamps[:], self._receives[:], self._headers[:]
        seconds = (stamps - self.origin_ns) * 1e-9
        known = stamps != 0
        self._zeros += int((~known).sum())
        self.count += len(stamps)
        if known.any():
            low, high = seconds[known].min(), seconds[known].max()
            self._first = low if self._first is None else min(self._first, low)
            self._last = high if self._last is None else max(self._last, high)
        elif self._first is None:
            self._first = self._last = float((receives[0] - self.origin_ns) * 1e-9)
        self._fold_steps(stamps[known])
        told = headers != 0
        self._fold_latency(
            (receives - self.origin_ns)[told] * 1e-9, (receives - headers)[told] * 1e-9
        )

    def _fold_steps(self, stamps: np.ndarray) -> None:
        """Intervals are taken from the latest stamp so far: a message that comes late makes no gap.
        A clock set back starts anew."""
        if not len(stamps):
            return
        chain = stamps if self._before is None else np.concatenate([[self._before], stamps])
        steps = np.diff(chain)
        self._before = int(stamps[-1])
        self._duplicates += int((steps == 0).sum())
        self._backward += int((steps < 0).sum())
        odd = (chain[:-1][steps <= 0] - self.origin_ns) * 1e-9
        self._examples += odd[: EXAMPLES - len(self._examples)].tolist()
        if self._latest is not None:
            chain[0] = self._latest
        for piece in np.split(chain, np.flatnonzero(np.diff(chain) < -SET_BACK_NS) + 1):
            latest = np.maximum.accumulate(piece)
            forward = np.diff(latest) * 1e-9
            starts = (latest[:-1] - self.origin_ns) * 1e-9
            self._intervals += np.histogram(
                np.clip(forward[forward > 0], EDGES[0], EDGES[-1]), EDGES
            )[0]
            longest = np.concatenate(
                [self._longest, np.stack([starts, forward], 1)[forward > GAP_LEAST]]
            )
            self._longest = longest[np.argsort(-longest[:, 1], kind="stable")][:LONGEST_KEPT]
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
        self._latencies = np.concatenate([self._latencies, latency[:: max(1, len(latency) // 64)]])[
            -BLOCK:
        ]

    def _clock(self) -> dict:
        if not self._bins:
            return {
                **dict.fromkeys(("latency", "latency_spread", "drift", "jump"), float("nan")),
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
