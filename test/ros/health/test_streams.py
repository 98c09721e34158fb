"""The start-up check of streams: clock, stamps, use, axes and units, with the values that must come
out. Pure: no node runs."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from liquid_control.perception.contribution import Contribution
from liquid_control.perception.inertial import MOUNTINGS
from liquid_control.perception.mounting import ImuMounting
from liquid_control.ros.health.motion import Motion
from liquid_control.ros.health.part import Level
from liquid_control.ros.health.policy import PolicyHealth
from liquid_control.ros.health.sensor import Stream, judge_stream
from liquid_control.ros.health.topics import Endpoint, Topic
from liquid_control.signals import NOT_MEASURED, ImuSample, Reason, Rejected, SpeedSample

NOW = 1_796_000_000 * 10**9
LATER = NOW + 10 * 10**9
MEASURED = ("yaw_rate", "lateral_acceleration", "speed")


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def hear(stamp, turns: int = 3, rate: int = 50, delays=(0.012, 0.003, 0.030)) -> Stream:
    """A stream of `rate` messages a second, sent at even times with stamps `stamp(sent_ns)`, that
    arrive after `delays` [s] in turn."""
    clock = Clock()
    stream = Stream(clock)
    for index in range(turns * rate):
        sent = NOW + index * 10**9 // rate
        arrival = sent + round(delays[index % len(delays)] * 1e9)
        written = stamp(sent)
        stream.hear(written, written % 10**9, arrival, "link")
        clock.seconds += 1 / rate
        if (index + 1) % rate == 0:
            stream.turn()
    return stream


def problems(stream: Stream) -> list[str]:
    return [problem.text for problem in judge_stream(stream.heard())]


@pytest.mark.parametrize("offset", [0.0, -0.1, 0.1])
def test_a_clock_within_the_usual_delays_is_right(offset):
    stream = hear(lambda sent: sent + round(offset * 1e9))
    assert not problems(stream)
    assert stream.heard().late == pytest.approx(0.003 - offset, abs=1e-6)
    assert stream.heard().rate == pytest.approx(50.0, rel=0.01) and stream.frame == "link"


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (-0.5, "stamps 0.5 s behind ours"),
        (-0.2, "stamps 0.20 s behind ours"),
        (-40.0, "stamps 40.0 s behind ours"),
        (40.0, "stamps 40.0 s ahead of ours"),
        (0.5, "stamps 0.5 s ahead of ours"),
        (3600.0, "stamps 3600.0 s ahead of ours"),
    ],
)
def test_another_clock_is_named_with_its_offset(offset, said):
    assert problems(hear(lambda sent: sent + round(offset * 1e9))) == [said]


def test_a_delay_of_single_messages_is_no_clock():
    assert not problems(hear(lambda sent: sent, delays=(0.4, 0.9, 0.05, 0.7)))


def test_clocks_that_do_not_count_from_1970_are_named():
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    (said,) = problems(hear(lambda sent: boot + sent - NOW))
    assert "since boot, not from 1970" in said and said.startswith("stamps 1.8e+09 s behind")
    (said,) = problems(hear(lambda sent: 10**9 + sent - NOW))
    assert "since a start, not from 1970" in said
    stream = Stream(Clock())
    for index in range(9):
        stream.hear(NOW + index, 7, 10**9 + index, "link")
    stream.turn()
    assert "they count from 1970, our clock is /clock" in problems(stream)[0]
    stream.reset()
    for index in range(9):
        stream.hear(NOW + index, 7, 0, "link")
    stream.turn()
    assert problems(stream)[0].startswith("our clock stands at 0: use_sim_time is set")


def test_stamps_that_are_no_times_are_named():
    assert problems(hear(lambda sent: 0)) == ["stamps are zero"]
    assert problems(hear(lambda sent: NOW)) == ["the stamp does not change"]
    assert problems(hear(lambda sent: sent // 10**9 * 10**9)) == ["stamps are whole seconds"]
    assert not problems(hear(lambda sent: sent, rate=1, turns=3))
    stream = hear(lambda sent: sent)
    for index in range(5):
        stream.hear(LATER + index, 1_500_000_000, LATER, "link")
    stream.turn()
    assert "5 of 105 stamps are illegal" in problems(stream)[0]


def test_use_counts_and_arrival_does_not():
    stream = hear(lambda sent: sent - 500_000_000)
    stream.turn(offered=30, used=0)
    assert problems(stream) == ["stamps 0.5 s behind ours; no frame uses it"]
    stream = hear(lambda sent: sent)
    stream.turn(offered=30, used=10)
    assert problems(stream) == ["few frames use it"]
    stream = hear(lambda sent: sent)
    stream.turn(offered=30, used=20)
    assert not problems(stream)
    stream = hear(lambda sent: sent, turns=2)
    for index in range(50):
        stream.hear(LATER + index, 1, LATER + index, "link")
        for _ in range(3):
            stream.refuse("not a number")
    stream.turn()
    assert problems(stream) == ["all messages are refused: not a number"]


def test_a_clock_of_ours_that_is_set_back_makes_no_stream_late():
    stream = hear(lambda sent: sent, delays=(0.003,))
    for index in range(10):
        back = NOW - 3600 * 10**9 + index * 10**8
        stream.hear(back, 7, back + 3_000_000, "link")
    stream.turn()
    assert stream.heard().late == pytest.approx(0.003) and stream.heard().messages == 10
    stream = hear(lambda sent: sent - 10**9)
    for index in range(10):
        back = NOW - 3600 * 10**9 + index * 10**8
        stream.hear(back + 10**9, 7, back + 3_000_000, "link")
    stream.turn()
    assert problems(stream) == ["stamps 1.0 s ahead of ours"]


@pytest.mark.parametrize("offset", [-0.5, 0.5])
def test_what_was_wrong_is_forgotten_when_it_is_over(offset):
    stream = hear(lambda sent: sent + round(offset * 1e9))
    assert problems(stream)
    for _ in range(3):
        for index in range(50):
            stream.hear(LATER + index, 1, LATER + index, "link")
        stream.turn()
    assert not problems(stream)


def motion(sample=None, drive=(), turns: int = 3) -> list[tuple[str, str]]:
    """(code, remedy) of what is wrong after 150 samples."""
    health = Motion()
    for _ in range(turns):
        for index in range(50):
            if sample is not None:
                health.hear(sample)
            for yaw_rate, lateral, speed in drive:
                sign = 1.0 if index % 2 else 0.3
                health.drive(sign * yaw_rate, sign * lateral, speed)
        health.turn()
    return [(problem.code, problem.remedy) for problem in health.judge()[1]]


def sample(rate=(0.0, 0.0, 0.1), force=(0.0, 0.1, 9.81)) -> ImuSample:
    return ImuSample(NOW, rate, force)


@pytest.mark.parametrize(
    ("force", "axes"),
    [((0.0, -0.3, -9.8), "ned"), ((0.4, -9.7, 0.3), "optical"), ((9.8, 0.1, 0.2), None)],
)
def test_gravity_on_a_wrong_axis_and_the_mounting_that_helps(force, axes):
    ((code, remedy),) = motion(sample(force=force))
    assert code == "imu_axes"
    if axes:
        assert axes in MOUNTINGS.values() and f"imu.axes: {axes}" in remedy
        assert motion(ImuMounting(axes=axes).turn()(sample(force=force))) == []


def test_right_and_missing_halves_of_an_imu_are_right():
    assert motion(sample()) == []
    assert motion(sample(force=(0.1, 2.0, 9.6))) == [], "in a bend"
    assert motion(sample(force=(0.0, 0.2, 0.1))) == [], "without gravity"
    assert motion(sample(force=NOT_MEASURED)) == motion(sample(rate=NOT_MEASURED)) == []
    assert motion(None) == []


def test_units_by_size_and_the_scales_that_help():
    assert motion(sample(force=(0.0, 0.0, 5.0)))[0][0] == "gravity"
    for wrong, code, scale in (
        (sample(force=(0.0, 0.0, 1.0)), "acceleration_unit", "acceleration_scale: 9.81"),
        (sample(rate=(0.0, 0.0, -17.0)), "gyro_unit", "gyro_scale: 0.017453"),
    ):
        ((found, remedy),) = motion(wrong)
        assert found == code and scale in remedy
        name, value = scale.split(": ")
        assert motion(ImuMounting(**{name: float(value)}).turn()(wrong)) == []


@pytest.mark.parametrize(
    ("drive", "wrong"),
    [
        ((0.2, 1.0, 5.0), False),
        ((11.5, 1.0, 5.0), True),  # 0.2 rad/s in degrees
        ((5.73, 0.0, 5.0), True),  # no tyre allows 28 m/s² without lateral acceleration
        ((1.5, 22.5, 15.0), False),  # a racing car
        ((1.0, 0.0, 5.0), False),  # no accelerometer
        ((11.5, 1.0, 0.5), False),  # it stands
    ],
)
def test_degrees_by_speed_and_lateral_acceleration(drive, wrong):
    assert [code for code, _ in motion(sample(), [drive])] == ["gyro_unit"] * wrong


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
        one = ImuSample(now + round(imu * 1e9), (0.0, 0.0, 0.1), (0.0, 0.1, 9.81))
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
