"""The start-up check of the real nodes: what a stranger's sensors are like is named on /diagnostics
and in the log, and keeps a strict gate from engaging until it is right."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from std_msgs.msg import Float64

from liquid_control.ros import conversions, qos
from liquid_control.ros.health import live
from liquid_control.signals import ImuSample

BEHIND = 500_000_000


def test_a_strict_gate_engages_when_all_is_right(start, probe, model, picture, shot):
    gate = start("safety_node", strict=True)
    policy = start("policy_node", model=model)
    commands = probe.listen(TwistStamped, "command")
    pictures = itertools.cycle((picture, picture[::-1].copy()))
    stranger = probe.create_publisher(Float64, "enable", 1)

    def feed(seconds: float, late: int) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = time.time_ns()
            sample = ImuSample(0, (0.0, 0.0, 0.0), (0.0, 0.0, 9.81))
            probe.send("imu/data", conversions.imu_message(sample, now - late, "imu"), qos.INERTIAL)
            odometry = conversions.odometry_message(now, "odom", 0.0, 0.0, 0.0, 3.0)
            probe.send("odom", odometry, qos.INERTIAL)
            probe.send("camera/image_raw", shot(next(pictures), now), qos.CAMERA)
            probe.spin(0.04)

    def until(condition, late: int) -> None:
        end = time.monotonic() + 25.0
        while not condition():
            assert time.monotonic() < end, (probe.levels, late)
            feed(0.2, late)

    def said(node: str, words: str) -> bool:
        return words in probe.levels.get(node, (0, ""))[1]

    until(lambda: said("policy_node", "imu: stamps 0.5 s behind ours; no frame uses it"), BEHIND)
    assert probe.levels["policy_node"][0] == DiagnosticStatus.WARN[0]
    assert probe.diagnostics["policy_node"]["imu"].startswith("WARN: stamps 0.5 s behind ours")
    assert probe.diagnostics["policy_node"]["camera"] == "OK"
    until(lambda: said("safety_node", "imu: stamps 0.5 s behind ours; no frame uses it"), BEHIND)
    assert said("safety_node", "/probe publishes std_msgs/msg/Float64 on /enable, subscribed is")
    assert said("safety_node", "disengaged: ")
    assert probe.levels["safety_node"][0] >= DiagnosticStatus.WARN[0] and not commands
    feed(1.5, BEHIND)  # the table is logged within a second
    assert not commands
    probe.destroy_publisher(stranger)
    until(lambda: commands, late=0)
    assert said("policy_node", "driving") and probe.diagnostics["policy_node"]["imu"] == "OK"
    found, environment = {}, dict(os.environ)
    doctor = threading.Thread(target=lambda: found.update(live.listen(2.0)))
    doctor.start()
    feed(2.5, 0)
    doctor.join()
    assert dict(os.environ) == environment, "it would decide how later nodes of this process talk"
    parts = {part["name"]: part["level"] for node in found["nodes"] for part in node["parts"]}
    assert set(parts.values()) == {"OK"} and {"camera", "imu", "command", "vehicle"} <= set(parts)
    assert not found["missing"]
    for process in (gate, policy):
        process.terminate()
    table, _ = gate.communicate(timeout=10)
    assert "start-up check\npart" in table, table
    assert re.search(r"^policy imu +WARN +/imu/data ", table, re.MULTILINE), table
