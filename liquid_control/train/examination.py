"""How a model drives the held-out roads of recordings, between the rounds of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.sim.drive import drive
from liquid_control.sim.recorded.driver import recorded_driver
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld
from liquid_control.system.jobs import processes, run_jobs


def examine(model: Path, roads: Sequence[RecordedRoad], workers: int = 0) -> dict:
    packed = pack_model(model)
    jobs = [(packed, road, index) for index, road in enumerate(roads)]
    rows = run_jobs(_drive, jobs, processes(workers), "examine")
    distance = sum(row["distance_m"] for row in rows)
    return {
        "distance_m": distance,
        "departures": sum(row["departures"] for row in rows),
        "put_backs": sum(row["put_backs"] for row in rows),
        "lateral_rmse_m": math.sqrt(sum(row["squares"] for row in rows) / max(distance, 1e-9)),
        "unseen_share": sum(row["unseen"] for row in rows)
        / max(sum(row["frames"] for row in rows), 1),
    }


def _drive(job: tuple[PackedModel, RecordedRoad, int]) -> dict:
    model, road, seed = job
    world = RecordedWorld(road, seed=seed)
    controller, gate = recorded_driver(world, load_packed(model))
    scale = road.scale
    row = dict.fromkeys(
        ("distance_m", "departures", "put_backs", "squares", "unseen", "frames"), 0.0
    )
    station, outside = world.truth.station, False
    for step in drive(world, controller, gate):
        truth = step.truth
        moved, station = max(truth.station - station, 0.0), truth.station
        row["distance_m"] += moved
        row["squares"] += moved * truth.lane_offset**2
        departing = abs(truth.lane_offset) > scale.departure
        row["departures"] += departing and not outside
        outside = departing or (outside and abs(truth.lane_offset) > 0.75 * scale.departure)
        if step.action is not None:
            row["frames"] += 1
            row["unseen"] += world.unseen
        if world.task.is_terminated(truth):
            row["put_backs"] += 1
            station = min(station + scale.put_back_ahead, road.path.length)
            world.place(station)
            controller.reset()
    return row
