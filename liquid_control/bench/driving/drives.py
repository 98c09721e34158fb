"""What each model did under each condition: driven once, kept as one small file, read again by whoever resumes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from liquid_control.bench.driving.settings import DrivingSettings
from liquid_control.config import WorldConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, RoadResult, drive_with
from liquid_control.policy.model_file import MODEL
from liquid_control.sim.conditions.condition import Condition

FORMAT = 1
"""To be raised when the same model would drive otherwise: drives of another format are driven again."""

FIELDS = [field.name for field in dataclasses.fields(RoadResult)]


@dataclasses.dataclass(frozen=True)
class Entrant:
    """Who drives: a name and its trained models, one for each training seed."""

    name: str
    models: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One model under one condition, over all roads; `path` keeps what came out."""

    entrant: str
    number: int
    model: Path
    condition: Condition
    roads: int
    length: float
    seed: int
    path: Path

    def job(self, road: int) -> RoadJob:
        return RoadJob(self.model, self.condition.name, road, self.seed, WorldConfig(length=self.length))


def cells(settings: DrivingSettings, entrants: tuple[Entrant, ...], conditions: tuple[Condition, ...]) -> list[Cell]:
    """Everything there is to drive, driven or not; a condition at a time, so that candidates can be compared early."""
    folder = settings.out / "drives"
    return [
        Cell(entrant.name, number, model, condition, settings.roads, settings.length, settings.seed,
             folder / condition.name / f"{entrant.name}_{number}.json")
        for condition in conditions for entrant in entrants for number, model in enumerate(entrant.models)
    ]  # fmt: skip


def is_driven(cell: Cell) -> bool:
    """Whether the file of this cell is there and is about the same model, roads and condition."""
    try:
        return json.loads(cell.path.read_text())["about"] == _about(cell)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def drive_cell(cell: Cell) -> None:
    """Drives all roads of a cell; written beside and renamed."""
    runtime = OnnxRuntime.load(cell.model)
    results = [dataclasses.asdict(drive_with(runtime, cell.job(road))) for road in range(cell.roads)]
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    partial = cell.path.with_suffix(".partial")
    partial.write_text(json.dumps({"about": _about(cell), "roads": results}) + "\n")
    partial.replace(cell.path)


def read_results(cell: Cell) -> list[RoadResult]:
    """What `drive_cell` found, road by road."""
    return [RoadResult(**row) for row in json.loads(cell.path.read_text())["roads"]]


Grid = dict[tuple[str, str], dict[str, np.ndarray]]
"""By (entrant, condition): each number of `RoadResult` as an array (S, N) over training seeds and roads."""


def read_grid(driven: list[Cell]) -> Grid:
    """All cells' results as arrays."""
    rows: dict[tuple[str, str], list[list[RoadResult]]] = {}
    for cell in driven:
        rows.setdefault((cell.entrant, cell.condition.name), []).append(read_results(cell))
    names = [name for name in FIELDS if name != "condition"]
    return {place: {name: np.array([[getattr(road, name) for road in model] for model in models], float) for name in names}
            for place, models in rows.items()}  # fmt: skip


def _about(cell: Cell) -> dict:
    model = hashlib.sha256((cell.model / MODEL).read_bytes()).hexdigest()
    told = {"format": FORMAT, "figures": FIELDS, "model": model, "roads": cell.roads, "length": cell.length, "seed": cell.seed}
    return told | {"condition": dataclasses.asdict(cell.condition)}
