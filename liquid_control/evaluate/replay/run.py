"""`liquid-control replay`: commands of policies on recorded drives, compared with the driver's."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import cv2
from tqdm import tqdm

from liquid_control.config import VehicleConfig, check, group, number, path, several, switch, text
from liquid_control.control.driving_scale import CAR_FROM, CAR_WHEELBASE
from liquid_control.deploy.runtime import Runtime
from liquid_control.deploy.runtimes import load_runtime
from liquid_control.errors import ConfigError
from liquid_control.evaluate.learned_from import learned_from
from liquid_control.evaluate.replay.closed_loop import closed_loop
from liquid_control.evaluate.replay.golden import golden
from liquid_control.evaluate.replay.log import ReplayLog, write_csv, write_parquet
from liquid_control.evaluate.replay.metrics import Comparison, worst
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay_source
from liquid_control.evaluate.replay.pictures import ReplayVideo, Watched, WorstMoments
from liquid_control.evaluate.replay.summary import summarize
from liquid_control.evaluate.replay.text import table
from liquid_control.model.installed import find_model
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.vehicle_presets import starting_values
from liquid_control.report.overlay import CameraView
from liquid_control.report.page import require
from liquid_control.system.files import clear_results, write_atomically
from liquid_control.system.verb import Verb

APART = 5.0
"""Least distance of worst moments from one another [s]."""


RESULTS = (
    "report.html",
    "commands.csv",
    "commands.parquet",
    "summary.json",
    "replay.mp4",
    "replay_[0-9]*.mp4",
)
"""What a replay may leave in --out."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """Position of the camera; with the focal length from CameraInfo, paths are drawn on the
    road."""

    height: float = number(1.35, 0.05, 10.0, "m", "height of the camera above the road")
    pitch: float = number(0.14, -1.5, 1.5, "rad", "downward tilt of the camera")
    ahead: float = number(3.0, -10.0, 20.0, "m", "distance of the camera ahead of the rear axle")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class ReplaySettings:
    """Settings of `liquid-control replay MODEL BAG [BAG ...]`; with --golden and no model, all
    golden recordings are checked."""

    model: str = text(
        "", "path of a model directory, or the name of an installed model", positional=True
    )
    bags: tuple[Path, ...] = several(
        (),
        "recordings: rosbag2 directories, .mcap or .db3 files, DonkeyCar tubs, ...",
        positional=True,
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
    """Replays and writes the report that --out names; returns the facts of summary.json. Raises
    RecordingError, ModelFileError and other package errors for bad input."""
    if settings.golden is not None:
        return golden(settings)
    if not settings.model or not settings.bags:
        raise ConfigError(
            "replay", settings.model or "no model", "MODEL BAG [BAG ...], or --golden DIR"
        )
    if settings.out is not None:
        require("jinja2", "av", "matplotlib", "pyarrow")
        settings.out.mkdir(parents=True, exist_ok=True)
    models = {
        name: load_runtime(path)
        for name, path in model_names((settings.model, *settings.against)).items()
    }
    if settings.out is not None:
        clear_results(settings.out, *RESULTS)
    logs, watched = _replay_all(settings, models)
    facts, comparisons = summarize(logs, models)
    facts["worst"] = {
        model: worst(parts, settings.worst, APART) for model, parts in comparisons.items()
    }
    facts["closed_loop"] = closed_loop(
        settings.model, settings.bags, facts["bags"], settings.robot.recording
    )
    first = next(iter(models.values())).info
    facts["learned_from"] = [
        bag["bag"]
        for bag, path in zip(facts["bags"], settings.bags, strict=True)
        if learned_from(first.provenance, path).learned
    ]
    for warning in facts["warnings"]:
        print(f"liquid-control replay: warning: {warning}", file=sys.stderr)
    if settings.out is not None:
        _write(settings, facts, logs, comparisons, watched)
        facts = facts | {"out": str(settings.out)}
    return facts


def _replay_all(
    settings: ReplaySettings, models: Mapping[str, Runtime]
) -> tuple[list[list[ReplayLog]], dict[str, Watched]]:
    """Logs by recording and model, and the pictures for the report by recording.

    Each recording is opened once, before the first is replayed: the progress bar needs their total
    length, and one that cannot be read costs no replay.
    """
    logs: list[list[ReplayLog]] = []
    watched: dict[str, Watched] = {}
    with ExitStack() as stack:
        sources = [
            stack.enter_context(open_recording(path, settings.robot.recording))
            for path in settings.bags
        ]
        total = sum(source.seconds for source in sources)
        bar = stack.enter_context(
            tqdm(total=round(total, 1), desc="replay", unit="s", leave=False, disable=None)
        )
        stack.enter_context(opencv_on_one_thread())
        for source, name in zip(sources, bag_names(settings.bags), strict=True):
            with source:
                watcher = _watcher(settings, source, list(models), len(watched))
                with watcher or nullcontext():
                    found = replay_source(models, source, settings.robot, watcher, bar.update)
            if watcher is not None:
                watched[name] = watcher
            logs.append([dataclasses.replace(log, bag=name) for log in found])
    return logs, watched


def _watcher(
    settings: ReplaySettings, source: Source, models: list[str], number: int
) -> Watched | None:
    """What collects the pictures of one recording for the report; None without --out."""
    if settings.out is None:
        return None
    vehicle = source.settings.vehicle
    view = camera_view(source.camera, mounted(settings.camera, source.settings))
    view = view and dataclasses.replace(view, size=_size(vehicle))
    moments = WorstMoments(vehicle, 3 * settings.worst, APART)
    if not settings.video:
        return Watched(moments, view)
    name = "replay.mp4" if len(settings.bags) == 1 else f"replay_{number + 1}.mp4"
    video = ReplayVideo(settings.out / name, models, vehicle, view, settings.video)
    return Watched(moments, view, video)


def _write(
    settings: ReplaySettings,
    facts: Mapping,
    logs: list[list[ReplayLog]],
    comparisons: Mapping[str, list[Comparison]],
    watched: Mapping[str, Watched],
) -> None:
    from liquid_control.evaluate.replay.page import write_report

    rows = [log for of_bag in logs for log in of_bag]
    write_csv(rows, settings.out / "commands.csv")
    write_parquet(rows, settings.out / "commands.parquet")
    with write_atomically(settings.out / "summary.json") as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    report = settings.out / "report.html"
    write_report(report, facts, logs, comparisons, watched, settings.camera, settings.worst)


def model_names(models: tuple[str, ...]) -> dict[str, Path]:
    """A short name for each model: its directory's, with a number where two share one."""
    named: dict[str, Path] = {}
    for model in models:
        path = find_model(model)
        name = path.resolve().name
        same = sum(other.startswith(name) for other in named)
        named[name if name not in named else f"{name} {same + 1}"] = path
    return named


def bag_names(bags: tuple[Path, ...]) -> list[str]:
    """A short name for each recording: its file's or directory's, with its parent's where two
    recordings share one."""
    paths = [Path(bag).resolve() for bag in bags]
    return [
        path.name
        if sum(other.name == path.name for other in paths) == 1
        else f"{path.parent.name}/{path.name}"
        for path in paths
    ]


def mounted(camera: Camera, settings: RecordingSettings) -> Camera:
    """Where the recorded camera is, unless --camera says it: as --mount, a file of the vehicle or
    its preset say, and a small vehicle's in proportion to a car's."""
    if camera != Camera():
        return camera
    said, usual, size = settings.mount, starting_values(settings).camera, _size(settings.vehicle)
    return Camera(
        max(said.height or usual.height or size * camera.height, 0.05),
        said.pitch or usual.pitch or camera.pitch,
        said.forward or usual.forward or size * camera.ahead,
    )


def _size(vehicle: VehicleConfig) -> float:
    size = vehicle.wheelbase / CAR_WHEELBASE
    return size if size < CAR_FROM else 1.0


def camera_view(intrinsics: Intrinsics | None, camera: Camera) -> CameraView | None:
    """How the recorded camera sees the road; None without a calibration that can be used."""
    if intrinsics is None:
        return None
    focal, height = intrinsics.matrix[4], intrinsics.height
    if not (math.isfinite(focal) and focal > 0 and height > 0):
        return None
    return CameraView(2 * math.atan(height / 2 / focal), camera.height, camera.pitch, camera.ahead)


@contextmanager
def opencv_on_one_thread() -> Iterator[None]:
    """OpenCV uses one thread, as on the robot: waking a second takes longer than pictures of this
    size."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _succeeded(facts: Mapping) -> bool:
    """Golden recordings: none moved. Else: at least one frame was used, no recorded input met no
    frame, and clocks and stamps are fit for a replay."""
    if "passed" in facts:
        return facts["passed"]
    return facts["frames_used"] > 0 and not facts["unmet"] and not facts["faults"]


VERB = Verb(ReplaySettings, run, table, _succeeded)
