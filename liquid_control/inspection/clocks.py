"""What is wrong with the stamps of a recording: order, silence and rate of each stream, its clock
against receipt and against the other streams'.

Inspection, replay and, by the inspection's findings, training judge by these rules alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.inspection.findings import FAULT, WARNING, Finding, fault, graded, note, warning
from liquid_control.inspection.interleaved import Interleaving
from liquid_control.inspection.stamps import SHARED, StampReport, StampTrack
from liquid_control.inspection.time_line import apart, judge_time
from liquid_control.recordings.clock import RecordingClock
from liquid_control.recordings.values import ACCELEROMETER, Sample
from liquid_control.stats.delay import Delay

TIMELINE = TimelineConfig()
PATIENCE = {"camera": TIMELINE.max_gap, "imu": TIMELINE.imu_window, "speed": 0.5, "steering": 0.5}
"""A longer silence [s] of a role affects the policy, the gate or the training target."""
SLOWEST = {"camera": 8.0, "imu": 20.0, "speed": 4.0, "steering": 8.0}  # Hz
WITHIN = 0.95  # of the slowest rate: a measured one is never exact
DROPPED_SHARE, COVERED_SHARE = 0.25, 0.9
FEW = 10  # messages
LATE, APART, DRIFTED, JUMPED, FUTURE = 0.3, 0.2, 0.05, 0.2, 0.01  # s
BEHIND, AHEAD = 30.0, 1.0
"""Stamps this far before or after their receipt [s] are of another clock, not late or early."""
SLOWER, FASTER, LEAST = 0.8, 1.25, 3.0
"""Ratio of received to stamped time beyond which the speed is another one; of at least this [s]."""
SURE_APART = 0.04  # s between camera and gyro, measured in the pictures
CLEAR = 0.85  # correlation of that measurement from which on it is a warning
SPREAD = 0.5  # of their interval: messages of one stamp that arrive over more were not sent at once
RECEIVE = "read it with --stamps receive"
OF_INTERLEAVING = (
    "stamps_go_back",
    "duplicate_stamps",
    "gaps",
    "dropped",
    "not_covered",
    "clock_jump",
    "clock_drift",
    "from_the_future",
    "late",
    "camera_imu_offset",
)
"""Findings that messages of two moments cause."""


class ClockTracks:
    """The stamps of all roles, for a reader that wants to know whether its clocks are in order.
    `by_receipt`: receipt is used in the place of stamps."""

    def __init__(self, by_receipt: bool = False) -> None:
        self.by_receipt, self.origin_ns = by_receipt, 0
        self._tracks: dict[str, StampTrack] = {}
        self._interleaving = Interleaving()

    def begin(self) -> None:
        """Begins a stretch."""
        for track in self._tracks.values():
            track.begin()

    def push(self, role: str, sample: Sample, received_ns: int) -> None:
        """Takes a sample; one that is stamped with its receipt has no stamp of its own."""
        stamp_ns = sample.stamp_ns
        track = self._tracks.get(role)
        if track is None:
            self.origin_ns = self.origin_ns if self._tracks else received_ns
            track = self._tracks[role] = StampTrack(self.origin_ns)
        track.push(stamp_ns, received_ns, None if stamp_ns == received_ns else stamp_ns)
        self._interleaving.push(role, (stamp_ns - self.origin_ns) * 1e-9, sample)

    def findings(self, clock: RecordingClock) -> Iterator[Finding]:
        """What is wrong with order and clock of the stamps."""
        reports = {role: track.report() for role, track in self._tracks.items()}
        findings = [one for role, report in reports.items() for one in judge_order(role, report)]
        findings += judge_clocks(reports, by_receipt=self.by_receipt)
        findings += judge_time(clock, self.origin_ns)
        yield from with_cause(findings, self._interleaving)


def judge_stamps(
    role: str, stamps: StampReport, span: tuple[float, float], behind: float = 0.0
) -> Iterator[Finding]:
    """Order, silence and rate of one stream. `span`: first and last second of the camera's;
    `behind`: what the stream's stamps lie behind the others' [s]."""
    yield from judge_order(role, stamps)
    if _useless(stamps):
        return
    grave = fault if role == "camera" else warning
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
        first, last = stamps.first + behind, stamps.last + behind
        covered = (min(span[1], last) - max(span[0], first)) / (span[1] - span[0])
        if covered < COVERED_SHARE:
            yield (warning if covered > 0 else fault)(
                "not_covered",
                role,
                f"covers {100 * max(covered, 0.0):.0f} % of the camera's time",
                f"if their clocks differ, {RECEIVE}" if covered <= 0 else "",
            )


def judge_order(role: str, stamps: StampReport) -> Iterator[Finding]:
    """Stamps that do not say when a message was measured: zero, standing, coarse, disordered."""
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
    if (coarse := _coarse_of(role, stamps)) is not None:
        yield grave("coarse_stamps", role, coarse, RECEIVE)
        return
    if stamps.zeros:
        yield warning("zero_stamps", role, f"{stamps.zeros} {of} are zero", RECEIVE)
    if stamps.duplicates and role == "steering":
        yield note(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before: commands that are sent again",
        )
    elif stamps.duplicates and role == "imu":
        yield note(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before: samples in batches of one stamp",
            "all of them are used",
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


def _judge_pace(role: str, stamps: StampReport) -> Iterator[Finding]:
    if stamps.rate < WITHIN * SLOWEST[role]:
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


def judge_clocks(
    stamps: Mapping[str, StampReport], seen: Delay | None = None, by_receipt: bool = False
) -> Iterator[Finding]:
    """Own stamps against receipt of each role, unless receipt is used in their place, and camera
    against IMU. `seen`: delay of the gyro behind the pictures, where it could be measured in
    them."""
    if not by_receipt and (paced := _judge_speed(stamps)) is not None:
        yield paced
        return
    for role, one in stamps.items():
        if np.isfinite(one.latency) and not by_receipt:
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
    elif (
        seen is None
        and not by_receipt
        and {"camera", "imu"} <= stamps.keys() - other_clocks(stamps).keys()
    ):
        difference = stamps["camera"].latency - stamps["imu"].latency
        if np.isfinite(difference) and abs(difference) > APART:
            yield warning(
                "camera_imu_offset",
                "imu",
                f"header against receive stamps differ by {difference:+.2f} s between camera and "
                "IMU: their clocks differ, or one is held up",
                RECEIVE,
            )


def other_clocks(stamps: Mapping[str, StampReport], by_receipt: bool = False) -> dict[str, float]:
    """By role whose stamps do not fit their receipt as those of others do: by how much they lie
    behind [s]. Its signal must not be compared with the others' by its stamps."""
    found = {}
    for role, one in stamps.items() if not by_receipt else ():
        if np.isfinite(one.usual_latency) and not -APART <= one.usual_latency <= LATE:
            found["imu" if role == ACCELEROMETER else role] = one.usual_latency
    return found


def untimed(stamps: Mapping[str, StampReport]) -> set[str]:
    """Roles of coarse stamps, whose signals cannot be compared with those of others in time."""
    found = {role for role, one in stamps.items() if _coarse_of(role, one) is not None}
    return {"imu" if role == ACCELEROMETER else role for role in found}


def _judge_speed(stamps: Mapping[str, StampReport]) -> Finding | None:
    """Receipts that do not take the time that stamps do, in most of the roles."""
    stamped = [one for one in stamps.values() if np.isfinite(one.latency) and one.seconds > LEAST]
    ratio = float(np.median([one.received / one.seconds for one in stamped])) if stamped else 1.0
    if SLOWER <= ratio <= FASTER:
        return None
    longest = max(stamped, key=lambda one: one.seconds)
    mixed = any(not np.isfinite(one.latency) for one in stamps.values())
    return Finding(
        "other_speed",
        "clock",
        f"what is stamped over {longest.seconds:.1f} s was received in {longest.received:.1f} s: "
        "played back or simulated at another speed, or converted by a program that wrote its own "
        "time",
        "record at the speed of the drive (--use-sim-time of a simulation), or convert with the "
        "times of receipt",
        FAULT,
        FAULT if mixed else WARNING,
    )


def _is_foreign(stamps: StampReport) -> bool:
    return stamps.usual_latency > BEHIND or stamps.usual_latency < -AHEAD


def _judge_clock(role: str, stamps: StampReport) -> Iterator[Finding]:
    moved = stamps.drift * (stamps.last - stamps.first)
    if _is_foreign(stamps):
        yield fault(
            "other_clock",
            role,
            f"header stamps lie {apart(stamps.usual_latency)}, those of other roles do not",
            RECEIVE,
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
    if _coarse_of(role, stamps) is not None:
        return  # the phase of the first message of a stamp moves
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


def _useless(stamps: StampReport) -> bool:
    """Whether rate and gaps of the stamps say nothing."""
    return stamps.zeros > 0.5 * stamps.count or stamps.constant or _coarse(stamps) is not None


def _coarse_of(role: str, stamps: StampReport) -> str | None:
    """As `_coarse`, but for commands that carry the stamp of their picture."""
    repeated = role == "steering" and stamps.interval < APART
    return None if repeated else _coarse(stamps)


def _coarse(stamps: StampReport) -> str | None:
    """What to say of stamps that several messages share although they were not sent together."""
    if stamps.duplicates < SHARED * stamps.count or not stamps.latency_spread > (
        SPREAD * stamps.interval
    ):
        return None
    each = stamps.count / (stamps.count - stamps.duplicates)
    seconds = ": its clock counts whole seconds" if abs(stamps.interval - 1.0) < 0.05 else ""
    return (
        f"{each:.0f} messages share a stamp, which changes every {stamps.interval:.2g} s{seconds}"
    )


def with_cause(findings: Iterable[Finding], interleaving: Interleaving) -> Iterator[Finding]:
    """The findings on stamps; where messages of two moments alternate, that in place of its
    effects."""
    places = interleaving.found()
    for begin, end in places:
        yield fault(
            "interleaved",
            "clock",
            f"from {begin:.1f} to {end:.1f} s messages of two moments alternate: a clock was set "
            f"back by some {end - begin:.1f} s, and the messages are sorted by receipt",
            "cut these seconds out; a file in the order of its recording is read as two stretches",
        )
    yield from (one for one in findings if not (places and one.code in OF_INTERLEAVING))


def _places(seconds: Sequence[float]) -> str:
    return (
        f" (at {', '.join(f'{one:.1f}' for one in seconds[:4])} s{', ...' * (len(seconds) > 4)})"
        if len(seconds)
        else ""
    )
