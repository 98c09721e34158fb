"""Flags that bring recorded steering and speed to the front wheels' angle and to m/s."""

from __future__ import annotations

import math

import pytest

from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.rosbag.readings import planar, steering_reader
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import PlanarOdometry, SpeedSample, SteeringSample

TWIST = "geometry_msgs/msg/Twist"


class Thing:
    def __init__(self, **fields) -> None:
        self.__dict__.update(fields)


def twist(speed: float, turn: float) -> Thing:
    return Thing(linear=Thing(x=speed, y=0.0), angular=Thing(z=turn))


def played(samples, **settings):
    source = InMemoryRecording([(s.stamp_ns, s) for s in samples], RecordingSettings(**settings))
    entries = [entry.sample for entry in source.entries() if entry.sample]
    assert entries == [s for _, s in source.samples()]
    return list(source.entries())


def test_offset_and_delay_act_on_the_steering_after_its_scale():
    entry = played(
        [SteeringSample(10**9, 2.0, 3.0)],
        steering_scale=-0.1,
        steering_offset=0.05,
        steering_delay=-0.25,
    )[0]
    assert entry.sample == SteeringSample(750_000_000, pytest.approx(-0.15), 3.0)
    assert entry.stamp_ns == 750_000_000 and entry.received_ns == 10**9


def test_scale_and_offset_act_on_the_measured_speed_alone():
    samples = [SpeedSample(1, 36.0), SteeringSample(2, 0.1, 36.0)]
    speed, steering = played(samples, speed_scale=1 / 3.6, speed_offset=-0.5)
    assert speed.sample.speed == pytest.approx(9.5) and steering.sample.speed == 36.0


@pytest.mark.parametrize("reading, scale, angle", [
    ("yaw_rate", 1.0, math.atan(2.6 * 0.25 / 5.0)),
    ("yaw_rate", -2.0, math.atan(-2.6 * 0.5 / 5.0)),
    ("angle", 1.0, 0.25),
    ("angle", -0.5, -0.125),
])  # fmt: skip
def test_angular_z_of_a_twist_is_a_yaw_rate_or_an_angle(reading, scale, angle):
    settings = RecordingSettings(twist_steering=reading, steering_scale=scale)
    assert steering_reader(TWIST, settings)(twist(5.0, 0.25)) == (pytest.approx(angle), 5.0)


def test_a_twist_keeps_its_angle_at_standstill():
    read = steering_reader(TWIST, RecordingSettings(steering_scale=-2.0))
    moving = read(twist(5.0, 0.25))[0]
    assert read(twist(0.0, 0.25)) == (pytest.approx(moving), 0.0)


def circle(speed: float, rate: float, step: float, count: int):
    """Odometry on a circle around the origin; its twist is in the frame of its pose."""
    for i in range(count):
        t = i * step
        yaw, radius = rate * t, speed / rate
        pose = PlanarOdometry(
            radius * math.sin(yaw), -radius * math.cos(yaw), yaw, speed * math.sin(yaw), rate
        )
        yield SpeedSample(round(t * 1e9), speed * math.cos(yaw), pose)


@pytest.mark.parametrize("speed", [8.0, -0.4])
@pytest.mark.parametrize("step", [0.02, 0.1, 0.25])
def test_the_speed_comes_from_the_pose_or_from_a_twist_in_its_frame(speed, step):
    samples = list(circle(speed, 0.6, step, 60))
    turned = [entry.sample.speed for entry in played(samples, speed_source="world_twist")]
    assert turned == pytest.approx([speed] * 60)
    moved = [entry.sample for entry in played(samples, speed_source="pose") if entry.sample]
    assert len(moved) >= 60 - math.ceil(0.1 / step)
    assert [one.speed for one in moved] == pytest.approx([speed] * len(moved), rel=0.01)


def test_positions_far_apart_or_out_of_order_give_no_speed():
    def pose(x: float) -> PlanarOdometry:
        return PlanarOdometry(x, 0.0, 0.0, 0.0, 0.0)

    seconds = [0.0, 0.2, 5.0, 5.2, 1.0, 1.2]
    samples = [SpeedSample(round(t * 1e9), 0.0, pose(t)) for t in seconds]
    speeds = [entry.sample and entry.sample.speed for entry in played_entries(samples)]
    assert speeds == [None, pytest.approx(1.0), None, pytest.approx(1.0), None, pytest.approx(1.0)]


def played_entries(samples):
    source = InMemoryRecording(
        [(i, s) for i, s in enumerate(samples)], RecordingSettings(speed_source="pose")
    )
    return list(source.entries())


def test_a_speed_without_pose_says_why_it_is_left_out():
    entry = played_entries([SpeedSample(0, 3.0)])[0]
    assert entry.sample is None and "--speed-source pose" in entry.problem


def test_the_heading_of_an_odometry_is_that_of_its_quaternion():
    half = 0.7
    message = Thing(
        pose=Thing(
            pose=Thing(
                position=Thing(x=1.0, y=2.0, z=0.0),
                orientation=Thing(x=0.0, y=0.0, z=math.sin(half), w=math.cos(half)),
            )
        ),
        twist=Thing(twist=Thing(linear=Thing(x=3.0, y=0.5, z=0.0), angular=Thing(z=0.2))),
    )
    found = planar("nav_msgs/msg/Odometry", message)
    assert found == PlanarOdometry(1.0, 2.0, pytest.approx(1.4), 0.5, 0.2)
    assert planar("geometry_msgs/msg/TwistStamped", message) is None


def test_an_odometry_of_damaged_numbers_is_read():
    zero = Thing(x=0.0, y=0.0, z=0.0)
    for huge in (1e200, -1e308, math.inf, math.nan):
        turn = Thing(x=huge, y=huge, z=huge, w=huge)
        message = Thing(
            pose=Thing(pose=Thing(position=zero, orientation=turn)),
            twist=Thing(twist=Thing(linear=zero, angular=zero)),
        )
        assert isinstance(planar("nav_msgs/msg/Odometry", message), PlanarOdometry)
