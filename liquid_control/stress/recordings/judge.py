"""Holds what is said of a recording, and what training takes from it, against the truth."""

from __future__ import annotations

import dataclasses
import itertools
import re
import traceback
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, TimelineConfig, from_mapping
from liquid_control.control.driving_scale import driving_scale
from liquid_control.data.from_recording import Reading, read_drive
from liquid_control.errors import LiquidControlError
from liquid_control.inspection.findings import FAULT, OK
from liquid_control.inspection.recording import inspect_recording
from liquid_control.perception.timeline import MEASURABLE
from liquid_control.recordings.driven_curvature import CurvatureSettings, driven_curvature
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.stress.recordings.drive import HEIGHT, WIDTH, Drive, number_of
from liquid_control.stress.recordings.kinds import Kind

CRASHED, SILENT, BLAMED_OTHERS, FALSE_ALARM, LOST, REFUSED, NO_HELP, RIGHT = (
    "crashed",
    "silent wrong numbers",
    "only others blamed",
    "false alarm",
    "pictures lost",
    "refused",
    "remedy does not help",
    "right",
)
VERDICTS = (CRASHED, SILENT, BLAMED_OTHERS, FALSE_ALARM, LOST, REFUSED, NO_HELP, RIGHT)
OTHER_FLAGS = ("topics", "unusable", "curvature", "view", "picture-bits")
"""Flags of other settings, or of notes."""
MOST_WAYS = 8
ALTERNATIVE = re.compile(r"\b(?:or|else)\b")
FLAG = re.compile(r"--([a-z][a-z0-9.\-]*) ([^\s,;()]+)")


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What training takes: share of the recorded pictures that are used, share of those with a
    target, and by quantity the error as a share of the truth's root mean square."""

    used: float
    known: float
    errors: dict[str, float]

    def right(self, tolerance: float) -> bool:
        return self.known > 0.5 and max(self.errors.values()) < tolerance


@dataclasses.dataclass(frozen=True)
class Outcome:
    """`verdict` is one of `VERDICTS`; `said`: role and code of each warning and fault; `remedied`:
    the flags that were applied, empty without."""

    verdict: str
    said: tuple[tuple[str, str, str], ...]
    numbers: Numbers | None
    remedied: str = ""
    error: str = ""


def judge(path: Path, drive: Drive, kind: Kind, numbers_hold: bool, cache: Path) -> Outcome:
    """Inspects and reads a recording of the drive. Only errors of the package count as a
    refusal."""
    try:
        return _judge(path, drive, kind, numbers_hold, cache)
    except Exception as error:  # noqa: BLE001  this is what is looked for
        return Outcome(CRASHED, (), None, error="".join(traceback.format_exception(error)[-3:]))


def _judge(path: Path, drive: Drive, kind: Kind, numbers_hold: bool, cache: Path) -> Outcome:
    settings = _settings(drive, {})
    try:
        findings = inspect_recording(path, settings).facts["findings"]
        numbers = numbers_of(path, drive, settings, cache)
    except LiquidControlError as error:
        verdict = REFUSED if kind.harmless else RIGHT
        return Outcome(verdict, (), None, error=str(error))
    serious = [one for one in findings if one["train"] != OK and one["code"] not in kind.allowed]
    said = tuple((one["role"], one["code"], one["train"]) for one in serious)
    if kind.harmless:
        verdict = (
            SILENT
            if not numbers.right(kind.tolerance) and not said
            else FALSE_ALARM
            if said
            else LOST
            if numbers.used < kind.kept
            else RIGHT
        )
        return Outcome(verdict, said, numbers)
    blamed = [one for one in serious if one["role"] in kind.blamed]
    if not blamed:
        fine = numbers.right(kind.tolerance) or numbers_hold
        verdict = RIGHT if fine and not said else BLAMED_OTHERS if said else SILENT
        return Outcome(verdict, said, numbers)
    if any(one["train"] == FAULT for one in serious if one["role"] not in kind.blamed):
        return Outcome(BLAMED_OTHERS, said, numbers)
    tried = Outcome(RIGHT, said, numbers)
    for flags in ways_of(blamed):
        shown = " ".join(f"--{name} {value}" for name, value in flags.items())
        try:
            after = numbers_of(path, drive, _settings(drive, flags), cache)
            tried = Outcome(RIGHT if after.right(kind.tolerance) else NO_HELP, said, after, shown)
        except LiquidControlError as error:
            tried = Outcome(NO_HELP, said, numbers, shown, str(error))
        if tried.verdict == RIGHT:
            break
    return tried


def numbers_of(path: Path, drive: Drive, settings: RecordingSettings, cache: Path) -> Numbers:
    """What training takes from a recording, against the truth at each picture's true time."""
    preprocess = PreprocessConfig(height=HEIGHT, width=WIDTH)
    read = read_drive(path, Reading(settings, preprocess, TimelineConfig()), cache)
    lowest = min(0.5, 5.0 * driving_scale(settings.vehicle).compared)
    slowest = CurvatureSettings(slowest=lowest, smoothing=0.0)
    driven = driven_curvature(read.columns["stamp_ns"], read.motion, slowest, settings.vehicle)
    numbers = [min(number_of(image), len(drive.picture_times) - 1) for image in read.image]
    times = drive.picture_times[numbers]
    inside = ~np.asarray(read.columns["is_first"], bool)
    measured = dict(zip(MEASURABLE, read.columns["measurements"].T, strict=True))
    got = measured | {"curvature": driven.curvature}
    errors = {
        name: _error(np.asarray(values)[inside], drive.at(name, times)[inside])
        for name, values in got.items()
    }
    known = float(np.mean(np.isfinite(driven.curvature)))
    return Numbers(len(read) / len(drive.picture_times), known, errors)


def _error(got: np.ndarray, truth: np.ndarray) -> float:
    known = np.isfinite(got)
    if not known.any():
        return 0.0
    return float(np.sqrt(np.mean((got[known] - truth[known]) ** 2) / np.mean(truth[known] ** 2)))


def ways_of(findings: list[Mapping]) -> list[dict[str, str]]:
    """The flags to try, one way after the other: a remedy may offer one flag or another, and every
    finding has its own. Empty without flags."""
    choices = []
    for one in findings:
        ways = [dict(FLAG.findall(part)) for part in ALTERNATIVE.split(one["remedy"])]
        ways = [
            {
                name: value.rstrip(".")
                for name, value in way.items()
                if name.split(".")[0] not in OTHER_FLAGS and name != "vehicle"
            }
            for way in ways
        ]
        choices.append([way for way in ways if way] or [{}])
    combined = [
        {name: value for way in ways for name, value in way.items()}
        for ways in itertools.islice(itertools.product(*choices), MOST_WAYS)
    ]
    return [way for way in combined if way]


def _settings(drive: Drive, flags: Mapping[str, str]) -> RecordingSettings:
    values: dict = {"vehicle": {"wheelbase": drive.wheelbase, "max_steering_angle": 0.9}}
    for flag, text in flags.items():
        *groups, name = flag.replace("-", "_").split(".")
        into = values
        for group in groups:
            into = into.setdefault(group, {})
        try:
            into[name] = float(text)
        except ValueError:
            into[name] = text
    return from_mapping(RecordingSettings, values)
