"""The log of Udacity's simulator, and a folder of pictures with a CSV file."""

from __future__ import annotations

import math

import pytest

from liquid_control.errors import ConfigError, RecordingError, TopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

CURVED = RecordingSettings(largest_curvature=2.0)
ROW = r"C:\Users\me\IMG\{0}, C:\Users\me\IMG\left_{0}, /media/me/IMG/right_{0},{1},0.5,0,{2}"


def udacity_name(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"center_2016_12_01_13_30_{seconds:02d}_{rest:03d}.jpg"


def write_log(folder, tables, rows: int = 6, header: str = ""):
    (folder / "IMG").mkdir(parents=True)
    lines = [header] if header else []
    for number in range(rows):
        name = udacity_name(113 * number)
        (folder / "IMG" / name).write_bytes(tables.jpeg(number))
        lines.append(ROW.format(name, 0.25, 22.369362920544))
    (folder / "driving_log.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("header", ["", "center,left,right,steering,throttle,brake,speed"])
def test_a_log_of_udacity_needs_no_scale_and_has_the_times_of_its_pictures(
    header, tables, tmp_path
):
    log = write_log(tmp_path / "log", tables, header=header)
    with open_recording(log) as source:
        assert list(source.roles) == ["camera", "speed", "steering"]
        found = list(source.samples())
        assert source.skipped == {} and source.seconds == pytest.approx(0.565)
    speeds = [sample.speed for _, sample in found if isinstance(sample, SpeedSample)]
    steered = [sample for _, sample in found if isinstance(sample, SteeringSample)]
    assert speeds == pytest.approx([10.0] * 6)
    assert [one.steering_angle for one in steered] == pytest.approx(
        [-0.25 * math.radians(25.0)] * 6
    )
    assert steered[1].stamp_ns - steered[0].stamp_ns == 113_000_000
    assert steered[0].stamp_ns == 1_480_599_000_000_000_000  # 2016-12-01 13:30:00
    assert sum(isinstance(sample, Frame) for _, sample in found) == 6
    with open_recording(log / "driving_log.csv", CURVED) as source:
        wheelbase = source.settings.vehicle.wheelbase
        (_, first), *_ = source.samples([SteeringSample])
    assert math.tan(first.steering_angle) / wheelbase == pytest.approx(-0.5)


def test_a_header_says_where_the_columns_of_a_log_are(tables, tmp_path):
    log = write_log(tmp_path / "log", tables)
    header = "number,speed,center,left,right,steering,throttle,brake"
    rows = [line.split(",") for line in (log / "driving_log.csv").read_text().splitlines()]
    lines = [",".join([str(at), row[6], *row[:6]]) for at, row in enumerate(rows)]
    with open_recording(log) as source:
        expected = [sample for _, sample in source.samples([SpeedSample, SteeringSample])]
    (log / "driving_log.csv").write_text("\n".join([header, *lines]) + "\n")
    with open_recording(log) as source:
        assert [one for _, one in source.samples([SpeedSample, SteeringSample])] == expected
        assert len(list(source.samples([Frame]))) == 6 and source.skipped == {}


def test_damage_of_a_log_costs_its_lines_and_is_counted(tables, tmp_path):
    log = write_log(tmp_path / "log", tables)
    file = log / "driving_log.csv"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * 60 + b"\n"
    lines[2] = lines[2][:30] + b"\n"
    lines[3] = lines[3].replace(b"center_2016", b"picture")
    file.write_bytes(b"".join(lines))
    (log / "IMG" / udacity_name(113 * 4)).unlink()
    with open_recording(log) as source:
        assert len(list(source.samples([Frame]))) == 2
        assert sorted(source.skipped.values()) == [1, 1, 1]
        assert [one.offset for one in source.damage] == [len(lines[0])]
    file.write_text("a,b\n")
    with pytest.raises(RecordingError, match="fewer than 7 columns"):
        open_recording(log)
    with pytest.raises(TopicError, match="center, left, right"):
        open_recording(log, RecordingSettings(topics=TopicMap(camera="/front")))


def write_folder(folder, tables, header: str, lines, pictures: int = 5):
    (folder / "frames").mkdir(parents=True)
    for number in range(pictures):
        (folder / "frames" / f"{number}.jpg").write_bytes(tables.jpeg(number))
    (folder / "drive.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder


def test_a_folder_says_by_its_header_what_it_holds(tables, tmp_path):
    header = "stamp_ns,picture,curvature,speed,gyro_z,acceleration_y,weather"
    lines = [f"{10**18 + 7 * n},frames/{n}.jpg,0.25,1.5,0.3,0.4,dry" for n in range(5)]
    folder = write_folder(tmp_path / "drive", tables, header, lines)
    with open_recording(folder) as source:
        assert list(source.roles) == ["camera", "imu", "speed", "steering"]
        assert [one.name for one in source.streams if not one.roles] == ["weather"]
        samples = [sample for _, sample in source.samples()]
    imu, speed, steering, picture = samples[4:8]
    assert isinstance(imu, ImuSample) and imu.angular_velocity[2] == 0.3
    assert imu.linear_acceleration[1] == 0.4 and speed.speed == 1.5
    wheelbase = RecordingSettings().vehicle.wheelbase
    assert math.tan(steering.steering_angle) / wheelbase == pytest.approx(0.25)
    assert picture.stamp_ns == steering.stamp_ns == 10**18 + 7


@pytest.mark.parametrize(
    ("header", "value", "curvature"),
    [
        ("stamp,picture,steering", 0.5, 1.0),
        ("stamp_ms,picture,steering_angle", 0.1, None),
        ("stamp,picture,curvature", 0.02, 0.02),
    ],
)
def test_steering_of_a_folder_is_positive_to_the_left(header, value, curvature, tables, tmp_path):
    lines = [f"{1000.5 + n},frames/{n}.jpg,{value}" for n in range(3)]
    folder = write_folder(tmp_path / "drive", tables, header, lines)
    with open_recording(folder, CURVED) as source:
        wheelbase = source.settings.vehicle.wheelbase
        (received_ns, sample), *_ = source.samples([SteeringSample])
    assert received_ns == (1_000_500_000 if "stamp_ms" in header else 1_000_500_000_000)
    if curvature is None:
        assert sample.steering_angle == pytest.approx(value)
    else:
        assert math.tan(sample.steering_angle) / wheelbase == pytest.approx(curvature)
    turned = RecordingSettings(largest_curvature=2.0, positive_steering="right")
    with open_recording(folder, turned) as source:
        (_, mirrored), *_ = source.samples([SteeringSample])
    sign = 1.0 if curvature is None else -1.0  # of an angle, --steering-scale gives the sign
    assert mirrored.steering_angle == pytest.approx(sign * sample.steering_angle)


def test_a_folder_with_other_pictures_than_its_table_names_both(tables, tmp_path):
    lines = [f"{n + 1}.0,frames/{n}.jpg,0.1" for n in (0, 1, 2, 8, 9)]
    lines += [",frames/3.jpg,0.1", "9.0,,0.1", "7.0,../../secret.jpg,0.1"]
    header = "stamp,picture,steering_angle"
    folder = write_folder(tmp_path / "drive", tables, header, lines)
    with open_recording(folder) as source:
        assert source.skipped == {
            "no time in the line": 1,
            "no picture in the line": 1,
            "pictures that no line names": 2,
        }
        assert len(list(source.samples([Frame]))) == 3
        assert source.skipped["picture: its picture is missing"] == 2
        assert source.skipped["picture: the path of its picture leads out of the folder"] == 1
    assert inspect_recording(folder).facts["verdict"]


def test_a_folder_without_the_columns_that_are_needed_says_which_these_are(tables, tmp_path):
    folder = write_folder(tmp_path / "drive", tables, "time,image,angle", ["1,frames/0.jpg,0"])
    with pytest.raises(RecordingError, match=r"time, image, angle.*picture.*stamp"):
        open_recording(folder)
    (folder / "drive.csv").write_text("")
    with pytest.raises(RecordingError, match="empty"):
        open_recording(folder)
    (folder / "drive.csv").unlink()
    with pytest.raises(RecordingError, match="a folder of pictures with a CSV file"):
        open_recording(folder)


def test_shuffled_lines_are_read_by_their_times_and_that_is_said(tables, tmp_path):
    lines = [f"{n + 1},frames/{n}.jpg,0.1" for n in (3, 0, 4, 1, 2)]
    header = "stamp,picture,steering_angle"
    folder = write_folder(tmp_path / "drive", tables, header, lines)
    with open_recording(folder) as source:
        stamps = [received_ns for received_ns, _ in source.samples([Frame])]
        assert any("shuffled" in remark for remark in source.remarks)
    assert stamps == sorted(stamps) and len(stamps) == 5


# vehicle.yaml


def opened(folder, **settings):
    with open_recording(folder, RecordingSettings(**settings)) as source:
        return source.settings


def test_a_vehicle_file_is_found_in_the_folder_beside_it_or_by_name(tables, tmp_path):
    header, lines = "stamp,picture,steering", ["1.0,frames/0.jpg,0.5"]
    folder = write_folder(tmp_path / "drives" / "one", tables, header, lines)
    named = tmp_path / "car.yaml"
    named.write_text("largest_curvature: 3.0\nspeed: 1.5\npositive_steering: right\n")
    assert opened(folder, vehicle_file=str(named)).largest_curvature == 3.0
    (folder.parent / "vehicle.yaml").write_text("largest_curvature: 0.5\nsteering_delay: 0.1\n")
    found = opened(folder)
    assert (found.largest_curvature, found.steering_delay) == (0.5, 0.1)
    (folder / "vehicle.yaml").write_text("wheelbase: 0.25\nlargest_angle: 0.4\n")
    found = opened(folder)
    assert found.largest_curvature == pytest.approx(math.tan(0.4) / 0.25)
    assert (found.vehicle.wheelbase, found.vehicle.max_steering_angle) == pytest.approx((0.25, 0.4))
    # Flags win, and the vehicle can steer what is recorded.
    found = opened(folder, largest_curvature=2.0)
    assert (found.largest_curvature, found.vehicle.wheelbase) == (2.0, 0.25)
    assert found.vehicle.max_steering_angle == pytest.approx(math.atan(0.5))
    found = opened(folder, vehicle_file=str(named), constant_speed=0.5)
    assert (found.constant_speed, found.positive_steering) == (0.5, "right")


def test_a_robots_parameter_file_gives_its_wheelbase_and_angle(tables, tmp_path):
    folder = write_folder(tmp_path / "one", tables, "stamp,picture,steering", ["1,frames/0.jpg,1"])
    file = tmp_path / "one_tenth.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    speed: 1.5\n"
        "    vehicle: {wheelbase: 0.325, max_steering_angle: 0.42}\n"
    )
    found = opened(folder, vehicle_file=str(file))
    assert found.largest_curvature == pytest.approx(math.tan(0.42) / 0.325)
    assert found.constant_speed == 0.0


@pytest.mark.parametrize(
    "text",
    ["wheel_base: 0.2\n", "- 1\n", "{", "wheelbase: -1\n", "wheelbase: 5\nlargest_curvature: 9\n"],
)
def test_a_vehicle_file_that_is_none_is_refused_by_its_name(text, tables, tmp_path):
    folder = write_folder(tmp_path / "one", tables, "stamp,picture,steering", ["1,frames/0.jpg,1"])
    (folder / "vehicle.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        open_recording(folder)
    assert "vehicle.yaml" in str(caught.value) or "wheelbase" in str(caught.value)
    with pytest.raises(ConfigError, match="no such file|No such file"):
        opened(folder, vehicle_file=str(tmp_path / "gone.yaml"))
