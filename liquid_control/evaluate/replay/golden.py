"""Golden recordings: the commands of named bags, kept, so that no change of code, model or library
moves them unseen.

    DIR/<name>/golden.json    the bag and the model (by path from there, or by an installed model's
    name), tolerance, settings, versions DIR/<name>/commands.csv   the commands, as `liquid-control
    replay` writes them

Settings hold only what differs from the defaults: a default that changes moves the robot's
commands, too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import tempfile
import typing
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import from_mapping
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError, LiquidControlError
from liquid_control.evaluate.replay.differences import differences
from liquid_control.evaluate.replay.files import write_csv
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.model.installed import find_model, installed_models
from liquid_control.system.files import write_atomically

GOLDEN, COMMANDS = "golden.json", "commands.csv"
LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "rosbags")


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
    """What `liquid-control replay --golden DIR` does with its `ReplaySettings`: examine all, or
    with --golden-update write one or all."""
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
    """Replays one golden recording; says where and how far its commands moved, and what changed
    since they were kept."""
    kept = read(directory)
    log, model_files = _replay(directory, kept)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_csv([log], Path(folder, COMMANDS))
            compared = differences(directory / COMMANDS, Path(folder, COMMANDS), kept.tolerance)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise GoldenError(
            directory / COMMANDS,
            f"cannot be read as commands ({error})",
            "Write it again with --golden-update",
        ) from None
    changed = {
        name: [kept.model_files.get(name), sha]
        for name, sha in model_files.items()
        if kept.model_files.get(name) != sha
    }
    versions = _versions()
    return {
        "name": directory.name,
        "bag": log.bag,
        "model": kept.model,
        **compared,
        "tolerance": kept.tolerance,
        "model_changed": sorted(changed),
        "versions_changed": {
            name: [kept.versions.get(name), now]
            for name, now in versions.items()
            if kept.versions.get(name) != now
        },
        "damage": list(log.damage),
    }


def robot(values: Mapping) -> OpenLoopSettings:
    """Settings from what differs from the defaults. Raises ConfigError."""
    return _built(OpenLoopSettings, values)


def _write(directory: Path, entry: Golden) -> None:
    log, model_files = _replay(directory, entry)
    directory.mkdir(parents=True, exist_ok=True)
    write_csv([log], directory / COMMANDS)
    kept = dataclasses.replace(entry, model_files=model_files, versions=_versions())
    text = json.dumps(dataclasses.asdict(kept), indent=1) + "\n"
    with write_atomically(directory / GOLDEN) as partial:
        partial.write_text(text, encoding="utf-8")


def _replay(directory: Path, entry: Golden):
    beside_it = (directory / entry.model).resolve()  # the folder itself may not be there yet
    runtime = OnnxRuntime.load(find_model(beside_it if beside_it.is_dir() else entry.model))
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
    """Of what the commands depend on; a library that is not installed under this name has none."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
