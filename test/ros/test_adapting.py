"""The adaptation in the policy node: what it hears of the gate, its file over a restart, the reset,
its topic; and one real node."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import types

import numpy as np
import pytest
from adaptation_rides import DT_NS, SPEED, VEHICLE, Winding
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from rclpy.time import Time
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger

from liquid_control.adaptation.adapter import Driver
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.errors import ConfigError
from liquid_control.model.signature import make_key
from liquid_control.ros import conversions, qos
from liquid_control.ros.adapting import Adapting
from liquid_control.ros.measurements import AngleInput
from liquid_control.signals import Observation


class LoneNode:
    """What the adaptation needs of its node, without DDS."""

    def __init__(self) -> None:
        self.sent, self.said, self.heard, self.timers, self.now_ns = [], [], {}, [], 0
        self.answer = None

    def create_lifecycle_publisher(self, kind, topic, profile):
        return self

    def create_service(self, kind, name, answer):
        self.answer = answer

    def create_subscription(self, kind, topic, callback, profile):
        self.heard[topic] = callback

    def create_timer(self, period, callback, clock):
        self.timers.append(callback)

    def destroy_lifecycle_publisher(self, *_) -> None:
        pass

    destroy_service = destroy_subscription = destroy_timer = destroy_lifecycle_publisher

    def publish(self, message) -> None:
        self.sent.append(message)

    def get_fully_qualified_name(self) -> str:
        return "/car/policy_node"

    def get_logger(self):
        return self

    def info(self, text: str, **_) -> None:
        self.said.append(text)

    warning = error = info

    def get_clock(self):
        return self

    def now(self) -> Time:
        return Time(nanoseconds=self.now_ns)


class Drive:
    """A node with an adaptation, and the vehicle that it drives: it turns less than commanded."""

    def __init__(self, file, mode: str = "gain", key: str = "", vehicle=VEHICLE) -> None:
        self.node, self.undo, self.active = (
            LoneNode(),
            contextlib.ExitStack(),
            contextlib.ExitStack(),
        )
        self.adapting, self.policy = Adapting(self.node), Winding()
        info = types.SimpleNamespace(files={"policy.onnx": "0" * 64})
        config = AdaptationConfig(mode, str(file), key)
        self.runtime = self.adapting.load(
            config, self.policy, info, vehicle, AngleInput(), self.undo
        )
        observer = types.SimpleNamespace(assumed=())
        controller = types.SimpleNamespace(observer=observer)
        self.adapting.activate(controller, self.active)

    def state(self, state: str, driver: str = "policy") -> None:
        values = [KeyValue(key="driver", value=driver), KeyValue(key="reason", value="")]
        self.node.heard["safety_node/state"](DiagnosticStatus(message=state, values=values))

    def frames(self, count: int, reached: float = 2.6 / 3.4) -> None:
        for _ in range(count):
            self.node.now_ns += DT_NS
            frame = self.node.now_ns // DT_NS
            self.policy.steer = 0.03 * np.sin(frame / 20)
            yaw = reached * getattr(self, "commanded", 0.0) * SPEED
            given = np.array([yaw, 0.0, SPEED], np.float32)
            action, _ = self.runtime.step(
                Observation(self.node.now_ns, None, given, 0.05, False), {}
            )
            self.commanded = float(action[0])
            angle = steering_angle(self.commanded, VEHICLE)
            verdict = {"issued_ns": str(self.node.now_ns), "steering_angle": repr(angle)}
            self.node.heard["safety_node/verdict"](
                DiagnosticStatus(values=[KeyValue(key=k, value=v) for k, v in verdict.items()])
            )

    def close(self) -> None:
        self.active.close()
        self.undo.close()


def test_off_is_the_runtime_itself_and_nothing_is_heard_or_said():
    node, policy = LoneNode(), Winding()
    adapting = Adapting(node)
    with contextlib.ExitStack() as undo:
        given = adapting.load(AdaptationConfig(), policy, None, VEHICLE, AngleInput(), undo)
        assert given is policy
        adapting.activate(None, undo)
        adapting.restart()
    assert adapting.values == {} and not node.heard and node.answer is None


def test_who_drives_follows_the_gate():
    drive = Drive("none", "both")
    for state, driver, expected in (
        ("engaging", "policy", Driver.POLICY),
        ("engaged", "policy", Driver.POLICY),
        ("degraded", "policy", Driver.NONE),
        ("engaged", "hand", Driver.PERSON),
        ("disengaged", "policy", Driver.PERSON),
        ("fault", "policy", Driver.NONE),
        ("words", "policy", Driver.NONE),
    ):
        drive.state(state, driver)
        assert drive.runtime.driver is expected
    drive.state("engaged")
    drive.node.heard["safety_node/verdict"](DiagnosticStatus())  # without a command
    drive.close()


def test_the_measured_angle_of_who_has_taken_over_is_a_label():
    drive = Drive("none", "output")
    drive.state("engaged")
    drive.frames(100)
    drive.state("disengaged")
    for _ in range(40):
        drive.node.heard["steering_angle"](Float64(data=0.05))
        drive.node.now_ns += DT_NS
        given = np.array([0.1, 0.0, SPEED], np.float32)
        drive.runtime.step(Observation(drive.node.now_ns, None, given, 0.05, False), {})
    assert drive.runtime.output.takeovers == 1 and drive.runtime.output.labels > 30
    drive.close()


def test_what_was_learnt_is_in_use_after_a_restart_on_the_topic_and_until_the_reset(tmp_path):
    file, key = tmp_path / "adaptation.json", tmp_path / "key"
    make_key(key)
    first = Drive(file, key=str(key))
    first.state("engaged")
    first.frames(5000)
    gain = first.runtime.gain
    assert gain.used and gain.gain == pytest.approx(2.6 / 3.4, abs=0.03)
    assert [m.message for m in first.node.sent][-1:] == ["in use: gain"], (
        "published when it changes"
    )
    assert first.adapting.values["adaptation gain used"] is True
    assert not file.exists()
    first.close()
    second = Drive(file, key=str(key))
    assert second.runtime.gain.gain == gain.gain and second.runtime.gain.used
    second.node.timers[0]()
    said = {pair.key: pair.value for pair in second.node.sent[-1].values}
    assert float(said["adaptation gain"]) == gain.gain and said["adaptation file"] == str(file)
    answer = second.node.answer(Trigger.Request(), Trigger.Response())
    assert answer.success and second.runtime.gain.factor == 1.0 and not file.exists()
    second.close()
    assert not file.exists(), "nothing was learnt since"


def test_a_file_of_another_vehicle_or_a_damaged_one_is_ignored_with_the_reason_and_kept(tmp_path):
    file = tmp_path / "adaptation.json"
    first = Drive(file)
    first.state("engaged")
    first.frames(5000)
    first.close()
    written = file.read_text()
    for content, vehicle, reason in (
        (written, VehicleConfig(wheelbase=3.4), "another vehicle"),
        (written[:200], VEHICLE, "not JSON"),
        (json.dumps({**json.loads(written), "sha256": "0"}), VEHICLE, "damaged"),
    ):
        file.write_text(content)
        drive = Drive(file, vehicle=vehicle)
        assert drive.runtime.gain.factor == 1.0 and sum(drive.runtime.gain.counts) == 0
        assert reason in drive.adapting.values["adaptation file"] and reason in drive.node.said[-1]
        drive.close()
        assert file.read_text() == content
    drive = Drive(file)
    drive.state("engaged")
    drive.frames(300)
    drive.close()
    assert file.with_suffix(".refused.json").read_text() == content and file.read_text() != content
    with pytest.raises(Exception, match="cannot be read"):
        Drive(file, key=str(tmp_path / "no_key"))


def test_a_folder_that_cannot_be_written_is_reported_and_driving_goes_on(tmp_path):
    (tmp_path / "file").touch()
    drive = Drive(tmp_path / "file" / "adaptation.json")
    drive.state("engaged")
    drive.frames(300)
    drive.active.close()
    assert "cannot be written" in drive.adapting.values["adaptation file"]
    assert sum(drive.runtime.gain.counts) > 0
    drive.close()


def test_a_policy_that_cannot_adapt_is_refused_with_the_reason():
    blind = Winding()
    blind.spec = dataclasses.replace(blind.spec, measurements=())
    with pytest.raises(ConfigError, match="yaw_rate and speed"), contextlib.ExitStack() as undo:
        Adapting(LoneNode()).load(
            AdaptationConfig("gain"), blind, None, VEHICLE, AngleInput(), undo
        )


def test_a_real_node_follows_the_real_gate_and_forgets_on_request(
    start, probe, model, picture, shot, tmp_path
):
    file = tmp_path / "adaptation.json"
    start("policy_node", model=model, adaptation__adapts="both", adaptation__state_file=file)
    start("safety_node")
    proposals = probe.listen(TwistStamped, "proposal")
    told = probe.listen(DiagnosticStatus, "policy_node/adaptation")

    def said(name: str) -> str:
        pairs = told[-1][0].values if told else ()
        return {pair.key: pair.value for pair in pairs}.get(name, "")

    def moment():
        message = conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, 8.0)
        probe.send("odom", message, qos.INERTIAL)
        return shot(np.roll(picture, len(proposals), axis=1))  # a moving vehicle's change

    def drives(driver: str) -> None:
        end = time.monotonic() + 20.0
        while said("adaptation driver") != driver:
            assert time.monotonic() < end, f"{driver} does not drive"
            probe.drive("camera/image_raw", moment, len(proposals) + 5, proposals)

    probe.send("takeover", Bool(data=False))
    drives("policy")
    probe.send("takeover", Bool(data=True))
    drives("person")
    assert said("adaptation") == "both" and said("adaptation takeovers") == "1"
    assert said("adaptation gain used") == "False" and said("adaptation file") == str(file)
    probe.until(lambda: "adaptation gain why" in probe.diagnostics["policy_node"], "diagnostics")
    answer = probe.call(Trigger, "policy_node/reset_adaptation", Trigger.Request())
    assert answer.success and "forgotten" in answer.message
    told.clear()
    drives("person")
    assert said("adaptation takeovers") == "0"
