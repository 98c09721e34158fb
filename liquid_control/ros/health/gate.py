"""The start-up check of the safety node: odometry and proposals as they are heard and used, who
listens to the command, the policy's own check, and settings that disagree. Pure.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.recordings.rosbag.readings import origin
from liquid_control.ros.health import settings
from liquid_control.ros.health.part import Level, Part, Problem, complaints
from liquid_control.ros.health.sensor import Stream, sensor_part
from liquid_control.ros.health.topics import Topic, judge_listeners, judge_sources

POLICY_SILENT = 3.5
"""The policy's check is published once a second; one that is older does not count [s]."""
SOME = 2
"""Messages from which a rate is known."""


class Known(NamedTuple):
    """What the gate itself knows to be wrong: why it does not believe measured angles that it
    hears, and what keeps the operator from being heard or remembered."""

    angle: str = ""
    operator: tuple[Problem, ...] = ()


class GateHealth:
    """`turn` is called once a second; `parts` and `objections` at any time."""

    def __init__(
        self, more: Sequence[Part] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`more`: parts that stay as they are."""
        self._more = tuple(more)
        self.odometry, self.proposals, self.angles = (Stream(clock) for _ in range(3))
        self._clock = clock
        self._policy: tuple[float, tuple[Part, ...]] | None = None
        self._complaints: tuple[str, ...] = ()

    def hear_policy(self, parts: Sequence[Part]) -> None:
        """The policy node's own check."""
        self._policy = self._clock(), tuple(parts)

    @property
    def policy(self) -> tuple[Part, ...] | None:
        """The policy node's check while it is fresh."""
        if self._policy is None or self._clock() - self._policy[0] > POLICY_SILENT:
            return None
        return self._policy[1]

    @property
    def settled(self) -> bool:
        """Whether the inputs of both nodes were judged for long enough."""
        checked = any(part.facts.get(settings.CHECKED) == "True" for part in self.policy or ())
        return checked and self.odometry.settled

    @property
    def complete(self) -> bool:
        """Whether all is known: the inputs were judged, and proposals come."""
        return self.settled and self.proposals.heard().messages > 0

    def objections(self) -> tuple[str, ...]:
        """What keeps a strict gate from engaging."""
        if self.policy is None:
            return ("the policy's start-up check is not heard on policy_health",)
        if not self.settled:
            return ("the start-up check is not finished",)
        return self._complaints

    def hear(
        self, stream: Stream, message, stamp_ns: int, arrival_ns: int, believed: bool = True
    ) -> None:
        """A message of one of the streams with its arrival by the node's clock [ns], and whether
        the gate believes it."""
        nanosec, frame = origin(message, stamp_ns)
        stream.hear(stamp_ns, nanosec, arrival_ns, frame)
        if not believed:
            stream.refuse("stale, not finite or impossible")

    def turn(self) -> None:
        """Once a second."""
        for stream in (self.odometry, self.proposals, self.angles):
            stream.turn()

    def parts(
        self,
        topics: Mapping[str, Topic],
        driving: bool,
        vehicle: VehicleConfig,
        limits: GateConfig,
        known: Known = Known(),  # noqa: B008  frozen
    ) -> tuple[Part, ...]:
        """The gate's own parts, judged over the turns that ended. `topics` by name: odometry,
        steering_angle, proposal, command, and the others that the gate subscribes to."""
        named = {"odometry", "steering_angle", "proposal", "command"}
        speed, angle = topics["odometry"], topics["steering_angle"]
        found = [
            sensor_part("odometry", speed, self.odometry, Level.WARN, {}, self._slow(limits)),
            *([self._angle(angle, known.angle)] if angle.others or known.angle else []),
            _once(sensor_part("proposal", topics["proposal"], self.proposals, Level.WARN)),
            _command(topics["command"], driving),
            *(
                _other(name, topic)
                for name, topic in topics.items()
                if name not in named and topic.others
            ),
        ]
        for part in self.policy or ():
            if part.name == settings.NAME:
                problems = tuple(settings.judge_settings(part.facts, vehicle, limits))
                size = f"wheelbase {vehicle.wheelbase:g} m, at most {limits.max_speed:g} m/s"
                found.append(Part("vehicle", {"more": size}, problems))
        if known.operator:
            found.append(Part("operator", {}, known.operator))
        parts = (*found, *self._more)
        self._complaints = (*complaints(parts), *complaints(self.policy or ()))
        return parts

    def _angle(self, topic: Topic, doubt: str) -> Part:
        remedy = "publish the front wheels' angle in rad, or read it with measured_angle.*"
        found = [Problem("doubt", Level.WARN, doubt, remedy)] if doubt else []
        return sensor_part("steering_angle", topic, self.angles, None, {}, found)

    def _slow(self, limits: GateConfig) -> Iterator[Problem]:
        """A speed that is stale before the next one comes."""
        heard = self.odometry.heard()
        if heard.messages >= SOME and heard.rate * limits.speed_stale_after < 1.0:
            text = f"it comes {heard.rate:.1f} times a second"
            stale = f"gate.speed_stale_after is {limits.speed_stale_after:g} s"
            yield Problem("slow", Level.WARN, f"{text}, {stale}", "a faster source of speed")


def _command(topic: Topic, driving: bool) -> Part:
    facts = {
        "topic": topic.name,
        "type": topic.kind,
        "listeners": topic.nodes,
        "qos": ", ".join(dict.fromkeys(one.qos for one in topic.others)),
    }
    return Part("command", facts, tuple(judge_listeners(topic, driving)))


def _other(name: str, topic: Topic) -> Part:
    """An input that may be absent: wrong only where the other side does not fit."""
    facts = {"topic": topic.name, "type": topic.kind, "publisher": topic.nodes}
    return _once(Part(name, facts, tuple(judge_sources(topic, None))))


def _once(part: Part) -> Part:
    """The part of a topic that may have several publishers, or whose publishers are judged by the
    gate itself."""
    problems = tuple(one for one in part.problems if one.code != "several")
    return dataclasses.replace(part, problems=problems)
