"""`liquid-control bench replay`: speed and memory of replaying recordings, and the time to
read an index.

Every measurement is a separate process, and the contenders alternate, so that other load on the
machine affects all of them.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from liquid_control.bench.replay_bag import (
    CAMERA_RATE,
    HEIGHT,
    IMU_RATE,
    SLOW_RATE,
    WIDTH,
    make_bag,
)
from liquid_control.bench.timing import write_result
from liquid_control.config import check, number, path, text
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.system.verb import Verb

PACKAGES = ("rosbags", "opencv-python-headless", "onnxruntime", "numpy")
MUST = {"times_real_time": 15.0, "share": 0.8, "peak_mb": 600.0, "index_s": 5.0}

PRELUDE = """
import json, sys, time
from pathlib import Path
import cv2
cv2.setNumThreads(1)
from liquid_control.signals import Frame
from liquid_control.system.memory_use import peak_bytes
bag, model, scratch = sys.argv[1:]
"""
PROGRAMS = {
    "replay": """
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.open_loop import replay
models = {"model": OnnxRuntime.load(model)}
began = time.perf_counter()
(log,) = replay(models, bag)
seconds, frames = time.perf_counter() - began, log.frames
""",
    "read and decode": """
from liquid_control.recordings.formats import open_recording
began = time.perf_counter()
with open_recording(bag) as recording:
    frames = sum(isinstance(sample, Frame) for _, sample in recording.samples())
seconds = time.perf_counter() - began
""",
    "plain rosbags loop": """
from rosbags.highlevel import AnyReader
began, frames = time.perf_counter(), 0
with AnyReader([Path(bag)]) as reader:
    for connection, _, data in reader.messages():
        message = reader.deserialize(data, connection.msgtype)
        if connection.msgtype == "sensor_msgs/msg/CompressedImage":
            cv2.cvtColor(cv2.imdecode(message.data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            frames += 1
seconds = time.perf_counter() - began
""",
    "inspect --quick": """
from liquid_control.inspection.recording import inspect_recording
began, frames = time.perf_counter(), 0
facts = inspect_recording(bag, quick=True).facts
seconds = time.perf_counter() - began
""",
    "replay --out": """
from liquid_control.evaluate.replay.run import ReplaySettings, run
began = time.perf_counter()
settings = ReplaySettings(model, (Path(bag),), out=Path(scratch, "report"), video=0.0)
frames = run(settings)["frames_used"]
seconds = time.perf_counter() - began
""",
}
"""The measurements, each in a separate process. Plain rosbags loop: a minimal program that reads
and decodes with the package rosbags. Read and decode: the reader of replay without a policy; if
all cores decode, the time of the policy is added."""

LAST = (
    '\nprint(json.dumps({"seconds": seconds, "frames": frames, "peak_mb": peak_bytes() / 2**20}))\n'
)


@dataclasses.dataclass(frozen=True)
class ReplayBenchSettings:
    """Settings of `liquid-control bench replay`."""

    out: Path = path(Path("doc/results"), "folder for replay.json", writes="folder")
    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    minutes: float = number(
        30.0, 0.5, 600.0, "min", "length of the long recording, of 170 MB per minute"
    )
    rounds: int = number(
        7, 1, 1000, "", "timings of each contender on the short recording of one minute"
    )
    folder: Path | None = path(
        None,
        "folder that keeps the recordings for the next time; default: a temporary folder",
        writes="folder",
    )

    def __post_init__(self) -> None:
        check(self)


def bench_replay(settings: ReplayBenchSettings) -> dict:
    """Measures, writes replay.json and returns what it holds; `table` shows it. The machine should
    have nothing else to do."""
    model = read_model(find_model(settings.model)).directory
    with tempfile.TemporaryDirectory(prefix="bench-replay-") as scratch:
        folder = settings.folder or Path(scratch)
        short, long = folder / "short", folder / f"long_{settings.minutes:g}"
        with tqdm(
            total=60 + round(60 * settings.minutes),
            desc="making recordings",
            unit="s",
            leave=False,
            disable=None,
        ) as bar:
            for bag, seconds in ((short, 60.0), (long, 60.0 * settings.minutes)):
                if not bag.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    make_bag(bag, seconds, bar.update)
        size = sum(file.stat().st_size for file in long.iterdir())
        contenders = ("read and decode", "replay", "plain rosbags loop")
        turns: dict[str, list[dict]] = {name: [] for name in contenders}
        with tqdm(
            total=settings.rounds * len(contenders) + 3, desc="measuring", leave=False, disable=None
        ) as bar:
            for turn in range(settings.rounds):
                for name in contenders if turn % 2 else reversed(contenders):
                    turns[name].append(_measured(name, short, model, scratch))
                    bar.update()
            whole = {}
            for name in ("inspect --quick", "replay", "replay --out"):
                whole[name] = _measured(name, long, model, scratch)
                bar.update()
    rate = {
        name: statistics.median(turn["frames"] / turn["seconds"] for turn in of_name)
        for name, of_name in turns.items()
    }
    share = [
        _rate(ours) / _rate(reading)
        for ours, reading in zip(turns["replay"], turns["read and decode"], strict=True)
    ]
    measured = {
        "recording": {
            "picture": f"{WIDTH}x{HEIGHT} JPEG",
            "bytes_per_picture": round(size / (60.0 * settings.minutes * CAMERA_RATE)),
            "camera_hz": CAMERA_RATE,
            "imu_hz": IMU_RATE,
            "odometry_and_steering_hz": SLOW_RATE,
            "long_minutes": settings.minutes,
            "long_bytes": size,
        },
        "model": model.name,
        "frames_per_second": rate,
        "times_real_time": rate["replay"] / CAMERA_RATE,
        "share_of_reading": statistics.median(share),
        "share_of_plain_loop": rate["replay"] / rate["plain rosbags loop"],
        "rounds": settings.rounds,
        "long_times_real_time": 60.0 * settings.minutes / whole["replay"]["seconds"],
        "long_with_report_times_real_time": 60.0
        * settings.minutes
        / whole["replay --out"]["seconds"],
        "peak_mb": {
            "1 min": statistics.median(turn["peak_mb"] for turn in turns["replay"]),
            f"{settings.minutes:g} min": whole["replay"]["peak_mb"],
            f"{settings.minutes:g} min with report": whole["replay --out"]["peak_mb"],
        },
        "index_s": whole["inspect --quick"]["seconds"],
        "must": MUST,
    }
    return write_result(settings.out / "replay.json", PACKAGES, measured)


def table(result: Mapping) -> str:
    """A line per figure with what it must be, then the recording and the machine."""
    minutes = f"{result['recording']['long_minutes']:g} min"
    rows = [
        (
            "replay, times real time",
            f"{result['times_real_time']:.1f}",
            f">= {MUST['times_real_time']:g}",
        ),
        (
            f"replay of {minutes}, times real time",
            f"{result['long_times_real_time']:.1f}",
            f">= {MUST['times_real_time']:g}",
        ),
        ("with CSV, parquet and report", f"{result['long_with_report_times_real_time']:.1f}", ""),
        (
            "share of a loop over rosbags that only reads and decodes",
            f"{result['share_of_plain_loop']:.0%}",
            f">= {MUST['share']:.0%}",
        ),
        (
            "share of our own reader, decoding ahead on all cores",
            f"{result['share_of_reading']:.0%}",
            "",
        ),
        *(
            (f"peak memory, {name}", f"{peak:.0f} MB", f"<= {MUST['peak_mb']:g} MB")
            for name, peak in result["peak_mb"].items()
        ),
        (
            f"looking through the index of {minutes}",
            f"{result['index_s']:.2f} s",
            f"<= {MUST['index_s']:g} s",
        ),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    text = [
        f"{name.ljust(widths[0])}  {got.rjust(widths[1])}  {must.rjust(widths[2])}".rstrip()
        for name, got, must in rows
    ]
    text += [f"{name}: {rate:.0f} frames/s" for name, rate in result["frames_per_second"].items()]
    recording, host = result["recording"], result["machine"]
    rates = f"{recording['camera_hz']:g} Hz, IMU at {recording['imu_hz']:g} Hz"
    size = (
        f"{recording['bytes_per_picture'] / 1000:.0f} kB a picture, "
        f"{recording['long_bytes'] / 1e9:.1f} GB"
    )
    text.append(f"{recording['picture']} at {rates}: {size}")
    text.append(f"{host['processor']}, {host['cores']} cores, load {host['load']}, {host['date']}")
    return "\n".join(text)


def succeeded(result: Mapping) -> bool:
    """Whether every figure is what it must be."""
    return (
        min(result["times_real_time"], result["long_times_real_time"]) >= MUST["times_real_time"]
        and result["share_of_plain_loop"] >= MUST["share"]
        and max(result["peak_mb"].values()) <= MUST["peak_mb"]
        and result["index_s"] <= MUST["index_s"]
    )


def _measured(name: str, bag: Path, model: Path, scratch: str) -> dict:
    program = PRELUDE + PROGRAMS[name] + LAST
    ran = subprocess.run(
        [sys.executable, "-c", program, str(bag), str(model), scratch],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def _rate(turn: Mapping) -> float:
    return turn["frames"] / turn["seconds"] if turn["seconds"] else math.inf


VERB = Verb(ReplayBenchSettings, bench_replay, table, succeeded)
