"""Records the topics of a drive in memory, for a DriveLog, and into a rosbag2. Starts no
processes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, JointState

from liquid_control.config import VehicleConfig
from liquid_control.errors import ImageError
from liquid_control.evaluate.drive.log import (
    Commands,
    DriveLog,
    Neurons,
    Pictures,
    Proposals,
    Track,
    table,
)
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.ros import camera_topics, conversions, images, qos
from liquid_control.ros.health.messages import parts_in, statuses
from liquid_control.ros.health.part import complaints
from liquid_control.ros.node_processes import Children
from liquid_control.ros.ordered_mail import Letter, OrderedMail
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.signals import Limit

JPEG_QUALITY = 92
STATE = "safety_node/state"
UNRECORDED = ("/diagnostics", "/policy_node/neurons")
TOTALS = (
    "frames_sent",
    "frames_received",
    "frames_used",
    "runtime_failures",
    "inertial_rejected",
    "times_put_back",
)


class Recorder(Node):
    """Topics as in sim_node, policy_node and safety_node, steering as TwistStamped. `recording`
    switches recording on and off.

    With `bag`, the serialised messages are written to it in the order of their arrival; pictures
    are then the compressed ones. A message is written by the next `take`, when all messages that
    arrived before it have been received.
    """

    def __init__(
        self, vehicle: VehicleConfig, with_pictures: bool = True, bag: BagWriter | None = None
    ) -> None:
        super().__init__("drive_recorder")
        self.vehicle = vehicle
        self.recording = False
        self.latest: dict[str, object] = {}
        self.recent_latencies: deque[float] = deque(maxlen=100)
        self.complaints: dict[str, tuple[str, ...]] = {}  # of each node's check, while recording
        self.diagnostics: dict[
            str, tuple[float, dict[str, str]]
        ] = {}  # node: arrival on the steady clock, values
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="jpeg")
        self._pictures: list[tuple[int, Future]] = []
        self._proposals: list[tuple] = []
        self._commands: list[tuple] = []
        self._verdicts: dict[
            int, list[tuple[int, int]]
        ] = {}  # time of issue: frame stamp and limits of its commands in their order
        self._neurons: list[tuple] = []
        self._state_names: tuple[str, ...] = ()
        self._poses: dict[int, tuple] = {}
        self._lanes: dict[int, tuple] = {}
        self._bag = bag
        self._before: Letter | None = None  # the gate's state before the recording
        topics = [
            (TwistStamped, "proposal", self._on_proposal),
            (TwistStamped, "command", self._on_command),
            (DiagnosticStatus, "safety_node/verdict", self._on_verdict),
            (JointState, "policy_node/neurons", self._on_neurons),
            (Odometry, "ground_truth", self._on_pose),
            (Odometry, "lane_pose", self._on_lane),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics),
        ]
        if bag is not None:
            topics.append(
                (
                    CompressedImage,
                    camera_topics.transport_topic(self, "compressed"),
                    self._on_jpeg if with_pictures else _ignore,
                )
            )
            topics += [
                (CameraInfo, camera_topics.info_topic(self), _ignore),
                (Imu, "imu/data", _ignore),
                (Odometry, "odom", _ignore),
                (DiagnosticStatus, STATE, _ignore),
            ]
        elif with_pictures:
            topics.append((Image, camera_topics.RAW, self._on_picture))
        profile = qos.RECORDING if bag is None else qos.INERTIAL
        self._polled = [
            (
                self.resolve_topic_name(topic),
                PolledSubscription(self, kind, topic, qos.LATCHED if topic == STATE else profile),
            )
            for kind, topic, _ in topics
        ]
        self._hearers = {self.resolve_topic_name(topic): callback for _, topic, callback in topics}
        self._mail = OrderedMail(self._polled)

    def take(self) -> None:
        """Handles all received messages; to be called several times a second. Arrival times are
        those of the DDS transport, without the delay of this queue."""
        if self._bag is not None:
            return self._write(self._mail.take(self._hear))
        for topic, subscription in self._polled:
            for message, received in subscription.take():
                self._hearers[topic](message, received)

    def finish(self) -> None:
        """Writes the messages that are not written yet."""
        if self._bag is not None:
            self._write(self._mail.rest())

    def _hear(self, letter: Letter) -> bool:
        callback = self._hearers[letter.topic]
        if callback is not _ignore:
            callback(deserialize_message(letter.data, letter.kind), letter.receive_ns)
        if not self.recording and letter.topic.endswith(STATE):
            self._before = letter
        return self.recording and letter.topic not in UNRECORDED

    def _write(self, letters: list[Letter]) -> None:
        if letters and self._before is not None:
            first, self._before = self._before._replace(receive_ns=letters[0].receive_ns), None
            letters = [first, *letters]
        for letter in letters:
            self._bag.write(letter.topic, letter.type_name, letter.data, letter.receive_ns)

    def log(
        self, figures: Mapping[str, float], children: Children, facts: Mapping[str, str]
    ) -> DriveLog:
        """The recorded drive. `figures` are added to the counts that the nodes reported.
        `children`: the processes, which have ended."""
        self._encoder.shutdown(wait=True)
        pictures = [
            (stamp, encoded)
            for stamp, encoding in self._pictures
            if (encoded := encoding.result()) is not None
        ]
        both = [
            (stamp, *self._poses[stamp], *lane)
            for stamp, lane in self._lanes.items()
            if stamp in self._poses
        ]
        return DriveLog(
            table(Pictures, pictures),
            table(Proposals, self._proposals),
            table(Commands, self._judged_commands()),
            table(Neurons, self._neurons),
            table(Track, both),
            self.totals() | dict(figures),
            children.exit_codes,
            dict(facts),
            self.vehicle,
            died=tuple(children.died()),
            state_names=self._state_names,
        )

    def totals(self) -> dict[str, float]:
        """Counts from the nodes' latest diagnostics, without the gate's, which are counted from the
        recorded commands."""
        values = {
            name: value for _, node in self.diagnostics.values() for name, value in node.items()
        }
        return {
            name: float(value)
            for name, value in values.items()
            if name in TOTALS or name.startswith("rejected_")
        }

    def _judged_commands(self) -> list[tuple]:
        """Commands with stamp of the frame and limits: the k-th verdict about a time of issue
        belongs to its k-th command. One without a verdict, such as the last before a takeover,
        belongs to no frame."""
        rows, seen = [], {}
        for issued, angle, speed, received in self._commands:
            verdicts = self._verdicts.get(issued, [(0, 0)])
            k = seen[issued] = seen.get(issued, -1) + 1
            stamp, limits = verdicts[min(k, len(verdicts) - 1)]
            rows.append((stamp, issued, angle, speed, received, limits))
        return rows

    def _on_picture(self, message: Image, received: int) -> None:
        if self.recording:
            self._pictures.append(
                (conversions.stamp_ns(message.header.stamp), self._encoder.submit(_jpeg, message))
            )

    def _on_jpeg(self, message: CompressedImage, received: int) -> None:
        if self.recording:
            self._pictures.append(
                (
                    conversions.stamp_ns(message.header.stamp),
                    self._encoder.submit(bytes, message.data),
                )
            )

    def _on_proposal(self, message: TwistStamped, received: int) -> None:
        action = conversions.action_from_message(message, self.vehicle, received)
        if self.recording:
            self._proposals.append((action.stamp_ns, received, action.curvature, action.speed))

    def _on_command(self, message: TwistStamped, received: int) -> None:
        held = self.latest.get("steering_angle", 0.0)
        command = conversions.command_from_message(message, self.vehicle, received, held)
        self.latest["steering_angle"] = command.steering_angle
        if self.recording:
            self._commands.append(
                (command.issued_ns, command.steering_angle, command.speed, received)
            )

    def _on_verdict(self, message: DiagnosticStatus, received: int) -> None:
        """It is sent right behind its command, so that its arrival tells the command's age."""
        values = {pair.key: pair.value for pair in message.values}
        limits = sum(Limit[name.upper()].value for name in message.message.split(", ") if name)
        stamp = int(values["stamp_ns"])
        if self.latest.get("stamp_ns") != stamp:
            self.recent_latencies.append((received - stamp) / 1e9)
        self.latest |= {"gate": message.message or "open", "stamp_ns": stamp}
        if self.recording:
            self._verdicts.setdefault(int(values["issued_ns"]), []).append((stamp, limits))

    def _on_neurons(self, message: JointState, received: int) -> None:
        if self.recording:
            self._state_names = tuple(message.name)
            self._neurons.append(
                (conversions.stamp_ns(message.header.stamp), tuple(message.position))
            )

    def _on_pose(self, message: Odometry, received: int) -> None:
        place = message.pose.pose.position
        self.latest["speed"] = message.twist.twist.linear.x
        if self.recording:
            row = (
                received,
                place.x,
                place.y,
                conversions.yaw(message),
                message.twist.twist.linear.x,
            )
            self._poses[conversions.stamp_ns(message.header.stamp)] = row

    def _on_lane(self, message: Odometry, received: int) -> None:
        place = message.pose.pose.position
        bend = conversions.curvature_of(message.twist.twist, self.latest.get("road_curvature", 0.0))
        self.latest |= {"lane_offset": place.y, "road_curvature": bend}
        if self.recording:
            self._lanes[conversions.stamp_ns(message.header.stamp)] = (place.x, place.y, bend)

    def _on_diagnostics(self, message: DiagnosticArray, received: int) -> None:
        if self.recording:
            for status in statuses(message):
                self.complaints[status.name] = complaints(parts_in(status))
        for report in message.status:
            name = report.name.rsplit("/", 1)[-1]
            self.diagnostics[name] = (
                time.monotonic(),
                {pair.key: pair.value for pair in report.values},
            )


def _ignore(message: object, received: int) -> None:
    """For topics that are only written to the bag."""


def _jpeg(message: Image) -> bytes | None:
    """The picture as a JPEG file, None when the message is damaged."""
    try:
        picture = images.image_from_message(message)
    except ImageError:
        return None
    return cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )[1].tobytes()
