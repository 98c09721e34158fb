"""Numbers that are named: steering and speed from messages of any type, by the path of a field."""

from __future__ import annotations

import array
import math
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg

from liquid_control.errors import ConfigError, FieldError, TopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.contributions import named_for
from liquid_control.recordings.rosbag.fields import (
    check_field,
    number_reader,
    numbers_in,
    vector_reader,
    vectors_in,
)
from liquid_control.recordings.rosbag.readings import JOINTS, SPEEDS, SPEEDS_BY_NAME
from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import SpeedSample, SteeringSample

STAMP, LATE = 1_700_000_123_456_789_012, 5_000_000
SERVO, STATE = "odd_msgs/msg/Servo", "odd_msgs/msg/State"
TICKS, NAMED, ARRAY = "odd_msgs/msg/Ticks", "odd_msgs/msg/Named", "std_msgs/msg/Float64MultiArray"
DEFINITIONS = {
    SERVO: "float32 angle\nfloat32 throttle\n",
    STATE: "std_msgs/Header header\nstring mode\nbool armed\nodd_msgs/Servo[2] servos\n"
    "int16[] raw\n",
    TICKS: "uint64 timestamp\nint16 pulse\n",
    NAMED: "std_msgs/Header header\nstring mode\n",
}
MESSAGE = SimpleNamespace(
    header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2)),
    name="front",
    armed=True,
    wheels=[SimpleNamespace(angle=0.25), SimpleNamespace(angle=-0.5)],
    data=np.array([1.5, 2.5]),
    raw=array.array("h", [3, 4]),
    empty=array.array("d"),
    count=7,
)


@pytest.fixture(scope="module")
def odd(bags):
    """`odd(kind, field=value, ...)`: a message of a type that only its recording knows."""
    for kind, text in DEFINITIONS.items():
        if kind not in bags.TYPES.fielddefs:
            bags.TYPES.register(get_types_from_msg(text, kind))
    return bags.make


@pytest.mark.parametrize(
    "path, value",
    [
        ("count", 7.0),
        ("data[1]", 2.5),
        ("raw[0]", 3.0),
        ("wheels[1].angle", -0.5),
        ("header.stamp.sec", 1.0),
    ],
)
def test_a_path_leads_to_its_number(path, value):
    read = number_reader(path)(MESSAGE)
    assert read == value and type(read) is float


@pytest.mark.parametrize(
    "path", ["gone", "data[2]", "data", "name", "armed", "wheels[0]", "empty[0]", "count.real.x"]
)
def test_what_is_no_number_is_a_value_error(path):
    with pytest.raises(ValueError, match="it has no|is no number"):
        number_reader(path)(MESSAGE)


def test_vectors_are_three_numbers():
    x = SimpleNamespace(x=1.0, y=2, z=3.0)
    turn = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    message = SimpleNamespace(
        gyro=np.array([1.0, 2.0, 3.0], np.float32), rate=x, turn=turn, data=[1.0, 2.0], pair=[x, x]
    )
    for path in ("gyro", "rate", "pair[1]"):
        assert vector_reader(path)(message) == (1.0, 2.0, 3.0)
    for path in ("turn", "data", "rate.x", "pair"):
        with pytest.raises(ValueError, match="is no vector"):
            vector_reader(path)(message)
    assert vectors_in(message) == ["gyro", "rate", "pair[0]", "pair[1]"]


@pytest.mark.parametrize(
    "path", ["", ".", "a.", ".a", "a[", "a[]", "a[-1]", "a[x]", "a b", "[0]", "a..b", 3, None]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(FieldError):
        number_reader(path)


def test_the_numbers_of_a_message_are_listed_without_stamps():
    assert numbers_in(MESSAGE) == [
        "wheels[0].angle",
        "wheels[1].angle",
        "data[0]",
        "data[1]",
        "raw[0]",
        "raw[1]",
        "empty[0]",
        "count",
    ]
    many = SimpleNamespace(**{f"x{k}": 0.0 for k in range(99)})
    assert len(numbers_in(many)) == 25 and numbers_in(many)[-1] == "..."
    with pytest.raises(FieldError, match="one of its numbers: wheels.0..angle"):
        check_field("angle", [MESSAGE])
    check_field("data[1]", [SimpleNamespace(data=[]), MESSAGE])


@pytest.mark.parametrize(
    "name, kind, fields, expected",
    [
        ("/v:angle", SERVO, {"angle": 0.5, "throttle": 0.25}, (STAMP + LATE, 0.5)),
        ("v:throttle", SERVO, {"angle": 0.5, "throttle": 0.25}, (STAMP + LATE, 0.25)),
        ("/v", TICKS, {"timestamp": 12, "pulse": -3}, (STAMP + LATE, -3.0)),
        ("/v:raw[1]", STATE, {"raw": np.array([1, -2], np.int16)}, (STAMP, -2.0)),
        ("/v:data[1]", ARRAY, {"data": np.array([7.0, 0.5])}, (STAMP + LATE, 0.5)),
        ("/v", "std_msgs/msg/Int16", {"data": -4}, (STAMP + LATE, -4.0)),
    ],
)
def test_steering_and_speed_are_read_from_a_field(
    bags, odd, tmp_path, name, kind, fields, expected
):
    if kind == STATE:
        servo = odd(SERVO, angle=0.5, throttle=0.25)
        fields = {**fields, "header": bags.header(STAMP), "servos": [servo, servo]}
    bag = bags.write(tmp_path / "bag", [(STAMP + LATE, "/v", kind, odd(kind, **fields))])
    topics = TopicMap(steering=name, speed=name)
    settings = RecordingSettings(topics=topics, steering_scale=0.5, speed_scale=-2.0)
    with RosbagRecording(bag, settings) as recording:
        samples = [sample for _, sample in recording.samples()]
        assert recording.skipped == {} and recording.roles["steering"].quantity == "angle"
    stamp, value = expected
    assert samples == [SpeedSample(stamp, -2.0 * value), SteeringSample(stamp, 0.5 * value, None)]


def test_a_field_of_a_known_type_is_read_in_place_of_its_own(bags, tmp_path):
    """cmd_vel whose angular.z is the angle of the wheels."""
    turn = bags.make(bags.TWIST, header=bags.header(STAMP), twist=bags.twist(3.0, 0.2))
    bag = bags.write(tmp_path / "bag", [(STAMP + LATE, "/cmd_vel", bags.TWIST, turn)])
    topics = TopicMap(steering="/cmd_vel:twist.angular.z")
    with RosbagRecording(bag, RecordingSettings(topics=topics)) as recording:
        assert recording.roles["steering"].quantity == "angle"
        ((_, sample),) = recording.samples([SteeringSample])
    assert sample == SteeringSample(STAMP, 0.2, None)


@pytest.mark.parametrize(
    "role, name, got, expected",
    [
        ("steering", "/servo", "of type odd_msgs/msg/Servo", "/servo:angle, /servo:throttle"),
        ("steering", "/servo:angel", "the field angel", "numbers: angle, throttle"),
        ("speed", "/servo:angle[0]", "the field angle", "numbers: angle, throttle"),
        ("speed", "/servo:", "of type odd_msgs/msg/Servo", "/servo:angle, /servo:throttle"),
        ("speed", "/servo:a b", "the field a b", "names and indices"),
        ("speed", "/gone:angle", "/gone, which is not in the recording", "a topic of type"),
        ("steering", "/state", "of type odd_msgs/msg/Named", "a topic of type"),
        ("steering", "/state:mode", "the field mode", "a type with a number"),
        ("camera", "/servo:angle", "/servo of type odd_msgs/msg/Servo", "sensor_msgs/msg/Image"),
        ("imu", "/servo", "/servo of type odd_msgs/msg/Servo", "sensor_msgs/msg/Imu"),
        ("imu", "/servo:angle", "with the field angle", "a type with a vector"),
    ],
)
def test_a_field_that_is_not_there_is_refused_with_those_that_are(
    bags, odd, tmp_path, role, name, got, expected
):
    state = odd(NAMED, header=bags.header(STAMP), mode="x")
    events = [(STAMP, "/servo", SERVO, odd(SERVO, angle=0.5)), (STAMP, "/state", NAMED, state)]
    bag = bags.write(tmp_path / "bag", events)
    with pytest.raises(TopicError) as caught:
        RosbagRecording(bag, RecordingSettings(topics=TopicMap(**{role: name})))
    assert got in str(caught.value.got) and expected in str(caught.value.expected)
    assert str(caught.value).startswith(f"--topics.{role}: got ")


def test_a_message_without_the_field_is_left_out_and_counted(bags, tmp_path):
    values = ([0.1, 0.2], [], [0.3, math.nan], [0.5, 0.6])
    events = [
        (STAMP + k, "/v", ARRAY, bags.make(ARRAY, data=np.array(value)))
        for k, value in enumerate(values)
    ]
    settings = RecordingSettings(topics=TopicMap(steering="/v:data[1]"))
    with RosbagRecording(bags.write(tmp_path / "bag", events), settings) as recording:
        angles = [sample.steering_angle for _, sample in recording.samples([SteeringSample])]
        assert sum(recording.skipped.values()) == 2
        assert "/v: it has no data[1]" in recording.skipped
    assert angles == [0.2, 0.6]


@pytest.mark.parametrize("kind", SPEEDS_BY_NAME)
def test_a_speed_that_may_be_something_else_is_read_only_where_it_is_named(bags, tmp_path, kind):
    parts = {"linear": bags.vector(7.5)} if kind.endswith("Twist") else {"speed": 7.5}
    parts = parts if "Float" not in kind else {"data": 7.5}
    bag = bags.write(tmp_path / "bag", [(STAMP, "/wheel_speed", kind, bags.make(kind, **parts))])
    with RosbagRecording(bag) as recording:
        assert "speed" not in recording.roles
        assert recording.alternatives["speed"] == ("/wheel_speed",)
    assert kind in SPEEDS
    settings = RecordingSettings(topics=TopicMap(speed="/wheel_speed"), speed_scale=1 / 3.6)
    with RosbagRecording(bag, settings) as recording:
        ((_, sample),) = recording.samples([SpeedSample])
    assert sample.speed == pytest.approx(7.5 / 3.6)


def test_inspection_lists_what_could_be_the_steering(bags, odd, tmp_path):
    events = [
        (STAMP, "/servo", SERVO, odd(SERVO, angle=0.5)),
        (STAMP, "/steer_pwm", "std_msgs/msg/Int16", odd("std_msgs/msg/Int16", data=3)),
        (STAMP, "/arm/commands", ARRAY, odd(ARRAY, data=np.array([0.1, 0.2]))),
        (STAMP, "/battery", "std_msgs/msg/Float32", odd("std_msgs/msg/Float32", data=12.0)),
        (STAMP, "/odom", bags.ODOMETRY, bags.odometry(STAMP, 5.0)),
    ]
    bag = bags.write(tmp_path / "bag", events)
    with RosbagRecording(bag) as recording:
        assert recording.alternatives == {
            "steering": (
                "/steer_pwm:data",
                "/servo:angle",
                "/arm/commands:data[0]",
                "/arm/commands:data[1]",
            )
        }
    findings = {one["code"]: one for one in inspect_recording(bag).facts["findings"]}
    assert "/servo:angle" in findings["no_steering"]["text"]
    assert "--topics.steering /steer_pwm:data" in findings["no_steering"]["remedy"]


def test_the_joints_that_could_be_the_steering_are_listed_with_their_flag(bags, tmp_path):
    names, angles = ["rear_wheel", "right_steer", "left_steer"], np.array([9.0, 0.1, 0.2])
    state = bags.make(JOINTS, name=names, position=angles)
    bag = bags.write(tmp_path / "bag", [(STAMP, "/joint_states", JOINTS, state)])
    (finding,) = [
        one for one in inspect_recording(bag).facts["findings"] if one["code"] == "no_steering"
    ]
    flags = "--topics.steering /joint_states --topics.joint left_steer"
    assert flags in finding["remedy"] and "rear_wheel" not in finding["text"]
    topics = TopicMap(steering="/joint_states", joint="left_steer")
    with RosbagRecording(bag, RecordingSettings(topics=topics)) as recording:
        ((_, sample),) = recording.samples([SteeringSample])
    assert sample.steering_angle == 0.2


def test_a_path_in_a_map_file_must_be_text():
    with pytest.raises(ConfigError):
        TopicMap(steering=3)


def test_a_commanded_speed_is_named_with_the_number_that_may_be_measured(bags, odd, tmp_path):
    drive = odd("ackermann_msgs/msg/AckermannDrive", steering_angle=0.1, speed=3.0)
    events = [
        (STAMP, "/drive", "ackermann_msgs/msg/AckermannDrive", drive),
        (STAMP, "/command", bags.TWIST, odd(bags.TWIST, twist=bags.twist(3.0, 0.1))),
        (STAMP, "/wheel_speed", "std_msgs/msg/Float32", odd("std_msgs/msg/Float32", data=3.0)),
    ]
    bag = bags.write(tmp_path / "bag", events[1:])
    found = {one["code"]: one for one in inspect_recording(bag).facts["findings"]}
    assert "/wheel_speed" in found["commanded_speed"]["text"]
    assert "--topics.speed /wheel_speed" in found["commanded_speed"]["remedy"]
    settings = RecordingSettings(topics=TopicMap(speed="/wheel_speed"))
    found = inspect_recording(bag, settings).facts["findings"]
    assert "commanded_speed" not in {one["code"] for one in found}
    with RosbagRecording(bags.write(tmp_path / "other", events[:1])) as recording:
        assert "speed" not in recording.roles and named_for("speed", recording) == ""
    with RosbagRecording(bags.write(tmp_path / "number", events[2:])) as recording:
        assert named_for("speed", recording) == "; --topics.speed may name /wheel_speed"


def test_the_pulse_of_a_servo_becomes_an_angle_by_scale_and_offset(bags, tmp_path):
    """1500 µs: straight on; 1600 µs: 0.2 rad to the left."""
    kind = "std_msgs/msg/Int16"
    events = [(STAMP, "/steer_pwm", kind, bags.make(kind, data=1600))]
    settings = RecordingSettings(
        topics=TopicMap(steering="/steer_pwm"), steering_scale=0.002, steering_offset=-3.0
    )
    with RosbagRecording(bags.write(tmp_path / "bag", events), settings) as recording:
        ((_, sample),) = recording.samples([SteeringSample])
    assert sample.steering_angle == pytest.approx(0.2)
