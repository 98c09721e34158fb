"""Stamps of one stream: intervals, gaps, disorder and clock against receipt, in memory that does
not grow with the recording, and what is wrong with them."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.inspection.findings import Finding, fault, graded, note, warning
from liquid_control.stats.delay import Delay

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

TIMELINE = TimelineConfig()
PATIENCE = {"camera": TIMELINE.max_gap, "imu": TIMELINE.imu_window, "speed": 0.5, "steering": 0.5}
"""A longer silence [s] of a role affects the policy, the gate or the training target."""
SLOWEST = {"camera": 8.0, "imu": 20.0, "speed": 4.0, "steering": 8.0}  # Hz
DROPPED_SHARE, COVERED_SHARE = 0.25, 0.9
FEW = 10  # messages
LATE, APART, DRIFTED, JUMPED, OTHER_CLOCK, FUTURE = 0.3, 0.2, 0.05, 0.2, 30.0, 0.01  # s
SURE_APART = 0.04  # s between camera and gyro, measured in the pictures
CLEAR = 0.85  # correlation of that measurement from which on it is a warning
RECEIVE = "read it with --stamps receive"


@dataclasses.dataclass(frozen=True, eq=False)
class StampReport:
    """Statistics of one stream's stamps. Seconds count from the recording's start; `gaps` are
    (start, length), longest first; `first`, `last`, `interval`, `latency` in s, `rate` in Hz.

    `latency`: receipt minus own stamp [s], its minimum; `latency_spread`: its 90th percentile above
    that; `drift`: growth of the minimum [s/s]; `jump`: its largest step [s]. NaN where the messages
    carry no stamps. `latencies` (L, 2): rows (seconds, minimum since the row before). `intervals`:
    counts between `EDGES`.
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
    """Takes the stamps of one stream in received order; `origin_ns` is the recording's start."""

    def __init__(self, origin_ns: int) -> None:
        self.origin_ns, self.count = origin_ns, 0
        self._stamps, self._received, self._own = array("q"), array("q"), array("q")
        self._before: int | None = None
        self._latest: int | None = None
        self._first = self._last = None
        self._intervals = np.zeros(len(EDGES) - 1, np.int64)
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
        columns = (self._stamps, self._received, self._own)
        stamps, received, own = (np.array(column, np.int64) for column in columns)
        del self._stamps[:], self._received[:], self._own[:]
        seconds = (stamps - self.origin_ns) * 1e-9
        known = stamps != 0
        self._zeros += int((~known).sum())
        self.count += len(stamps)
        if known.any():
            low, high = seconds[known].min(), seconds[known].max()
            self._first = low if self._first is None else min(self._first, low)
            self._last = high if self._last is None else max(self._last, high)
        elif self._first is None:
            self._first = self._last = float((received[0] - self.origin_ns) * 1e-9)
        self._fold_steps(stamps[known])
        stamped = own != 0
        self._fold_latency(
            (received - self.origin_ns)[stamped] * 1e-9, (received - own)[stamped] * 1e-9
        )

    def _fold_steps(self, stamps: np.ndarray) -> None:
        """Intervals are measured from the latest stamp so far, so that a late message makes no gap.
        A clock that is set back starts a new series."""
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


def judge_stamps(role: str, stamps: StampReport, span: tuple[float, float]) -> Iterator[Finding]:
    """Order, silence and rate of one stream. `span`: first and last second of the camera's."""
    of = f"of {stamps.count} stamps"
    grave = fault if role == "camera" else warning
    if stamps.zeros > 0.5 * stamps.count:
        yield grave("zero_stamps", role, f"{stamps.zeros} {of} are zero", RECEIVE)
        return
    if stamps.constant:
        yield grave(
            "constant_stamps", role, f"{stamps.duplicates} {of} repeat the one before", RECEIVE
        )
        return
    if stamps.zeros:
        yield warning("zero_stamps", role, f"{stamps.zeros} {of} are zero", RECEIVE)
    if stamps.duplicates and role == "steering":
        yield note(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before: commands that are sent again",
        )
    elif stamps.duplicates:
        yield graded(stamps.duplicates / stamps.count, 0.01, 1.0)(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before{_places(stamps.disorder_at)}",
            "the first of each is used",
        )
    if stamps.backward:
        yield warning(
            "stamps_go_back",
            role,
            f"{stamps.backward} {of} lie before the one before{_places(stamps.disorder_at)}",
            f"late ones are left out; if the clock was set, {RECEIVE}",
        )
    if stamps.count < FEW:
        yield grave(
            "few_messages",
            role,
            f"only {stamps.count} message{'s' * (stamps.count != 1)}",
            "record longer",
        )
        return
    yield from _judge_pace(role, stamps)
    if role != "camera" and span[1] > span[0]:
        covered = (min(span[1], stamps.last) - max(span[0], stamps.first)) / (span[1] - span[0])
        if covered < COVERED_SHARE:
            yield (warning if covered > 0 else fault)(
                "not_covered",
                role,
                f"covers {100 * max(covered, 0.0):.0f} % of the camera's time",
                f"if their clocks differ, {RECEIVE}" if covered <= 0 else "",
            )


def _judge_pace(role: str, stamps: StampReport) -> Iterator[Finding]:
    if stamps.rate < SLOWEST[role]:
        yield warning(
            "slow",
            role,
            f"{stamps.rate:.1f} Hz, expected at least {SLOWEST[role]:g} Hz",
            "record it faster",
        )
    long_gaps = [gap for gap in stamps.gaps if gap[1] > PATIENCE[role]]
    if long_gaps:
        start, longest = long_gaps[0]
        effect = (
            "the policy's state is reset after each"
            if role == "camera"
            else "its value is old or unknown meanwhile"
        )
        yield warning(
            "gaps",
            role,
            f"{len(long_gaps)} gap{'s' * (len(long_gaps) != 1)} longer than {PATIENCE[role]:g} s, "
            f"the longest {longest:.2f} s at {start:.1f} s; {effect}",
            "find what stalls the sensor or the recorder",
        )
    share = stamps.dropped / (stamps.count + stamps.dropped)
    if share > DROPPED_SHARE:
        yield warning(
            "dropped",
            role,
            f"some {100 * share:.0f} % of the messages are missing at {stamps.rate:.1f} Hz",
            "the recorder cannot keep up, or the network drops them",
        )


def judge_clocks(stamps: Mapping[str, StampReport], seen: Delay | None) -> Iterator[Finding]:
    """Own stamps against receipt of each role, and camera against IMU. `seen`: delay of the gyro
    behind the pictures, where it could be measured in them."""
    for role, one in stamps.items():
        if np.isfinite(one.latency):
            yield from _judge_clock(role, one)
    seen = seen if seen is not None and seen.sure else None
    if (
        seen is not None
        and seen.correlation > 0
        and abs(seen.seconds) > max(SURE_APART, 3.0 * seen.uncertainty)
    ):
        when = "later" if seen.seconds > 0 else "earlier"
        yield (warning if abs(seen.correlation) > CLEAR else note)(
            "camera_imu_offset",
            "imu",
            f"the gyro says {abs(seen.seconds):.3f} ± {seen.uncertainty:.3f} s {when} "
            "what the pictures show",
            "synchronise the clocks; stamp at exposure",
        )
    elif seen is None and {"camera", "imu"} <= set(stamps):
        apart = stamps["camera"].latency - stamps["imu"].latency
        if np.isfinite(apart) and abs(apart) > APART:
            yield warning(
                "camera_imu_offset",
                "imu",
                f"header against receive stamps differ by {apart:+.2f} s between camera and IMU: "
                "their clocks differ, or one is held up",
                RECEIVE,
            )


def _judge_clock(role: str, stamps: StampReport) -> Iterator[Finding]:
    moved = stamps.drift * (stamps.last - stamps.first)
    if abs(stamps.latency) > OTHER_CLOCK:
        yield note(
            "other_clock",
            role,
            f"header stamps lie {abs(stamps.latency):.0f} s "
            f"{'before' if stamps.latency > 0 else 'after'} receipt: not the recorder's clock",
            f"fine where all topics share that clock; else {RECEIVE}",
        )
    elif stamps.latency < -FUTURE:
        yield warning(
            "from_the_future",
            role,
            f"header stamps lie up to {-stamps.latency:.3f} s after receipt",
            RECEIVE,
        )
    elif stamps.latency > LATE:
        yield warning(
            "late",
            role,
            f"messages arrive at best {stamps.latency:.2f} s after their stamps",
            "look for a queue, or a wrong clock",
        )
    if stamps.jump > JUMPED:
        yield warning(
            "clock_jump",
            role,
            f"its clock moves by {stamps.jump:.2f} s against the recorder's within a second",
            f"a clock was set, or messages were held up; {RECEIVE} if it was the clock",
        )
    elif abs(moved) > DRIFTED:
        yield warning(
            "clock_drift",
            role,
            f"its clock drifts by {1e6 * stamps.drift:+.0f} ppm against the recorder's: "
            f"{moved:+.3f} s",
            "synchronise the clocks (PTP, chrony)",
        )


def _places(seconds: Sequence[float]) -> str:
    return (
        f" (at {', '.join(f'{one:.1f}' for one in seconds[:4])} s{', ...' * (len(seconds) > 4)})"
        if len(seconds)
        else ""
    )
