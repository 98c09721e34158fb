"""rosbag2 as a Source: the chosen topics' messages as entries."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from liquid_control.errors import (
    AmbiguousTopicError,
    LiquidControlError,
    MessageError,
    RecordingError,
)
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.clock import Deferred, Record
from liquid_control.recordings.rosbag.cameras import IMAGE, Content, bits_of, content_of, said_by
from liquid_control.recordings.rosbag.named_topics import WITH_FIELDS, likely_fields
from liquid_control.recordings.rosbag.reader import BagMessage, BagReader, BagTopic
from liquid_control.recordings.rosbag.readings import TWISTS, origin, own_stamp_ns
from liquid_control.recordings.rosbag.samples import readers
from liquid_control.recordings.rosbag.topics import KINDS, Roles, choose_topics
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import (
    ACCELEROMETER,
    ROLES,
    Choice,
    Damage,
    Entry,
    StoredPicture,
    Stream,
    mean_rate,
)

_UNREADABLE = (MessageError, AttributeError, TypeError, ValueError)
"""A type may have a known name and other fields."""

_INCOMPLETE = "video packets that depend on packets before them, which are not there"


class RosbagRecording(Source):
    """A rosbag2. A message that cannot be decoded is an entry with a problem and raises nothing."""

    def __init__(
        self, path: str | Path, settings: RecordingSettings | None = None, guess: bool = False
    ) -> None:
        """See `formats.open_recording`."""
        settings = settings or RecordingSettings()
        self.reader = reader = BagReader(path)
        self._counting = threading.Lock()
        try:
            if not any(topic.count for topic in reader.topics):
                raise RecordingError(reader.path, "it holds no message", "Record again.")
            self._topics, choices = _choose(reader, settings.topics, guess)
        except LiquidControlError:
            reader.close()
            raise
        streams = _streams(reader, self._topics, settings.twist_steering)
        super().__init__(path, settings, streams, reader.start_ns, reader.end_ns, choices)

    def close(self) -> None:
        self.reader.close()

    @property
    def seconds(self) -> float:
        return self.reader.seconds

    @property
    def damage(self) -> list[Damage]:
        return self.reader.damage

    @property
    def camera(self) -> Intrinsics | None:
        return self._calibration[0]

    @property
    def camera_missing(self) -> str:
        return self._calibration[1]

    @functools.cached_property
    def _calibration(self) -> tuple[Intrinsics | None, str]:
        """(of the first CameraInfo, why there is none)."""
        topic = self._topics.camera_info
        if topic is None:
            return None, (
                "no CameraInfo in the namespace of the camera's topic "
                "(--topics.camera-info names another)"
            )
        messages = self.reader.first(topic.name, 1)
        if not messages:
            return None, f"{topic.name} has no message"
        try:
            info = self.reader.decode(messages[0])
            return Intrinsics.from_message(info), ""
        except _UNREADABLE as error:
            return None, f"{topic.name} cannot be read ({error})"

    def records(self, roles: Collection[str]) -> Iterator[Record]:
        """Pictures are parsed in the thread that decodes them: their messages may be compressed."""
        reads = readers(self.settings, self._topics, self.absent)
        roles_of: dict[str, list[str]] = {}
        wanted = [role for role in ROLES if role in roles]
        for role in [*wanted, *[ACCELEROMETER][: "imu" in wanted]]:
            if topic := getattr(self._topics, role):
                roles_of.setdefault(topic.name, []).append(role)
        plans = {}  # by channel: what its messages are read as
        by_receipt = self.settings.stamps == "receive"
        decode = self.reader.decode
        video = _Video(self) if "camera" in roles and self._content.sort == "video" else None
        for message in self.reader.messages(roles_of.keys()):
            topic, received_ns, _, channel = message
            plan = plans.get(channel)
            if plan is None:
                readable = [role for role in roles_of[topic] if self._reads(role, channel.kind)]
                plan = plans[channel] = [(role, reads.get(role)) for role in readable]
            if not plan:
                yield _unreadable(message, roles_of[topic][0])
                continue
            if plan[0][0] == "camera" and video is not None:
                yield from video.entries(message)
                continue
            if plan[0][0] == "camera":
                yield Deferred(received_ns, functools.partial(self._picture, message))
                continue
            role = plan[0][0]
            try:
                decoded = decode(message)
                own_ns = self._own_ns(role, decoded)
                stamp_ns = received_ns if by_receipt or own_ns is None else own_ns
                for role, read in plan:
                    sample, problem = read(decoded, stamp_ns, channel.kind)
                    problem = problem and f"{topic}: {problem}"
                    yield Entry(received_ns, role, stamp_ns, own_ns, sample, problem)
            except _UNREADABLE as error:
                yield Entry(received_ns, role, received_ns, None, None, f"{topic}: {error}")
        if video is not None:
            yield from video.entries(None)

    @functools.cached_property
    def alternatives(self) -> dict[str, tuple[str, ...]]:
        return {
            role: fields
            for role in WITH_FIELDS
            if role != ACCELEROMETER
            and (
                getattr(self._topics, role) is None
                or role == "speed"
                and _same(self._topics.speed, self._topics.steering)
            )
            and (fields := likely_fields(role, KINDS[role], self.reader))
        }

    def _reads(self, role: str, kind: str) -> bool:
        return bool(getattr(self._topics, role).field) or kind in KINDS[role]

    @functools.cached_property
    def _content(self) -> Content:
        camera = self._topics.camera
        return Content() if camera is None else content_of(self.reader, camera.name)

    @functools.cached_property
    def _bits(self) -> int:
        """That pictures of values of 16 bits use."""
        bits, camera = self.settings.picture_bits, self._topics.camera
        if bits != "auto":
            return int(bits)
        return 16 if camera is None else bits_of(self.reader, camera.name)

    def _own_ns(self, role: str, decoded: object) -> int | None:
        own_ns = own_stamp_ns(decoded)
        by_header = own_ns is not None and self.settings.stamps == "header"
        if by_header and origin(decoded, own_ns)[0] >= 10**9:
            with self._counting:  # pictures are read in threads
                self.odd[role] = self.odd.get(role, 0) + 1
        return own_ns

    def _picture(self, message: BagMessage) -> Entry:
        topic, received_ns, _, channel = message
        try:
            decoded = self.reader.decode(message)
            own_ns = self._own_ns("camera", decoded)
            if channel.kind == IMAGE:
                picture = _raw(decoded, self._bits)
            else:
                said = said_by(decoded, channel.kind)
                picture = StoredPicture(decoded.data, format=said, bits=self._bits)
        except _UNREADABLE as error:
            return Entry(received_ns, "camera", received_ns, None, None, f"{topic}: {error}")
        by_receipt = own_ns is None or self.settings.stamps == "receive"
        return Entry(received_ns, "camera", received_ns if by_receipt else own_ns, own_ns, picture)


def _choose(reader: BagReader, topics: TopicMap, guess: bool) -> tuple[Roles, list[Choice]]:
    """The topic of each role. With `guess`, of several that qualify the one with the most
    messages."""
    choices: list[Choice] = []
    while True:
        try:
            return choose_topics(reader, topics), choices
        except AmbiguousTopicError as error:
            if not guess or len(choices) >= len(KINDS):
                raise
            counts = {topic.name: topic.count or 0 for topic in reader.topics}
            chosen = max(error.candidates, key=lambda name: counts.get(name, 0))
            choices.append(Choice(error.role, error.candidates, chosen))
            topics = dataclasses.replace(topics, **{error.role: chosen})


def _same(one: BagTopic | None, other: BagTopic | None) -> bool:
    return one is not None and other is not None and one.name == other.name


def _streams(reader: BagReader, topics: Roles, twist_steering: str) -> list[Stream]:
    roles: dict[str, list[str]] = {}
    for field in dataclasses.fields(topics):
        if topic := getattr(topics, field.name):
            roles.setdefault(topic.name, []).append(field.name)
    seconds = reader.seconds
    streams = []
    for topic in reader.topics:
        played = tuple(roles.get(topic.name, ()))
        quantity = ""
        if "steering" in played:
            is_twist = topics.steering.kind in TWISTS and not topics.steering.field
            quantity = "curvature" if is_twist and twist_steering == "yaw_rate" else "angle"
        rate = mean_rate(topic.count, seconds)
        streams.append(Stream(topic.name, topic.kind, played, topic.count, rate, quantity))
    return streams


def _unreadable(message: BagMessage, role: str) -> Entry:
    expected = ", ".join(KINDS[role])
    problem = f"{message.topic}: type {message.kind} is not one of {expected}"
    return Entry(message.receive_ns, role, message.receive_ns, None, None, problem)


def _raw(decoded, bits: int) -> StoredPicture:
    return StoredPicture(
        decoded.data,
        True,
        decoded.encoding,
        decoded.height,
        decoded.width,
        decoded.step,
        decoded.is_bigendian,
        bits=bits,
    )


class _Video:
    """Entries of a stream of video: a packet's picture is decoded where its message is, since it
    depends on those before it."""

    def __init__(self, recording: RosbagRecording) -> None:
        from liquid_control.perception.video import VideoDecoder

        self.recording = recording
        self.decoder = VideoDecoder(recording._content.codec)
        self.topic, self.received_ns = "", 0

    def entries(self, message: BagMessage | None) -> Iterator[Entry]:
        """Of the pictures that this message completes, received with it; None after the last."""
        data = tag = None
        if message is not None:
            self.topic, self.received_ns, _, channel = message
            try:
                decoded = self.recording.reader.decode(message)
                own_ns = self.recording._own_ns("camera", decoded)
                tag, data = (own_ns, self.received_ns), decoded.data
            except _UNREADABLE as error:
                problem = f"{self.topic}: {error}"
                yield Entry(self.received_ns, "camera", self.received_ns, None, None, problem)
                return
        by_receipt = self.recording.settings.stamps == "receive"
        for (own_ns, came_ns), image in self.decoder.push(data, tag):
            stamp_ns = came_ns if by_receipt or own_ns is None else own_ns
            picture = None if image is None else StoredPicture.from_image(image)
            problem = "" if image is not None else f"{self.topic}: {_INCOMPLETE}"
            yield Entry(self.received_ns, "camera", stamp_ns, own_ns, picture, problem)
