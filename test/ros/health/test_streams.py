"""The start-up check of streams: clock, stamps, use, axes and units, with the values that must come
out. Pure: no node runs."""

from __future__ import annotations

import time

import pytest

from liquid_control.perception.inertial import MOUNTINGS
from liquid_control.perception.mounting import ImuMounting
from liquid_control.ros.health.motion import Motion
from liquid_control.ros.health.sensor import Stream, judge_stream
from liquid_control.signals import NOT_MEASURED, ImuSample

NOW = 1_796_000_000 * 10**9
LATER = NOW + 10 * 10**9


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


def motion(sample=None, drive=(), turns: int = 3, moving: float = 1.0) -> list[tuple[str, str]]:
    """(code, remedy) of what is wrong after 150 samples."""
    health = Motion()
    health.reset(moving)
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


def test_a_small_robot_moves_at_its_own_speeds():
    """Its gyro is in degrees, and its bends are sharp: 0.5 m/s x 100 units."""
    slow = [(100.0, 0.87, 0.5)]
    assert motion(sample(), slow) == []
    ((code, _),) = motion(sample(), slow, moving=0.05)
    assert code == "gyro_unit"
