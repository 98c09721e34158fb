"""The start-up check of the policy node: camera, IMU and odometry, as they are heard and as they
are used. Pure: the node gives it messages, topics and counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from liquid_control.perception.contribution import WORDS, Contribution
from liquid_control.perception.timeline import MOVING_SPEED
from liquid_control.recordings.rosbag.readings import origin
from liquid_control.ros.health.motion import Motion
from liquid_control.ros.health.part import Level, Part, Problem
from liquid_control.ros.health.sensor import Stream, sensor_part
from liquid_control.ros.health.topics import Topic
from liquid_control.signals import ImuSample, Rejected, SpeedSample

MOST_SIZES = 8
FASTEST = 70.0
"""No vehicle that is meant drives faster [m/s]."""
INERTIAL = ("yaw_rate", "lateral_acceleration")
GIVES = {"imu": INERTIAL, "accelerometer": INERTIAL[1:], "odometry": ("speed",)}
"""The policy's measurements by the sensor that gives them. An accelerometer on a topic of its own
leaves the yaw rate to the IMU."""
FRAMES = ("optical", "ned")
"""In a frame's name: the axes are not REP-103's."""


class PolicyHealth:
    """What the sensors of one activation were like. `parts` is called once a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.camera = Stream(clock)
        self._sensors = {name: Stream(clock) for name in GIVES}
        self._motion = Motion()
        self.reset()

    def reset(
        self, measurements: Sequence[str] = (), turned: bool = False, moving: float = MOVING_SPEED
    ) -> None:
        """Starts a new activation. `measurements`: names of those that the policy is given;
        `turned`: the mounting of the IMU is set; `moving`: speed from which on the vehicle moves
        [m/s]."""
        self._measurements, self._turned = tuple(measurements), turned
        self._has_both = set(INERTIAL) <= set(measurements)
        for stream in (self.camera, *self._sensors.values()):
            stream.reset()
        self._motion.reset(moving)
        self._sizes: list[tuple[int, int]] = []
        self._known: Mapping[str, Contribution] = {}
        self._fastest = 0.0

    def hear_camera(self, header, stamp_ns: int, arrival_ns: int) -> None:
        """A camera's message with its arrival by the node's clock [ns]."""
        self.camera.hear(stamp_ns, header.stamp.nanosec, arrival_ns, header.frame_id)

    def hear_picture(self, height: int, width: int) -> None:
        """A picture that could be decoded [px]."""
        size = height, width
        if (not self._sizes or self._sizes[-1] != size) and len(self._sizes) < MOST_SIZES:
            self._sizes.append(size)

    def hear_imu(
        self,
        message,
        sample: ImuSample,
        arrival_ns: int,
        answer: Rejected | None,
        name: str = "imu",
    ) -> None:
        """An IMU's message with its arrival by the node's clock [ns], and what the controller
        answered. `name`: "accelerometer" for one on a topic of its own."""
        header = message.header
        stream = self._sensors[name]
        stream.hear(sample.stamp_ns, header.stamp.nanosec, arrival_ns, header.frame_id)
        if answer is None:
            self._motion.hear(sample)
        else:
            stream.refuse(_words(answer))

    def hear_odometry(
        self, message, sample: SpeedSample, arrival_ns: int, answer: Rejected | None
    ) -> None:
        """As `hear_imu`."""
        nanosec, frame = origin(message, sample.stamp_ns)
        stream = self._sensors["odometry"]
        stream.hear(sample.stamp_ns, nanosec, arrival_ns, frame)
        if answer is not None:
            stream.refuse(_words(answer))
        elif abs(sample.speed) > self._fastest:
            self._fastest = abs(sample.speed)

    def hear_observation(self, measurements: Sequence[float], speed: float | None) -> None:
        """What the policy is given with a frame, in SI units, and the latest speed [m/s]."""
        if self._has_both and speed is not None:
            yaw_rate, lateral = (
                float(measurements[self._measurements.index(name)]) for name in INERTIAL
            )
            self._motion.drive(yaw_rate, lateral, speed)

    def parts(
        self, topics: Mapping[str, Topic], contributions: Mapping[str, Contribution]
    ) -> tuple[Part, ...]:
        """Camera and sensors, judged over the last seconds. `topics`: by the names of those that
        the node subscribes to; `contributions`: of each of the policy's measurements to its frames
        since the node's start."""
        self._motion.turn()
        self.camera.turn()
        size = "x".join(map(str, reversed(self._sizes[-1]))) if self._sizes else ""
        found = [
            sensor_part(
                "camera",
                topics["camera"],
                self.camera,
                Level.ERROR,
                {"more": size},
                self._resized(),
            )
        ]
        axis, doubts = self._motion.judge()
        more = {
            "imu": (f"gravity on {axis}" if axis else "", (*doubts, *self._named_axes(axis))),
            "odometry": ("", tuple(self._speed_unit())),
        }
        for name, stream in self._sensors.items():
            if name in topics:
                fact, problems = more.get(name, ("", ()))
                gives = [one for one in GIVES[name] if one in self._measurements]
                if name == "imu" and "accelerometer" in topics:
                    gives = [one for one in gives if one not in GIVES["accelerometer"]]
                problems = (*problems, *_never_filled(gives, contributions, axis))
                frames, met, why = self._gained(gives, contributions)
                stream.turn(frames, met)
                needed = Level.WARN if gives or name == "odometry" else None
                topic = topics[name]
                found.append(
                    sensor_part(name, topic, stream, needed, {"more": fact}, problems, why)
                )
        self._known = dict(contributions)
        return tuple(found)

    @property
    def settled(self) -> bool:
        """Whether the sensors were judged for long enough."""
        return self.camera.settled

    def _gained(
        self, names: Sequence[str], contributions: Mapping[str, Contribution]
    ) -> tuple[int, int, str]:
        """(frames, those with a sample, why none had one) since the turn before, of the measurement
        of `names` that got the fewest."""
        gains = [
            (
                contributions[name].frames - self._known[name].frames,
                contributions[name].met - self._known[name].met,
                "" if contributions[name].met else contributions[name].reason,
            )
            for name in names
            if name in contributions and name in self._known
        ]
        return min(gains, key=lambda gain: gain[1], default=(0, 0, ""))

    def _named_axes(self, axis: str) -> Iterator[Problem]:
        """Axes by the name of the frame, where gravity does not tell them."""
        frame = self._sensors["imu"].frame
        parts = frame.lower().replace("/", "_").split("_")
        named = next((name for name in FRAMES if name in parts), None)
        if named and axis == "none" and not self._turned:
            yield Problem(
                "imu_axes",
                Level.WARN,
                f"its frame is {frame}, and without gravity its axes cannot be seen",
                f"policy_node's imu.axes: {named}, if the name is right",
            )

    def _speed_unit(self) -> Iterator[Problem]:
        if self._fastest > FASTEST:
            yield Problem(
                "speed_unit",
                Level.WARN,
                f"speeds reach {self._fastest:.0f} m/s: looks like km/h",
                "measured_speed.scale: 0.2778, at both nodes",
            )

    def _resized(self) -> Iterator[Problem]:
        if len(self._sizes) > 1:
            sizes = ", then ".join(f"{width}x{height}" for height, width in self._sizes)
            yield Problem(
                "size",
                Level.WARN,
                f"the pictures changed size: {sizes}; the policy sees another cut of the road",
                "keep the camera at one size; activate the policy anew after a change",
            )


def _never_filled(
    names: Sequence[str], contributions: Mapping[str, Contribution], axis: str
) -> Iterator[Problem]:
    """Measurements that come and say nothing. Where gravity is seen (on `axis`) the accelerometer
    is filled in, and an IMU of which the rest is exactly 0 is an ideal one on a straight road."""
    zero = [
        name
        for name in names
        if (one := contributions.get(name)) is not None and one.met and one.reason
    ]
    if axis not in ("", "none") and "lateral_acceleration" in zero:
        zero = []
    for name in zero:
        words = f"{name.replace('_', ' ')}: {contributions[name].reason}"
        remedy = "fill it in, or mark it as not measured (covariance[0] = -1)"
        yield Problem(f"never_filled {name}", Level.WARN, words, remedy)


def _words(answer: Rejected) -> str:
    return WORDS.get(answer.reason, answer.reason.value)
