"""Collects drives in the simulated world, side by side on all cores: one road, one driver, one
episode or recording each."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from liquid_control.config import (
    REQUIRED,
    PreprocessConfig,
    WorldConfig,
    check,
    choice,
    group,
    number,
    path,
)
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.data.episode import Episode
from liquid_control.perception.preprocess import preprocess
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter, check_free
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.conditions.network_input import SpoiledInput
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.recorder import DriveRecorder
from liquid_control.sim.road import SPACING
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.sim.world import World
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb

CURVATURE_AHEAD = 10.0
"""How far ahead the auxiliary curvature target looks [m]."""

WOBBLE_TIME = 0.6
"""Correlation time of the recovery noise [s]."""

SET_SPEED = 20.0
"""Above every road's own plan, so that the plan decides."""


@dataclasses.dataclass(frozen=True)
class Drive:
    """One drive to collect. `model`: directory of the policy that drives (DAgger), or None for the
    expert.

    `wobble`: standard deviation of the steering noise [rad]. `noise_variance`: of Gaussian noise on
    the picture (0..1) that the driver is given; the pictures kept are without it. `seed` fixes
    road, look, vehicle and noise. `bag`: how to record, None for an episode.
    """

    seed: int
    path: Path
    preprocess: PreprocessConfig
    world: WorldConfig
    wobble: float = 0.0
    model: Path | None = None
    noise_variance: float = 0.0
    bag: BagSettings | None = None


@dataclasses.dataclass(frozen=True)
class CollectionSettings:
    """A set of expert drives to collect."""

    out: Path = path(
        REQUIRED,
        "folder for the drives, each an episode (.npz) or a recording (a rosbag2 directory)",
        writes="folder",
    )
    format: str = choice(
        "episode",
        ("episode", "bag"),
        "what to write: episodes of preprocessed pictures, or rosbag2 recordings as of a vehicle",
    )
    roads: int = number(40, 1, 10**6, "", "roads to drive")
    seed: int = number(0, 0, LARGEST_SEED, "", "names the set of roads")
    wobble: float = number(0.02, 0.0, 0.2, "rad", "steering noise that makes the expert recover")
    world: WorldConfig = group(WorldConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())
    bag: BagSettings = group(BagSettings())
    workers: int = number(0, 0, 256, "", "processes; 0 is one a core")

    def __post_init__(self) -> None:
        check(self)


def collect_expert(settings: CollectionSettings) -> dict:
    """Collects on all cores; says how many frames there are and how fast they came, start of the
    processes included."""
    started = time.perf_counter()
    check_camera(settings.preprocess, settings.world)
    settings.out.mkdir(parents=True, exist_ok=True)
    bag, ending = (settings.bag, "") if settings.format == "bag" else (None, ".npz")
    jobs = []
    for index in range(settings.roads):
        world = dataclasses.replace(settings.world, stratum=index % STRATA)
        path = settings.out / f"expert_{index:04d}{ending}"
        jobs.append(
            Drive(
                road_seed(settings.seed, index),
                path,
                settings.preprocess,
                world,
                settings.wobble,
                bag=bag,
            )
        )
        if bag:
            check_free(path)
    frames = sum(run_jobs(collect, jobs, processes(settings.workers), "collect"))
    seconds = time.perf_counter() - started
    drives = "recordings" if bag else "episodes"
    return {
        drives: len(jobs),
        "frames": frames,
        "seconds": seconds,
        "frames_per_second": frames / seconds,
        "out": str(settings.out),
    }


def check_camera(wanted: PreprocessConfig, world: WorldConfig) -> None:
    """Raises ImageError when the world's camera picture is too small for the policy's, a crop
    included."""
    preprocess(np.zeros((world.image_height, world.image_width, 3), np.uint8), wanted)


def collect(job: Drive) -> int:
    """Drives one road to its end, or until the vehicle is off the road; writes the episode or
    recording; returns its frames."""
    world = World(job.world, job.seed)
    if job.model is None:
        runtime = ExpertRuntime(world, job.preprocess)
    else:
        from liquid_control.deploy.onnx_runtime import OnnxRuntime

        runtime = OnnxRuntime.load(job.model)
    if job.noise_variance:
        runtime = SpoiledInput(
            runtime, dataclasses.replace(CLEAN, noise_variance=job.noise_variance), job.seed
        )
    controller = Controller(runtime, gate=SafetyGate(vehicle=VEHICLE), speed=SET_SPEED)
    wobble = _wobble(np.random.default_rng([job.seed, 1]), job.wobble)
    frames = (_episode if job.bag is None else _recording)(
        job, world, controller, lambda: next(wobble)
    )
    world.close()
    return frames


def _episode(
    job: Drive, world: World, controller: Controller, disturbance: Callable[[], float]
) -> int:
    rows = []
    for moment in drive(world, controller, disturbance):
        if moment.action is not None:
            seen, truth = controller.observation, moment.truth
            ahead = world.road.curvature[
                min(int((truth.station + CURVATURE_AHEAD) / SPACING), len(world.road.curvature) - 1)
            ]
            targets = (truth.lane_offset, truth.heading_error, truth.curvature, ahead)
            rows.append(
                (
                    seen.stamp_ns,
                    seen.image,
                    seen.measurements,
                    seen.dt,
                    seen.is_first,
                    world.task.expert(world),
                    targets,
                )
            )
        if world.task.is_terminated(moment.truth):
            break
    stamp_ns, image, inertial, dt, is_first, curvature, auxiliary = zip(*rows, strict=True)
    Episode(
        np.array(stamp_ns, np.int64),
        np.stack(image),
        np.stack(inertial),
        np.array(dt, np.float32),
        np.array(is_first, bool),
        np.array(curvature, np.float32),
        np.array(auxiliary, np.float32),
    ).save(job.path)
    return len(rows)


def _recording(
    job: Drive, world: World, controller: Controller, disturbance: Callable[[], float]
) -> int:
    """The recorded command is what the gate let through, without the disturbance: what the driver
    meant, not what shook the wheels."""
    driver = "expert" if job.model is None else job.model.name
    facts = {
        "made_by": "liquid-control collect",
        "driver": driver,
        "seed": str(job.seed),
        "wobble": f"{job.wobble} rad",
    }
    with BagWriter(job.path, job.bag, facts, VEHICLE) as writer:
        recorder = DriveRecorder(writer, world, job.seed)
        for moment in drive(world, controller, disturbance, recorder.hear):
            if (
                controller.action is not None
            ):  # the gate of a robot is silent until the first proposal
                recorder.drive(moment.command, moment.action)
            recorder.judge(moment.truth)
            if world.task.is_terminated(moment.truth):
                break
    return recorder.frames


def _wobble(rng: np.random.Generator, deviation: float):
    """Ornstein-Uhlenbeck steering noise [rad], one value per IMU period."""
    value, step = 0.0, 0.01
    for _ in itertools.count():
        value += (
            -value * step / WOBBLE_TIME
            + deviation * math.sqrt(2 * step / WOBBLE_TIME) * rng.standard_normal()
        )
        yield value


VERB = Verb(CollectionSettings, collect_expert)
