"""The policy node as a separate process: its start, its lifecycle, its clock, its end."""

from __future__ import annotations

import array
import json
import math
import shutil
import signal
import time

import cv2
import pytest
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, JointState

from liquid_control.deploy.c99.library import COMPILERS
from liquid_control.ros import conversions, qos

CAMERA = "camera/image_raw"


def test_compressed_pictures_drive_too(start, probe, model, picture):
    start("policy_node", model=model, image_transport="compressed")
    proposals, topic = probe.listen(TwistStamped, "proposal"), f"{CAMERA}/compressed"
    data = array.array("B", cv2.imencode(".jpg", picture)[1].tobytes())

    def make(data=data):
        return CompressedImage(header=conversions.header(time.time_ns()), format="jpeg", data=data)

    probe.drive(topic, make, 3, proposals)
    probe.send(topic, make(data[:200]), qos.CAMERA)
    probe.until(
        lambda: probe.count("policy_node", "rejected_data") == 1,
        "the truncated picture to be counted",
    )
    probe.drive(topic, make, len(proposals) + 1, proposals)


def test_the_policy_starts_anew_when_the_clock_is_set_back(start, probe, model, picture, shot):
    start("policy_node", model=model, publish_neurons=True, use_sim_time=True)
    proposals, neurons = (
        probe.listen(TwistStamped, "proposal"),
        probe.listen(JointState, "policy_node/neurons"),
    )

    def states(first_stamp):
        stamp = [first_stamp]

        def make():
            stamp[0] += 50_000_000
            probe.send("/clock", Clock(clock=conversions.time_message(stamp[0])))
            probe.spin(0.05)
            return shot(picture, stamp[0])

        def synchronised():
            probe.send("/clock", Clock(clock=conversions.time_message(first_stamp)))
            return probe.clocks.get("policy_node") == first_stamp

        probe.until(synchronised, "the node to take the time from /clock")
        before = len(neurons)
        probe.drive(CAMERA, make, len(proposals) + 3, proposals)
        probe.until(lambda: len(neurons) >= before + 3, "neurons")
        return [list(message.position) for message, _ in neurons[before : before + 2]]

    first, second = states(1000 * 10**9)
    assert first != second
    assert states(990 * 10**9) == [first, second], "state of the time before the jump is left"


def test_lifecycle(start, probe, model, picture, shot):
    start("policy_node", model=model, autostart=False)
    proposals = probe.listen(TwistStamped, "proposal")

    def ask(transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return probe.call(ChangeState, "policy_node/change_state", request).success

    assert not ask(Transition.TRANSITION_ACTIVATE), "not configured yet"
    assert ask(Transition.TRANSITION_CONFIGURE)
    assert ask(Transition.TRANSITION_ACTIVATE)
    probe.drive(CAMERA, lambda: shot(picture), 2, proposals)
    assert ask(Transition.TRANSITION_DEACTIVATE)
    probe.spin(0.1)
    before = len(proposals)
    for _ in range(5):
        probe._out[CAMERA].publish(shot(picture))
        probe.spin(0.03)
    assert len(proposals) == before, "a deactivated policy is silent"
    assert ask(Transition.TRANSITION_ACTIVATE)
    probe.drive(CAMERA, lambda: shot(picture), before + 2, proposals)
    assert ask(Transition.TRANSITION_ACTIVE_SHUTDOWN)


def test_a_policy_that_cannot_start_says_why(start, model, tmp_path):
    tampered, foreign = tmp_path / "tampered", tmp_path / "foreign"
    shutil.copytree(model, tampered)
    graph = bytearray((tampered / "policy.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (tampered / "policy.onnx").write_bytes(graph)
    shutil.copytree(model, foreign)
    values = json.loads((foreign / "model.json").read_text())
    (foreign / "model.json").write_text(json.dumps(values | {"format": "liquid_control/99"}))
    processes = {
        "no such model directory": start("policy_node", model=tmp_path / "nowhere"),
        "does not match its hash": start("policy_node", model=tampered),
        "this release reads 'liquid_control/1'": start("policy_node", model=foreign),
        "CruiseConfig.speed: got nan, expected 0.0 to 100.0 m/s": start(
            "policy_node", model=model, speed=".nan"
        ),
        "TimelineConfig.max_gap: got -1.0": start(
            "policy_node", model=model, timeline__max_gap="-1.0"
        ),
        "VehicleConfig.wheelbase: got 'long'": start(
            "policy_node", model=model, vehicle__wheelbase="long"
        ),
    }
    for words, process in processes.items():
        said, _ = process.communicate(timeout=30)
        assert words in said and "Traceback" not in said
        assert process.returncode == 1


@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler")
def test_the_c_code_of_a_policy_drives_too(
    start, probe, model, picture, shot, libraries, tmp_path, monkeypatch
):
    """Without ONNX Runtime in the process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    policy = start("policy_node", model=model, backend="native")
    proposals = probe.listen(TwistStamped, "proposal")
    probe.drive("camera/image_raw", lambda: shot(picture), 3, proposals)
    assert all(math.isfinite(message.twist.angular.z) for message, _ in proposals)
    mapped = libraries(policy)
    assert "liquid_control/native/" in mapped and "onnxruntime" not in mapped


def test_it_does_not_end_when_configuring_fails(start, probe, tmp_path):
    process = start("policy_node", model=tmp_path / "nowhere", autostart=False)
    for _ in range(2):
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        assert not probe.call(ChangeState, "policy_node/change_state", request).success
    assert process.poll() is None


def test_every_node_ends_quietly_on_a_signal(start, probe, model):
    nodes = [
        start("policy_node", model=model),
        start("safety_node"),
        start("sim_node", world__length=100.0, world__trees=0),
    ]
    probe.until(
        lambda: len(probe.diagnostics) == 3 and probe.count("sim_node", "frames_sent") > 0,
        "all nodes",
    )
    for process, number in zip(nodes, (signal.SIGINT, signal.SIGTERM, signal.SIGINT), strict=True):
        process.send_signal(
            number
        )  # one after the other: where nodes leave in one moment, Fast DDS may hang
        said, _ = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "Traceback" not in said and "rror" not in said, said
