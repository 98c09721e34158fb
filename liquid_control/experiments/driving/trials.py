"""Trials: one model drives the same held-out roads under one condition. Results are stored in one
small file per model, so that an interrupted benchmark resumes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop.condition_rows import RoadResult
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, drive_with
from liquid_control.model.artefacts import ONNX
from liquid_control.model.model_file import read_model
from liquid_control.model.packed import PackedModel
from liquid_control.sim.conditions.condition import Condition
from liquid_control.system.files import write_atomically
from liquid_control.system.sha256 import sha256_of

FORMAT = 2
"""Raise it when the same model would drive differently: trials of another format are repeated."""

FIELDS = [
    field.name
    for field in dataclasses.fields(RoadResult)
    if field.name not in ("condition", "seed")
]
INTEGER_FIELDS = (
    "road",
    "stratum",
    "departures",
    "off_road",
    "frames_used",
    "gate_activations",
    "standstills",
    "frames_dropped",
)
"""The other fields are stored with seven digits."""

Results = dict[tuple[str, str], dict[str, np.ndarray]]
"""By (name, condition): each number of `RoadResult` as an array (S, N) over training seeds and
roads."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """Model `number` of the policy `name` under one condition, over all roads."""

    name: str
    number: int
    condition: Condition
    roads: int
    length: float
    seed: int

    def job(self, road: int) -> RoadJob:
        return RoadJob(self.condition.name, road, self.seed, WorldConfig(length=self.length))

    @property
    def about(self) -> dict:
        """All that decides the result, the model apart."""
        numbers = {
            field.name: getattr(self.condition, field.name)
            for field in dataclasses.fields(self.condition)
            if field.name not in ("name", "summary")
            and getattr(self.condition, field.name) != field.default
        }
        facts = {
            "format": FORMAT,
            "roads": self.roads,
            "length": self.length,
            "seed": self.seed,
            "condition": numbers,
        }
        return json.loads(json.dumps(facts))


class ModelResults:
    """The trials of one model in one file, which is written after each of them. The file serves
    without the model.

    `recipe`: all that decides the outcome of its training; None for a model that was given. Raises
    ConfigError when the file belongs to a model of another recipe.
    """

    def __init__(self, path: Path, recipe: Mapping | None = None) -> None:
        self.path = path
        self._stored: dict = {"recipe": recipe, "model": {}, "drives": {}}
        if path.exists():
            try:
                self._stored = json.loads(path.read_text())
                known = self._stored["recipe"], self._stored["model"], self._stored["drives"]
            except (ValueError, KeyError, TypeError):
                raise ConfigError(
                    str(path),
                    "a file that is no result of this benchmark",
                    "an intact one, or none",
                ) from None
            if known[0] != recipe:
                raise ConfigError(
                    str(path),
                    "drives of a model trained by another recipe",
                    f"another folder, or this recipe: {known[0]}",
                )

    @property
    def model(self) -> dict:
        """Facts about the model: sha256 (of its policy.onnx), core, recurrent_parameters,
        state_size, seconds, command, commit."""
        return self._stored["model"]

    def set_model(self, model: Path) -> None:
        """Sets the model that the trials belong to; trials of another are dropped."""
        facts = _model_facts(model)
        if facts["sha256"] != self.model.get("sha256"):
            self._stored |= {"model": facts, "drives": {}}
            self._write()

    def has(self, trial: Trial) -> bool:
        """Whether this trial is stored, with the same roads and the same condition."""
        return self._stored["drives"].get(trial.condition.name, {}).get("about") == trial.about

    def put(self, trial: Trial, columns: Mapping[str, Sequence[float]]) -> None:
        self._stored["drives"][trial.condition.name] = {"about": trial.about, "columns": columns}
        self._write()

    def columns(self, trial: Trial) -> dict[str, list[float]]:
        """Each number of `RoadResult`, road by road."""
        return self._stored["drives"][trial.condition.name]["columns"]

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        drives = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(stored)}"
            for name, stored in self._stored["drives"].items()
        )
        head = ",\n".join(
            f" {json.dumps(name)}: {json.dumps(self._stored[name])}" for name in ("recipe", "model")
        )
        with write_atomically(self.path) as partial:
            partial.write_text(f'{{\n{head},\n "drives": {{\n{drives}\n }}\n}}\n')


def run_trial(job: tuple[PackedModel, Trial]) -> dict[str, list[float]]:
    """A model drives all roads of a trial; returns the columns of its results."""
    model, trial = job
    runtime = load_packed(model)
    results = [drive_with(runtime, trial.job(road)) for road in range(trial.roads)]

    def rounded(name: str, value: float) -> float:
        return int(value) if name in INTEGER_FIELDS else float(f"{value:.7g}")

    return {name: [rounded(name, getattr(result, name)) for result in results] for name in FIELDS}


def collect_results(
    trials: Sequence[Trial], stored: Mapping[tuple[str, int], ModelResults]
) -> Results:
    """The results of all trials as arrays. `stored`: by name and number."""
    rows: dict[tuple[str, str], list[dict[str, list[float]]]] = {}
    for trial in trials:
        columns = stored[trial.name, trial.number].columns(trial)
        rows.setdefault((trial.name, trial.condition.name), []).append(columns)
    return {
        place: {name: np.array([model[name] for model in models], float) for name in FIELDS}
        for place, models in rows.items()
    }


def _model_facts(model: Path) -> dict:
    info = read_model(model)
    facts = {
        "sha256": sha256_of(model / ONNX),
        "core": info.policy.core.name,
        "recurrent_parameters": info.recurrent_parameters,
        "state_size": info.spec.state_size,
    }
    return facts | {name: info.provenance.get(name) for name in ("seconds", "command", "commit")}
