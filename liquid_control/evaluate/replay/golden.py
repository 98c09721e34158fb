"""Golden recordings: stored commands of named recordings, so that every change of code, model or
library that moves them is seen.

    DIR/<name>/golden.json    recording and model (by path from there, or an installed model's
                              name), tolerance, settings, versions
    DIR/<name>/commands.csv   the commands, as `liquid-control replay` writes them

Settings hold only the differences from the defaults: a changed default moves the robot's commands,
too.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import tempfile
import typing
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import from_mapping
from liquid_control.deploy.runtimes import load_runtime
from liquid_control.errors import ConfigError, LiquidControlError
from liquid_control.evaluate.replay.log import COLUMNS, write_csv
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.model.installed import find_model, installed_models
from liquid_control.system.files import write_atomically

GOLDEN, COMMANDS = "golden.json", "commands.csv"
LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "rosbags")

COUNTED = {
    "moved": "beyond it",
    "missing": "missing",
    "surplus": "surplus",
    "otherwise_limited": "limited otherwise",
}
COMPARED = {"curvature": "1/m", "steering_angle": "rad", "speed": "m/s"}
SPEED_PER_RADIAN = 100.0
"""Speeds may differ by this per radian of tolerance [m/s per rad]: they follow from the curvature,
whose square root they divide by."""


class GoldenError(LiquidControlError):
    """A golden recording is missing, incomplete or not one."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


@dataclasses.dataclass(frozen=True)
class Golden:
    """golden.json. `bag`, `model`: relative to its folder, `model` may be an installed model's
    name; `tolerance` [rad]."""

    bag: str
    model: str
    model_files: Mapping[str, str]
    tolerance: float
    settings: Mapping
    versions: Mapping[str, str]


def golden(settings) -> dict:
    """`liquid-control replay --golden DIR`, with its `ReplaySettings`: checks all, or with
    --golden-update writes one or all."""
    directory: Path = settings.golden
    if settings.model and not (settings.golden_update and settings.bags):
        raise ConfigError(
            "--golden",
            settings.model,
            "no MODEL to examine what is there, or MODEL BAG --golden-update to keep new ones",
        )
    if settings.model:
        for bag in settings.bags:
            place = directory / Path(bag).stem
            names = _relative(bag, place), _model_name(settings.model, place)
            _write(place, Golden(*names, {}, settings.tolerance, _changed(settings.robot), {}))
    entries = sorted(path.parent for path in directory.glob(f"*/{GOLDEN}"))
    if not entries:
        raise GoldenError(
            directory,
            f"no */{GOLDEN} in it",
            "Keep one: liquid-control replay MODEL BAG --golden DIR --golden-update",
        )
    if settings.golden_update and not settings.model:
        for entry in entries:
            _write(entry, read(entry))
    results = [examine(entry) for entry in entries]
    return {
        "golden": str(directory),
        "passed": all(result["passed"] for result in results),
        "results": results,
    }


def read(directory: Path) -> Golden:
    """Raises GoldenError for a golden.json that is not one."""
    path = directory / GOLDEN
    try:
        found = from_mapping(Golden, json.loads(path.read_text(encoding="utf-8")))
        robot(found.settings)
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise GoldenError(
            path, f"is not a golden recording ({error})", "Write it again with --golden-update"
        ) from None
    return found


def examine(directory: Path) -> dict:
    """Replays one golden recording: where and how far its commands moved, and what changed since
    they were stored."""
    stored = read(directory)
    log, model_files = _replay(directory, stored)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_csv([log], Path(folder, COMMANDS))
            compared = differences(directory / COMMANDS, Path(folder, COMMANDS), stored.tolerance)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise GoldenError(
            directory / COMMANDS,
            f"cannot be read as commands ({error})",
            "Write it again with --golden-update",
        ) from None
    changed = {
        name: [stored.model_files.get(name), sha]
        for name, sha in model_files.items()
        if stored.model_files.get(name) != sha
    }
    versions = _versions()
    return {
        "name": directory.name,
        "bag": log.bag,
        "model": stored.model,
        **compared,
        "tolerance": stored.tolerance,
        "model_changed": sorted(changed),
        "versions_changed": {
            name: [stored.versions.get(name), now]
            for name, now in versions.items()
            if stored.versions.get(name) != now
        },
        "damage": list(log.damage),
    }


def differences(expected_file: Path, got_file: Path, tolerance: float) -> dict:
    """Whether two files of commands agree. Rows pair by cause and time of issue: `missing` and
    `surplus` have no partner, `moved` are beyond the tolerance (angles and curvature in rad and
    1/m, speed 100 times that); any of these fails. `first_ns`: when the first of them was issued.
    `largest`: the largest difference of each column, and its time. `otherwise_limited`: other
    limits acted, which does not fail."""
    expected, got = _rows(expected_file), _rows(got_file)
    of_got = {(row["cause"], row["issued_ns"]): row for row in got}
    keys = {(row["cause"], row["issued_ns"]) for row in expected}
    missing = [
        row["issued_ns"] for row in expected if (row["cause"], row["issued_ns"]) not in of_got
    ]
    surplus = [row["issued_ns"] for row in got if (row["cause"], row["issued_ns"]) not in keys]
    moved, limits = [], 0
    largest: dict[str, dict] = {
        name: {"difference": 0.0, "unit": unit, "at_ns": None} for name, unit in COMPARED.items()
    }
    for row in expected:
        other = of_got.get((row["cause"], row["issued_ns"]))
        if other is None:
            continue
        beyond = False
        for name, entry in largest.items():
            difference = _apart(row[name], other[name])
            beyond |= difference > tolerance * (SPEED_PER_RADIAN if name == "speed" else 1.0)
            if difference > entry["difference"]:
                entry.update(difference=difference, at_ns=row["issued_ns"])
        otherwise = row["limits"] != other["limits"] or row["safe_stop"] != other["safe_stop"]
        limits += otherwise
        if beyond:
            moved.append(row["issued_ns"])
    stamps = missing + surplus + moved
    return {
        "passed": not stamps,
        "commands": len(expected),
        "missing": len(missing),
        "surplus": len(surplus),
        "moved": len(moved),
        "otherwise_limited": limits,
        "identical": expected_file.read_bytes() == got_file.read_bytes(),
        "first_ns": min(stamps, default=None),
        "first_s": (min(stamps) - min(int(row["issued_ns"]) for row in expected + got)) / 1e9
        if stamps
        else None,
        "largest": largest,
    }


def table(facts: Mapping) -> str:
    """A line for each golden recording, and what to know of those that moved."""
    lines = []
    for one in facts["results"]:
        state = (
            "moved"
            if not one["passed"]
            else "identical"
            if one["identical"]
            else "within tolerance"
        )
        lines.append(
            f"{one['name']}: {state}, {one['commands']} commands of {one['model']} on {one['bag']}"
        )
        if one["passed"] and one["identical"]:
            continue
        biggest = ", ".join(
            f"{name} {entry['difference']:.3g} {entry['unit']}"
            for name, entry in one["largest"].items()
        )
        lines.append(f"  largest differences: {biggest}; tolerance {one['tolerance']:g} rad")
        if not one["passed"]:
            counts = ", ".join(f"{one[key]} {words}" for key, words in COUNTED.items())
            lines.append(
                f"  {counts}; first {one['first_s']:.3f} s after the start, at {one['first_ns']} ns"
            )
        changes = [f"the model's {name}" for name in one["model_changed"]]
        changes += [
            f"{name} {then} → {now}" for name, (then, now) in one["versions_changed"].items()
        ]
        lines.append(
            "  changed since: "
            + (
                ", ".join(changes)
                or "neither model nor libraries; so the code, the defaults or the bag"
            )
        )
    return "\n".join(lines + ["golden: " + ("all hold" if facts["passed"] else "commands moved")])


def robot(values: Mapping) -> OpenLoopSettings:
    """Settings from what differs from the defaults. Raises ConfigError."""
    return _built(OpenLoopSettings, values)


def _write(directory: Path, entry: Golden) -> None:
    log, model_files = _replay(directory, entry)
    directory.mkdir(parents=True, exist_ok=True)
    write_csv([log], directory / COMMANDS)
    stored = dataclasses.replace(entry, model_files=model_files, versions=_versions())
    with write_atomically(directory / GOLDEN) as partial:
        text = json.dumps(dataclasses.asdict(stored), indent=1) + "\n"
        partial.write_text(text, encoding="utf-8")


def _replay(directory: Path, entry: Golden):
    by_path = (directory / entry.model).resolve()  # `directory` may not exist yet
    runtime = load_runtime(find_model(by_path if by_path.is_dir() else entry.model))
    (log,) = replay(
        {runtime.info.directory.name: runtime},
        (directory / entry.bag).resolve(),
        robot(entry.settings),
    )
    return log, dict(runtime.info.files)


def _changed(config: object) -> dict:
    """Fields of a config that differ from its defaults, nested as they are."""
    default, found = type(config)(), {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != getattr(default, field.name):
            found[field.name] = _changed(value) if dataclasses.is_dataclass(value) else value
    return found


def _built(kind: type, values: Mapping):
    hints = typing.get_type_hints(kind)
    if not isinstance(values, Mapping):
        raise ConfigError(kind.__name__, values, "a mapping of field names to values")
    nested = {
        name: _built(hints[name], value)
        for name, value in values.items()
        if dataclasses.is_dataclass(hints.get(name))
    }
    return from_mapping(kind, {**values, **nested})


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(Path(path).resolve(), start.resolve())).as_posix()


def _model_name(model: str, start: Path) -> str:
    installed = {folder.name: folder.resolve() for folder in installed_models()}
    path = find_model(model).resolve()
    return path.name if installed.get(path.name) == path else _relative(path, start)


def _versions() -> dict[str, str]:
    """Of the libraries that the commands depend on, where they are installed."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"columns {reader.fieldnames}, expected {', '.join(COLUMNS)}")
    for row in rows:
        row["issued_ns"] = int(row["issued_ns"])
        for name in COMPARED:
            row[name] = float(row[name]) if row[name] else math.nan
    return rows


def _apart(a: float, b: float) -> float:
    if math.isnan(a) and math.isnan(b):
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
