"""Writes a rosbag2 as ROS tools do: a rosbag2 directory with one mcap file, real message types
and their definitions.

`ros2 bag info` and `ros2 bag play` of Humble and later, Foxglove and `reader` open it. Every
compressed chunk has a checksum.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import yaml

from liquid_control.config import VehicleConfig, check, choice, number
from liquid_control.control.vehicle import curvature
from liquid_control.errors import ConfigError, MissingDependencyError, RecordingError
from liquid_control.recordings.rosbag import messages
from liquid_control.signals import Action, Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.system.background_sync import BackgroundSync, names_to_disk
from liquid_control.system.files import write_atomically

VERSION = 8
"""Of metadata.yaml: the last one whose quality of service is a text of numbers, as Humble wants it;
later ROS reads it, too."""

CHUNK = 2**20
FLUSH_EVERY_NS = 1_000_000_000
"""The most that a killed recorder loses [ns]."""
DURABLE_EVERY_NS = 500_000_000
"""The same of a durable recording, and what a power cut loses."""

PARTIAL = ".partial"
"""Suffix of a directory whose recording is unfinished."""

CAMERA, CAMERA_INFO = "/camera/image_raw", "/camera/camera_info"
INERTIAL, ODOMETRY = "/imu/data", "/odom"
COMMAND, PROPOSAL = "/command", "/proposal"
GROUND_TRUTH, LANE_POSE = "/ground_truth", "/lane_pose"
GATE_STATE = "/safety_node/state"

RELIABLE = (COMMAND, PROPOSAL, GROUND_TRUTH, LANE_POSE, GATE_STATE)
"""Topics that are offered reliably; sensors are offered as best effort."""


@dataclasses.dataclass(frozen=True)
class BagSettings:
    """How drives are recorded."""

    pictures: str = choice(
        "jpeg", ("jpeg", "raw"), "pictures as CompressedImage, or as Image without loss"
    )
    quality: int = number(92, 1, 100, "", "JPEG quality")
    steering: str = choice(
        "twist_stamped", ("twist_stamped", "ackermann"), "message type of the recorded command"
    )
    compression: str = choice("zstd", ("zstd", "none"), "compression of the file's chunks")

    def __post_init__(self) -> None:
        check(self)


class BagWriter:
    """A context that writes `directory`.partial and renames it to `directory`, which must not exist
    yet, on a clean exit.

    After an exception the recording is closed and stays `.partial`, with the reason in its
    metadata. The recording of a killed process has no metadata.yaml and no index, and is readable
    up to its last second. `facts` are saved as custom_data. `vehicle`: its wheelbase converts
    steering angles to yaw rates. `durable`: a chunk ends at least every `DURABLE_EVERY_NS` of
    receipts, nothing of it is left in this process, and a thread gives it to the disk (fdatasync);
    else every `FLUSH_EVERY_NS`, and the kernel decides when it reaches the disk. `counts`: messages
    by topic.

    Raises RecordingError when `directory` or its partial one exists, MissingDependencyError
    without mcap. Each `write_*` takes a sample and when it was received [ns].
    """

    def __init__(
        self,
        directory: str | Path,
        settings: BagSettings | None = None,
        facts: Mapping[str, str] | None = None,
        vehicle: VehicleConfig | None = None,
        durable: bool = False,
    ) -> None:
        try:
            from mcap.writer import CompressionType, Writer
        except ImportError as error:
            raise MissingDependencyError(
                "mcap", "Install the bags extra: pip install 'liquid_control[bags]'"
            ) from error
        self.directory = Path(directory)
        self.settings, self.vehicle = settings or BagSettings(), vehicle or VehicleConfig()
        self.facts = {"recorder": "liquid_control", **(facts or {})}
        self.counts: dict[str, int] = {}
        self._flush_every_ns = DURABLE_EVERY_NS if durable else FLUSH_EVERY_NS
        self._channels: dict[str, tuple[int, str, str]] = {}  # topic: channel, type, hash
        self._schemas: dict[str, tuple[int, str]] = {}
        self._first = self._last = self._flushed = None
        partial = check_free(self.directory)
        partial.mkdir(parents=True)
        self._partial, self._name = partial, f"{self.directory.name}_0.mcap"
        self._file = open(partial / self._name, "xb")  # noqa: SIM115  closed on exit
        self._sync = BackgroundSync(self._file.fileno()) if durable else None
        if durable:
            names_to_disk(partial)
            names_to_disk(partial.parent)
        compression = (
            CompressionType.ZSTD if self.settings.compression == "zstd" else CompressionType.NONE
        )
        self._writer = Writer(self._file, chunk_size=CHUNK, compression=compression)
        self._writer.start(profile="ros2", library="liquid_control")
        self._writer.add_metadata("liquid_control", self.facts)

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon(f"{kind.__name__}: {error}".rstrip(": "))

    @property
    def partial(self) -> Path:
        """The directory while it is written, and afterwards if it was abandoned."""
        return self._partial

    @property
    def size(self) -> int:
        """Bytes of the file so far, without the chunk in progress."""
        return self._file.tell()

    def close(self) -> None:
        """Completes the recording and gives it its name."""
        self._close(self.facts)
        self._partial.rename(self.directory)
        if self._flush_every_ns == DURABLE_EVERY_NS:
            names_to_disk(self.directory.parent)

    def abandon(self, why: str) -> None:
        """Closes the recording as far as it can be written; it stays `.partial`. One without a
        message is deleted. Raises nothing of a disk that is full."""
        if not self.counts:  # nothing is lost by leaving no trace
            with contextlib.suppress(OSError):
                self._close_file()
            (self._partial / self._name).unlink()
            with contextlib.suppress(OSError):  # other files lie in it
                self._partial.rmdir()
            return
        try:
            self._close({**self.facts, "broken_off": why})
        except OSError:
            with contextlib.suppress(OSError):
                self._close_file()

    def write(self, topic: str, kind: str, data: bytes, receive_ns: int) -> None:
        """A serialised message. Raises RecordingError when the topic had another type before or the
        time cannot be written, MessageError for a type that is not known."""
        if not 0 <= receive_ns < 2**63:
            raise RecordingError(
                self._partial, f"{topic} was received at {receive_ns} ns", "Give 0 to 2**63 - 1."
            )
        if topic not in self._channels:
            self._channels[topic] = (self._register(topic, kind), kind, self._schemas[kind][1])
            self.counts[topic] = 0
        channel, known, _ = self._channels[topic]
        if known != kind:
            raise RecordingError(
                self._partial,
                f"{topic} is of type {known}, got {kind}",
                "Give each type its own topic.",
            )
        self._writer.add_message(channel, receive_ns, data, receive_ns)
        self.counts[topic] += 1
        self._first = receive_ns if self._first is None else min(self._first, receive_ns)
        self._last = receive_ns if self._last is None else max(self._last, receive_ns)
        if self._flushed is None or not 0 <= receive_ns - self._flushed < self._flush_every_ns:
            if self._flushed is not None:
                self.flush()
            self._flushed = receive_ns

    def flush(self) -> None:
        """Ends the chunk in progress: what was written can be read, whatever becomes of this
        process."""
        self._writer.flush()
        if self._sync is not None:
            self._sync.request()

    def attach(self, name: str, media_type: str, data: bytes, time_ns: int) -> None:
        """A file inside the recording, as of `time_ns`."""
        self._writer.add_attachment(time_ns, time_ns, name, media_type, data)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """A record of metadata, which the index names."""
        self._writer.add_metadata(name, dict(values))

    def write_frame(self, frame: Frame, receive_ns: int) -> None:
        if self.settings.pictures == "jpeg":
            self.write_jpeg(
                frame.stamp_ns, messages.jpeg(frame.image, self.settings.quality), receive_ns
            )
        else:
            self.write(CAMERA, messages.IMAGE, messages.image_message(frame), receive_ns)

    def write_jpeg(self, stamp_ns: int, data, receive_ns: int) -> None:
        """A picture that already is a JPEG file, (N,) uint8."""
        self.write(
            f"{CAMERA}/compressed",
            messages.COMPRESSED_IMAGE,
            messages.compressed_message(stamp_ns, data),
            receive_ns,
        )

    def write_camera_info(
        self, stamp_ns: int, height: int, width: int, focal: float, receive_ns: int
    ) -> None:
        """A pinhole camera; `focal` [px]."""
        self.write(
            CAMERA_INFO,
            messages.CAMERA_INFO,
            messages.camera_info_message(stamp_ns, height, width, focal),
            receive_ns,
        )

    def write_imu(self, sample: ImuSample, receive_ns: int) -> None:
        self.write(INERTIAL, messages.IMU, messages.imu_message(sample), receive_ns)

    def write_speed(self, sample: SpeedSample, receive_ns: int) -> None:
        """Odometry whose pose is marked as not measured."""
        self.write(
            ODOMETRY,
            messages.ODOMETRY,
            messages.odometry_message(sample.stamp_ns, "odom", None, sample.speed),
            receive_ns,
        )

    def write_steering(self, sample: SteeringSample, receive_ns: int) -> None:
        """The command to the vehicle. Raises ConfigError for a sample without speed: these message
        types need one."""
        if sample.speed is None:
            raise ConfigError(
                "SteeringSample.speed",
                None,
                "a speed [m/s]; TwistStamped and AckermannDriveStamped carry one",
            )
        if self.settings.steering == "ackermann":
            data = messages.ackermann_message(sample.stamp_ns, sample.steering_angle, sample.speed)
            return self.write(COMMAND, messages.ACKERMANN, data, receive_ns)
        data = messages.twist_message(
            sample.stamp_ns, curvature(sample.steering_angle, self.vehicle), sample.speed
        )
        return self.write(COMMAND, messages.TWIST, data, receive_ns)

    def write_proposal(self, action: Action, receive_ns: int) -> None:
        """What the policy proposed, as TwistStamped."""
        self.write(
            PROPOSAL,
            messages.TWIST,
            messages.twist_message(action.stamp_ns, action.curvature, action.speed),
            receive_ns,
        )

    def write_gate_state(self, state: str, driver: str, reason: str, receive_ns: int) -> None:
        """A state of the safety gate by its name, and whose proposals count (policy or hand)."""
        values = {"reason": reason, "driver": driver, "steady_ns": str(receive_ns)}
        data = messages.status_message(0, "safety gate state", state, values)
        self.write(GATE_STATE, messages.STATUS, data, receive_ns)

    def write_pose(
        self,
        topic: str,
        stamp_ns: int,
        frame_id: str,
        pose: tuple[float, float, float],
        speed: float,
        yaw_rate: float,
        receive_ns: int,
    ) -> None:
        """Where the vehicle truly is: pose (x [m], y [m], yaw [rad]), speed [m/s] and yaw rate
        [rad/s] on GROUND_TRUTH or LANE_POSE."""
        self.write(
            topic,
            messages.ODOMETRY,
            messages.odometry_message(stamp_ns, frame_id, pose, speed, yaw_rate),
            receive_ns,
        )

    def _register(self, topic: str, kind: str) -> int:
        if kind not in self._schemas:
            text, digest = messages.definition(kind)
            self._schemas[kind] = (
                self._writer.register_schema(kind, "ros2msg", text.encode()),
                digest,
            )
        schema, digest = self._schemas[kind]
        return self._writer.register_channel(
            topic,
            "cdr",
            schema,
            {"offered_qos_profiles": _offered(topic), "topic_type_hash": digest},
        )

    def _close(self, facts: Mapping[str, str]) -> None:
        self._writer.finish()
        self._close_file()
        text = _as_yaml({"rosbag2_bagfile_information": self._information(facts)})
        with write_atomically(self._partial / "metadata.yaml") as partial:
            partial.write_text(text, encoding="utf-8")

    def _close_file(self) -> None:
        sync, self._sync = self._sync, None
        with contextlib.closing(sync or contextlib.ExitStack()):
            self._file.close()

    def _information(self, facts: Mapping[str, str]) -> dict:
        count, begin = sum(self.counts.values()), self._first or 0
        span = {
            "duration": {"nanoseconds": (self._last or 0) - begin},
            "starting_time": {"nanoseconds_since_epoch": begin},
        }
        topics = [
            {
                "topic_metadata": {
                    "name": topic,
                    "type": kind,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": _offered(topic),
                    "type_description_hash": digest,
                },
                "message_count": self.counts[topic],
            }
            for topic, (_, kind, digest) in self._channels.items()
        ]
        return {
            "version": VERSION,
            "storage_identifier": "mcap",
            **span,
            "message_count": count,
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [self._name],
            "files": [{"path": self._name, **span, "message_count": count}],
            "custom_data": dict(facts),
            "ros_distro": "",
        }


def check_free(directory: Path) -> Path:
    """The directory in which the recording is written before it is renamed to `directory`. Raises
    RecordingError when one of both exists."""
    partial = directory.with_name(directory.name + PARTIAL)
    if directory.exists():
        raise RecordingError(
            directory,
            "exists already",
            "Name another directory for the recording, or delete this one.",
        )
    if partial.exists():
        raise RecordingError(
            partial,
            "is left of a recording that was broken off",
            "Rename it to keep it, or delete it.",
        )
    return partial


def _offered(topic: str) -> str:
    """The quality of service as rosbag2 writes it: keep last (1), reliable (1) or best effort (2),
    volatile (2), no other policies."""
    infinite = {"sec": 9223372036, "nsec": 854775807}
    profile = {
        "history": 1,
        "depth": 10,
        "reliability": 1 if topic in RELIABLE else 2,
        "durability": 2,
        "deadline": infinite,
        "lifespan": infinite,
        "liveliness": 1,
        "liveliness_lease_duration": infinite,
        "avoid_ros_namespace_conventions": False,
    }
    return _as_yaml([profile]).strip()


def _as_yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_NoAliases, sort_keys=False, allow_unicode=True)


class _NoAliases(yaml.SafeDumper):
    """Repeats what occurs twice: a recording's text for others shall need no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True
