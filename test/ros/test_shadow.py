"""A candidate in the policy node as a separate process: what is on its topics, and that the policy
that drives goes on without it."""

from __future__ import annotations

import contextlib
import json
import math
import types

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.time import Time

from liquid_control.config import TimelineConfig, VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.spare_time import SpareTime
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.ros import conversions
from liquid_control.ros.node_parameters import CruiseConfig, PolicyNodeConfig, ShadowConfig
from liquid_control.ros.shadow import ShadowPolicy
from liquid_control.signals import Frame

CAMERA = "camera/image_raw"


@pytest.fixture(scope="module")
def candidate(model):
    """Another model than the one that drives, where there is one."""
    try:
        return find_model("lane_keeper_cfc").resolve()
    except ModelFileError:
        return model


def test_the_candidate_proposes_on_a_topic_of_its_own_that_the_gate_does_not_hear(
    start, probe, model, candidate, picture, shot
):
    start("policy_node", model=model, shadow_model=candidate, shadow_bound=0.0001, shadow_time=0.2)
    start("safety_node")
    proposals = probe.listen(TwistStamped, "proposal")
    shadows = probe.listen(TwistStamped, "shadow/proposal")
    events = probe.listen(DiagnosticStatus, "shadow/disagreement")
    probe.until(lambda: probe.count_publishers("proposal") > 0, "the policy")
    stamps = probe.drive(CAMERA, lambda: shot(picture), 20, proposals)
    stamps += probe.drive(CAMERA, lambda: shot(picture), 20, shadows)
    driven, shadowed = (
        {conversions.stamp_ns(message.header.stamp): message.twist for message, _ in heard}
        for heard in (proposals, shadows)
    )
    assert set(shadowed) <= set(driven) <= set(stamps)
    assert len(shadowed) > 0.5 * len(driven)
    assert all(math.isfinite(twist.angular.z) for twist in shadowed.values())
    probe.until(lambda: probe.count("policy_node", "shadow_frames_used") >= 20, "its diagnostics")
    said = probe.diagnostics["policy_node"]
    assert said["shadow"] == str(candidate) and said["shadow_failures"] == "0"
    assert float(said["shadow to policy rms [rad]"]) >= 0.0
    names = {info.node_name for info in probe.get_subscriptions_info_by_topic("shadow/proposal")}
    assert names == {"probe"}, "the gate does not hear it"
    if candidate != model:
        probe.until(lambda: events, "a disagreement")
        event = {pair.key: float(pair.value) for pair in events[0][0].values}
        assert event["seconds"] >= 0.2 and abs(event["largest_difference"]) > 0.0001
        assert {event["stamp_ns"], event["since_ns"]} <= set(map(float, stamps))


class LoneNode:
    """What a shadow needs of its node, without DDS; its publishers fail when they are told to."""

    def __init__(self) -> None:
        self.fails, self.sent, self.said, self.now_ns = False, [], [], 0

    def create_lifecycle_publisher(self, kind, topic, profile):
        return self

    def destroy_lifecycle_publisher(self, publisher) -> None:
        pass

    def publish(self, message) -> None:
        if self.fails:
            raise RuntimeError("no context")
        self.sent.append(message)

    def get_logger(self):
        return self

    def info(self, text: str) -> None:
        pass

    def error(self, text: str, **_) -> None:
        self.said.append(text)

    def get_clock(self):
        return self

    def now(self) -> Time:
        return Time(nanoseconds=self.now_ns)


def test_an_exception_and_a_slow_candidate_do_not_touch_the_policy(
    model, candidate, picture, monkeypatch
):
    stopped = types.SimpleNamespace(monotonic=lambda: 0.0)  # no step takes any time
    monkeypatch.setattr("liquid_control.ros.shadow.time", stopped)

    def drive(node, shadow_model: str, slow: float = 0.0):
        driving = Controller(OnnxRuntime.load(model), speed=10.0)
        shadow = ShadowPolicy(node, driving)
        config = ShadowConfig(shadow_model=shadow_model), PolicyNodeConfig(), TimelineConfig()
        with contextlib.ExitStack() as undo:
            shadow.load(*config, VehicleConfig(), CruiseConfig(), undo)
            if slow:
                shadow._time = SpareTime()
                shadow._time.took(slow)
            actions = []
            for i in range(40):
                node.fails = node.failing and 10 <= i < 20
                stamp = node.now_ns = i * 200_000_000
                actions.append(driving.push(Frame(stamp, picture)))
                shadow.follow(actions[-1], picture, stamp)
            return actions, shadow.values

    node = LoneNode()
    node.failing = True
    alone, none = drive(node, "")
    assert none == {} and not node.sent
    failing, said = drive(node, str(candidate))
    assert failing == alone
    assert said["shadow_failures"] == 10 and said["shadow_frames_used"] == 40
    assert len(node.sent) >= 30 and "RuntimeError: no context" in node.said[0]
    node.failing = False
    slow, said = drive(node, str(candidate), slow=1e6)
    assert slow == alone
    assert (said["shadow_frames_used"], said["shadow_frames_skipped"]) == (0, 40)


def test_a_candidate_that_cannot_be_loaded_is_named_and_the_policy_drives(
    start, probe, model, picture, shot, tmp_path
):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.json").write_text(json.dumps({"format": "liquid_control/99"}))
    process = start("policy_node", model=model, shadow_model=broken)
    proposals = probe.listen(TwistStamped, "proposal")
    probe.drive(CAMERA, lambda: shot(picture), 3, proposals)
    probe.until(
        lambda: "no shadow: " in probe.diagnostics.get("policy_node", {}).get("shadow", ""),
        "the reason",
    )
    state = probe.call(GetState, "policy_node/get_state", GetState.Request()).current_state.id
    assert state == State.PRIMARY_STATE_ACTIVE and process.poll() is None
