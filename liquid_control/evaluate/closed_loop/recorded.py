"""Closed-loop examination in the recorded world: a policy drives the stretches of recordings, with
the same loop, controller and gate as in simulation."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.control.controller import Controller
from liquid_control.control.vehicle import steering_angle
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop.examine import Examined, examine
from liquid_control.evaluate.closed_loop.trace import Trace, Tracer
from liquid_control.evaluate.learned_from import Learned
from liquid_control.model.car import chooses_speed
from liquid_control.model.packed import PackedModel
from liquid_control.model.spec import PolicySpec, names
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.view import crop_for
from liquid_control.signals import Limit, SpeedSample
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.network_input import CorruptedInput
from liquid_control.sim.conditions.table import CONDITIONS, find_conditions
from liquid_control.sim.drive import IMU_PERIOD, Step
from liquid_control.sim.recorded.driver import recorded_driver
from liquid_control.sim.recorded.loader import LEAST_LENGTH, RecordedRoads, load_roads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld, refuse_foreign
from liquid_control.sim.seeds import road_seed
from liquid_control.system.jobs import processes, run_jobs

FEWEST_FRAMES = 10
"""Of a part of a road."""
LEAD_IN = 1.0
"""At the start of a stretch the recorded driver steers for this long [s] and the policy watches: a
stretch begins where a recording does, often in a bend, and the state of a policy is empty then."""


@dataclasses.dataclass(frozen=True)
class StretchJob:
    """One stretch of a recording, under a condition."""

    recording: str
    road: RecordedRoad
    number: int
    condition: str
    seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class StretchResult:
    """What was driven on one stretch. `begin_s`: of the stretch, since the recording's first one.
    `unseen_share`: mean over the frames that the policy used of the share of its picture that no
    recorded picture shows."""

    recording: str
    stretch: str
    condition: str
    begin_s: float
    unseen_share: float
    examined: Examined
    trace: Trace


def conditions_of(names: Sequence[str]) -> tuple[Condition, ...]:
    """As `find_conditions`; `all` stands for those that a recording can be put under. Raises
    ConfigError for another one by name."""
    found = []
    for condition in find_conditions(names):
        try:
            refuse_foreign(condition)
        except ConfigError:
            if "all" not in names:
                raise
            continue
        found.append(condition)
    return tuple(found)


def load_all(
    paths: Sequence[Path],
    settings: RecordingSettings,
    view: ViewSettings,
    preprocess: PreprocessConfig,
    cache: Path,
) -> dict[str, RecordedRoads]:
    """The roads of each recording, by its path. Raises the errors of `load_roads`."""
    found = {}
    for path in paths:
        with open_recording(path, settings) as source:
            cropped = crop_for(source, view, preprocess)
        found[str(path)] = load_roads(path, settings, cropped, cache)
    return found


def held_out_only(
    roads: Mapping[str, RecordedRoads], learned: Mapping[str, Learned]
) -> dict[str, RecordedRoads]:
    """The roads without what the policy learned from. Raises ConfigError where nothing is left of a
    recording."""
    found = {}
    for name, of_one in roads.items():
        pieces = of_one.roads
        if learned[name].learned:
            pieces = tuple(
                piece
                for road in of_one.roads
                for span in learned[name].held_out
                for piece in _within(road, *span)
            )
        if not pieces:
            got = f"held_out, and the model names no long enough part of {name} as held out"
            raise ConfigError("only", got, "all, or another recording")
        found[name] = dataclasses.replace(of_one, roads=pieces)
    return found


def _within(road: RecordedRoad, first_ns: int, last_ns: int) -> list[RecordedRoad]:
    """The part of a road between two stamps, where it is long enough to drive on."""
    first, last = np.searchsorted(road.path.stamp_ns, [first_ns, last_ns + 1]).tolist()
    if last - first < FEWEST_FRAMES:
        return []
    part = road.part(first, last)
    long_enough = part.path.length > LEAST_LENGTH * road.scale.shortest_look_ahead
    return [part] if long_enough else []


def not_measured(spec: PolicySpec, roads: Mapping[str, RecordedRoads]) -> list[str]:
    """The policy's inputs that a recording does not hold; it is given what it is given on a robot
    whose sensor is silent."""
    return [
        name
        for name in names(spec.measurements)
        if any(name not in road.measured for found in roads.values() for road in found.roads)
    ]


def drive_all(
    model: PackedModel,
    roads: Mapping[str, RecordedRoads],
    conditions: Sequence[Condition],
    seed: int,
    workers: int,
    progress: bool,
) -> list[StretchResult]:
    """Every stretch under every condition, in this order."""
    jobs = [
        (model, job)
        for condition in conditions
        for job in stretch_jobs(roads, condition.name, seed)
    ]
    return run_jobs(_drive_packed, jobs, processes(workers), "stretches" if progress else None)


def stretch_jobs(roads: Mapping[str, RecordedRoads], condition: str, seed: int) -> list[StretchJob]:
    """A job for each stretch."""
    pairs = [(name, road) for name, of_one in roads.items() for road in of_one.roads]
    return [
        StretchJob(name, road, number, condition, road_seed(seed, number))
        for number, (name, road) in enumerate(pairs)
    ]


def unmeasured(road: RecordedRoad) -> Limit:
    """The gate's limits that say no more than that the vehicle has no speed sensor."""
    return Limit.NONE if "speed" in road.measured else Limit.SPEED_UNKNOWN


def _drive_packed(job: tuple[PackedModel, StretchJob]) -> StretchResult:
    model, stretch = job
    return drive_stretch(load_packed(model), stretch)


def drive_stretch(runtime: Runtime, job: StretchJob, film: object = None) -> StretchResult:
    """Drives one stretch to its end, as `evaluation.drive_with` does a simulated road, after
    `LEAD_IN`. `film`, a callable of world, controller, step and whether the vehicle is put back,
    watches."""
    started, busy = time.perf_counter(), time.process_time()
    condition, road = CONDITIONS[job.condition], job.road
    chooses = chooses_speed(runtime.spec)
    world = RecordedWorld(road, seed=job.seed, condition=condition, chooses_speed=chooses)
    if condition.input_corruption:
        runtime = CorruptedInput(runtime, job.seed, **condition.input_corruption)
    controller, gate = recorded_driver(world, runtime, condition.patience)
    measured, tracer = _lead_in(world, controller), Tracer(world)

    def watch(step: Step, put_back: bool) -> None:
        tracer(step, put_back)
        if film is not None:
            film(world, controller, step, put_back)

    found = examine(world, controller, gate, watch, unmeasured(road), measured)
    world.close()
    timed = {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - busy}
    return StretchResult(
        recording=job.recording,
        stretch=road.name,
        condition=condition.name,
        begin_s=float(road.path.stamp_ns[0]) * 1e-9,
        unseen_share=tracer.unseen_share,
        examined=dataclasses.replace(found, **timed),
        trace=tracer.trace(),
    )


def _lead_in(world: RecordedWorld, controller: Controller) -> float | None:
    """The recorded driver steers for `LEAD_IN`; returns the speed measured last [m/s]."""
    measured = None
    for _ in range(round(LEAD_IN / IMU_PERIOD)):
        for event in world.advance(steering_angle(world.command, world.recording.vehicle)):
            controller.push(event, world.time_ns)
            measured = event.speed if isinstance(event, SpeedSample) else measured
    return measured
