"""What each model did under each condition: driven once, kept in one small file for each model,
read again by whoever resumes."""

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
"""To be raised when the same model would drive otherwise: drives of another format are driven
again."""

FIELDS = [
    field.name
    for field in dataclasses.fields(RoadResult)
    if field.name not in ("condition", "seed")
]
WHOLE = (
    "road",
    "stratum",
    "departures",
    "off_road",
    "frames_used",
    "gate_activations",
    "standstills",
    "frames_dropped",
)
"""Fields that are whole numbers; the others are kept to seven digits."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One model under one condition, over all roads. `number`: which of the entrant's models it is;
    `scores` keeps what came out."""

    entrant: str
    number: int
    model: Path
    condition: Condition
    roads: int
    length: float
    seed: int
    scores: Path

    def job(self, road: int) -> RoadJob:
        return RoadJob(self.condition.name, road, self.seed, WorldConfig(length=self.length))

    @property
    def about(self) -> dict:
        """All that decides what comes out, the model apart."""
        numbers = {
            field.name: getattr(self.condition, field.name)
            for field in dataclasses.fields(self.condition)
            if field.name not in ("name", "summary")
            and getattr(self.condition, field.name) != field.default
        }
        told = {
            "format": FORMAT,
            "roads": self.roads,
            "length": self.length,
            "seed": self.seed,
            "condition": numbers,
        }
        return json.loads(json.dumps(told))


class Scores:
    """The drives of one model, in one file that is written anew after each condition, beside and
    renamed. They outlive the model itself.

    `recipe`: all that decides what training makes; None for a model that was given. Raises
    ConfigError where the file is about a model of another recipe.
    """

    def __init__(self, path: Path, recipe: Mapping | None = None) -> None:
        self.path = path
        self._told: dict = {"recipe": recipe, "model": {}, "drives": {}}
        if path.exists():
            try:
                self._told = json.loads(path.read_text())
                known = self._told["recipe"], self._told["model"], self._told["drives"]
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
        """What is told about the model: sha256 (of its policy.onnx), core, recurrent_parameters,
        state_size, seconds, command, commit."""
        return self._told["model"]

    def adopt(self, model: Path) -> None:
        """Says which model these drives are by, from now on; drives by another are forgotten."""
        told = _facts(model)
        if told["sha256"] != self.model.get("sha256"):
            self._told |= {"model": told, "drives": {}}
            self._write()

    def has(self, cell: Cell) -> bool:
        """Whether this condition was driven on these roads, with these numbers."""
        return self._told["drives"].get(cell.condition.name, {}).get("about") == cell.about

    def put(self, cell: Cell, columns: Mapping[str, Sequence[float]]) -> None:
        self._told["drives"][cell.condition.name] = {"about": cell.about, "columns": columns}
        self._write()

    def columns(self, cell: Cell) -> dict[str, list[float]]:
        """Each number of `RoadResult`, road by road."""
        return self._told["drives"][cell.condition.name]["columns"]

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        drives = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(told)}"
            for name, told in self._told["drives"].items()
        )
        head = ",\n".join(
            f" {json.dumps(name)}: {json.dumps(self._told[name])}" for name in ("recipe", "model")
        )
        with write_atomically(self.path) as partial:
            partial.write_text(f'{{\n{head},\n "drives": {{\n{drives}\n }}\n}}\n')


def drive_cell(job: tuple[PackedModel, Cell]) -> dict[str, list[float]]:
    """A model drives all roads of a cell; returns its columns."""
    model, cell = job
    runtime = load_packed(model)
    results = [drive_with(runtime, cell.job(road)) for road in range(cell.roads)]
    kinds = {name: int if name in WHOLE else lambda value: float(f"{value:.7g}") for name in FIELDS}
    return {name: [kinds[name](getattr(result, name)) for result in results] for name in FIELDS}


Grid = dict[tuple[str, str], dict[str, np.ndarray]]
"""By (entrant, condition): each number of `RoadResult` as an array (S, N) over training seeds and
roads."""


def read_grid(driven: Sequence[Cell], scores: Mapping[Path, Scores]) -> Grid:
    """All cells' results as arrays. `scores`: by path, of all cells."""
    rows: dict[tuple[str, str], list[dict[str, list[float]]]] = {}
    for cell in driven:
        rows.setdefault((cell.entrant, cell.condition.name), []).append(
            scores[cell.scores].columns(cell)
        )
    return {
        place: {name: np.array([model[name] for model in models], float) for name in FIELDS}
        for place, models in rows.items()
    }


def _facts(model: Path) -> dict:
    info = read_model(model)
    told = {
        "sha256": sha256_of(model / ONNX),
        "core": info.policy.core.name,
        "recurrent_parameters": info.recurrent_parameters,
        "state_size": info.state_size,
    }
    return told | {name: info.provenance.get(name) for name in ("seconds", "command", "commit")}
