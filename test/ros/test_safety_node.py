"""The safety node as a separate process: the probe is the policy, correct, silent or erratic."""

from __future__ import annotations

import itertools
import math
import signal
import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Bool, Float64
from std_srvs.srv import Trigger

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.ros import conversions, qos
from liquid_control.signals import Action, Command

VEHICLE, LIMITS = VehicleConfig(), GateConfig()
ERROR = b"\2"


@pytest.fixture(scope="module")
def safety(start_for_all):
    return start_for_all("safety_node")


@pytest.fixture(scope="module")
def probe(safety, probe_for_all):
    probe_for_all.listen(DiagnosticStatus, "safety_node/verdict")
    probe_for_all.listen(TwistStamped, "command")
    states = probe_for_all.heard.setdefault("safety_node/state", [])
    probe_for_all.create_subscription(
        DiagnosticStatus,
        "safety_node/state",
        lambda message: states.append((message, 0)),
        qos.LATCHED,
    )
    probe_for_all.until(lambda: "safety_node" in probe_for_all.diagnostics, "the safety node")
    return probe_for_all


@pytest.fixture
def verdicts(probe):
    kept = probe.heard["safety_node/verdict"]
    kept.clear()
    return kept


def propose(
    probe,
    curvature: float,
    speed: float,
    stamp: int | None = None,
    measured: float | None = 8.0,
    angle: float | None = None,
) -> int:
    stamp = time.time_ns() if stamp is None else stamp
    if measured is not None:
        probe.send(
            "odom",
            conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, measured),
            qos.INERTIAL,
        )
    if angle is not None:
        probe.send("steering_angle", Float64(data=angle), qos.INERTIAL)
    probe.send(
        "proposal",
        conversions.action_message(Action(stamp, curvature, speed), TwistStamped, VEHICLE),
    )
    return stamp


def state(probe) -> tuple[str, str]:
    """The latest state of the gate and the reason for it."""
    heard = probe.heard["safety_node/state"]
    return (heard[-1][0].message, heard[-1][0].values[0].value) if heard else ("", "")


def engage(probe, curvature: float = 0.007, speed: float = 8.0, patience: float = 15.0) -> int:
    """Proposes what is good until the gate lets all of it through, its soft start over and its
    speed reached."""
    end = time.monotonic() + patience
    verdicts = probe.heard["safety_node/verdict"]
    while state(probe)[0] != "engaged" or not verdicts or verdicts[-1][0].message:
        stamp = drive(probe, 0.1, curvature, speed)
        assert time.monotonic() < end, f"not engaged: {state(probe)}"
    return stamp


def drive(probe, seconds: float, curvature: float = 0.01, speed: float = 8.0, **more) -> int:
    end, stamp = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        stamp = propose(probe, curvature, speed, **more)
        probe.spin(0.04)
    return stamp


def commands(verdicts) -> list[Command]:
    """The commands that the verdicts speak of, to the last digit."""
    values = [{pair.key: pair.value for pair in message.values} for message, _ in verdicts]
    return [
        Command(
            int(v["stamp_ns"]), int(v["issued_ns"]), float(v["steering_angle"]), float(v["speed"])
        )
        for v in values
    ]


def test_it_keeps_silent_until_engaged_then_lets_good_proposals_through(
    safety, verdicts, probe, libraries
):
    heard = probe.heard["command"]
    probe.spin(0.3)
    assert not heard, "it was not engaged"
    drive(probe, 0.5)
    assert not heard, "inputs have not been healthy for long enough"
    engage(probe, 0.01)
    stamp = propose(probe, 0.01, 8.0)
    probe.until(
        lambda: any(command.stamp_ns == stamp for command in commands(verdicts)),
        "the command of the last proposal",
    )
    last = next(command for command in commands(verdicts) if command.stamp_ns == stamp)
    assert last.steering_angle == pytest.approx(math.atan(2.6 * 0.01), abs=1e-9)
    assert last.speed == pytest.approx(8.0, abs=1e-9)
    issued = last.issued_ns
    probe.until(
        lambda: any(conversions.stamp_ns(message.header.stamp) == issued for message, _ in heard),
        "the command itself, stamped with its time of issue",
    )
    assert any(message.level == b"\0" and message.message == "" for message, _ in verdicts)
    same = [message for message, _ in heard if conversions.stamp_ns(message.header.stamp) == issued]
    sent = conversions.command_from_message(same[0], VEHICLE, 0)
    assert (sent.steering_angle, sent.speed) == (
        pytest.approx(last.steering_angle, abs=1e-9),
        last.speed,
    )
    mapped = libraries(safety)
    assert not any(name in mapped for name in ("torch", "onnxruntime", "cv2", "mujoco"))


def test_silence_takes_the_speed_away_and_holds_the_angle(verdicts, probe):
    engage(probe)
    last = drive(
        probe, 0.3, curvature=0.007
    )  # a bend that is bearable at any speed, should a busy machine hold the odometry up
    while commands(verdicts)[-1].speed > 0.0:  # the policy is gone, the odometry is not
        probe.send(
            "odom",
            conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, 8.0),
            qos.INERTIAL,
        )
        probe.spin(0.1)
        assert time.time_ns() - last < 10 * 10**9, (
            state(probe),
            commands(verdicts)[-3:],
            len(verdicts),
            verdicts[-1][0],
        )
    for message, arrival in probe.heard["command"][-5:]:
        age = (arrival - conversions.stamp_ns(message.header.stamp)) / 1e9
        assert age < 0.5 < (arrival - last) / 1e9, "the stamp is of now, not of the last frame"
    issued = commands(verdicts)
    first = next(
        i for i, command in enumerate(issued) if command.stamp_ns == last and command.speed < 8.0
    )
    assert issued[first].issued_ns - last < 300_000_000, (
        "from the stamp of the last frame to the first command that takes speed away"
    )
    assert all(
        later.speed <= earlier.speed for earlier, later in itertools.pairwise(issued[first:])
    )
    assert {command.steering_angle for command in issued[first:]} == {
        issued[first - 1].steering_angle
    }
    stopped = next(command for command in issued[first:] if command.speed == 0.0)
    elapsed = (stopped.issued_ns - issued[first - 1].issued_ns) / 1e9
    assert elapsed == pytest.approx(8.0 / LIMITS.deceleration, rel=0.2)


@pytest.mark.parametrize(
    "proposal, limit",
    [
        ({"curvature": math.nan, "speed": 8.0}, "not_finite"),
        ({"curvature": 0.01, "speed": math.inf}, "not_finite"),
        ({"curvature": 0.01, "speed": 8.0, "stamp": 1}, "stale"),
        ({"curvature": 0.01, "speed": 8.0, "stamp": 2**31 * 10**9 - 1}, "future"),
    ],
)
def test_mad_proposals_stop_it_and_never_break_a_limit(verdicts, probe, proposal, limit):
    engage(probe)
    verdicts.clear()
    drive(probe, 0.4, **proposal)
    probe.until(lambda: any(limit in message.message for message, _ in verdicts), limit)
    slowed = commands(verdicts)
    assert slowed[-1].speed < 8.0
    assert all(
        math.isfinite(c.steering_angle)
        and math.isfinite(c.speed)
        and 0.0 <= c.speed <= LIMITS.max_speed
        for c in slowed
    )
    drive(probe, 0.1)
    assert state(probe)[0] == "engaged", "it recovers with the first good proposal"


def test_no_two_commands_turn_the_wheels_faster_than_the_limit(verdicts, probe):
    engage(probe)
    verdicts.clear()
    for curvature in (0.02, -0.2, 0.2, -0.01, 5.0, -5.0):
        drive(probe, 0.25, curvature, measured=3.0)
    issued = commands(verdicts)
    assert len(issued) > 25
    steady = [
        int(next(pair.value for pair in message.values if pair.key == "steady_ns"))
        for message, _ in verdicts
    ]
    for (before, after), (earlier, later) in zip(
        itertools.pairwise(issued), itertools.pairwise(steady), strict=True
    ):
        elapsed = (later - earlier) / 1e9
        assert (
            abs(after.steering_angle - before.steering_angle)
            <= LIMITS.max_steering_rate * elapsed + 1e-9
        )
        assert abs(after.steering_angle) <= LIMITS.max_steering_angle + 1e-9
    assert probe.count("safety_node", "gate_angle_rate") > 0


def test_without_a_measured_speed_it_says_so(verdicts, probe):
    engage(probe)
    drive(probe, 0.8, measured=None)  # by then the last measurement is too old
    assert state(probe) == ("degraded", "no speed")
    probe.until(
        lambda: any("speed_unknown" in message.message for message, _ in verdicts), "the verdict"
    )


def test_a_takeover_silences_it_until_it_is_engaged_again(verdicts, probe):
    engage(probe)
    probe.send("takeover", Bool(data=True))
    drive(probe, 0.2)
    assert state(probe) == ("disengaged", "taken over")
    verdicts.clear()
    heard = probe.heard["command"]
    assert heard[-1][0].twist.linear.x == 0.0 < heard[-2][0].twist.linear.x, "the last word"
    count = len(heard)
    drive(probe, 0.3)
    assert len(heard) == count
    probe.send("takeover", Bool(data=False))
    drive(probe, 1.6)
    assert not verdicts and state(probe) == ("disengaged", "waits for an engage request")
    assert probe.call(Trigger, "safety_node/engage", Trigger.Request()).success
    while not verdicts:
        drive(probe, 0.1, angle=0.1)
    first = commands(verdicts)[0]
    assert abs(first.steering_angle - 0.1) < 0.05, "from the measured angle, not the proposed"
    engage(probe)


def test_an_emergency_stop_is_latched_until_acknowledged(verdicts, probe):
    engage(probe)
    probe.call(Trigger, "safety_node/emergency_stop", Trigger.Request())
    drive(probe, 0.5)
    assert state(probe) == ("fault", "emergency stop")
    speeds = [command.speed for command in commands(verdicts)[-8:]]
    assert speeds == sorted(speeds, reverse=True) and speeds[-1] < 8.0
    probe.call(Trigger, "safety_node/engage", Trigger.Request())
    drive(probe, 0.3)
    assert state(probe)[0] == "fault"
    probe.call(Trigger, "safety_node/acknowledge", Trigger.Request())
    drive(probe, 0.2)
    assert state(probe)[0] == "disengaged"
    probe.call(Trigger, "safety_node/engage", Trigger.Request())
    engage(probe)


def test_another_node_that_commands_the_vehicle_is_a_fault(verdicts, probe):
    engage(probe)
    rogue = Node("rogue")
    publisher = rogue.create_publisher(TwistStamped, "command", qos.STATUS)
    drive(probe, 2.0)
    assert state(probe) == ("fault", "others command the vehicle: /rogue")
    probe.call(Trigger, "safety_node/acknowledge", Trigger.Request())
    drive(probe, 0.2)
    assert state(probe)[0] == "fault", "the cause is still there"
    rogue.destroy_publisher(publisher)
    rogue.destroy_node()
    drive(probe, 1.5)
    probe.call(Trigger, "safety_node/acknowledge", Trigger.Request())
    probe.call(Trigger, "safety_node/engage", Trigger.Request())
    engage(probe)


def test_limits_stay_as_they_are_while_engaged(verdicts, probe):
    engage(probe)
    wanted = {
        "gate.max_speed": (60.0, "take over first"),
        "gate.max_lateral_jerk": (1000.0, "take over first"),
        "gate.stale_after": (5.0, "take over first"),
        "gate.safe_behaviour": ("release", "take over first"),
        "vehicle.wheelbase": (20.0, "read-only"),
        "engagement.proposal_stale_after": (5.0, "read-only"),
        "joystick.takeover_button": (0, "read-only"),
        "conflicts_are_faults": (False, "read-only"),
    }
    names = list(wanted)
    before = probe.call(
        GetParameters, "safety_node/get_parameters", GetParameters.Request(names=names)
    ).values
    parameters = [
        Parameter(name, value=value).to_parameter_msg() for name, (value, _) in wanted.items()
    ]
    results = probe.call(
        SetParameters, "safety_node/set_parameters", SetParameters.Request(parameters=parameters)
    ).results
    for name, result in zip(names, results, strict=True):
        assert not result.successful and wanted[name][1] in result.reason, (name, result.reason)
    assert (
        probe.call(
            GetParameters, "safety_node/get_parameters", GetParameters.Request(names=names)
        ).values
        == before
    )


def test_a_gate_that_is_ended_leaves_the_vehicle_at_standstill(safety, verdicts, probe):
    engage(probe)
    heard = probe.heard["command"]
    assert heard[-1][0].twist.linear.x > 5.0
    safety.send_signal(signal.SIGTERM)
    probe.until(lambda: safety.poll() is not None, "its end")
    probe.until(lambda: heard[-1][0].twist.linear.x == 0.0, "the last command")
    assert safety.returncode == 0


def test_wrong_parameters_are_refused(start):
    processes = {
        "GateConfig.max_speed: got nan": start("safety_node", gate__max_speed=".nan"),
        "GateConfig.stale_after: got 100.0, expected 0.01 to 5.0 s": start(
            "safety_node", gate__stale_after=100.0
        ),
        "SafetyNodeConfig.command_type: got 'joystick'": start(
            "safety_node", command_type="joystick"
        ),
    }
    for words, process in processes.items():
        said, _ = process.communicate(timeout=30)
        assert words in said and "Traceback" not in said
        assert process.returncode == 1
