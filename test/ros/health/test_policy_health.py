"""The start-up check of the policy node: what it says of camera, IMU and odometry as they are heard
and used. Pure: no node runs."""

from __future__ import annotations

from types import SimpleNamespace

from liquid_control.perception.contribution import Contribution
from liquid_control.ros.health.part import Level
from liquid_control.ros.health.policy import INERTIAL, PolicyHealth
from liquid_control.ros.health.topics import Endpoint, Topic
from liquid_control.signals import ImuSample, Reason, Rejected, SpeedSample

NOW = 1_796_000_000 * 10**9
MEASURED = ("yaw_rate", "lateral_acceleration", "speed")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def topics(names, **kinds: str) -> dict[str, Topic]:
    """`kinds`: what is published where that is another type."""
    return {
        name: Topic(f"/{name}", "K", "", (Endpoint("/rig", kinds.get(name, "K"), "", b"1"),))
        for name in names
    }


def header(stamp: int) -> SimpleNamespace:
    stamped = SimpleNamespace(sec=stamp // 10**9, nanosec=stamp % 10**9)
    return SimpleNamespace(stamp=stamped, frame_id="link")


SENSORS = ("camera", "imu", "odometry")


def play(
    health: PolicyHealth,
    clock: Clock,
    frames: int,
    met: int,
    imu=0.0,
    answer=None,
    names=SENSORS,
    **more,
):
    """One second: 30 pictures, 100 IMU samples `imu` [s] off, 50 odometries; then the parts."""
    stamp = NOW + round(clock.seconds * 1e9)
    for index in range(30):
        now = stamp + index * 33_333_333 + 5
        health.hear_camera(header(now), now, now)
        health.hear_picture(*more.get("size", (160, 320)))
        if "refused" in more:
            health.camera.refuse(more["refused"])
    for index in range(100):
        now = stamp + index * 10_000_000 + 5
        one = ImuSample(
            now + round(imu * 1e9), (0.0, 0.0, 0.1), (0.0, 0.1, more.get("gravity", 9.81))
        )
        message = SimpleNamespace(header=header(one.stamp_ns))
        health.hear_imu(message, one, now, answer, "imu")
        if "accelerometer" in names:
            health.hear_imu(message, one, now, answer, "accelerometer")
    for index in range(50):
        now = stamp + index * 20_000_000 + 5
        message = SimpleNamespace(header=header(now), child_frame_id="base_link")
        health.hear_odometry(message, SpeedSample(now, more.get("speed", 5.0)), now, None)
    clock.seconds += 1.0
    kept = {name: frames if name == "speed" else met for name in MEASURED} | more.get("kept", {})
    reasons = {name: more.get("reason", "") for name in MEASURED if not kept[name]}
    reasons |= more.get("reasons", {})
    given = {name: Contribution(9, frames, kept[name], reasons.get(name, "")) for name in MEASURED}
    parts = health.parts(topics(names, **more.get("kinds", {})), given)
    return {part.name: part for part in parts}


def policy() -> tuple[PolicyHealth, Clock]:
    clock = Clock()
    health = PolicyHealth(clock)
    health.reset(MEASURED)
    return health, clock


def test_a_healthy_policy_is_ok_with_its_facts():
    health, clock = policy()
    for second in range(5):
        parts = play(health, clock, 30 * second, 30 * second)
        assert all(part.level is Level.OK for part in parts.values()), parts
    assert parts["camera"].facts["more"] == "320x160" and parts["camera"].facts["rate"] == "30.0 Hz"
    imu = parts["imu"].facts
    assert (imu["late"], imu["rate"], imu["frame"], imu["used"], imu["more"]) == (
        "+0.000 s",
        "100.0 Hz",
        "link",
        "90/90",
        "gravity on z",
    )
    assert health.settled


def test_an_input_that_no_frame_uses_is_named_with_the_cause():
    health, clock = policy()
    for second in range(4):
        parts = play(health, clock, 30 * second, 0, imu=-0.5)
    assert parts["imu"].message == "stamps 0.5 s behind ours; no frame uses it"
    assert parts["imu"].level is Level.WARN and parts["odometry"].level is Level.OK
    health, clock = policy()
    for second in range(4):
        answer = Rejected(0, Reason.NOT_MEASURED)
        parts = play(health, clock, 30 * second, 0, answer=answer)
    assert parts["imu"].message.startswith("all messages are refused: marked as not measured")


def test_pictures_that_change_their_size_or_are_too_small():
    health, clock = policy()
    play(health, clock, 0, 0)
    parts = play(health, clock, 30, 30, size=(480, 640))
    assert "changed size: 320x160, then 640x480" in parts["camera"].message
    health.reset(MEASURED)
    assert play(health, clock, 60, 60, size=(480, 640))["camera"].level is Level.OK
    health, clock = policy()
    why = "image size: got 32x64, expected at least 64x128, the policy's size"
    parts = play(health, clock, 0, 0, size=(32, 64), refused=why)
    assert parts["camera"].message == f"all messages are refused: {why}"


def test_what_is_missing_is_said_after_a_while_and_a_wrong_type_at_once():
    health, clock = policy()
    silent = {name: Topic(f"/{name}", "K", "", ()) for name in ("camera", "imu", "odometry")}
    levels = []
    for _ in range(4):
        clock.seconds += 1.0
        levels.append([part.level for part in health.parts(silent, {})])
    ok, error, warn = Level.OK, Level.ERROR, Level.WARN
    assert levels == [[ok] * 3, [ok] * 3, [error, warn, warn], [error, warn, warn]]
    health, clock = policy()
    parts = play(health, clock, 0, 0, kinds={"camera": "sensor_msgs/msg/CompressedImage"})
    assert "publishes sensor_msgs/msg/CompressedImage on /camera" in parts["camera"].message
    assert parts["camera"].level is Level.ERROR


def test_a_policy_without_an_imu_does_not_miss_one():
    clock = Clock()
    health = PolicyHealth(clock)
    health.reset(("speed",))
    silent = {name: Topic(f"/{name}", "K", "", ()) for name in ("camera", "imu", "odometry")}
    for _ in range(4):
        clock.seconds += 1.0
        parts = {part.name: part for part in health.parts(silent, {})}
    assert parts["imu"].level is Level.OK and parts["odometry"].level is Level.WARN


def test_one_half_of_an_imu_that_no_frame_uses_is_named_with_the_reason():
    health, clock = policy()
    for second in range(4):
        kept = {"yaw_rate": 0}
        parts = play(health, clock, 30 * second, 30 * second, kept=kept, reason="not measured")
    assert parts["imu"].message == "no frame uses it: not measured"
    names = (*SENSORS, "accelerometer")
    health, clock = policy()
    for second in range(4):
        kept = {"lateral_acceleration": 0}
        parts = play(health, clock, 30 * second, 30 * second, kept=kept, names=names)
    assert parts["imu"].level is Level.OK and parts["imu"].facts["used"] == "90/90"
    assert parts["accelerometer"].message == "no frame uses it"


def test_a_gyro_that_its_driver_never_fills_in_is_named():
    health, clock = policy()
    for second in range(4):
        reasons = {"yaw_rate": "it is exactly 0 while the vehicle moves"}
        parts = play(health, clock, 30 * second, 30 * second, reasons=reasons)
    assert parts["imu"].level is Level.WARN
    assert parts["imu"].message == "yaw rate: it is exactly 0 while the vehicle moves"
    assert parts["odometry"].level is Level.OK
    zero = dict.fromkeys(INERTIAL, "it is exactly 0 while the vehicle moves")
    health, clock = policy()
    for second in range(4):
        parts = play(health, clock, 30 * second, 30 * second, reasons=zero)
    assert parts["imu"].level is Level.OK, "gravity is seen: an ideal IMU on a straight road"
    health, clock = policy()
    for second in range(4):
        parts = play(health, clock, 30 * second, 30 * second, reasons=zero, gravity=0.0)
    assert [problem.code for problem in parts["imu"].problems] == [
        "never_filled yaw_rate",
        "never_filled lateral_acceleration",
    ]


def test_speeds_in_another_unit_and_axes_that_only_the_frame_names():
    health, clock = policy()
    assert play(health, clock, 0, 0, speed=30.0)["odometry"].level is Level.OK
    parts = play(health, clock, 0, 0, speed=-90.0)
    assert parts["odometry"].message == "speeds reach 90 m/s: looks like km/h"
    for frame, turned, said in (
        ("imu_optical_frame", False, True),
        ("imu_ned", False, True),
        ("imu_optical_frame", True, False),
        ("imu_link", False, False),
        ("tuned_imu", False, False),
    ):
        health.reset(MEASURED, turned)
        for index in range(50):
            stamp = header(NOW + index)
            stamp.frame_id = frame
            one = ImuSample(NOW + index, (0.0, 0.0, 0.1), (0.0, 0.1, 0.2))
            health.hear_imu(SimpleNamespace(header=stamp), one, NOW + index, None)
        clock.seconds += 1.0
        parts = {part.name: part for part in health.parts(topics(SENSORS), {})}
        assert (frame in parts["imu"].message) == said, (frame, turned)
