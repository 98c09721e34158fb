"""A replay is the robot on the recording's clock: same controller, same commands, whatever the bag
lacks."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.control.controller import Controller
from liquid_control.control.loop import PERIOD
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.log import COLUMNS, write_csv, write_parquet
from liquid_control.evaluate.replay.metrics import compare, gate_figures
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay, replay_source
from liquid_control.model.installed import find_model
from liquid_control.perception.view import Intrinsics, ViewSettings
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.view import crop_for
from liquid_control.signals import Frame, Limit, SpeedSample


@pytest.fixture(scope="module")
def lane_keeper():
    return OnnxRuntime.load(find_model("lane_keeper"))


@pytest.fixture(scope="module")
def large(make_drive, tmp_path_factory):
    """Pictures that the shipped policy accepts."""
    return make_drive(
        tmp_path_factory.mktemp("large") / "large", seconds=6.0, size=(64, 128), focal=60.0
    )


def test_a_replay_is_the_controller_fed_by_hand(large, lane_keeper):
    (log,) = replay({"lane_keeper": lane_keeper}, large)
    controller, curvatures, angles = Controller(lane_keeper), [], []
    gate, speed, command = SafetyGate(), None, None
    with open_recording(large) as recording:
        for receive_ns, sample in recording.samples():
            action = controller.push(sample, receive_ns)
            speed = sample.speed if isinstance(sample, SpeedSample) else speed
            if isinstance(sample, Frame):
                curvatures.append(action.curvature)
                command, _ = gate.apply(action, speed, receive_ns, command)
                angles.append(command.steering_angle)
    assert np.array_equal(log.issued.curvature, curvatures) and np.array_equal(
        log.issued.steering_angle, angles
    )
    assert len(curvatures) == log.frames == 150 and np.ptp(curvatures) > 0


def test_the_view_of_the_camera_info_is_the_crop_of_the_replay(lane_keeper):
    """Pictures twice as large as the policy's; the camera's focal length gives the crop."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (140, 300, 3), np.uint8) for _ in range(12)]
    frames = [Frame((k + 1) * 40_000_000, one) for k, one in enumerate(pictures)]
    camera = Intrinsics(300, 140, (160.0, 0.0, 150.0, 0.0, 160.0, 70.0, 0.0, 0.0, 1.0))
    view = ViewSettings("camera_info", width=0.9, above=0.2, below=0.3)
    issued = []
    for settings in (OpenLoopSettings(view=view), OpenLoopSettings()):
        samples = [(frame.stamp_ns, frame) for frame in frames]
        with InMemoryRecording(samples, settings.recording, camera) as recording:
            crop = crop_for(recording, settings.view, lane_keeper.preprocess)
            (log,) = replay_source({"lane_keeper": lane_keeper}, recording, settings)
        controller = Controller(lane_keeper)
        controller.observer.preprocess = crop
        actions = [controller.push(frame, frame.stamp_ns).curvature for frame in frames]
        assert np.array_equal(log.issued.curvature, actions) and len(actions) == 12
        issued.append((crop, actions))
    assert issued[0][0].crop_left > 0.2 and issued[1][0] == lane_keeper.preprocess
    assert issued[0][1] != issued[1][1]


def test_two_runs_write_the_same_bytes(large, lane_keeper, tmp_path):
    for name in ("one", "two"):
        write_csv(replay({"lane_keeper": lane_keeper}, large), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("one", "two")] == []


def test_models_side_by_side_are_as_they_are_alone(drive, scripted):
    kinds = {"left": lambda seconds: 0.01, "wave": lambda seconds: 0.02 * np.sin(seconds)}
    together = replay({name: scripted(kind) for name, kind in kinds.items()}, drive)
    for log in together:
        (alone,) = replay({log.model: scripted(kinds[log.model])}, drive)
        assert np.array_equal(log.issued.steering_angle, alone.issued.steering_angle)
        assert np.array_equal(log.issued.issued_ns, alone.issued.issued_ns)


def test_the_gate_goes_on_by_its_timer_through_a_hole_and_stops_the_vehicle(
    make_drive, scripted, tmp_path
):
    bag = make_drive(tmp_path / "hole", seconds=6.0, hole=(3.0, 4.0))
    (log,) = replay({"one": scripted(lambda seconds: 0.01)}, bag)
    issued, on_frame = log.issued, log.issued.on_frame.astype(bool)
    timed = issued.issued_ns[~on_frame]
    assert len(timed) == 20 and set(np.diff(timed)) == {round(PERIOD * 1e9)}
    assert timed[0] == issued.issued_ns[on_frame][74] + round(PERIOD * 1e9)
    stale = (issued.limits & Limit.STALE.value) != 0
    assert (
        np.array_equal(stale, (issued.issued_ns - issued.stamp_ns) > 200_000_000)
        and 15 <= stale.sum() <= 17
    )
    assert (
        issued.safe_stop[stale].all() and issued.speed[~on_frame][-1] < issued.speed[~on_frame][0]
    )


def in_stretches(samples, *steps):
    """The samples once for each step, stamps and receipts moved by it [ns], behind one another."""
    return [
        (received + step, dataclasses.replace(sample, stamp_ns=sample.stamp_ns + step))
        for step in steps
        for received, sample in samples
    ]


YEAR = 365 * 86_400 * 10**9


@pytest.mark.parametrize(
    "steps",
    [(0, 86_400 * 10**9), (-56 * YEAR, 0, 70 * YEAR), (0, -2_013_700_000), (0, -50 * YEAR, 10)],
    ids=["a day", "from 1970 and to 2096", "set back", "to 1976 and back"],
)
def test_stretches_are_replayed_one_by_one_and_what_lies_between_costs_nothing(
    make_drive, scripted, tmp_path, steps
):
    with open_recording(make_drive(tmp_path / "bag", seconds=4.0)) as recording:
        samples = list(recording.samples())
    (alone,) = replay_source(
        {"one": scripted(lambda _: 0.01)}, InMemoryRecording(samples), OpenLoopSettings()
    )
    source = InMemoryRecording(in_stretches(samples, *steps))
    (log,) = replay_source({"one": scripted(lambda _: 0.01)}, source, OpenLoopSettings())
    assert len(log.issued) == len(steps) * len(alone.issued) == len(steps) * 100
    assert log.seconds == pytest.approx(len(steps) * 3.99, abs=0.001)
    for name in ("curvature", "steering_angle", "speed", "measured_speed", "yaw_rate", "limits"):
        values = np.tile(getattr(alone.issued, name), len(steps))
        assert np.array_equal(getattr(log.issued, name), values, equal_nan=True), name
    gate, of_one = gate_figures(log), gate_figures(alone)
    assert gate["any"]["commands"] == len(steps) * of_one["any"]["commands"] > 0
    assert gate["any"]["seconds"] == pytest.approx(len(steps) * of_one["any"]["seconds"], abs=0.01)


def test_messages_that_arrive_a_little_out_of_order_are_no_step_of_the_clock(scripted):
    frames = [(at, Frame(at, np.full((16, 32, 3), at // 10**7 % 200, np.uint8)))
              for at in range(10**18, 10**18 + 4 * 10**9, 40_000_000)]  # fmt: skip
    speeds = [(at, SpeedSample(at, 9.0)) for at, _ in frames]
    late = [pair for two in zip(frames[1:], speeds, strict=False) for pair in two]
    (log,) = replay_source(
        {"one": scripted(lambda _: 0.01)}, InMemoryRecording(late), OpenLoopSettings()
    )
    assert log.counts["frames_used"] == len(late) // 2 and log.seconds == pytest.approx(3.92)
    assert not np.isnan(log.issued.measured_speed[2:]).any() and not log.issued.safe_stop.any()


def test_every_frame_is_used_and_time_goes_forward(drive, scripted):
    (log,) = replay({"one": scripted(lambda seconds: 0.01)}, drive)
    assert (
        np.all(np.diff(log.issued.issued_ns) > 0)
        and log.counts["frames_used"] == log.frames == len(log.step_s) == 500
    )
    assert log.issued.on_frame.all() and not log.issued.safe_stop.any()


@pytest.mark.parametrize("lacks", ["imu", "speed", "steering"])
def test_what_a_recording_lacks_is_said_and_the_rest_replayed(make_drive, tmp_path, capsys, lacks):
    bag = make_drive(tmp_path / "bag", seconds=4.0, size=(64, 128), **{lacks: False})
    if lacks == "speed":  # the command carries one, too; it is the driver's command
        assert cli.main(["replay", "lane_keeper", str(bag), "--json"]) == 0
        capsys.readouterr()
        bag = make_drive(
            tmp_path / "neither", seconds=4.0, size=(64, 128), speed=False, steering=False
        )
    assert cli.main(["replay", "lane_keeper", str(bag), "--json"]) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert (
        facts["frames_used"] == 100
        and f"no {lacks}" in err
        and any(f"no {lacks}" in warning for warning in facts["warnings"])
    )
    compared = facts["results"][0]["agreement"]
    assert (compared is None) == (lacks != "imu")
    assert ("speed_unknown" in facts["results"][0]["gate"]) == (lacks == "speed")


def test_damage_is_a_warning_and_a_file_of_another_kind_is_refused(large, tmp_path, capsys):
    whole = next(large.glob("*.mcap")).read_bytes()
    cut, invalid = tmp_path / "cut.mcap", tmp_path / "invalid.mcap"
    cut.write_bytes(whole[: int(0.6 * len(whole))])
    invalid.write_bytes(b"\x89MCAP0\r\n" + bytes(range(256)))
    assert cli.main(["replay", "lane_keeper", str(cut), "--json"]) == 0
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert (
        0 < facts["frames_used"] < 150
        and facts["bags"][0]["damage"]
        and "warning" in err
        and "cut.mcap" in err
    )
    for bad in (invalid, tmp_path / "missing"):
        assert cli.main(["replay", "lane_keeper", str(bad)]) == 2
        assert str(bad) in capsys.readouterr().err
    assert cut.read_bytes() == whole[: int(0.6 * len(whole))]


def test_a_clock_that_all_sensors_share_changes_no_command(make_drive, scripted, tmp_path, capsys):
    """TAI, or time since boot: the recorder's clock is another one, and no more."""
    model = {"one": scripted(lambda _: 0.01)}
    right = make_drive(tmp_path / "right", seconds=4.0)
    (expected,) = replay(model, right)
    for name, clock_ns in (("late", 10**12), ("tai", -37 * 10**9)):
        (log,) = replay(model, make_drive(tmp_path / name, seconds=4.0, clock_ns=clock_ns))
        for column in ("issued_ns", "steering_angle", "speed", "limits"):
            values = [getattr(one.issued, column) for one in (log, expected)]
            assert np.array_equal(*values), column
        assert log.as_recorded()[0].tolist() == (expected.issued.stamp_ns - clock_ns).tolist()
        assert [(one.code, one.role) for one in log.findings] == [("other_clock", "clock")]
        both = [compare(one) for one in (log, expected)]
        assert np.allclose(both[0].recorded, both[1].recorded, atol=1e-3)
    bag = make_drive(tmp_path / "bag", seconds=4.0, size=(64, 128), clock_ns=10**12)
    assert cli.main(["replay", "lane_keeper", str(bag), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "all stamps lie 16.7 min before receipt" in err
    assert "stale" not in json.loads(out)["results"][0]["gate"]


def test_a_camera_on_another_clock_is_named_and_receipt_can_be_taken_instead(
    make_drive, scripted, tmp_path
):
    with open_recording(make_drive(tmp_path / "bag", seconds=4.0)) as recording:
        samples = [
            (at, dataclasses.replace(one, stamp_ns=one.stamp_ns - 10**12))
            if isinstance(one, Frame)
            else (at, one)
            for at, one in recording.samples()
        ]
    model = {"one": scripted(lambda _: 0.01)}
    (log,) = replay_source(model, InMemoryRecording(samples), OpenLoopSettings())
    assert ("other_clock", "camera") in {(one.code, one.role) for one in log.findings}
    by_receipt = RecordingSettings(stamps="receive")
    (log,) = replay_source(
        model, InMemoryRecording(samples, by_receipt), OpenLoopSettings(recording=by_receipt)
    )
    assert not log.findings and not log.issued.safe_stop.any()


def test_csv_and_parquet_hold_the_same_commands(drive, scripted, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the report extra is not installed")
    logs = replay({"one": scripted(lambda seconds: 0.01 * seconds)}, drive, OpenLoopSettings())
    write_csv(logs, tmp_path / "commands.csv")
    write_parquet(logs, tmp_path / "commands.parquet")
    table = parquet.read_table(tmp_path / "commands.parquet")
    lines = (tmp_path / "commands.csv").read_text().splitlines()
    assert tuple(table.column_names) == COLUMNS == tuple(
        lines[0].split(",")
    ) and table.num_rows == len(lines) - 1 == len(logs[0].issued)
    place = COLUMNS.index("steering_angle")
    assert [float(line.split(",")[place]) for line in lines[1:]] == table[
        "steering_angle"
    ].to_pylist()


def test_a_replay_without_what_it_needs_says_so(capsys):
    assert cli.main(["replay"]) == 2 and "MODEL BAG" in capsys.readouterr().err
    assert (
        cli.main(["replay", "no_such_model", "no_such_bag"]) == 2
        and "no_such_model" in capsys.readouterr().err
    )


def test_a_fault_of_the_clocks_is_in_the_exit_code(make_drive, tmp_path, capsys):
    """The camera is on another clock than the speed; receipt helps."""
    bag = make_drive(tmp_path / "bag", seconds=4.0, size=(64, 128))
    with open_recording(bag) as recording:
        samples = list(recording.samples())
    with BagWriter(tmp_path / "other", BagSettings(pictures="raw")) as writer:
        for received, one in samples:
            if isinstance(one, Frame):
                other = dataclasses.replace(one, stamp_ns=one.stamp_ns - 100 * 10**9)
                writer.write_frame(other, received)
            elif isinstance(one, SpeedSample):
                writer.write_speed(one, received - 10**6)
    arguments = ["replay", "lane_keeper", str(tmp_path / "other"), "--json"]
    assert cli.main(arguments) == 1
    (fault,) = json.loads(capsys.readouterr()[0])["faults"]
    assert "camera: header stamps lie 100.0 s before receipt" in fault
    assert cli.main([*arguments, "--stamps", "receive"]) == 0
    assert json.loads(capsys.readouterr()[0])["faults"] == []
