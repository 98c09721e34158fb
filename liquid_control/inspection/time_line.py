"""What is to be said of a recording's time line: its stretches, times at which nothing came, and a
clock that all sensors share."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone

from liquid_control.inspection.findings import Finding, note, warning
from liquid_control.inspection.stamps import StampReport
from liquid_control.recordings.clock import GAP_NS, RecordingClock
from liquid_control.recordings.stretches import PAUSE, STEP

MOST_BREAKS = 3
FIRST_YEAR = 2005
"""A computer with an earlier date has a clock that was not set yet."""
YEAR = 365.25 * 86_400.0  # s
LONGEST_PAUSE = 30 * 86_400.0
"""A longer one [s] in one recording is more likely a clock that was set."""
SLOW = 2.0  # Hz; a slower role has no gaps to compare
SAME = 0.6  # s by which begin and length of the gaps of two roles may differ
LEAST = 0.6  # s


def judge_time(clock: RecordingClock, origin_ns: int) -> Iterator[Finding]:
    """The stretches of a recording, and a clock that all its sensors share. `origin_ns`: of the
    seconds that the findings name, on the clock's time line."""
    offsets = [segment.common for segment in clock.segments if segment.common]
    if offsets:
        yield warning(
            "other_clock",
            "clock",
            f"all stamps lie {apart(offsets[0])}: the sensors share a clock that is not the "
            "recorder's. They are moved onto the recorder's clock",
            "on the robot the nodes refuse such frames: give their computer that clock (PTP: "
            "phc2sys), or the sensors its own",
        )
    pairs = itertools.pairwise(clock.segments)
    for (before_ns, after_ns), (_, later) in itertools.islice(
        zip(clock.breaks, pairs, strict=False), MOST_BREAKS
    ):
        at = f"at {(later.begin_ns - GAP_NS - origin_ns) * 1e-9:.1f} s"
        passed = (after_ns - before_ns) * 1e-9
        if -STEP <= passed <= PAUSE:
            yield note(
                "cut",
                "clock",
                f"the recording begins anew {at}: records before it are deleted or of another "
                "session, or it was paused",
                "no sequence of training goes across",
            )
        elif passed < 0.0:
            yield warning(
                "clock_set",
                "clock",
                f"receipt goes back by {_length(-passed)} {at}: the recorder's clock was set back, "
                "or recordings were joined",
                "the stretches before and after it are kept apart",
            )
        elif passed > LONGEST_PAUSE or _year(before_ns) < FIRST_YEAR <= _year(after_ns):
            yield warning(
                "clock_set",
                "clock",
                f"the recorder's clock was set {at}, from {_date(before_ns)} to {_date(after_ns)}",
                "the stretches before and after it are kept apart",
            )
        else:
            yield note(
                "pause",
                "clock",
                f"nothing was received for {_length(passed)} {at}: a pause, recordings that were "
                "joined, or a clock that was set",
                "the stretches before and after it are kept apart",
            )
    more = len(clock.segments) - 1 - MOST_BREAKS
    if more > 0:
        yield note("pause", "clock", f"{more} more such places")


def silences(stamps: Mapping[str, StampReport]) -> list[tuple[float, float]]:
    """(start, length) [s] of gaps that all roles have at once."""
    quick = [report.gaps for report in stamps.values() if report.rate > SLOW]
    if len(quick) < 2:
        return []
    return [
        gap
        for gap in quick[0]
        if gap[1] > LEAST and all(any(_same(gap, one) for one in gaps) for gaps in quick[1:])
    ]


def judge_silences(places: list[tuple[float, float]]) -> Iterator[Finding]:
    """Gaps of all roles at once."""
    if places:
        start, longest = max(places, key=lambda gap: gap[1])
        times = "once" if len(places) == 1 else f"{len(places)} times"
        yield note(
            "silence",
            "clock",
            f"nothing was received from any role {times}, for {_length(longest)} at {start:.1f} s: "
            "the recorder was paused or held up, or its clock was set forward",
            "find what stalls the recorder; the policy's state is reset after each",
        )


def apart_from(report: StampReport, places: list[tuple[float, float]]) -> StampReport:
    """The report without the gaps that all roles have."""
    own = tuple(gap for gap in report.gaps if not any(_same(gap, one) for one in places))
    if len(own) == len(report.gaps):
        return report
    shared = sum(gap[1] for gap in report.gaps) - sum(gap[1] for gap in own)
    dropped = max(report.dropped - round(shared / report.interval), 0)
    count = report.gap_count - len(report.gaps) + len(own)
    return dataclasses.replace(report, gaps=own, gap_count=count, dropped=dropped)


def _same(gap: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(gap[0] - other[0]) < SAME and abs(gap[1] - other[1]) < SAME


def apart(latency: float) -> str:
    """How far stamps lie from receipt, and the clock that this is typical of."""
    ahead = -latency
    hours = ahead / 3600.0
    if abs(ahead - 37.0) < 0.7:
        clock = ", as those in TAI do, which is 37 s ahead of UTC"
    elif abs(ahead - 18.0) < 0.7:
        clock = ", as those in GPS time do, which is 18 s ahead of UTC"
    elif latency > 10.0 * YEAR:
        clock = ": time since boot, or a clock that was never set"
    elif abs(hours - round(hours)) < 0.005 and 1 <= abs(round(hours)) <= 14:
        clock = ": local time in the place of UTC"
    elif latency > 600.0:
        clock = ": another clock, or messages of an older recording that was played back"
    else:
        clock = ""
    return f"{_length(abs(latency))} {'before' if latency > 0 else 'after'} receipt{clock}"


def _length(seconds: float) -> str:
    if seconds < 600.0:
        return f"{seconds:.1f} s"
    for unit, size in (("min", 60.0), ("h", 3600.0), ("days", 86_400.0), ("years", YEAR)):
        if seconds < 100.0 * size or unit == "years":
            return f"{seconds / size:.1f} {unit}"
    raise AssertionError


def _instant(stamp_ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=stamp_ns // 10**9)


def _year(stamp_ns: int) -> float:
    return 1970.0 + stamp_ns * 1e-9 / YEAR


def _date(stamp_ns: int) -> str:
    return _instant(stamp_ns).strftime("%Y-%m-%d %H:%M:%S")
