"""Collects drives in a simulated or a recorded world, side by side on all cores: one road, one
driver, one episode or recording each."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
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
    text,
)
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.data.episode import Episode
from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError
from liquid_control.model.car import chooses_speed
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.model.spec import Feature
from liquid_control.perception.observer import preprocess
from liquid_control.recordings.rosbag.writer import BagSettings, check_free
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.conditions.network_input import CorruptedInput
from liquid_control.sim.conditions.table import CLEAN, CONDITIONS
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.person import Person, PersonSettings, SharedGate, SharedRuntime
from liquid_control.sim.recorded.driver import recorded_driver
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld
from liquid_control.sim.recorded_drive import SHARED, RecordedDrive, record_drive, shared_facts
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.sim.tasks.table import LANE_AND_SPEED, LANE_KEEPING, load_task
from liquid_control.sim.truth import Truth
from liquid_control.sim.world import START_STATION, World
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.jobs import Engine, processes, run_jobs
from liquid_control.system.verb import Verb

NOISE_TIME, NOISE_PERIOD = 0.6, 0.01
"""Correlation time and period of the steering noise [s]."""
SLOW_STARTS = 2.5
"""Where the speed is learned, a drive begins at a share of the plan's speed that is drawn up to
this, and at most at the plan's: so the policy knows how to drive off."""
WIDEST = 2.5
"""Standard deviations at which the offset and heading of a drive's beginning are cut."""


@dataclasses.dataclass(frozen=True)
class OnRecording:
    """A drive along a recorded road. It begins beside the path, and again after a time drawn with
    mean `restart` [s] and where the vehicle has left the lane. `offset` [m], `heading` [rad]:
    standard deviations of where it begins. `measurements` of the expert's observations. `drawn`:
    the lane has another look from each beginning on (`sim.recorded.drawn`). `chooses_speed`: the
    driver does, and a drive begins at up to the recorded one."""

    road: RecordedRoad
    restart: float
    offset: float
    heading: float
    measurements: tuple[Feature, ...]
    drawn: bool = False
    chooses_speed: bool = False


@dataclasses.dataclass(frozen=True)
class DriveJob:
    """One drive to simulate. `world`: in MuJoCo or on a recording. `model`: the policy that drives
    (DAgger), None for the expert.

    `steering_noise`: standard deviation [rad]. `noise_variance`: of Gaussian noise on the picture
    (0..1) that the driver gets; the collected pictures are without it. `seed` fixes road,
    appearance, vehicle and noise. `recording`: how to record, None for an episode; `name`: of the
    recording. `condition`: of a drive in MuJoCo, by name. `person`: takes over from the model in a
    drive that is recorded. `task`: of a drive in MuJoCo, by name.
    """

    seed: int
    preprocess: PreprocessConfig
    world: WorldConfig | OnRecording
    steering_noise: float = 0.0
    model: PackedModel | None = None
    noise_variance: float = 0.0
    recording: BagSettings | None = None
    name: str = "drive"
    condition: str = CLEAN.name
    person: PersonSettings | None = None
    task: str = LANE_KEEPING


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
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    steering_noise: float = number(
        0.02, 0.0, 0.2, "rad", "standard deviation of the steering noise; the expert corrects it"
    )
    driver: str = text(
        "",
        "model that drives while the expert watches and takes over, by path or name; recordings "
        "only. Empty: the expert drives",
    )
    condition: str = text(CLEAN.name, "driving condition by name (doc/benchmark.md)")
    person: PersonSettings = group(PersonSettings())
    world: WorldConfig = group(WorldConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())
    bag: BagSettings = group(BagSettings())
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)
        if self.condition not in CONDITIONS:
            raise ConfigError("condition", self.condition, "one of " + ", ".join(CONDITIONS))
        if self.driver and self.format != "bag":
            raise ConfigError("driver", self.driver, "--format bag, in which it says who drove")


def collect_expert(settings: CollectionSettings) -> dict:
    """Collects on all cores; returns the number of frames and their rate, start of the processes
    included; with a `driver` how far it drove and how often the person took over. Raises
    ConfigError where the drives of an earlier run are: training on the folder
    would mix them."""
    started = time.perf_counter()
    check_camera(settings.preprocess, settings.world)
    settings.out.mkdir(parents=True, exist_ok=True)
    recording, ending = (settings.bag, "") if settings.format == "bag" else (None, ".npz")
    jobs, model, task = {}, None, LANE_KEEPING
    if settings.driver:
        directory = find_model(settings.driver)
        model = pack_model(directory)
        task = LANE_AND_SPEED if chooses_speed(read_model(directory).spec) else LANE_KEEPING
    for index in range(settings.roads):
        name = f"{'shared' if model else 'expert'}_{index:04d}"
        jobs[settings.out / f"{name}{ending}"] = DriveJob(
            road_seed(settings.seed, index),
            settings.preprocess,
            dataclasses.replace(settings.world, stratum=index % STRATA),
            0.0 if model else settings.steering_noise,
            model,
            recording=recording,
            name=name,
            condition=settings.condition,
            person=settings.person if model else None,
            task=task,
        )
    for directory in jobs if recording else ():
        check_free(directory)
    earlier = len([*settings.out.glob("expert_*"), *settings.out.glob("shared_*")])
    if earlier:
        raise ConfigError(
            str(settings.out),
            f"a folder with {earlier} drives of an earlier run",
            "an empty folder",
        )
    frames = collect(jobs, processes(settings.workers), "collect")
    seconds = time.perf_counter() - started
    shared = [shared_facts(path) for path in jobs] if model else []
    return {
        **{name: round(sum(one[name] for one in shared), 1) for name in SHARED if shared},
        "recordings" if recording else "episodes": len(jobs),
        "frames": frames,
        "seconds": seconds,
        "frames_per_second": frames / seconds,
        "out": str(settings.out),
    }


def collect_missing(jobs: Mapping[Path, DriveJob], engine: Engine, title: str) -> int:
    """As `collect`, without the drives whose path exists."""
    missing = {target: job for target, job in jobs.items() if not target.exists()}
    return collect(missing, engine, title)


def collect(jobs: Mapping[Path, DriveJob], engine: Engine, title: str | None = None) -> int:
    """Simulates all jobs and writes each drive to its path as it comes. Returns the frames."""
    keep_freed_memory()  # the pictures of each drive are some 30 MB in one block
    paths = list(jobs)

    def save(index: int, found: Episode | RecordedDrive) -> int:
        found.save(paths[index])
        return len(found)

    return sum(run_jobs(simulate, jobs.values(), engine, title, save))


def check_camera(wanted: PreprocessConfig, world: WorldConfig) -> None:
    """Raises ImageError when the world's camera picture is too small for the policy's, a crop
    included."""
    preprocess(np.zeros((world.image_height, world.image_width, 3), np.uint8), wanted)


def simulate(job: DriveJob) -> Episode | RecordedDrive:
    """Drives one road to its end; in MuJoCo until the task is terminated."""
    keep_freed_memory()
    beside = job.world if isinstance(job.world, OnRecording) else None
    if beside:
        options = {"drawn": beside.drawn, "chooses_speed": beside.chooses_speed}
        world = RecordedWorld(beside.road, seed=job.seed, **options)
    else:
        condition, task = CONDITIONS[job.condition], load_task(job.task)
        world = World(job.world, job.seed, condition=condition, task=task)
        if chooses_speed(task.spec):
            share = _drawn_share(np.random.default_rng([job.seed, 4]))
            world.place(START_STATION, speed=share * world.speed_limit)
    runtime, person = _driver(job, world), None
    if job.person is not None:
        person = Person(job.person, world.scale, np.random.default_rng([job.seed, 3]))
        runtime = SharedRuntime(runtime, world, person)
    controller, gate = recorded_driver(world, runtime) if beside else _car(world, runtime)
    if person is not None:
        gate = SharedGate(gate, world, person)
    noise = steering_noise(np.random.default_rng([job.seed, 1]), job.steering_noise)
    try:
        if beside:
            restarts = _Restarts(beside, world, controller, np.random.default_rng([job.seed, 2]))
            return _episode(world, controller, gate, noise.__next__, restarts.after)
        if job.recording is None:
            return _episode(world, controller, gate, noise.__next__)
        return _recording(job, world, controller, gate, noise.__next__, person)
    finally:
        world.close()


def _drawn_share(rng: np.random.Generator) -> float:
    """Of the speed that is usual where a drive begins."""
    return min(rng.uniform(0.0, SLOW_STARTS), 1.0)


def _driver(job: DriveJob, world: World | RecordedWorld) -> Runtime:
    if job.model is None:
        measurements = job.world.measurements if isinstance(job.world, OnRecording) else None
        runtime: Runtime = ExpertRuntime(world, job.preprocess, measurements)
    else:
        from liquid_control.deploy.packed_runtime import load_packed

        runtime = load_packed(job.model)
    corruption = dict(CONDITIONS[job.condition].input_corruption)
    if job.noise_variance:
        corruption["noise_variance"] = job.noise_variance
    return CorruptedInput(runtime, job.seed, **corruption) if corruption else runtime


def _car(world: World, runtime: Runtime) -> tuple[Controller, SafetyGate]:
    condition = world.condition
    controller = Controller(runtime, speed=world.set_speed)
    return controller, SafetyGate(condition.gate, condition.vehicle)


class _Restarts:
    """See `OnRecording`."""

    def __init__(
        self,
        settings: OnRecording,
        world: RecordedWorld,
        controller: Controller,
        rng: np.random.Generator,
    ) -> None:
        self._settings, self._world, self._controller = settings, world, controller
        self._rng = rng
        self._begin(world.truth.station)

    def after(self, truth: Truth) -> bool:
        """Puts the vehicle to another place where it is time; the drive always goes on."""
        if self._world.task.is_terminated(truth):
            self._begin(truth.station + self._settings.road.scale.put_back_ahead)
        elif self._world.time_ns >= self._due_ns:
            self._begin(truth.station)
        return True

    def _begin(self, station: float) -> None:
        settings = self._settings
        aside, turned = np.clip(self._rng.standard_normal(2), -WIDEST, WIDEST).tolist()
        speed = None
        if settings.chooses_speed:
            speed = _drawn_share(self._rng) * self._world.speed_at(station)
        self._world.place(station, settings.offset * aside, settings.heading * turned, speed)
        self._controller.reset()
        seconds = settings.restart * self._rng.uniform(0.5, 1.5)
        self._due_ns = self._world.time_ns + round(seconds * 1e9)


def _episode(
    world: World | RecordedWorld,
    controller: Controller,
    gate: SafetyGate,
    disturbance: Callable[[], float],
    after: Callable[[Truth], bool] | None = None,
) -> Episode:
    """Observations with the expert's action and the auxiliary targets at the end of their
    period. `after` each period says whether to go on; without it, until the task is terminated."""
    rows, task, begins = [], world.task, True
    for step in drive(world, controller, gate, disturbance):
        if step.action is not None:
            seen = controller.observation  # of two frames in one period the second
            begins |= seen.is_first
            observed = seen.stamp_ns, seen.image, seen.measurements, seen.dt, begins
            rows.append((*observed, task.expert(world), task.auxiliary(world)))
            begins = False
        if not (after(step.truth) if after else not task.is_terminated(step.truth)):
            break
        begins |= controller.action is None  # the vehicle was put to another place
    stamp_ns, image, measurements, dt, is_first, action, auxiliary = zip(*rows, strict=True)
    given = controller.runtime.spec
    return Episode(
        dataclasses.replace(task.spec, image=given.image, measurements=given.measurements),
        np.array(stamp_ns, np.int64),
        np.stack(image),
        np.stack(measurements),
        np.array(dt, np.float32),
        np.array(is_first, bool),
        np.array(action, np.float32),
        np.array(auxiliary, np.float32),
    )


def _recording(
    job: DriveJob,
    world: World,
    controller: Controller,
    gate: SafetyGate | SharedGate,
    disturbance: Callable[[], float],
    person: Person | None,
) -> RecordedDrive:
    facts = {
        "made_by": "liquid-control collect",
        "driver": "expert" if job.model is None else job.model.name,
        "seed": str(job.seed),
        "steering_noise": f"{job.steering_noise} rad",
        "condition": job.condition,
    }
    steps = partial(drive, world, controller, gate, disturbance)
    return record_drive(world, controller, steps, job.seed, job.recording, job.name, facts, person)


def steering_noise(rng: np.random.Generator, deviation: float) -> Iterator[float]:
    """An Ornstein-Uhlenbeck process [rad] of standard deviation `deviation`, one value per IMU
    period."""
    value, step = 0.0, NOISE_PERIOD
    for _ in itertools.count():
        value += (
            -value * step / NOISE_TIME
            + deviation * math.sqrt(2 * step / NOISE_TIME) * rng.standard_normal()
        )
        yield value


VERB = Verb(CollectionSettings, collect_expert)
