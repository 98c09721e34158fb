"""A recording as samples: chosen topics, decoded, in the order of their receipt, pictures decoded
ahead by threads."""

from __future__ import annotations

import collections
import dataclasses
import math
import time
from array import array
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from liquid_control.config import VehicleConfig, check, choice, number
from liquid_control.errors import ImageError, LiquidControlError, MessageError
from liquid_control.perception import measurements
from liquid_control.perception.pictures import image_from_compressed, image_from_message
from liquid_control.recordings.rosbag.reader import BagMessage, BagReader, Damage
from liquid_control.recordings.rosbag.readings import SPEEDS, steering_reader
from liquid_control.recordings.rosbag.topics import IMAGE, KINDS, TopicMap, choose_topics
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.system.allocator import keep_freed_memory

Sample = Frame | ImuSample | SpeedSample | SteeringSample
DECODERS = 2  # threads; OpenCV works outside of Python's lock
AHEAD = 8  # pictures being decoded or waiting; handed out only when so many follow, which keeps the threads busy
QUEUED = 4096  # samples waiting behind a picture
CLASSES = (Frame, ImuSample, SpeedSample, SteeringSample)
MOST_REASONS = 64


@dataclasses.dataclass(frozen=True)
class RecordingSettings:
    """How a recording is read."""

    topics: TopicMap = TopicMap()
    stamps: str = choice(
        "header",
        ("header", "receive"),
        "stamp samples by their headers, or by when the recorder received them",
    )
    steering_scale: float = number(
        1.0,
        -1e4,
        1e4,
        "",
        "front-wheel radians per unit of the recorded angle (steering wheel, degrees, sign)",
    )
    vehicle: VehicleConfig = VehicleConfig()

    def __post_init__(self) -> None:
        check(self)


class Recording:
    """Samples of one recording. `skipped` counts by reason the messages that could not be decoded;
    none of them raises.

    `decode_s`: seconds that each picture took to decode and prepare, in the thread that did it."""

    def __init__(self, path: str | Path, settings: RecordingSettings | None = None) -> None:
        """Raises BagError where nothing can be read, AmbiguousTopicError and BagTopicError where
        the topics are not clear."""
        self.settings = settings or RecordingSettings()
        self.reader = BagReader(path)
        self.skipped: dict[str, int] = {}
        self.decode_s = array("d")
        self._prepare: Callable[[Frame], object] | None = None
        try:
            self.roles = choose_topics(self.reader, self.settings.topics)
        except LiquidControlError:
            self.reader.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()

    @property
    def damage(self) -> list[Damage]:
        return self.reader.damage

    def samples(
        self,
        kinds: Collection[type] | None = None,
        prepare: Callable[[Frame], object] | None = None,
    ) -> Iterator[tuple[int, Sample]]:
        """(receive_ns, sample) in the order of receipt; `kinds` leaves only samples of these
        classes (all, where None).

        `prepare` makes of each frame what is given out in its place, in the thread that decoded it:
        there the picture is still in the core's cache, which halves the time of shrinking it.

        The process keeps freed memory from here on: decoding allocates a picture at a time, and
        where the C library hands each back to the kernel, that takes a third as long again as the
        decoding.
        """
        keep_freed_memory()
        self._prepare = prepare
        makers = self._makers(tuple(kinds or CLASSES))
        waiting: collections.deque[tuple[int, Sample | Future]] = collections.deque()
        pictures = 0
        with ThreadPoolExecutor(DECODERS, thread_name_prefix="pictures") as pool:
            try:
                for message in self.reader.messages(makers.keys()):
                    for sample in self._made(message, makers[message.topic], pool):
                        waiting.append((message.receive_ns, sample))
                        pictures += isinstance(sample, Future)
                    while waiting and (pictures > AHEAD or len(waiting) > QUEUED or pictures == 0):
                        receive_ns, sample = waiting.popleft()
                        pictures -= isinstance(sample, Future)
                        if (sample := self._result(sample)) is not None:
                            yield receive_ns, sample
                for receive_ns, sample in waiting:
                    if (sample := self._result(sample)) is not None:
                        yield receive_ns, sample
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _makers(self, kinds: tuple[type, ...]) -> dict[str, dict[str, Callable]]:
        """By topic and role, what makes samples of its messages; one topic may hold speed and
        steering."""
        made = {
            "camera": (Frame, self._frame),
            "imu": (ImuSample, self._imu),
            "speed": (SpeedSample, self._speed),
            "steering": (SteeringSample, _Steering(self.settings).sample),
        }
        makers: dict[str, dict[str, Callable]] = {}
        for role, (kind, make) in made.items():
            topic = getattr(self.roles, role)
            if topic is not None and kind in kinds:
                makers.setdefault(topic.name, {})[role] = make
        return makers

    def _made(
        self, message: BagMessage, makers: dict[str, Callable], pool: ThreadPoolExecutor
    ) -> Iterator[Sample | Future]:
        kind = message.kind
        if not any(kind in KINDS[role] for role in makers):
            self._skip(
                f"{message.topic}: type {kind} is not one of "
                + ", ".join(KINDS[next(iter(makers))])
            )
        elif "camera" in makers:
            yield pool.submit(self._frame, message)
        else:
            yield from self._measured(message, makers)

    def _measured(self, message: BagMessage, makers: dict[str, Callable]) -> Iterator[Sample]:
        try:
            decoded = self.reader.decode(message)
            stamp = self._stamp(decoded, message)
            for role, make in makers.items():
                if (
                    message.kind in KINDS[role]
                    and (sample := make(message.kind, decoded, stamp)) is not None
                ):
                    yield sample
        except (
            MessageError,
            AttributeError,
            TypeError,
        ) as error:  # a type may have a known name and other fields
            self._skip(f"{message.topic}: {error}")

    def _frame(self, message: BagMessage) -> Frame:
        began = time.perf_counter()
        decoded = self.reader.decode(message)
        picture = (image_from_message if message.kind == IMAGE else image_from_compressed)(decoded)
        frame = Frame(self._stamp(decoded, message), picture)
        frame = frame if self._prepare is None else self._prepare(frame)
        self.decode_s.append(time.perf_counter() - began)
        return frame

    def _imu(self, kind: str, decoded, stamp: int) -> ImuSample:
        sample = measurements.imu_sample(decoded)
        return ImuSample(stamp, sample.angular_velocity, sample.linear_acceleration)

    def _speed(self, kind: str, decoded, stamp: int) -> SpeedSample:
        return SpeedSample(stamp, float(SPEEDS[kind](decoded)))

    def _stamp(self, decoded, message: BagMessage) -> int:
        """Types without a header have only the stamp of their receipt."""
        if self.settings.stamps == "receive":
            return message.receive_ns
        stamp = (
            decoded.header.stamp if hasattr(decoded, "header") else getattr(decoded, "stamp", None)
        )
        return message.receive_ns if stamp is None else measurements.stamp_ns(stamp)

    def _result(self, sample: Sample | Future) -> Sample | None:
        if not isinstance(sample, Future):
            return sample
        try:
            return sample.result()
        except (ImageError, MessageError, AttributeError, TypeError) as error:
            self._skip(f"{self.roles.camera.name}: {error}")

    def _skip(self, reason: str) -> None:
        known = (
            reason
            if reason in self.skipped or len(self.skipped) < MOST_REASONS
            else "other reasons"
        )
        self.skipped[known] = self.skipped.get(known, 0) + 1


class _Steering:
    """Readers by message type; the type of a topic may change between the files of one
    recording."""

    def __init__(self, settings: RecordingSettings) -> None:
        self.settings = settings
        self.readers: dict[str, Callable] = {}

    def sample(self, kind: str, decoded, stamp: int) -> SteeringSample | None:
        if kind not in self.readers:
            settings = self.settings
            self.readers[kind] = steering_reader(
                kind, settings.vehicle, settings.steering_scale, settings.topics.joint
            )
        steering = self.readers[kind](decoded)
        if steering is None:
            return None
        if not math.isfinite(steering[0]):
            raise MessageError(kind, "its steering angle is not a number")
        return SteeringSample(stamp, *steering)
