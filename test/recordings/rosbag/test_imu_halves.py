"""An IMU whose gyro and accelerometer are two topics, as RealSense has them, is read as one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg

from liquid_control.config import PreprocessConfig
from liquid_control.errors import AmbiguousTopicError
from liquid_control.inspection.page import write_page
from liquid_control.inspection.recording import inspect_recording
from liquid_control.perception.mounting import ImuMounting
from liquid_control.perception.observer import Observer
from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import ImuSample, Observation

IMU = "sensor_msgs/msg/Imu"
START, LATE = 1_700_000_000_000_000_000, 2_000_000
GYRO, ACCEL = "/camera/gyro/sample", "/camera/accel/sample"
RATE, FORCE = (0.02, -0.3, 0.01), (-2.4, -9.81, 0.5)
"""A left bend in a camera's axes."""


def imu(bags, stamp: int, rate=(0.0, 0.0, 0.0), force=(0.0, 0.0, 0.0), missing: str = ""):
    covariances = {f"{missing}_covariance": np.array([-1.0] + [0.0] * 8)} if missing else {}
    return bags.make(
        IMU,
        header=bags.header(stamp),
        angular_velocity=bags.vector(*rate),
        linear_acceleration=bags.vector(*force),
        **covariances,
    )


def split(bags, said: bool, gyro: str = GYRO, accel: str = ACCEL) -> list[tuple]:
    """Half a second of the two halves; `said`: by their covariances, too, what they hold."""
    no_force, no_rate = ("linear_acceleration", "angular_velocity") if said else ("", "")
    events = []
    for k in range(50):
        stamp = START + k * 10_000_000
        events.append((stamp + LATE, gyro, IMU, imu(bags, stamp, rate=RATE, missing=no_force)))
        if k % 3 == 0:
            stamp -= 4_000_000
            events.append(
                (stamp + LATE, accel, IMU, imu(bags, stamp, force=FORCE, missing=no_rate))
            )
    return sorted(events, key=lambda event: event[0])


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("named", ["", GYRO, ACCEL, "camera/gyro/sample"])
def test_two_halves_are_one_imu_in_the_vehicles_axes(bags, tmp_path, said, named):
    """Between two frames the policy is given the mean of what either half measured."""
    settings = RecordingSettings(topics=TopicMap(imu=named), imu=ImuMounting("optical"))
    with RosbagRecording(bags.write(tmp_path / "bag", split(bags, said)), settings) as recording:
        roles = recording.roles
        assert (roles["imu"].name, roles["accelerometer"].name) == (GYRO, ACCEL)
        samples = [sample for _, sample in recording.samples()]
        assert recording.skipped == {}
    assert len(samples) == 50 + 17
    observer = Observer(PreprocessConfig(8, 8), measurements=("yaw_rate", "lateral_acceleration"))
    for sample in samples:
        gyro, force = sample.angular_velocity, sample.linear_acceleration
        assert math.isnan(sum(gyro)) != math.isnan(sum(force))
        assert observer.push(sample) is None  # taken
    picture = np.zeros((8, 8, 3), np.uint8)
    seen = observer.push(bags.Frame(START + 490_000_000, picture))
    assert isinstance(seen, Observation)
    np.testing.assert_allclose(seen.measurements, [0.3, 2.4], rtol=1e-6)
    assert observer.assumed == ()


def test_inspection_judges_both_and_says_so(bags, tmp_path):
    bag = bags.write(tmp_path / "bag", split(bags, said=True))
    inspection = inspect_recording(bag, RecordingSettings(imu=ImuMounting("optical")))
    findings = {one["code"]: one["text"] for one in inspection.facts["findings"]}
    assert findings["split_imu"] == f"{GYRO} (gyro) and {ACCEL} (accelerometer) are read as one"
    assert not {"imu_axes", "no_gravity", "backward", "ambiguous"} & set(findings)
    assert (
        len(inspection.tracks.gyro.rows) == 50 and len(inspection.tracks.accelerometer.rows) == 17
    )
    assert {"imu", "accelerometer"} <= set(inspection.stamps)
    write_page(inspection, tmp_path / "page.html")


def test_halves_belong_to_those_of_their_camera(bags, tmp_path):
    front, rear = (split(bags, True, f"/{at}{GYRO}", f"/{at}{ACCEL}") for at in ("front", "rear"))
    events = sorted(front + rear, key=lambda event: event[0])
    bag = bags.write(tmp_path / "bag", events)
    with pytest.raises(AmbiguousTopicError) as caught:
        RosbagRecording(bag)
    assert caught.value.candidates == (f"/front{GYRO}", f"/rear{GYRO}")
    settings = RecordingSettings(topics=TopicMap(imu=f"/rear{GYRO}"))
    with RosbagRecording(bag, settings) as recording:
        assert recording.roles["accelerometer"].name == f"/rear{ACCEL}"
    topics = TopicMap(imu=f"/rear{GYRO}", accelerometer=f"/front{ACCEL}")
    with RosbagRecording(bag, RecordingSettings(topics=topics)) as recording:
        assert recording.roles["accelerometer"].name == f"/front{ACCEL}"


def test_an_accelerometer_that_is_named_is_no_gyro(bags, tmp_path):
    events = [event for event in split(bags, said=False) if event[1] == ACCEL]
    settings = RecordingSettings(topics=TopicMap(accelerometer=ACCEL))
    with RosbagRecording(bags.write(tmp_path / "bag", events), settings) as recording:
        assert "imu" not in recording.roles
        assert all(math.isnan(one.angular_velocity[2]) for _, one in recording.samples())


VECTOR, COMBINED = "geometry_msgs/msg/Vector3Stamped", "odd_msgs/msg/Combined"


def test_gyro_and_accelerometer_are_vectors_of_any_type(bags, tmp_path):
    """As Xsens and PX4 have them; the latter with z down."""
    if COMBINED not in bags.TYPES.fielddefs:
        text = "uint64 timestamp\nfloat32[3] gyro_rad\nfloat32[3] accelerometer_m_s2\n"
        bags.TYPES.register(get_types_from_msg(text, COMBINED))
    stamped = bags.header(START)
    combined = bags.make(
        COMBINED,
        timestamp=12,
        gyro_rad=np.array([0.0, 0.0, -0.25], np.float32),
        accelerometer_m_s2=np.array([0.5, -2.0, -9.75], np.float32),
    )
    rate, force = bags.vector(0.0, 0.0, 0.25), bags.vector(0.5, 2.0, 9.75)
    events = [
        (START + LATE, "/px4/sensors", COMBINED, combined),
        (
            START + LATE,
            "/imu/angular_velocity",
            VECTOR,
            bags.make(VECTOR, header=stamped, vector=rate),
        ),
        (
            START + LATE,
            "/imu/acceleration",
            VECTOR,
            bags.make(VECTOR, header=stamped, vector=force),
        ),
    ]
    bag = bags.write(tmp_path / "bag", events)
    sides = (
        (TopicMap(imu="/imu/angular_velocity", accelerometer="/imu/acceleration"), "flu", START),
        (
            TopicMap(imu="/px4/sensors:gyro_rad", accelerometer="/px4/sensors:accelerometer_m_s2"),
            "frd",
            START + LATE,
        ),
    )
    for topics, axes, stamp in sides:
        settings = RecordingSettings(topics=topics, imu=ImuMounting(axes))
        with RosbagRecording(bag, settings) as recording:
            gyro, accelerometer = [sample for _, sample in recording.samples()]
            assert recording.skipped == {}
        assert gyro.angular_velocity == (0.0, 0.0, 0.25) and accelerometer.stamp_ns == stamp
        assert accelerometer.linear_acceleration == (0.5, 2.0, 9.75)
        assert math.isnan(gyro.linear_acceleration[2] + accelerometer.angular_velocity[2])
    with RosbagRecording(bag) as recording:
        found = recording.alternatives["imu"]
    assert found == ("/px4/sensors:gyro_rad", "/imu/angular_velocity:vector")
    text = {one["code"]: one for one in inspect_recording(bag).facts["findings"]}["no_imu"]
    assert "--topics.imu /px4/sensors:gyro_rad" in text["remedy"]


def test_whole_imus_are_left_as_they_are(bags, tmp_path):
    """One that stands still with a gyro of exact zeros is no half where there is no gyro alone."""
    events = [
        (START + k, topic, IMU, imu(bags, START + k, rate=rate, force=(0.0, 0.0, 9.81)))
        for k in range(9)
        for topic, rate in (("/a/imu", (0.0, 0.0, 0.0)), ("/b/imu", (0.0, 0.0, 0.1)))
    ]
    bag = bags.write(tmp_path / "bag", events)
    with pytest.raises(AmbiguousTopicError, match="/a/imu, /b/imu"):
        RosbagRecording(bag)
    with RosbagRecording(bag, RecordingSettings(topics=TopicMap(imu="/b/imu"))) as recording:
        assert "accelerometer" not in recording.roles
        samples = [sample for _, sample in recording.samples([ImuSample])]
    assert samples[0] == ImuSample(START, (0.0, 0.0, 0.1), (0.0, 0.0, 9.81))
