"""Recordings as samples: what each message type tells, whose stamp counts, in which order, and what
a bad message costs."""

from __future__ import annotations

import math
import sqlite3
import threading

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError
from liquid_control.perception.mounting import ImuMounting
from liquid_control.recordings.rosbag.readings import PLAIN, STEERINGS
from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

STAMP = 1_700_000_123_456_789_012
LATE = 5_000_000
VEHICLE = VehicleConfig(wheelbase=2.0)
STAMPED = "ackermann_msgs/msg/AckermannDriveStamped"
AUTO, AUTO_VEHICLE = "autoware_auto_control_msgs/msg/", "autoware_auto_vehicle_msgs/msg/"
CONTROL, VEHICLE_MESSAGES = "autoware_control_msgs/msg/", "autoware_vehicle_msgs/msg/"


def steering_messages(bags) -> dict:
    """By message type: a message of 0.25 rad to the left, and whether it has a stamp and a speed of
    3 m/s."""
    make, header, time = bags.make, bags.header(STAMP), bags.time(STAMP)
    drive = make("ackermann_msgs/msg/AckermannDrive", steering_angle=0.25, speed=3.0)
    lateral = make(CONTROL + "Lateral", stamp=time, steering_tire_angle=0.25)
    old = make(AUTO + "AckermannLateralCommand", stamp=time, steering_tire_angle=0.25)
    turn = bags.twist(3.0, 3.0 * math.tan(0.25) / VEHICLE.wheelbase)
    joints = make(
        "sensor_msgs/msg/JointState",
        header=header,
        name=["wheel", "steering"],
        position=np.array([9.0, 0.25]),
    )
    return {
        STAMPED: (make(STAMPED, header=header, drive=drive), True, True),
        "ackermann_msgs/msg/AckermannDrive": (drive, False, True),
        CONTROL + "Control": (
            make(
                CONTROL + "Control",
                stamp=time,
                lateral=lateral,
                longitudinal=make(CONTROL + "Longitudinal", velocity=3.0),
            ),
            True,
            True,
        ),
        CONTROL + "Lateral": (lateral, True, False),
        AUTO + "AckermannControlCommand": (
            make(
                AUTO + "AckermannControlCommand",
                stamp=time,
                lateral=old,
                longitudinal=make(AUTO + "LongitudinalCommand", speed=3.0),
            ),
            True,
            True,
        ),
        AUTO + "AckermannLateralCommand": (old, True, False),
        VEHICLE_MESSAGES + "SteeringReport": (
            make(VEHICLE_MESSAGES + "SteeringReport", stamp=time, steering_tire_angle=0.25),
            True,
            False,
        ),
        AUTO_VEHICLE + "SteeringReport": (
            make(AUTO_VEHICLE + "SteeringReport", stamp=time, steering_tire_angle=0.25),
            True,
            False,
        ),
        bags.TWIST: (make(bags.TWIST, header=header, twist=turn), True, True),
        "geometry_msgs/msg/Twist": (turn, False, True),
        "std_msgs/msg/Float32": (make("std_msgs/msg/Float32", data=0.25), False, False),
        "std_msgs/msg/Float64": (make("std_msgs/msg/Float64", data=0.25), False, False),
        **{
            kind: (make(kind, stamp=time, data=0.25), True, False)
            for kind in PLAIN
            if kind.endswith("Stamped")
        },
        "sensor_msgs/msg/JointState": (joints, True, False),
    }


def test_every_type_named_is_tested(bags):
    assert set(steering_messages(bags)) == set(STEERINGS)


@pytest.mark.parametrize("kind", STEERINGS)
@pytest.mark.parametrize("own_definitions", [True, False])
def test_steering_is_read_from_every_type_with_and_without_definitions(
    bags, tmp_path, kind, own_definitions
):
    message, has_stamp, has_speed = steering_messages(bags)[kind]
    bag = bags.write(
        tmp_path / "bag",
        [(STAMP + LATE, "/steering", kind, message)],
        "mcap" if own_definitions else "sqlite3",
    )
    if not own_definitions:
        base = sqlite3.connect(bag / "bag.db3")
        base.execute("DROP TABLE message_definitions")
        base.execute("UPDATE schema SET schema_version = 3")
        base.commit()
        base.close()
    topics = TopicMap(steering="/steering", joint="steering")
    with RosbagRecording(bag, RecordingSettings(topics=topics, vehicle=VEHICLE)) as recording:
        ((receive_ns, sample),) = recording.samples([SteeringSample])
        assert recording.skipped == {} and recording.damage == []
    assert receive_ns == STAMP + LATE
    assert sample.stamp_ns == (STAMP if has_stamp else STAMP + LATE)
    assert sample.steering_angle == pytest.approx(0.25, abs=1e-7)
    assert sample.speed == (pytest.approx(3.0) if has_speed else None)


def test_a_scale_turns_the_wheel_of_the_driver_into_that_of_the_road(bags, tmp_path):
    """A steering wheel in degrees, positive to the right, 16 to 1."""
    number = bags.make("std_msgs/msg/Float32", data=-160.0)
    bag = bags.write(
        tmp_path / "bag", [(STAMP, "/steering_wheel_angle", "std_msgs/msg/Float32", number)]
    )
    with RosbagRecording(bag, RecordingSettings(steering_scale=-math.pi / 180 / 16)) as recording:
        ((_, sample),) = recording.samples()
    assert sample.steering_angle == pytest.approx(math.radians(10), rel=1e-6)


def test_standing_still_a_twist_keeps_the_angle_it_had(bags, tmp_path):
    turns = [
        bags.twist(2.0, 0.4),
        bags.twist(0.0, 0.0),
        bags.twist(0.01, 0.3),
        bags.twist(-2.0, -0.4),
    ]
    events = [
        (STAMP + k, "/cmd_vel", "geometry_msgs/msg/Twist", turn) for k, turn in enumerate(turns)
    ]
    with RosbagRecording(
        bags.write(tmp_path / "bag", events), RecordingSettings(vehicle=VEHICLE)
    ) as recording:
        angles = [sample.steering_angle for _, sample in recording.samples([SteeringSample])]
    assert angles == pytest.approx([math.atan(0.2 * VEHICLE.wheelbase)] * 4)


@pytest.mark.parametrize(
    "kind, message",
    [
        ("nav_msgs/msg/Odometry", lambda bags: bags.odometry(STAMP, 7.5)),
        (
            "geometry_msgs/msg/TwistStamped",
            lambda bags: bags.make(
                bags.TWIST, header=bags.header(STAMP), twist=bags.twist(7.5, 0.1)
            ),
        ),
        (
            "geometry_msgs/msg/TwistWithCovarianceStamped",
            lambda bags: bags.make(
                "geometry_msgs/msg/TwistWithCovarianceStamped",
                header=bags.header(STAMP),
                twist=bags.make(
                    "geometry_msgs/msg/TwistWithCovariance", twist=bags.twist(7.5, 0.1)
                ),
            ),
        ),
        (
            VEHICLE_MESSAGES + "VelocityReport",
            lambda bags: bags.make(
                VEHICLE_MESSAGES + "VelocityReport",
                header=bags.header(STAMP),
                longitudinal_velocity=7.5,
            ),
        ),
        (
            STAMPED,
            lambda bags: bags.make(
                STAMPED,
                header=bags.header(STAMP),
                drive=bags.make("ackermann_msgs/msg/AckermannDrive", speed=7.5),
            ),
        ),
    ],
)
def test_speed_is_read_from_every_type_of_it(bags, tmp_path, kind, message):
    with RosbagRecording(
        bags.write(tmp_path / "bag", [(STAMP + LATE, "/vehicle/state", kind, message(bags))])
    ) as recording:
        assert list(recording.samples([SpeedSample])) == [(STAMP + LATE, SpeedSample(STAMP, 7.5))]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_drive_comes_out_in_the_order_of_its_receipt_with_its_own_stamps(bags, tmp_path, storage):
    bag = bags.write(tmp_path / "bag", bags.drive(40), storage, chunk=9 if storage == "mcap" else 0)
    with RosbagRecording(bag) as recording:
        samples = list(recording.samples())
        again = list(recording.samples([Frame]))
    assert [receive for receive, _ in samples] == sorted(receive for receive, _ in samples)
    assert all(sample.stamp_ns == receive - bags.LATE_NS for receive, sample in samples)
    kinds = Frame, ImuSample, SpeedSample, SteeringSample
    by_kind = {
        kind: [sample for _, sample in samples if isinstance(sample, kind)] for kind in kinds
    }
    assert [len(found) for found in by_kind.values()] == [40, 160, 80, 80]
    for k, (frame, (_, second)) in enumerate(zip(by_kind[Frame], again, strict=True)):
        np.testing.assert_array_equal(frame.image, bags.picture(k))
        np.testing.assert_array_equal(second.image, bags.picture(k))
    assert [sample.angular_velocity[2] for sample in by_kind[ImuSample]] == [
        k / 100 for k in range(160)
    ]
    assert [sample.speed for sample in by_kind[SpeedSample]] == [
        5.0 + k / 10 for k in range(0, 160, 2)
    ]


def test_stamps_of_receipt_on_request(bags, tmp_path):
    with RosbagRecording(
        bags.write(tmp_path / "bag", bags.drive(3)), RecordingSettings(stamps="receive")
    ) as recording:
        assert all(sample.stamp_ns == receive_ns for receive_ns, sample in recording.samples())
    with pytest.raises(ConfigError):
        RecordingSettings(stamps="now")


def test_messages_that_cannot_be_decoded_are_counted_and_the_others_come(bags, tmp_path):
    events = bags.drive(4)
    bad = bags.make(
        bags.COMPRESSED, header=bags.header(STAMP), format="jpeg", data=np.zeros(20, np.uint8)
    )
    events.insert(5, (events[4][0], "/camera/image_raw/compressed", bags.COMPRESSED, bad))
    bag = bags.write(tmp_path / "bag", events)
    with RosbagRecording(bag) as recording:
        assert len(list(recording.samples())) == len(events) - 1
        ((reason, count),) = recording.skipped.items()
        assert count == 1 and reason.startswith(
            "/camera/image_raw/compressed: image format: got 'jpeg' beginning with 0000"
        )


def test_leaving_early_leaves_no_threads(bags, tmp_path):
    before = threading.active_count()
    with RosbagRecording(bags.write(tmp_path / "bag", bags.drive(30))) as recording:
        for _, sample in recording.samples():
            if isinstance(sample, Frame):
                break
    assert threading.active_count() == before


def test_an_imu_in_a_cameras_axes_is_brought_to_the_vehicles(bags, tmp_path):
    """In a left bend: x right, y down, z forward."""
    message = bags.make(
        "sensor_msgs/msg/Imu",
        header=bags.header(STAMP),
        angular_velocity=bags.vector(0.02, -0.3, 0.01),
        linear_acceleration=bags.vector(-2.4, -9.81, 0.5),
    )
    bag = bags.write(tmp_path / "bag", [(STAMP + LATE, "/imu", "sensor_msgs/msg/Imu", message)])
    settings = RecordingSettings(imu=ImuMounting("optical"))
    with RosbagRecording(bag, settings) as recording:
        ((_, sample),) = recording.samples()
    assert sample == ImuSample(STAMP, (0.01, -0.02, 0.3), (0.5, 2.4, 9.81))
