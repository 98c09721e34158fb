"""The start-up check of the policy node: camera, IMU and odometry, as they are heard and as they
are used. Pure: the node gives it messages, topics and counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from liquid_control.perception.contribution import WORDS
from liquid_control.recordings.rosbag.readings import origin
from liquid_control.ros.health.motion import Motion
from liquid_control.ros.health.part import Level, Part, Problem
from liquid_control.ros.health.sensor import Stream, sensor_part
from liquid_control.ros.health.topics import Topic
from liquid_control.signals import ImuSample, Rejected

MOST_SIZES = 8
GIVES = {"imu": ("yaw_rate", "lateral_acceleration"), "odometry": ("speed",)}
"""The policy's measurements by the sensor that gives them."""


class PolicyHealth:
    """What the sensors of one activation were like. `parts` is called once a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.camera, self.imu, self.odometry = (Stream(clock) for _ in range(3))
        self._motion = Motion()
        self.reset()

    def reset(self, measurements: Sequence[str] = ()) -> None:
        """Starts a new activation. `measurements`: names of those that the policy is given."""
        self._measurements = tuple(measurements)
        self._has_both = set(GIVES["imu"]) <= set(measurements)
        for stream in (self.camera, self.imu, self.odometry):
            stream.reset()
        self._motion.reset()
        self._sizes: list[tuple[int, int]] = []
        self._counts: Mapping[str, tuple[int, int]] = {}

    def hear_camera(self, header, stamp_ns: int, arrival_ns: int) -> None:
        """A camera's message with its arrival by the node's clock [ns]."""
        self.camera.hear(stamp_ns, header.stamp.nanosec, arrival_ns, header.frame_id)

    def hear_picture(self, height: int, width: int) -> None:
        """A picture that could be decoded [px]."""
        size = height, width
        if (not self._sizes or self._sizes[-1] != size) and len(self._sizes) < MOST_SIZES:
            self._sizes.append(size)

    def hear_imu(self, header, sample: ImuSample, arrival_ns: int, answer: Rejected | None) -> None:
        """An IMU's message with its arrival by the node's clock [ns], and what the controller
        answered."""
        self.imu.hear(sample.stamp_ns, header.stamp.nanosec, arrival_ns, header.frame_id)
        if answer is None:
            self._motion.hear(sample)
        else:
            self.imu.refuse(_words(answer))

    def hear_odometry(
        self, message, stamp_ns: int, arrival_ns: int, answer: Rejected | None
    ) -> None:
        """As `hear_imu`."""
        nanosec, frame = origin(message, stamp_ns)
        self.odometry.hear(stamp_ns, nanosec, arrival_ns, frame)
        if answer is not None:
            self.odometry.refuse(_words(answer))

    def hear_observation(self, measurements: Sequence[float], speed: float | None) -> None:
        """What the policy is given with a frame, in SI units, and the latest speed [m/s]."""
        if self._has_both and speed is not None:
            yaw_rate, lateral = (
                float(measurements[self._measurements.index(name)]) for name in GIVES["imu"]
            )
            self._motion.drive(yaw_rate, lateral, speed)

    def parts(
        self, topics: Mapping[str, Topic], counts: Mapping[str, tuple[int, int]]
    ) -> tuple[Part, ...]:
        """Camera, IMU and odometry, judged over the last seconds. `topics`: by these names;
        `counts`: frames since the node's start, and those of them with a sample of it, by the
        name of each of the policy's measurements."""
        offered = {name: self._gained(names, counts) for name, names in GIVES.items()}
        self._counts = dict(counts)
        self._motion.turn()
        self.camera.turn()
        self.imu.turn(*offered["imu"])
        self.odometry.turn(*offered["odometry"])
        axis, doubts = self._motion.judge()
        size = "x".join(map(str, reversed(self._sizes[-1]))) if self._sizes else ""
        needs_imu = any(name in self._measurements for name in GIVES["imu"])
        return (
            sensor_part(
                "camera",
                topics["camera"],
                self.camera,
                Level.ERROR,
                {"more": size},
                self._resized(),
            ),
            sensor_part(
                "imu",
                topics["imu"],
                self.imu,
                Level.WARN if needs_imu else None,
                {"more": f"gravity on {axis}" if axis else ""},
                doubts,
            ),
            sensor_part("odometry", topics["odometry"], self.odometry, Level.WARN),
        )

    @property
    def settled(self) -> bool:
        """Whether the sensors were judged for long enough."""
        return self.camera.settled

    def _gained(
        self, names: Sequence[str], counts: Mapping[str, tuple[int, int]]
    ) -> tuple[int, int]:
        """(frames, those with a sample) since the turn before, of the measurement that got the
        fewest."""
        gains = [
            tuple(now - then for now, then in zip(counts[name], self._counts[name], strict=True))
            for name in names
            if name in counts and name in self._counts
        ]
        return min(gains, key=lambda gain: gain[1], default=(0, 0))

    def _resized(self) -> Iterator[Problem]:
        if len(self._sizes) > 1:
            sizes = ", then ".join(f"{width}x{height}" for height, width in self._sizes)
            yield Problem(
                "size",
                Level.WARN,
                f"the pictures changed size: {sizes}; the policy sees another cut of the road",
                "keep the camera at one size; activate the policy anew after a change",
            )


def _words(answer: Rejected) -> str:
    return WORDS.get(answer.reason, answer.reason.value)
