"""Records a robot's drives: what is around events, or everything. Imports no PyTorch.

A plain node in a process of its own. The topics of the drive are taken serialised, 25 times a
second, and handed to a thread that writes (`recordings.onboard`): a slow or full disk is counted
and reported, and delays neither the subscriptions nor another node. Marks come from the gate's
state and verdicts, from the shadow and from the operator.
"""

from __future__ import annotations

import collections
import os
import sys
import threading
import time
from pathlib import Path

import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterEvent
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.recordings.onboard.backlog import Item
from liquid_control.recordings.onboard.marks import Mark
from liquid_control.recordings.onboard.recorder import OnboardRecorder, RecorderStatus
from liquid_control.recordings.onboard.settings import CONTINUOUS
from liquid_control.recordings.vehicle_file import NAME as VEHICLE_FILE
from liquid_control.ros import camera_topics, diagnostics, parameters, process, qos, undeclared
from liquid_control.ros.diagnostics import Report
from liquid_control.ros.gate_marks import GateMarks, Moment
from liquid_control.ros.jpeg_of_raw import JpegOfRaw
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.ordered_mail import Letter, OrderedMail
from liquid_control.ros.own_folder import own_folder
from liquid_control.ros.parameters_of_nodes import ParametersOfNodes
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.recorded_topics import (
    DISAGREEMENT,
    LATCHED,
    PARAMETER_EVENTS,
    STATE,
    VERDICT,
    recorded_topics,
)

TAKEN_EVERY = 0.04
"""The subscriptions are taken this often [s]."""
STATE_EVERY = 1.0
RECENT = 10.0
"""Losses are reported as a warning for so long [s]."""
OTHERS = ("policy_node", "safety_node")
"""Nodes whose parameters belong into a recording."""
VEHICLE = {"vehicle.wheelbase": "wheelbase", "vehicle.max_steering_angle": "largest_angle"}
"""Parameters of the vehicle, and their names in its file."""
END_WITHIN = 3.0
"""The thread that writes gets so long to end [s], less than a node gets."""
LARGEST_MODEL_FILE = 2**24

PARAMETERS = NODES["recorder_node"]


class RecorderNode(Node):
    """Raises ConfigError for parameters that break their bounds, MissingDependencyError for a type
    of message or a package of the bags extra that is not installed."""

    def __init__(self, **options) -> None:
        super().__init__("recorder_node", **options)
        self.settings, topics, speed, angle = parameters.declare_all(self, PARAMETERS)
        self._unknown = undeclared.refuse_undeclared(self, "recorder_node")
        self.folder = _folder(self.settings.folder)
        names = {name: self.resolve_topic_name(name) for name in LATCHED}
        marks = self.resolve_topic_name("~/marks")
        self.recorder = OnboardRecorder(
            self.settings, self.folder, names.values(), marks, {"made_by": "recorder_node"}
        )
        recorded = recorded_topics(self, topics, speed, angle)
        self._mail = OrderedMail(
            [
                (topic.name, PolledSubscription(self, topic.kind, topic.name, topic.profile))
                for topic in recorded
            ]
        )
        self._marks, self._gate = (
            self.create_publisher(DiagnosticArray, marks, qos.STATUS),
            GateMarks(),
        )
        self._hearers = {
            self.resolve_topic_name(STATE): self._on_state,
            self.resolve_topic_name(VERDICT): self._on_verdict,
            self.resolve_topic_name(DISAGREEMENT): self._on_disagreement,
            PARAMETER_EVENTS: self._on_parameters,
            camera_topics.info_topic(self): self._on_camera_info,
        }
        self._states = self.create_publisher(DiagnosticStatus, "~/state", qos.LATCHED)
        self._published: tuple[str, str, int] | None = None
        self._published_at = self._lost_at = float("-inf")
        self._losses = 0
        self._unread: collections.Counter[str] = collections.Counter()
        self._camera_info = b""
        raw = topics.image_transport == "raw" and topics.jpeg_quality
        self._jpeg = JpegOfRaw(self, topics.jpeg_quality) if raw else None
        self._others = ParametersOfNodes(self, OTHERS, self._attach_parameters)
        self.create_service(SetBool, "~/record", self._on_record)
        self.create_service(Trigger, "~/mark", self._on_mark)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(TAKEN_EVERY, self._take, clock=steady)
        self.create_timer(2.0, self._others.ask, clock=steady)
        diagnostics.publish(self, self._report)
        self._writing = threading.Thread(target=self.recorder.run, name="recorder", daemon=True)
        self._writing.start()
        self.get_logger().info(f"{self.settings.scope}, {len(recorded)} topics, to {self.folder}")

    def destroy_node(self) -> None:
        self._hand_over(self._mail.rest())
        self.recorder.end()
        self._writing.join(END_WITHIN)
        super().destroy_node()

    def _take(self) -> None:
        self._hand_over(self._mail.take(self._hear))
        status, now = self.recorder.status(), time.monotonic()
        shown = status.state, status.recording, status.marks
        if shown != self._published or now - self._published_at >= STATE_EVERY:
            self._publish_state(status)
            self._published, self._published_at = shown, now

    def _hand_over(self, letters: list[Letter]) -> None:
        at_ns = time.monotonic_ns()
        if self._jpeg is not None:
            letters = [self._jpeg.of(letter) for letter in letters]
        self.recorder.put(
            Item(at_ns, letter.receive_ns, letter.topic, letter.type_name, letter.data)
            for letter in letters
        )

    def _hear(self, letter: Letter) -> bool:
        hearer = self._hearers.get(letter.topic)
        if hearer is not None:
            try:
                hearer(letter)
            except Exception as error:  # noqa: BLE001  it is recorded, whatever is in it
                self._unread[letter.topic] += 1
                self.get_logger().warning(f"{letter.topic}: {error}", throttle_duration_sec=10.0)
        return True

    def _on_state(self, letter: Letter) -> None:
        self._mark(self._gate.on_state(deserialize_message(letter.data, letter.kind)))

    def _on_verdict(self, letter: Letter) -> None:
        self._mark(self._gate.on_verdict(deserialize_message(letter.data, letter.kind)))

    def _on_disagreement(self, letter: Letter) -> None:
        self._mark(self._gate.on_disagreement(deserialize_message(letter.data, letter.kind)))

    def _on_parameters(self, letter: Letter) -> None:
        self._others.ask(deserialize_message(letter.data, ParameterEvent).node)

    def _on_camera_info(self, letter: Letter) -> None:
        if letter.data[12:] == self._camera_info:  # behind encapsulation and stamp
            return
        self._camera_info = letter.data[12:]
        info = deserialize_message(letter.data, CameraInfo)
        self._attach("calibration.yaml", _calibration(info))

    def _mark(self, moment: Moment | None) -> Mark | None:
        if moment is None:
            return None
        mark = self.recorder.mark(moment.kind, moment.reason)
        self._marks.publish(mark.message())
        self.get_logger().info(f"mark: {mark.kind}: {mark.reason}")
        return mark

    def _on_mark(self, _, response: Trigger.Response) -> Trigger.Response:
        self._mark(Moment("button", "operator"))
        response.success, response.message = True, "marked"
        return response

    def _on_record(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.recorder.record(request.data)
        status = self.recorder.status()
        response.success = not (request.data and status.problem)
        after = "the recording ends" if self.settings.scope == CONTINUOUS else "marks still record"
        response.message = status.problem or ("recording" if request.data else after)
        return response

    def _attach_parameters(self) -> None:
        """The parameters of the nodes as a parameter file, the vehicle that they say, and the
        model."""
        known = self._others.values
        values = {name: {"ros__parameters": given} for name, given in known.items()}
        self._attach("parameters.yaml", values)
        for given in known.values():
            if VEHICLE.keys() <= given.keys():
                vehicle = {name: given[parameter] for parameter, name in VEHICLE.items()}
                self._attach(VEHICLE_FILE, vehicle)
            if "model" in given:
                self._attach_model(str(given["model"]))

    def _attach_model(self, name: str) -> None:
        try:
            file = find_model(name) / "model.json"
            if file.stat().st_size > LARGEST_MODEL_FILE:
                raise OSError(f"more than {LARGEST_MODEL_FILE} bytes")
            data = file.read_bytes()
        except (ModelFileError, OSError) as error:
            self.get_logger().warning(f"model.json is not in the recording: {error}")
            return
        self.recorder.attach("model.json", "application/json", data)

    def _attach(self, name: str, values: object) -> None:
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        self.recorder.attach(name, "application/yaml", text.encode())

    def _publish_state(self, status: RecorderStatus) -> None:
        """On ~/state, latched: what is recorded now."""
        level = diagnostics.ERROR if status.problem else diagnostics.OK
        values = {
            "mode": self.settings.scope,
            "recording": status.recording,
            "seconds": round(status.seconds, 1),
            "marks": status.marks,
            "problem": status.problem,
            "folder": str(self.folder),
        }
        self._states.publish(
            diagnostics.status("recorder state", "liquid_control", level, status.state, values)
        )

    def _report(self) -> Report:
        status, now = self.recorder.status(), time.monotonic()
        lost = self._mail.lost
        losses = status.dropped + lost.total()
        if losses > self._losses:
            self._lost_at, self._losses = now, losses
        values = {
            "state": status.state,
            "recording": status.recording,
            "recordings": status.recordings,
            "marks": status.marks,
            "messages_written": status.written,
            "messages_dropped": status.dropped,
            "messages_lost": lost.total(),
            "waiting [s]": status.waiting_s,
            "waiting [MB]": status.waiting_mb,
            "ring_shortened": status.shortened,
            "disk_errors": status.disk_errors,
            "disk free [GB]": self.recorder.folder.disk_free() / 1e9,
            "deleted": status.deleted,
            "deleted_with_marks": status.deleted_marked,
        }
        if self._jpeg is not None:
            values["pictures_left_raw"] = self._jpeg.refused
        values |= {f"unread {topic}": count for topic, count in self._unread.items()}
        values |= {f"lost {topic}": count for topic, count in lost.items()}
        values |= {f"dropped {topic}": n for topic, n in self.recorder.backlog.dropped.items()}
        values |= {f"not recorded {topic}": why for topic, why in self.recorder.refused.items()}
        if status.problem:
            return Report(diagnostics.ERROR, f"not recording: {status.problem}", values)
        if now - self._lost_at < RECENT:
            return Report(diagnostics.WARN, f"{status.state}; messages were lost", values)
        if self.recorder.refused or self._unknown:
            what = "some topics cannot be recorded" if self.recorder.refused else self._unknown[0]
            return Report(diagnostics.WARN, f"{status.state}; {what}", values)
        return Report(diagnostics.OK, status.state, values)


def _folder(given: str) -> Path:
    """The folder of the recordings. Raises ConfigError where there is none to be had."""
    try:
        folder = Path(given).expanduser() if given else own_folder(os.environ) / "recordings"
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    except (OSError, RuntimeError) as error:
        what = error.strerror if isinstance(error, OSError) else "no home directory"
        raise ConfigError("record.folder", given, f"a folder that can be made ({what})") from error


def _calibration(info: CameraInfo) -> dict:
    """A CameraInfo as camera_calibration writes it."""

    def matrix(rows: int, values) -> dict:
        data = [float(value) for value in values]
        return {"rows": rows, "cols": len(data) // rows, "data": data}

    return {
        "image_width": info.width,
        "image_height": info.height,
        "camera_name": info.header.frame_id,
        "camera_matrix": matrix(3, info.k),
        "distortion_model": info.distortion_model,
        "distortion_coefficients": matrix(1, info.d),
        "rectification_matrix": matrix(3, info.r),
        "projection_matrix": matrix(3, info.p),
    }


def main() -> int:
    return process.run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
