"""A training run: its folder, settings, checkpoint, curves, provenance and model.

    with Run(folder, method, described(settings, PLACES), seed, device) as run:
        position = run.resume(network, optimiser, {"step": 0})
        for step in run.progress(range(position["step"] + 1, steps + 1), "fit", steps):
            losses = optimise(...)
            run.log("fit", step, losses)
            run.checkpoint(network, optimiser, {"step": step})
        run.save_model(network, data, metrics)

Tensors are saved as safetensors and all else as JSON; nothing is pickled.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from tqdm import tqdm

from liquid_control.deploy.export import export_onnx
from liquid_control.errors import ConfigError
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.system.files import damaged, read_json, write_atomically
from liquid_control.system.progress import redraw_interval
from liquid_control.train.checkpoint import (
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from liquid_control.train.device import device_name

FORMAT = 2
"""Of the folder; counts up when folders of before cannot be resumed."""
SETTINGS, CHECKPOINT, BEST = "settings.json", "checkpoint.safetensors", "best.safetensors"
LOG_EVERY = 10
"""Optimiser steps between two points of a loss curve."""

Item = TypeVar("Item")


class Run:
    """One training run in `folder`.

    `method`: one line for the model's provenance; `settings`: JSON-able, all that decides the
    outcome; `started`: `time.perf_counter()` at the start of the work, where that is before this.
    A folder that holds a run with the same settings is resumed. Raises ConfigError for a run with
    other settings and for one of an earlier version.
    """

    def __init__(
        self,
        folder: Path,
        method: str,
        settings: Mapping,
        seed: int,
        device: torch.device,
        started: float | None = None,
    ) -> None:
        self.folder, self.method, self.settings = folder, method, settings
        self.seed, self.device = seed, device
        self._seconds: dict[str, float] = {}
        self._started = time.perf_counter() if started is None else started
        self._earlier, self._running = 0.0, {}
        self._bar = self._writer = None
        _claim(folder, settings)

    def __enter__(self) -> Run:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(self.folder / "tensorboard")
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    @property
    def model(self) -> Path:
        """Directory of the trained model."""
        return self.folder / "model"

    @property
    def elapsed(self) -> float:
        """Seconds of work, those before an interruption included."""
        return self._earlier + time.perf_counter() - self._started

    @property
    def seconds(self) -> dict[str, float]:
        """`total`, which is `elapsed`, and the seconds of each `timed` part."""
        now, parts = time.perf_counter(), dict(self._seconds)
        for part, began in self._running.items():
            parts[part] = parts.get(part, 0.0) + now - began
        return {**parts, "total": self.elapsed}

    def resume(self, network: torch.nn.Module, optimiser: torch.optim.Adam, start: Mapping) -> dict:
        """Restores network and optimiser from the checkpoint, in place, and returns its position;
        `start` where there is no checkpoint. Raises ConfigError for a damaged one."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return dict(start)
        facts = load_checkpoint(path, network, optimiser)
        try:
            position, self._seconds = dict(facts["position"]), dict(facts["seconds"])
            self._earlier = float(self._seconds.pop("total"))
        except (KeyError, TypeError, ValueError):
            raise damaged(path) from None
        if not position.keys() >= start.keys():
            raise damaged(path)
        return position

    def checkpoint(
        self, network: torch.nn.Module, optimiser: torch.optim.Adam, position: Mapping
    ) -> None:
        """Saves network, optimiser and position, in place of the last checkpoint. `position`:
        JSON-able, all that `resume` needs, such as step, history and the state of a random
        generator."""
        facts = {"position": position, "seconds": self.seconds}
        save_checkpoint(self.folder / CHECKPOINT, network, optimiser, facts)

    def save_best(self, network: torch.nn.Module, file: str = BEST) -> None:
        """Keeps these weights as the best so far."""
        save_weights(self.folder / file, network)

    def load_best(self, network: torch.nn.Module, file: str = BEST) -> None:
        """Gives the network the best weights so far, in place. Raises ConfigError for a damaged
        file."""
        load_weights(self.folder / file, network)

    @contextlib.contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds the seconds of its body to `seconds[part]`."""
        self._running[part] = time.perf_counter()
        try:
            yield
        finally:
            self._seconds = self.seconds
            del self._running[part]

    def progress(self, items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
        """The items, with a progress bar of `total` steps, timed as the part `fit`. Items that are
        missing were done before an interruption."""
        initial = total - len(items) if hasattr(items, "__len__") else 0
        bar = tqdm(items, title, total, initial=initial, unit="step", mininterval=redraw_interval())
        try:
            with self.timed("fit"), bar as self._bar:
                yield from bar
        finally:
            self._bar = None

    def log(self, curve: str, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to the TensorBoard curves `curve`/name and shows the values at the progress
        bar."""
        if self._bar is not None:
            self._bar.set_postfix(values, refresh=False)
        for name, value in values.items():
            self._writer.add_scalar(f"{curve}/{name}", value, step)

    def provenance(self, data: Mapping) -> dict:
        """How the model was made. `data`: what it was trained on. The library
        versions are in another field of model.json."""
        return {
            "method": self.method,
            "command": " ".join(["liquid-control", *sys.argv[1:]]),
            "commit": commit(),
            "device": device_name(self.device),
            "seed": self.seed,
            "settings": self.settings,
            "seconds": {part: round(value, 1) for part, value in self.seconds.items()},
            "data": data,
        }

    def save_model(self, network: PolicyNetwork, data: Mapping, metrics: Mapping) -> None:
        """Saves weights, ONNX graph, provenance and metrics to `model`."""
        save_model(self.model, network, self.provenance(data), metrics, export_onnx)


def described(settings: object, places: Iterable[str]) -> dict:
    """A settings dataclass as JSON holds it, without the fields `places`, which do not decide the
    outcome."""
    fields = {
        name: value for name, value in dataclasses.asdict(settings).items() if name not in places
    }
    return json.loads(json.dumps(fields, default=str))


def commit() -> str | None:
    """The commit of the repository, with a mark when files differ from it; None outside a
    repository or without git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def _claim(folder: Path, settings: Mapping) -> None:
    """Makes the folder, or checks that it belongs to a run with these settings."""
    folder.mkdir(parents=True, exist_ok=True)
    path, wanted = folder / SETTINGS, {"format": FORMAT, **settings}
    if not path.exists():
        with write_atomically(path) as partial:
            partial.write_text(json.dumps(wanted, indent=1) + "\n")
        return
    found = read_json(path)
    if found.get("format") != FORMAT:
        raise ConfigError(
            str(folder),
            "a run of another version of liquid_control, which cannot be resumed",
            "an empty folder",
        )
    different = sorted(_differences(found, json.loads(json.dumps(wanted))))
    if different:
        raise ConfigError(
            str(folder),
            f"a run with other settings ({', '.join(different[:5])})",
            f"an empty folder, or the settings in its {SETTINGS}",
        )


def _differences(one: object, other: object, name: str = "") -> Iterator[str]:
    """Dotted names of the entries that differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in one.keys() | other.keys():
            yield from _differences(one.get(key), other.get(key), f"{name}.{key}".strip("."))
    elif one != other:
        yield name
