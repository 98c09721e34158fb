"""`liquid-control replay`: what policies would have done on recorded drives, and how far that is
from what the driver did."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from liquid_control.config import check, group, number, path, several, switch, text
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.evaluate.replay.files import REMEDY, write_csv, write_parquet
from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.evaluate.replay.metrics import Comparison, compare, figures, gate_figures, worst
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.evaluate.replay.text import table
from liquid_control.model.installed import find_model
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.source import Source
from liquid_control.system.files import write_atomically
from liquid_control.system.verb import Verb

APART = 5.0
"""Worst moments lie at least so far from one another [s]."""

CLOCKS_APART = 1.0
"""Receipt and stamp further apart than this [s] are two clocks, not a delay."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """Where the camera sits; with the lens from CameraInfo, paths are drawn on the road."""

    height: float = number(1.35, 0.05, 10.0, "m", "height of the camera above the road")
    pitch: float = number(0.14, -1.5, 1.5, "rad", "downward tilt of the camera")
    ahead: float = number(3.0, -10.0, 20.0, "m", "distance of the camera ahead of the rear axle")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """Settings of `liquid-control replay MODEL BAG [BAG ...]`; with --golden and no model, all golden
    recordings are compared."""

    model: str = text(
        "", "path of a model directory, or the name of an installed model", positional=True
    )
    bags: tuple[Path, ...] = several(
        (), "recordings: rosbag2 directories, .mcap or .db3 files", positional=True
    )
    against: tuple[str, ...] = several((), "further models to compare with, on the same frames")
    out: Path | None = path(
        None,
        "folder for report.html, commands.csv, commands.parquet, summary.json and replay.mp4",
        writes="folder",
    )
    video: float = number(
        60.0, 0.0, 1e6, "s", "length of the video of each recording in --out; 0: no video"
    )
    worst: int = number(6, 0, 24, "", "worst moments to show with their pictures")
    golden: Path | None = path(
        None,
        "folder of golden recordings: replay each and compare with the commands kept there; "
        "exit code 1 when they differ",
    )
    golden_update: bool = switch(
        False,
        "write the present commands into --golden: those of MODEL and BAGS where given, "
        "else those of all recordings there",
    )
    tolerance: float = number(
        1e-4,
        0.0,
        1.0,
        "rad",
        "largest difference from a golden command; --golden-update keeps it with the commands",
    )
    robot: OpenLoopSettings = group(OpenLoopSettings(), flat=True)
    camera: Camera = group(Camera())

    def __post_init__(self) -> None:
        check(self)


def run(settings: ReplaySettings) -> dict:
    """Replays and writes what is asked for; the facts of summary.json. Raises RecordingError,
    ModelFileError and their like for bad input."""
    if settings.golden is not None:
        from liquid_control.evaluate.replay.golden import golden

        return golden(settings)
    if not settings.model or not settings.bags:
        raise ConfigError(
            "replay", settings.model or "no model", "MODEL BAG [BAG ...], or --golden DIR"
        )
    if settings.out is not None:
        _check_report_extra()
        settings.out.mkdir(parents=True, exist_ok=True)
    models = {
        name: OnnxRuntime.load(path)
        for name, path in model_names((settings.model, *settings.against)).items()
    }
    total = sum(length(bag) for bag in settings.bags)
    logs: list[list[ReplayLog]] = []
    keepers, films = {}, {}
    names = bag_names(settings.bags)
    with (
        tqdm(total=round(total, 1), desc="replay", unit="s", leave=False, disable=None) as bar,
        one_thread(),
    ):
        for path, name in zip(settings.bags, names, strict=True):
            with ExitStack() as stack:
                watchers = _watchers(settings, path, name, list(models), stack, keepers, films)
                found = replay(
                    models,
                    path,
                    settings.robot,
                    lambda *seen, w=watchers: [watch(*seen) for watch in w],
                    bar.update,
                )
            logs.append([dataclasses.replace(log, bag=name) for log in found])
    facts, comparisons = summarize(logs, models)
    facts["worst"] = {
        model: worst(parts, settings.worst, APART) for model, parts in comparisons.items()
    }
    for warning in facts["warnings"]:
        print(f"liquid-control replay: warning: {warning}", file=sys.stderr)
    if settings.out is not None:
        from liquid_control.evaluate.replay.page import write_report

        rows = [log for of_bag in logs for log in of_bag]
        write_csv(rows, settings.out / "commands.csv")
        write_parquet(rows, settings.out / "commands.parquet")
        text = json.dumps(facts, indent=1) + "\n"
        with write_atomically(settings.out / "summary.json") as partial:
            partial.write_text(text, encoding="utf-8")
        report = settings.out / "report.html"
        drawn = (logs, comparisons, keepers, films, settings.camera, settings.worst)
        write_report(report, facts, *drawn)
        facts = facts | {"out": str(settings.out)}
    return facts


def summarize(
    logs: list[list[ReplayLog]], models: Mapping[str, OnnxRuntime]
) -> tuple[dict, dict[str, list[Comparison]]]:
    """The facts for JSON, and by model the comparisons with the driver, one for each bag with
    recorded steering."""
    comparisons: dict[str, list[Comparison]] = {model: [] for model in models}
    results = []
    for log in (log for of_bag in logs for log in of_bag):
        found = compare(log)
        results.append(
            {
                "model": log.model,
                "bag": log.bag,
                **_of_log(log),
                "agreement": figures([found]) if found else None,
            }
        )
        if found:
            comparisons[log.model].append(found)
    bags = [_of_bag(of_bag[0]) for of_bag in logs]
    wall, length = sum(of_bag[0].wall for of_bag in logs), sum(of_bag[0].seconds for of_bag in logs)
    frames = sum(of_bag[0].frames for of_bag in logs)
    facts = {
        "models": {
            name: {"directory": str(m.info.directory), "files": dict(m.info.files)}
            for name, m in models.items()
        },
        "bags": bags,
        "frames_used": sum(result["frames_used"] for result in results),
        "speed": {
            "seconds": wall,
            "frames_per_second": frames / max(wall, 1e-9),
            "times_real_time": length / max(wall, 1e-9),
        },
        "overall": {model: figures(parts) for model, parts in comparisons.items() if parts},
        "results": results,
        "warnings": [f"{bag['bag']}: {problem}" for bag in bags for problem in bag["problems"]],
    }
    return facts, comparisons


def model_names(models: tuple[str, ...]) -> dict[str, Path]:
    """A short name for each model: its directory's, with a number where two share one."""
    named: dict[str, Path] = {}
    for model in models:
        path = find_model(model)
        name = path.resolve().name
        named[
            name if name not in named else f"{name} {sum(k.startswith(name) for k in named) + 1}"
        ] = path
    return named


def bag_names(bags: tuple[Path, ...]) -> list[str]:
    """A short name for each recording: its file's or directory's, with those above it where two
    would share one."""
    paths = [Path(bag).resolve() for bag in bags]
    return [
        path.name
        if sum(other.name == path.name for other in paths) == 1
        else f"{path.parent.name}/{path.name}"
        for path in paths
    ]


def length(bag: Path) -> float:
    """Seconds of a recording. Raises RecordingError when nothing can be read."""
    with open_recording(bag, guess=True) as recording:
        return recording.seconds


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on one thread, as on the robot: waking a second takes longer than these pictures
    do."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _watchers(
    settings: ReplaySettings,
    path: Path,
    name: str,
    models: list[str],
    stack: ExitStack,
    keepers: dict,
    films: dict,
) -> list:
    if settings.out is None:
        return []
    from liquid_control.evaluate.replay.pictures import Film, Keeper

    vehicle = settings.robot.recording.vehicle
    with open_recording(path, settings.robot.recording) as recording:
        view = camera_view(recording, settings.camera)
    keepers[name] = Keeper(vehicle, 3 * settings.worst, APART), view
    if not settings.video:
        return [keepers[name][0]]
    file = settings.out / (
        "replay.mp4" if len(settings.bags) == 1 else f"replay_{len(films) + 1}.mp4"
    )
    film = stack.enter_context(Film(file, models, vehicle, view, settings.video))
    films[name] = film
    return [keepers[name][0], film]


def camera_view(recording: Source, camera: Camera):
    """How the camera of a recording sees the road; None without a calibration."""
    from liquid_control.report.overlay import CameraView

    intrinsics = recording.camera
    if intrinsics is None:
        return None
    focal, height = intrinsics.matrix[4], intrinsics.height
    if not (math.isfinite(focal) and focal > 0 and height > 0):
        return None
    return CameraView(2 * math.atan(height / 2 / focal), camera.height, camera.pitch, camera.ahead)


def _of_bag(log: ReplayLog) -> dict:
    problems = [f"damaged: {one}" for one in log.damage]
    problems += [f"{count} messages skipped, {reason}" for reason, count in log.skipped.items()]
    if "camera" not in log.roles or not log.frames:
        problems.append("no camera picture, so there is nothing to replay")
    problems += [f"no {role}: {what}" for role, what in _WITHOUT.items() if role not in log.roles]
    if log.clock_offset is not None and abs(log.clock_offset) > CLOCKS_APART:
        problems.append(
            f"frames are stamped {log.clock_offset:.1f} s before their receipt: two clocks, and the gate takes every frame for "
            "stale or future. Replay with --stamps receive"
        )
    return {
        "bag": log.bag,
        "seconds": log.seconds,
        "frames": log.frames,
        "topics": dict(log.roles),
        "steering_samples": len(log.recorded),
        "damage": list(log.damage),
        "skipped": dict(log.skipped),
        "problems": problems,
    }


_WITHOUT = {
    "imu": "the policy feels no motion, as on a robot whose IMU is silent",
    "speed": "the policy assumes one, and the gate judges at the largest",
    "steering": "commands only, nothing to compare them with",
}


def _of_log(log: ReplayLog) -> dict:
    rejected = {
        name.removeprefix("rejected_"): count
        for name, count in log.counts.items()
        if name.startswith("rejected_") and count
    }
    if log.counts["runtime_failures"]:
        rejected["runtime"] = log.counts["runtime_failures"]
    return {
        "frames": log.frames,
        "frames_used": log.counts["frames_used"],
        "rejected": rejected,
        "inertial_rejected": log.counts["inertial_rejected"],
        "commands": len(log.issued),
        "gate": gate_figures(log),
        "decode_ms": _percentiles(log.decode_s),
        "step_ms": _percentiles(log.step_s),
    }


def _percentiles(seconds: np.ndarray) -> dict:
    """Median and 99th percentile in ms."""
    return {
        name: float(np.percentile(seconds, share)) * 1e3 if len(seconds) else None
        for name, share in (("p50", 50), ("p99", 99))
    }


def _check_report_extra() -> None:
    """What --out needs, before anything takes time. Raises MissingDependencyError."""
    for module in ("jinja2", "av", "matplotlib", "pyarrow"):
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(module, REMEDY)


def _succeeded(facts: Mapping) -> bool:
    """Golden recordings: none moved. Else: at least one frame was used."""
    return facts["passed"] if "passed" in facts else facts["frames_used"] > 0


VERB = Verb(ReplaySettings, run, table, _succeeded)
