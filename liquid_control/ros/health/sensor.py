"""What is heard of one stream of stamped messages: clock, rate, frame, use. Pure; the cost of a
message does not depend on how many there were.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from liquid_control.ros.health.part import Level, Part, Problem
from liquid_control.ros.health.topics import Topic, judge_sources

WINDOWS = 3
"""Messages are judged over this number of turns of one second."""
BEHIND, AHEAD = 0.15, 0.12
"""Stamps may be this much older or younger than our clock at arrival [s]: more than a driver's
delay, and than a /clock that ticks ten times a second."""
FEW = 5
"""Fewer messages are not judged."""
QUIET = 2.5
"""A stream is missing after this long without a message [s]."""
SET_BACK_NS = 500_000_000
FIRST_DATE = 1e9
"""Seconds since 1970 of September 2001: no clock that was ever set shows less."""
SYNCHRONISE = "synchronise the clocks (chrony, PTP), or stamp with the clock of this machine"


@dataclasses.dataclass(frozen=True)
class Heard:
    """A stream over the last turns, `span` [s] in all; `rate` [1/s] while it flows. `late`: our
    clock less the stamp at arrival, the smallest [s], None before FEW messages; `stamp`, `now`: the
    latest stamp and our clock then [s]; `uptime`: of this machine [s]. `repeated`, `whole`,
    `illegal`: messages with the stamp of the one before, without a part of a second, and with 10^9
    ns and more. `refused`: messages by why they were not used. `offered`, `used`: frames that could
    use it, and that did; 0 where that is not known."""

    messages: int
    rate: float
    span: float
    late: float | None
    stamp: float
    now: float
    uptime: float
    repeated: int
    whole: int
    illegal: int
    refused: dict[str, int]
    offered: int
    used: int


@dataclasses.dataclass(slots=True)
class _Turn:
    messages: int = 0
    lasted: float = 0.0
    first_ns: int = 0
    last_ns: int = 0
    least_late_ns: int | None = None
    repeated: int = 0
    whole: int = 0
    illegal: int = 0
    refused: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    offered: int = 0
    used: int = 0


class Stream:
    """Counts the messages of one topic; `turn` is called once a second, `heard` says what they
    were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.frame = ""
        self._stamp_ns = self._now_ns = 0
        self._several_since: float | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets what was heard."""
        self._turns: collections.deque[_Turn] = collections.deque(maxlen=WINDOWS)
        self._open, self._began = _Turn(), self._clock()

    def hear(self, stamp_ns: int, nanosec: int, arrival_ns: int, frame: str) -> None:
        """A message: its stamp [ns], the part of that below a second as it was written, its arrival
        by our clock [ns], and its frame_id."""
        turn, self.frame = self._open, frame
        if arrival_ns < self._now_ns - SET_BACK_NS:
            self._turns.clear()  # our clock was set back: the late messages before were not late
            self._open = turn = _Turn()
        if not turn.messages:
            turn.first_ns = arrival_ns
        turn.last_ns = arrival_ns
        turn.messages += 1
        late = arrival_ns - stamp_ns
        if turn.least_late_ns is None or late < turn.least_late_ns:
            turn.least_late_ns = late
        if stamp_ns == self._stamp_ns:
            turn.repeated += 1
        if not nanosec:
            turn.whole += 1
        elif nanosec >= 1_000_000_000:
            turn.illegal += 1
        self._stamp_ns, self._now_ns = stamp_ns, arrival_ns

    def refuse(self, reason: str) -> None:
        """The message that was heard last is not used."""
        self._open.refused[reason] += 1

    def turn(self, offered: int = 0, used: int = 0) -> None:
        """Ends a turn, in which `offered` frames could use the stream and `used` did."""
        now = self._clock()
        self._open.offered, self._open.used = offered, used
        self._open.lasted = now - self._began
        self._turns.append(self._open)
        self._open, self._began = _Turn(), now

    def several_for(self, several: bool) -> float:
        """Seconds since `several` has been true at each call."""
        if not several:
            self._several_since = None
        elif self._several_since is None:
            self._several_since = self._clock()
        return 0.0 if self._several_since is None else self._clock() - self._several_since

    @property
    def settled(self) -> bool:
        """Whether it was heard for as long as it is judged over."""
        return len(self._turns) == WINDOWS

    def heard(self) -> Heard:
        """Over the turns that ended."""
        total = sum(turn.messages for turn in self._turns)
        flowing = [turn for turn in self._turns if turn.messages]
        flowed = (flowing[-1].last_ns - flowing[0].first_ns) * 1e-9 if flowing else 0.0
        late = [turn.least_late_ns for turn in self._turns if turn.least_late_ns is not None]
        return Heard(
            total,
            (total - 1) / flowed if flowed > 0 else 0.0,
            sum(turn.lasted for turn in self._turns),
            min(late) * 1e-9 if total >= FEW else None,
            self._stamp_ns * 1e-9,
            self._now_ns * 1e-9,
            time.clock_gettime(time.CLOCK_BOOTTIME),
            sum(turn.repeated for turn in self._turns),
            sum(turn.whole for turn in self._turns),
            sum(turn.illegal for turn in self._turns),
            dict(sum((turn.refused for turn in self._turns), collections.Counter())),
            sum(turn.offered for turn in self._turns),
            sum(turn.used for turn in self._turns),
        )


def judge_stream(heard: Heard, why: str = "") -> Iterator[Problem]:
    """Stamps, clock and use of a stream that is there. `why`: the reason that is known where no
    frame uses it."""
    causes = list(_judge_stamps(heard)) or list(_judge_clock(heard))
    use = _judge_use(heard)
    if causes and use:
        first = causes[0]
        causes[0] = dataclasses.replace(first, text=f"{first.text}; {use}")
    elif use:
        use = f"{use}: {why}" if why and not heard.refused else use
        remedy = "" if heard.refused else "look at its stamps: ros2 topic echo"
        causes = [Problem("unused", Level.WARN, use, remedy)]
    yield from causes


def _judge_use(heard: Heard) -> str:
    """Whether less than half of it is used, and why; without numbers that change."""
    refused = sum(heard.refused.values())
    if heard.messages >= FEW and refused > 0.5 * heard.messages:
        why = max(heard.refused, key=heard.refused.get)
        share = "all" if refused == heard.messages else "most"
        return f"{share} messages are refused: {why}"
    if heard.offered >= FEW and heard.used < 0.5 * heard.offered:
        return "no frame uses it" if not heard.used else "few frames use it"
    return ""


def _judge_stamps(heard: Heard) -> Iterator[Problem]:
    """Stamps that are no times."""
    if heard.messages < FEW:
        return
    remedy = "the driver must fill in header.stamp for each message"
    if heard.stamp == 0.0 and heard.repeated >= heard.messages - 1:
        yield Problem("stamps", Level.WARN, "stamps are zero", remedy)
    elif heard.repeated >= heard.messages - 1:
        yield Problem("stamps", Level.WARN, "the stamp does not change", remedy)
    elif heard.whole == heard.messages and heard.rate > 2.0:
        yield Problem("stamps", Level.WARN, "stamps are whole seconds", remedy)
    elif heard.illegal:
        text = f"{heard.illegal} of {heard.messages} stamps are illegal (nanosec 10^9 and more)"
        yield Problem("stamps", Level.WARN, text, remedy)


def _judge_clock(heard: Heard) -> Iterator[Problem]:
    """The stamps' clock against ours."""
    late = heard.late
    if late is None or -AHEAD <= late <= BEHIND:
        return
    off = abs(late)
    by = f"{off:.2f}" if off < 0.3 else f"{off:.1f}" if off < 1e6 else f"{off:.3g}"
    text, remedy = f"stamps {by} s {'behind' if late > 0 else 'ahead of'} ours", SYNCHRONISE
    if heard.stamp < FIRST_DATE <= heard.now:
        since = "since boot" if abs(heard.stamp - heard.uptime) < 60.0 else "since a start"
        text = f"{text}: they count {since}, not from 1970"
        remedy = "stamp with the clock of this machine; where they are of /clock: use_sim_time"
    elif heard.now == 0.0:
        text = "our clock stands at 0: use_sim_time is set, and nothing publishes /clock"
        remedy = "publish /clock, or set use_sim_time: false"
    elif heard.now < FIRST_DATE <= heard.stamp:
        text = f"{text}: they count from 1970, our clock is /clock"
        remedy = "set use_sim_time: false, or have the driver use /clock"
    yield Problem("clock", Level.WARN, text, remedy)


def sensor_part(
    name: str,
    topic: Topic,
    stream: Stream,
    needed: Level | None,
    facts: Mapping[str, str] | None = None,
    problems: Iterable[Problem] = (),
    why: str = "",
) -> Part:
    """A part for a stream of stamped messages. `needed`: the level where nothing is heard, None
    for a stream that nothing depends on; `why`: as in `judge_stream`."""
    heard = stream.heard()
    if heard.span < QUIET:
        needed = None
    found = [*judge_sources(topic, needed, stream.several_for(len(topic.sources) > 1))]
    if not heard.messages and needed is not None and topic.fitting:
        text = f"no message of {topic.nodes} arrives on {topic.name}"
        found.append(Problem("silent", needed, text, f"does it send? ros2 topic hz {topic.name}"))
    found += [*judge_stream(heard, why), *problems]
    return Part(name, _facts(topic, heard, stream.frame) | dict(facts or {}), tuple(found))


def _facts(topic: Topic, heard: Heard, frame: str) -> dict[str, str]:
    late = f"{heard.late:+.3f} s" if heard.late is not None and abs(heard.late) < 1e6 else ""
    if heard.late is not None and not late:
        late = f"{heard.late:+.3g} s"
    used = f"{heard.used}/{heard.offered}" if heard.offered else ""
    return {
        "topic": topic.name,
        "type": topic.kind,
        "publisher": topic.nodes,
        "qos": ", ".join(dict.fromkeys(one.qos for one in topic.others)),
        "rate": f"{heard.rate:.1f} Hz" if heard.messages else "",
        "late": late,
        "frame": frame if heard.messages else "",
        "used": used,
    }
