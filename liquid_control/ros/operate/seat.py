"""Who drives: one page at a time, as long as its messages come in order and in time. Pure: no
sockets, no ROS, no clock.

The page that has the seat proves ten times a second and more that it is there. Its silence, a
message out of order, one that is not understood, one that is late, and the end of its connection
all end its turn, and the vehicle is taken over at once. What stops the vehicle is heard from every
page.

How late a message is, is measured without the page's clock: the server numbers its ticks, and a
message names the latest one that the page had heard. The time since that tick was sent bounds the
age of what the page's user saw, in both directions of the network.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import secrets

from liquid_control.config import check, number
from liquid_control.ros.operate.messages import ANYONES, Kind, Malformed, Message, Stick, read

TICK = 0.05
"""Between two ticks [s], and between two beats of a page."""
REMEMBERED = 100
"""Ticks of which the time is kept; an older one is late."""


@dataclasses.dataclass(frozen=True)
class HeartbeatConfig:
    """When the page that drives counts as gone. Silence and the gate's next decision (0.05 s) make
    0.25 s by default."""

    silent_after: float = number(
        0.2,
        0.12,
        5.0,
        "s",
        "silence of the page that drives, after which the vehicle is taken over",
    )
    late_after: float = number(
        0.25, 0.1, 5.0, "s", "age of what the page had heard, after which its messages are late"
    )

    def __post_init__(self) -> None:
        check(self)


class Order(enum.Enum):
    """What a message makes the robot do."""

    ALIVE = "alive"
    TAKEOVER = "takeover"
    EMERGENCY_STOP = "emergency stop"
    ACKNOWLEDGE = "acknowledge"
    ENGAGE = "engage"
    BY_HAND = "by hand"
    BY_POLICY = "by policy"
    RECORD = "record"
    STOP_RECORDING = "stop recording"
    MARK = "mark"


ORDERS = {
    Kind.TAKEOVER: Order.TAKEOVER,
    Kind.EMERGENCY_STOP: Order.EMERGENCY_STOP,
    Kind.ACKNOWLEDGE: Order.ACKNOWLEDGE,
    Kind.ENGAGE: Order.ENGAGE,
    Kind.BY_HAND: Order.BY_HAND,
    Kind.BY_POLICY: Order.BY_POLICY,
    Kind.MARK: Order.MARK,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from something heard, or from silence. `lost`: why the page that drove does
    not any more; the vehicle is taken over first. Then `order`, if any, with the `stick` of a page
    that drives by hand; `refused`: why there is none, for the page; `close`: the connection is to
    be closed."""

    order: Order | None = None
    stick: Stick | None = None
    refused: str = ""
    lost: str = ""
    close: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class Connection:
    """One page's command socket: its word, its latest number and tick, and when ticks were
    sent."""

    session: str
    number: int = 0
    heard: int = 0
    sent: int = 0
    times: collections.deque[float] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=REMEMBERED)
    )

    def age(self, tick: int, now: float) -> float:
        """Seconds since a tick was sent; infinite where that is not known any more."""
        index = tick - self.sent + len(self.times) - 1
        return now - self.times[index] if tick and index >= 0 else float("inf")


class Seat:
    """`driver`: the connection that drives, if any. `objection`: why no other may begin to drive,
    empty where one may. All times in seconds of one steady clock."""

    def __init__(self, config: HeartbeatConfig | None = None) -> None:
        self.config = config or HeartbeatConfig()
        self.driver: Connection | None = None
        self.objection = ""
        self.counts: collections.Counter[str] = collections.Counter()
        self._alive_at = 0.0

    @property
    def ends_at(self) -> float | None:
        """When the turn of the driver ends if nothing is heard."""
        return None if self.driver is None else self._alive_at + self.config.silent_after

    def open(self) -> Connection:
        """A new connection, with a word of its own: what was said on another one is refused."""
        return Connection(secrets.token_hex(16))

    def tick(self, connection: Connection, now: float) -> int:
        """The next tick to send."""
        connection.sent += 1
        connection.times.append(now)
        return connection.sent

    def check(self, now: float) -> Outcome:
        """To be called at `ends_at`."""
        if self.driver is None or now < self.ends_at:
            return Outcome()
        silent = now - self._alive_at
        return self._end(f"silent for {silent:.2f} s")

    def closed(self, connection: Connection) -> Outcome:
        """The connection has ended."""
        return self._end("connection lost") if connection is self.driver else Outcome()

    def hear(self, connection: Connection, data: object, now: float) -> Outcome:
        """Takes what came in on a connection. Raises nothing, whatever it is."""
        late = self.check(now)  # before this was heard
        outcome = self._hear(connection, data, now)
        return dataclasses.replace(outcome, lost=outcome.lost or late.lost)

    def _hear(self, connection: Connection, data: object, now: float) -> Outcome:
        try:
            message = read(data, connection.session)
        except Malformed as error:
            return self._drop(connection, f"not understood: {error}")
        if message.number != connection.number + 1:
            return self._drop(
                connection, f"out of order: {message.number} after {connection.number}"
            )
        if not connection.heard <= message.tick <= connection.sent:
            return self._drop(connection, f"out of order: tick {message.tick}")
        connection.number, connection.heard = message.number, message.tick
        age = connection.age(message.tick, now)
        if message.kind in ANYONES:
            self.counts[message.kind.value] += 1
            if connection is self.driver and age <= self.config.late_after:
                self._alive_at = now
            return Outcome(ORDERS[message.kind])
        if age > self.config.late_after:
            self.counts["late"] += 1
            if connection is self.driver:
                return self._end(f"late by {age:.2f} s")
            return self._refuse(message, f"late by {age:.2f} s")
        return self._obey(connection, message, now)

    def _obey(self, connection: Connection, message: Message, now: float) -> Outcome:
        """A message in order and in time."""
        if connection is not self.driver:
            if message.kind is Kind.BEAT:
                return Outcome()
            if message.kind is not Kind.CLAIM:
                return self._refuse(message, "take control first")
            if self.driver is not None:
                return self._refuse(message, "another page drives")
            if self.objection:
                return self._refuse(message, self.objection)
            self.driver = connection
        self._alive_at = now
        if message.kind is Kind.LEAVE:
            return self._end("left")
        if message.kind is Kind.RECORD:
            return Outcome(Order.RECORD if message.on else Order.STOP_RECORDING)
        return Outcome(ORDERS.get(message.kind, Order.ALIVE), message.stick)

    def _refuse(self, message: Message, reason: str) -> Outcome:
        if message.kind in (Kind.BEAT, Kind.LEAVE):
            return Outcome()
        self.counts["refused"] += 1
        return Outcome(refused=reason)

    def _drop(self, connection: Connection, reason: str) -> Outcome:
        """A connection that does not keep to the protocol is not heard any more."""
        self.counts["dropped"] += 1
        if connection is self.driver:
            return dataclasses.replace(self._end(reason), close=True)
        return Outcome(refused=reason, close=True)

    def _end(self, reason: str) -> Outcome:
        self.counts["lost"] += 1
        self.driver = None
        return Outcome(lost=reason)
