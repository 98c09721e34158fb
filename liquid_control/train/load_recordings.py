"""Load recordings as episodes: read on all cores or from the cache, inspected, and all unusable
ones named in one error."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.data.episode import Episode
from liquid_control.data.from_recording import (
    LEAST_FRAMES,
    Reading,
    RecordedDrive,
    cached_at,
    file_hashes,
    read_drive,
)
from liquid_control.errors import ConfigError, LiquidControlError
from liquid_control.inspection.findings import FAULT, OK, WARNING
from liquid_control.inspection.recording import inspect_recording
from liquid_control.model.car import lane_keeping
from liquid_control.perception.timeline import MEASURABLE
from liquid_control.recordings.contributions import NOT_RECORDED
from liquid_control.recordings.driven_curvature import NoCurvatureError
from liquid_control.recordings.driven_speed import DrivenSpeed, driven_speed
from liquid_control.recordings.drivers import Drivers, curvature_by_driver
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.rosbag.driver_states import read_asked, read_drivers
from liquid_control.recordings.vehicle_file import with_parameters, with_vehicle_file
from liquid_control.recordings.view import crop_for
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.train.recordings_settings import RecordingsSettings

CROP_TOLERANCE = 0.02
"""Largest difference of crops, as shares of the picture, between recordings that one policy can
learn from."""
MOST_NAMED = 3  # recordings with the same finding


class RefusedRecordingsError(LiquidControlError):
    """Recordings cannot be used, or only with --unusable. `others`: number of usable ones;
    `doubtful`: some of `problems` can be read."""

    def __init__(self, problems: Mapping[str, str], others: int, doubtful: bool) -> None:
        listed = "; ".join(problem.rstrip(".") for problem in problems.values())
        words = (
            "1 unusable recording" if len(problems) == 1 else f"{len(problems)} unusable recordings"
        )
        ways = ["--unusable skip goes on without"] * bool(others) + [
            "--unusable use uses what fails inspection but can be read"
        ] * doubtful
        super().__init__(". ".join([f"{words}: {listed}", *ways]))
        self.problems = problems


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedRecordings:
    """Usable episodes by the path that the settings name, facts about each, the preprocessing they
    had, the measurements that at least one of them gives, why others were left out, and who drove
    where a recording says it."""

    episodes: Mapping[str, Episode]
    facts: Mapping[str, Mapping]
    preprocess: PreprocessConfig
    inputs: tuple[str, ...]
    left_out: Mapping[str, str]
    drivers: Mapping[str, Drivers | None] = dataclasses.field(default_factory=dict)

    def hashes(self) -> list[list[str]]:
        """SHA-256 of the files of every recording, in an order that does not depend on where they
        lie."""
        return sorted(sorted(facts["files"].values()) for facts in self.facts.values())


def load_recordings(
    settings: RecordingsSettings,
    preprocess: PreprocessConfig,
    inputs: tuple[str, ...] | None = None,
    speed: bool = False,
) -> LoadedRecordings:
    """Episodes of all recordings that the settings name, held-out ones included. `inputs`: the
    policy's measurements; None for those that a recording gives: what no vehicle here has, the
    policy does without. `speed`: its driver's choice is a target, too. Raises
    RefusedRecordingsError as `settings.unusable` says, ConfigError for a recording given twice, and
    where the speed is to be learned and none of the recordings teaches it."""
    paths = list(dict.fromkeys(Path(path) for path in (*settings.named, *settings.held_out)))
    problems: dict[str, str] = {}
    preprocess = _crop(paths, settings, preprocess, problems)
    jobs = []
    for path in paths:
        if str(path) in problems:
            continue
        try:
            recording = with_vehicle_file(path, settings.recording)
        except ConfigError as error:
            problems[str(path)] = f"{path}: {error}"
            continue
        timeline = with_parameters(TimelineConfig(), recording, "timeline")
        reading = Reading(recording, preprocess, timeline)
        jobs.append(_Job(path, reading, settings.cache, progress=len(paths) == 1))
    findings = {}
    for job, (problem, found) in zip(
        jobs, run_jobs(_read, jobs, processes(settings.workers), "recordings"), strict=True
    ):
        findings[str(job.path)] = found
        if problem:
            problems[str(job.path)] = problem
    episodes, facts, doubts, warnings, drivers, chosen = {}, {}, {}, {}, {}, {}
    drives = {
        job: read_drive(job.path, job.reading, settings.cache)
        for job in jobs
        if str(job.path) not in problems
    }
    inputs = _given(drives.values()) if inputs is None else inputs
    for job, drive in drives.items():
        name = str(job.path)
        try:
            drivers[name] = read_drivers(job.path)
            vehicle = job.reading.recording.vehicle
            driven = curvature_by_driver(
                drive.columns["stamp_ns"],
                drive.motion,
                drivers[name],
                settings.curvature,
                vehicle,
                {
                    key: one.reason
                    for key, one in drive.contributions.items()
                    if one.reason not in ("", NOT_RECORDED)
                },
                read_asked(job.path, vehicle) if drivers[name] else None,
            )
        except NoCurvatureError as error:
            problems[name] = f"{name}: {error}"
            continue
        targets = [driven.curvature]
        if speed:
            chosen[name] = driven_speed(
                drive.columns["stamp_ns"],
                drive.motion,
                driven,
                drivers[name],
                settings.curvature,
                vehicle,
            )
            targets.append(chosen[name].speed)
        spec = lane_keeping(preprocess, inputs=inputs, speed=speed)
        episode = drive.episode(spec, np.stack(targets, 1))
        known = int(episode.known.sum())
        # Faults of a steering signal that no target is taken from do not matter.
        found = [
            one
            for one in findings[name]
            if one["role"] != "steering" or driven.source == "steering"
        ]
        if driven.instead:
            found.append(_taken_instead(driven.instead))
        warnings[name] = [_line(one) for one in found if one["train"] == WARNING]
        faults = [_line(one) for one in found if one["train"] == FAULT]
        if known < LEAST_FRAMES:
            faults.append(
                f"{known} of {len(episode)} frames have a target, and {LEAST_FRAMES} are the "
                f"least: {_why_without_target(drive)}"
            )
        if not known:
            problems[name] = f"{name}: {'; '.join(faults)}"
            continue
        episodes[name] = episode
        facts[name] = {
            **drive.facts,
            "targets": known,
            "source": driven.source,
            "smoothing": driven.smoothing,
            "seconds": round(_seconds(episode), 3),
            "findings": [_line(one) for one in found],
            **({"speed": dataclasses.asdict(chosen[name])} if speed else {}),
        }
        if speed:
            del facts[name]["speed"]["speed"]
        if faults:
            doubts[name] = f"{name}: {'; '.join(faults)}"
    if settings.unusable != "use":
        problems |= doubts
    if problems and (settings.unusable == "refuse" or len(problems) == len(paths)):
        raise RefusedRecordingsError(
            problems, len(paths) - len(problems), bool(doubts) and settings.unusable != "use"
        )
    for problem in (problems | doubts).values():
        print(f"WARNING: {problem}", file=sys.stderr)
    episodes, facts = (
        {name: of[name] for name in of if name not in problems} for of in (episodes, facts)
    )
    _refuse_duplicates(facts)
    if speed:
        _tell_speed({name: chosen[name] for name in facts}, sum(map(len, episodes.values())))
    _tell({name: warnings[name] for name in facts})
    return LoadedRecordings(episodes, facts, preprocess, inputs, problems, drivers)


def _given(drives: Iterable[RecordedDrive]) -> tuple[str, ...]:
    """The measurements that are known on a frame of any drive."""
    met = {name for drive in drives for name, one in drive.contributions.items() if one.met}
    return tuple(name for name in MEASURABLE if name in met)


def _why_without_target(drive: RecordedDrive) -> str:
    speed = drive.contributions["speed"]
    if not speed.met and speed.reason not in ("", NOT_RECORDED):
        return f"no speed, {speed.reason}"
    return "driven too slowly (--curvature.slowest), or signals with gaps (--curvature.max-gap)"


def _taken_instead(reason: str) -> dict:
    """The finding that `auto` did not take the steering."""
    text = f"the target is taken from gyro and speed in place of the steering: {reason}"
    return {"role": "steering", "text": text, "remedy": "", "train": WARNING}


def _line(finding: Mapping) -> str:
    remedy = f" ({finding['remedy']})" if finding["remedy"] else ""
    return f"{finding['role']}: {finding['text']}{remedy}"


def _tell(warnings: Mapping[str, list[str]]) -> None:
    """Prints the warnings of the recordings that are used, each once."""
    found: dict[str, list[str]] = {}
    for name, lines in warnings.items():
        for line in lines:
            found.setdefault(line, []).append(name)
    for line, names in found.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        print(f"WARNING: {', '.join(names[:MOST_NAMED])}{more}: {line}", file=sys.stderr)


def _tell_speed(chosen: Mapping[str, DrivenSpeed], frames: int) -> None:
    """Prints how many frames teach the speed, and which recordings do not. Raises ConfigError where
    none does."""
    without = {name: one.without for name, one in chosen.items() if one.without}
    known = sum(one.frames for one in chosen.values())
    if not known:
        listed = "; ".join(f"{name}: {reason}" for name, reason in list(without.items())[:3])
        expected = "recordings in which the driver chose the speed, or --speed set"
        raise ConfigError("speed", f"learned, and no recording teaches it ({listed})", expected)
    for name, reason in without.items():
        print(f"WARNING: {name}: teaches no speed: {reason}", file=sys.stderr)
    left_out: dict[str, int] = {}
    for one in chosen.values():
        for reason, count in one.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + count
    listed = "".join(f"; {reason}: {count}" for reason, count in left_out.items())
    print(f"speed: {known} of {frames} frames teach it{listed}", file=sys.stderr)


def _crop(
    paths: list[Path],
    settings: RecordingsSettings,
    preprocess: PreprocessConfig,
    problems: dict[str, str],
) -> PreprocessConfig:
    """The crop from the recordings' cameras, which must be one camera's; `preprocess` where flags
    decide."""
    view = settings.view
    if view.source == "flags":
        return preprocess
    crops: dict[str, PreprocessConfig] = {}
    for path in paths:
        try:
            with open_recording(path, settings.recording) as recording:
                crops[str(path)] = crop_for(recording, view, preprocess)
        except LiquidControlError as error:
            problems[str(path)] = str(error)
    if not crops:
        raise RefusedRecordingsError(problems, 0, False)
    first_name, first = next(iter(crops.items()))
    for name, other in crops.items():
        for side in ("crop_top", "crop_bottom", "crop_left", "crop_right"):
            if abs(getattr(other, side) - getattr(first, side)) > CROP_TOLERANCE:
                expected = (
                    f"the same as in {first_name} ({getattr(first, side)}): "
                    "one policy has one camera"
                )
                raise ConfigError(f"{side} of {name}", getattr(other, side), expected)
    return first


def _refuse_duplicates(facts: Mapping[str, Mapping]) -> None:
    """The same recording twice could be learned from and held out at once."""
    seen: dict[tuple, str] = {}
    for name, about in facts.items():
        content = tuple(
            sorted(digest for file, digest in about["files"].items() if not file.endswith(".yaml"))
        )
        if content in seen:
            raise ConfigError(
                "recordings",
                f"{name} and {seen[content]}, the same recording",
                "each recording once",
            )
        seen[content] = name


def _seconds(episode: Episode) -> float:
    steps = np.diff(episode.stamp_ns)
    return float(steps[~episode.is_first[1:]].sum() * 1e-9)


@dataclasses.dataclass(frozen=True)
class _Job:
    path: Path
    reading: Reading
    cache: Path
    progress: bool


def _read(job: _Job) -> tuple[str, list[dict]]:
    """Puts a recording into the cache; the problem, or nothing, and what `inspect` finds that
    matters for training.

    Errors travel as text: their classes do not survive between processes.
    """
    try:
        read_drive(job.path, job.reading, job.cache, job.progress)
        return "", _findings(job)
    except LiquidControlError as error:
        text = str(error)
        return text if str(job.path) in text else f"{job.path}: {text}", []


def _findings(job: _Job) -> list[dict]:
    place = cached_at(
        job.path, file_hashes(job.path, job.cache), job.reading, job.cache
    ).with_suffix(".findings.json")
    try:
        return json.loads(place.read_text())
    except (OSError, ValueError):
        found = [
            one
            for one in inspect_recording(job.path, job.reading.recording).facts["findings"]
            if one["train"] != OK
        ]
    with write_atomically(place) as partial:
        partial.write_text(json.dumps(found, indent=1))
    return found
