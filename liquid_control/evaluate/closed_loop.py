"""Closed-loop evaluation: a model drives held-out roads through the same `Controller` as on the robot."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from liquid_control.config import WorldConfig, check, number
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.parallel import map_processes
from liquid_control.sim.drive import VEHICLE, drive
from liquid_control.sim.randomize import STRATA
from liquid_control.sim.road import SPACING
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.sim.task import DEPARTURE, is_departing
from liquid_control.sim.world import World

SET_SPEED = 20.0
"""Above every road's own plan, so that the plan decides."""

PUT_BACK_AHEAD = 5.0
"""A vehicle that left the road is put back on the lane's centre this far ahead [m]."""


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """Drive `model` over `roads` held-out roads of the set that `seed` names, looks spread evenly over the strata."""

    model: Path
    """path of a model directory, or the name of an installed model"""
    roads: int = number(20, 1, 100000, "", "held-out roads to drive")
    seed: int = number(0, 0, LARGEST_SEED, "", "names the set of roads")
    world: WorldConfig = WorldConfig(length=550.0)
    workers: int = number(0, 0, 256, "", "processes; 0 is one a core")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class RoadResult:
    """One road: metres driven, departures (entries beyond the threshold), times off the road, and offsets over distance."""

    road: int
    seed: int
    stratum: int
    distance_m: float
    departures: int
    off_road: int
    lateral_rmse_m: float
    largest_offset_m: float
    frames_used: int
    gate_activations: int
    simulated_s: float
    wall_s: float


def evaluate(settings: EvaluationSettings, progress: bool = True) -> dict:
    """Returns the totals over all roads and the list of `RoadResult`s under `per_road`, ready for JSON."""
    started = time.perf_counter()
    jobs = [(settings, road) for road in range(settings.roads)]
    results = map_processes(drive_road, jobs, settings.workers, "roads" if progress else None)
    wall = time.perf_counter() - started
    distance = sum(r.distance_m for r in results)
    return {
        "model": str(settings.model),
        "seed": settings.seed,
        "roads": len(results),
        "distance_m": round(distance, 1),
        "departures": sum(r.departures for r in results),
        "departures_per_km": sum(r.departures for r in results) / max(distance / 1000, 1e-9),
        "off_road": sum(r.off_road for r in results),
        "lateral_rmse_m": math.sqrt(sum(r.lateral_rmse_m**2 * r.distance_m for r in results) / max(distance, 1e-9)),
        "largest_offset_m": max(r.largest_offset_m for r in results),
        "gate_activations": sum(r.gate_activations for r in results),
        "speed_up": sum(r.simulated_s for r in results) / wall,
        "speed_up_per_core": sum(r.simulated_s for r in results) / sum(r.wall_s for r in results),
        "wall_s": wall,
        "per_road": [dataclasses.asdict(r) for r in results],
    }


def drive_road(job: tuple[EvaluationSettings, int]) -> RoadResult:
    """Drives one held-out road to its end; a vehicle that leaves the road is put back and the event counted."""
    settings, road = job
    started = time.perf_counter()
    stratum, seed = road % STRATA, road_seed(settings.seed, road)
    world = World(dataclasses.replace(settings.world, stratum=stratum), seed, held_out=True)
    controller = Controller(OnnxRuntime.load(settings.model), gate=SafetyGate(vehicle=VEHICLE), speed=SET_SPEED)
    departures = off_road = gated = 0
    outside, limited = False, False
    squares, distance, largest = 0.0, 0.0, 0.0
    station = world.truth.station
    for moment in drive(world, controller):
        truth = moment.truth
        moved = max(truth.station - station, 0.0)
        station = truth.station
        distance += moved
        squares += moved * truth.lane_offset**2
        largest = max(largest, abs(truth.lane_offset))
        departures += is_departing(truth) and not outside
        outside = is_departing(truth) or (outside and abs(truth.lane_offset) > 0.75 * DEPARTURE)
        gated += bool(moment.verdict.limits) and not limited
        limited = bool(moment.verdict.limits)
        if truth.departed:
            off_road += 1
            station = min(station + PUT_BACK_AHEAD, world.road.length - SPACING)
            world.place(station)
            controller.reset()
    used, simulated = controller.frames_used, world.time_ns * 1e-9
    world.close()
    return RoadResult(
        road, seed, stratum, distance, departures, off_road, math.sqrt(squares / max(distance, 1e-9)), largest, used, gated,
        simulated, time.perf_counter() - started,
    )
