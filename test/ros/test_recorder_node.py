"""The recorder as a separate process: the probe is camera, IMU, gate, shadow and operator."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mcap.reader import make_reader
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool, Trigger

from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.onboard.marks import read_marks
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.ros import conversions, images, qos
from liquid_control.ros.recorded_topics import DISAGREEMENT, STATE, VERDICT
from liquid_control.signals import Frame, ImuSample

IMAGE, INFO, INERTIAL = "camera/image_raw/compressed", "camera/camera_info", "imu/data"


def send(probe, picture, seconds: float) -> int:
    """Pictures at about 20 Hz, each with an IMU sample; returns how many."""
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        now = time.time_ns()
        message = images.compressed_message(picture, 80)
        message.header = conversions.header(now)
        probe.send(IMAGE, message, qos.CAMERA)
        sample = ImuSample(now, (0.0, 0.0, 0.1), (0.0, 0.0, 9.81))
        probe.send(INERTIAL, conversions.imu_message(sample, now, "imu_link"), qos.INERTIAL)
        count += 1
        probe.spin(0.05)
    return count


def gate(state: str, reason: str, driver: str = "policy") -> DiagnosticStatus:
    values = [KeyValue(key="reason", value=reason), KeyValue(key="driver", value=driver)]
    return DiagnosticStatus(name="safety gate state", message=state, values=values)


def state(probe) -> str:
    heard = probe.heard["recorder_node/state"]
    return heard[-1].message if heard else ""


@pytest.fixture
def recorder(start, probe, tmp_path):
    """`recorder(mode, ...)`: the process, once it is there; its states are heard."""

    def run(mode: str, **parameters):
        given = {"record__scope": mode, "record__folder": tmp_path, "record__keep_free": 0.0}
        given |= {"image_transport": "compressed"} | parameters
        process = start("recorder_node", **given)
        states = probe.heard.setdefault("recorder_node/state", [])
        probe.create_subscription(
            DiagnosticStatus, "recorder_node/state", states.append, qos.LATCHED
        )
        probe.until(lambda: state(probe), "the recorder")
        return process

    return run


def only(folder: Path) -> Path:
    [path] = [one for one in folder.iterdir() if one.is_dir()]
    return path


def test_events_of_gate_shadow_and_operator_are_recorded_with_what_led_to_them(
    recorder, probe, picture, tmp_path
):
    process = recorder("events", record__after=1.0)
    marks = probe.listen(DiagnosticArray, "recorder_node/marks")
    probe.send(INFO, CameraInfo(width=320, height=160, k=[200.0] + [0.0] * 8), qos.INERTIAL)
    for name, reason in (("disengaged", "not engaged yet"), ("engaging", "engage requested")):
        probe.send(STATE, gate(name, reason), qos.LATCHED)
        probe.spin(0.1)
    send(probe, picture, 0.5)
    probe.send(STATE, gate("engaged", "engaged"), qos.LATCHED)
    probe.send(VERDICT, DiagnosticStatus(message="angle_rate"))
    probe.send(VERDICT, DiagnosticStatus(message="angle_rate"))
    probe.send(DISAGREEMENT, DiagnosticStatus(message="the shadow steers apart"))
    send(probe, picture, 0.2)
    probe.send(STATE, gate("disengaged", "taken over"), qos.LATCHED)
    answer = probe.call(Trigger, "recorder_node/mark", Trigger.Request())
    assert answer.success
    probe.until(lambda: state(probe) == "waiting", "the end of the event")
    path = only(tmp_path)
    assert path.name.endswith("_engage")
    kinds = [(mark.kind, mark.reason) for mark in read_marks(path)]
    assert kinds == [
        ("engage", "engage requested"),
        ("gate", "angle_rate"),
        ("disagreement", "the shadow steers apart"),
        ("takeover", "engaged: taken over"),
        ("button", "operator"),
    ]
    assert [message.status[0].name for message, _ in marks] == [kind for kind, _ in kinds]
    with next(path.glob("*.mcap")).open("rb") as file:
        attached = {one.name: one.data for one in make_reader(file).iter_attachments()}
    calibration = yaml.safe_load(attached["calibration.yaml"])
    assert calibration["image_width"] == 320 and calibration["camera_matrix"]["data"][0] == 200.0
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_all_pictures_are_recorded_while_it_is_switched_on(recorder, probe, picture, tmp_path):
    process = recorder("continuous")
    send(probe, picture, 0.1)
    probe.until(lambda: state(probe) == "recording", "a message to record")
    stopped = probe.call(SetBool, "recorder_node/record", SetBool.Request(data=False))
    assert stopped.success
    probe.until(lambda: state(probe) == "off", "the end")
    first = only(tmp_path)
    again = probe.call(SetBool, "recorder_node/record", SetBool.Request(data=True))
    assert again.success
    count = send(probe, picture, 1.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    [second] = set(tmp_path.iterdir()) - {first}
    with open_recording(second) as recording:
        samples = [sample for _, sample in recording.samples()]
        assert not recording.damage
    for kind in (Frame, ImuSample):
        assert sum(isinstance(sample, kind) for sample in samples) == pytest.approx(count, abs=1)
    with BagReader(second) as reader:
        names = {topic.name for topic in reader.topics}
    assert {"/camera/image_raw/compressed", "/imu/data"} <= names
    assert probe.count("recorder_node", "messages_dropped") == 0


def test_raw_pictures_are_recorded_as_jpeg_and_broken_ones_as_they_are(
    recorder, probe, picture, shot, tmp_path
):
    process = recorder("continuous", image_transport="raw")
    stamps = [time.time_ns() + number for number in range(5)]
    for stamp in stamps:
        probe.send("camera/image_raw", shot(picture, stamp), qos.CAMERA)
        probe.spin(0.05)
    probe.send("camera/image_raw", shot(picture, encoding="not one"), qos.CAMERA)
    probe.spin(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    with BagReader(only(tmp_path)) as reader:
        jpegs = list(map(reader.decode, reader.messages(["/camera/image_raw/compressed"])))
        [broken] = map(reader.decode, reader.messages(["/camera/image_raw"]))
    assert broken.encoding == "not one"
    assert {conversions.stamp_ns(one.header.stamp) for one in jpegs} <= set(stamps)
    seen = images.image_from_compressed(jpegs[0])
    assert seen.shape == picture.shape and len(jpegs[0].data) < picture.size
    assert abs(seen.mean() - picture.mean()) < 5.0


def test_a_killed_recorder_leaves_all_but_the_last_second(recorder, probe, picture, tmp_path):
    process = recorder("continuous")
    send(probe, picture, 2.0)
    killed = time.time_ns()
    process.kill()
    process.wait(10)
    with open_recording(only(tmp_path)) as recording:
        assert recording.path.suffix == ".partial"
        received = [received_ns for received_ns, _ in recording.samples()]
    assert 0 < killed - received[-1] < 1e9 and received[-1] - received[0] > 0.7e9


def test_it_says_what_it_cannot_use_and_does_not_start(start, tmp_path):
    (tmp_path / "file").write_text("")
    process = start("recorder_node", record__folder=tmp_path / "file")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1 and "record.folder" in said and "Traceback" not in said
    process = start("recorder_node", record__folder=tmp_path, extra_topics="/tf")
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1 and "extra_topics: got '/tf'" in said
