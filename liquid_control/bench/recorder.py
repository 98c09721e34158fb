"""`liquid-control bench recorder`: what recorder_node loses and costs beside a drive.

Gate, policy, a cheap robot and the recorder run as processes over DDS. Pictures and samples of the
IMU are numbered, so that the recording tells what it lacks.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from liquid_control.bench.timing import write_result
from liquid_control.config import check, number, path, text
from liquid_control.errors import DriveError, MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.recordings.onboard.settings import CONTINUOUS, EVENTS
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.system.cpu_time import cpu_seconds
from liquid_control.system.memory_use import status_bytes
from liquid_control.system.verb import Verb

MUST = {"missing": 0, "memory_mb": 256.0}
"""Messages that a recording lacks, and memory for messages that the settings allow."""
WIDTH, HEIGHT, RATE, IMU_RATE = 640, 480, 30.0, 200.0
PICTURES, GRAIN = 30, 6.0
"""Pictures in the loop, and the standard deviation of their noise, by which they are as large as
those of a camera."""
SETTLED, ENGAGED = 5.0, 15.0
"""Seconds from the begin of the recording to that of the measurement; and, in events mode, of the
measurement after the gate has engaged, which is the event."""
PATIENCE, SILENT = 60.0, "it said nothing"
"""A process gets so long to start [s], of which its first word tells."""
CAMERA, INERTIAL = "/camera/image_raw/compressed", "/imu/data"
NAMED = {CAMERA: "pictures", INERTIAL: "samples"}


@dataclasses.dataclass(frozen=True)
class RecorderBenchSettings:
    """Settings of `liquid-control bench recorder`."""

    out: Path = path(Path("doc/results"), "folder for recorder.json", writes="folder")
    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    minutes: float = number(10.0, 0.1, 1440.0, "min", "continuous recording")

    def __post_init__(self) -> None:
        check(self)


def bench_recorder(settings: RecorderBenchSettings) -> dict:
    """Measures, writes recorder.json and returns what it holds. Raises DriveError when a process
    ends, MissingDependencyError without ROS."""
    try:
        from liquid_control.stress.processes import sensors
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make setup, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    model = find_model(settings.model).resolve()
    pack_model(model)  # a broken one is refused before anything is drawn
    with tempfile.TemporaryDirectory(prefix="bench-recorder-") as scratch:
        place = Path(scratch)
        pictures = place / "pictures.npy"
        np.save(pictures, _large(sensors.render_pictures(PICTURES, 0)))
        rows = {
            CONTINUOUS: _measured(model, pictures, place, CONTINUOUS, 60.0 * settings.minutes),
            EVENTS: _measured(model, pictures, place, EVENTS, ENGAGED),
        }
    measured = {
        "model": model.name,
        "pictures": f"{WIDTH}x{HEIGHT} JPEG at {RATE:g} Hz",
        "imu_hz": IMU_RATE,
        **rows,
        "must": MUST,
    }
    return write_result(settings.out / "recorder.json", ("mcap", "numpy"), measured)


def table(result: Mapping) -> str:
    """A line for each mode."""
    lines = [f"{result['pictures']}, IMU at {result['imu_hz']:g} Hz, beside {result['model']}"]
    for mode in (CONTINUOUS, EVENTS):
        row = result[mode]
        lines.append(
            f"{mode}, {row['seconds']:.0f} s recorded, {row['megabytes']:.0f} MB: "
            f"{row['pictures_missing']} of {row['pictures']} pictures missing, "
            f"{row['samples_missing']} of {row['samples']} samples of the IMU; "
            f"{row['cpu']:.1%} of a core, {row['peak_mb']:.0f} MB at most, "
            f"{row['start_mb']:.0f} MB at the start"
        )
    host = result["machine"]
    lines.append(f"{host['processor']}, {host['cores']} cores, load {host['load']}, {host['date']}")
    return "\n".join(lines)


def succeeded(result: Mapping) -> bool:
    """Whether nothing is missing and memory is within its cap."""
    rows = [result[mode] for mode in (CONTINUOUS, EVENTS)]
    whole = all(row["pictures"] and not row["pictures_missing"] for row in rows)
    whole = whole and not any(row["samples_missing"] for row in rows)
    return whole and all(row["peak_mb"] - row["start_mb"] <= MUST["memory_mb"] for row in rows)


def _large(pictures: np.ndarray) -> np.ndarray:
    """Pictures of the camera's size, with the noise of one."""
    rng = np.random.default_rng(0)
    made = np.empty((len(pictures), HEIGHT, WIDTH, 3), np.uint8)
    for one, drawn in zip(pictures, made, strict=True):
        noise = rng.normal(0.0, GRAIN, drawn.shape)
        large = cv2.resize(one, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        drawn[:] = np.clip(large + noise, 0, 255)
    return made


def _measured(model: Path, pictures: Path, place: Path, mode: str, seconds: float) -> dict:
    """One recording beside a drive. CPU and memory are the recorder's."""
    from liquid_control.ros.node_processes import Child, Children, isolated_environment

    environment, claim = isolated_environment()
    folder, logs = place / mode, place / f"{mode}_logs"
    environment |= {"ROS_LOG_DIR": str(logs), "ROS_HOME": str(place)}
    sent = {"pictures": str(pictures), "compressed": True, "rate": RATE}
    sent |= {"imu_rate": IMU_RATE, "numbered": True}
    record = {"record.scope": mode, "record.folder": str(folder), "record.keep_free": 0.0}
    shared = {"image_transport": "compressed"}
    children = Children(
        [
            Child("recorder_node", "liquid_control.ros.recorder_node", {**record, **shared}),
            Child("safety_node", "liquid_control.ros.safety_node", {"state_folder": "none"}),
            Child("policy_node", "liquid_control.ros.policy_node", {"model": str(model), **shared}),
        ],
        environment,
        logs,
    )
    with claim, children, tqdm(total=round(seconds), unit="s", leave=False, disable=None) as bar:
        for name in ("recorder_node", "safety_node", "policy_node"):
            _until(children, lambda name=name: children.last_words(name) != SILENT, name)
        pid = children.pids["recorder_node"]
        start = status_bytes(pid)["VmRSS"]
        children.start(Child("sensors", "liquid_control.stress.processes.sensors", sent))
        _until(children, lambda: any(folder.glob("*/*.mcap")), "a recording")
        time.sleep(SETTLED)
        before, began = cpu_seconds(pid), time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(min(1.0, seconds - passed))
            bar.n = round(passed)
            bar.refresh()
            children.raise_if_died()
        used, lasted = cpu_seconds(pid) - before, time.monotonic() - began
        peak = status_bytes(pid)["VmHWM"]
        children.end()
    return {"cpu": used / lasted, "start_mb": start / 1e6, "peak_mb": peak / 1e6, **_read(folder)}


def _until(children, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        children.raise_if_died()
        if time.monotonic() > deadline:
            raise DriveError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.1)


def _read(folder: Path) -> dict:
    """What all recordings in a folder hold and lack, between the first and the last message."""
    numbers: dict[str, list[int]] = {topic: [] for topic in NAMED}
    begin_ns, end_ns, size = 2**63, 0, 0
    paths = list(folder.iterdir())
    if not paths:
        raise DriveError("nothing was recorded")
    for one in paths:
        size += sum(file.stat().st_size for file in one.iterdir())
        with BagReader(one) as reader:
            begin_ns, end_ns = min(begin_ns, reader.start_ns), max(end_ns, reader.end_ns)
            for message in reader.messages(numbers):
                numbers[message.topic].append(int(reader.decode(message).header.frame_id))
    row = {"seconds": (end_ns - begin_ns) / 1e9, "megabytes": size / 1e6}
    for topic, name in NAMED.items():
        found = set(numbers[topic])
        row[name] = len(found)
        row[f"{name}_missing"] = max(found) - min(found) + 1 - len(found) if found else 0
    return row


VERB = Verb(RecorderBenchSettings, bench_recorder, table, succeeded)
