"""A small robot learns from minutes of clean recordings and is examined in the renderer that made
them, on courses and looks that it has not seen."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from liquid_control.config import GateConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.evaluate.closed_loop.examine import Examined, examine
from liquid_control.experiments.recorded_world.charts import draw_small_courses
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.small_camera import Robot, draw_robot
from liquid_control.experiments.recorded_world.small_robot import Person, SmallWorld
from liquid_control.experiments.recorded_world.steps import once
from liquid_control.experiments.recorded_world.training import trained
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.signals import Frame, SteeringSample
from liquid_control.sim.drive import drive
from liquid_control.sim.recorder import EPOCH_NS, TRANSFER_NS
from liquid_control.sim.truth import Event
from liquid_control.stats.bootstrap import rate_interval, ratio_interval
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs

RECORDINGS = 8
"""Courses, each with a look of its own, that the minutes are spread over."""

SPEEDS = 0.05
"""Relative standard deviation of the driver's speed."""

UNSEEN = 10_000
"""First seed of the courses and looks of the examination."""

COURSES, DISTANCE = 20, 20.0
"""Courses of an examination, and the distance on each [m]."""

GATE = GateConfig(max_steering_angle=0.8, max_steering_rate=5.0, max_speed=1.0)

VEHICLE = """\
# A differential drive, described as a bicycle.
wheelbase: {wheelbase}            # m
largest_curvature: 10.0       # 1/m
lane_width: {lane_width}          # m
camera_height: {height:.3f}        # m
camera_pitch: {pitch:.3f}         # rad, downward
camera_field_of_view: {angle:.3f} # rad
camera_forward: {forward:.3f}      # m
"""
SPARSE = """\
wheelbase: {wheelbase}            # m
largest_curvature: 10.0       # 1/m
"""
DESCRIPTIONS = {"measured": VEHICLE, "sparse": SPARSE}
"""What vehicle.yaml says: all that a tape measure gives, or only what steering needs."""


@dataclasses.dataclass(frozen=True)
class RecordingJob:
    """A clean drive of a person: `seconds` on one course."""

    robot: Robot
    course: int
    look: int
    seed: int
    seconds: float
    directory: Path


@dataclasses.dataclass(frozen=True)
class ExaminationJob:
    """A model, or the person where it is None, drives `distance` [m] of a course."""

    robot: Robot
    course: int
    look: int
    distance: float
    model: PackedModel | None = None


def examine_small(settings: RecordedWorldSettings) -> dict:
    """Trains by the documented command and drives; the figures are those of `totals`, for each seed
    of training and both kinds of vehicle.yaml."""
    folder = settings.out / "small"
    robot = draw_robot(settings.seed)
    bags = record(settings, robot, folder / f"bags_{settings.minutes:g}")
    courses = max(round(COURSES * settings.share), 2)
    person = once(
        folder / "person.json",
        {"robot": robot, "courses": courses, "distance": DISTANCE},
        lambda: _examination(settings, robot, courses, None),
    )
    answer: dict = {"robot": robot, "person": person["found"]["totals"], "runs": {}}
    for knowledge in settings.knowledge:
        file = folder / f"vehicle_{knowledge}.yaml"
        _describe(file, robot, knowledge)
        for seed in range(settings.seeds):
            for name, flags in settings.ways:
                key = f"{settings.minutes:g}_{knowledge}_{name}_{seed}"
                out = folder / f"run_{key}"
                words = ["--vehicle", file, *flags]
                made = trained(settings, bags, out, seed, words, file.read_text())
                driven = once(
                    folder / f"driven_{key}.json",
                    {"courses": courses, "distance": DISTANCE, "training": made.about},
                    lambda made=made: _examination(settings, robot, courses, made.model),
                )
                answer["runs"][key] = {
                    "knowledge": knowledge,
                    "way": name,
                    "seed": seed,
                    **made.about,
                    **driven["found"]["totals"],
                }
    draw_small_courses(settings.seed, settings.results / "small.jpg")
    return answer


def record(settings: RecordedWorldSettings, robot: Robot, folder: Path) -> list[Path]:
    """The recordings, made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = settings.minutes * 60 / RECORDINGS
    jobs = [
        RecordingJob(robot, seed, seed, seed, seconds, folder / f"course_{seed:02d}")
        for seed in (RECORDINGS * settings.seed + index for index in range(RECORDINGS))
    ]
    missing = [job for job in jobs if not job.directory.exists()]
    run_jobs(record_one, missing, processes(settings.workers), "recordings")
    return [job.directory for job in jobs]


def record_one(job: RecordingJob) -> int:
    """Writes one rosbag2: camera as JPEG, odometry with the speed alone, and the commands as
    TwistStamped. Returns the pictures."""
    world = SmallWorld(job.robot, job.course, job.look, job.seed, math.inf, SPEEDS)
    controller = Controller(
        Person(world, job.seed), speed=2 * job.robot.speed, vehicle=job.robot.vehicle
    )
    begin = EPOCH_NS + job.seed * 3_600_000_000_000
    facts = {"made_by": "liquid-control bench recorded-world", "driver": "a model of a person"}
    with BagWriter(job.directory, facts=facts, vehicle=job.robot.vehicle) as writer:

        def tap(event: Event) -> Event:
            stamped = dataclasses.replace(event, stamp_ns=begin + event.stamp_ns)
            write = writer.write_frame if isinstance(event, Frame) else writer.write_speed
            write(stamped, begin + world.time_ns + TRANSFER_NS)
            return event

        for step in drive(world, controller, SafetyGate(GATE, job.robot.vehicle), tap=tap):
            if step.action is not None:
                command, now = step.command, begin + world.time_ns
                steering = SteeringSample(now, command.steering_angle, step.truth.speed)
                writer.write_steering(steering, now + 2 * TRANSFER_NS)
            if world.time_ns >= job.seconds * 1e9:
                break
    return controller.frames_used


def drive_small(job: ExaminationJob) -> Examined:
    """Drives one course with the policy's controller and gate, as on a robot, or as the person."""
    world = SmallWorld(job.robot, job.course, job.look, UNSEEN + job.course, job.distance)
    runtime = Person(world, job.course) if job.model is None else load_packed(job.model)
    controller = Controller(runtime, speed=job.robot.speed, vehicle=job.robot.vehicle)
    return examine(world, controller, SafetyGate(GATE, job.robot.vehicle))


def totals(drives: list[Examined]) -> dict:
    """Departures per 10 m and RMSE over the distance of all courses, with 95 % intervals over
    courses."""
    metres = np.array([d.distance_m for d in drives])
    departures = np.array([d.departures for d in drives], float)
    squares = np.array([d.lateral_rmse_m for d in drives]) ** 2 * metres
    spread, rate = ratio_interval(squares, metres), rate_interval(departures, metres / 10)
    return {
        "courses": len(drives),
        "distance_m": metres.sum(),
        "departures": int(departures.sum()),
        "left": sum(d.off_road + d.standstills for d in drives),
        "departures_per_10m": 10 * departures.sum() / metres.sum(),
        "departures_per_10m_ci": [rate.low, rate.high],
        "lateral_rmse_m": math.sqrt(squares.sum() / metres.sum()),
        "lateral_rmse_m_ci": [math.sqrt(spread.low), math.sqrt(spread.high)],
        "largest_offset_m": max(d.largest_offset_m for d in drives),
    }


def _examination(
    settings: RecordedWorldSettings, robot: Robot, courses: int, model: Path | None
) -> dict:
    packed = None if model is None else pack_model(model)
    jobs = [
        ExaminationJob(robot, UNSEEN + index, UNSEEN + index, DISTANCE, packed)
        for index in range(courses)
    ]
    drives = run_jobs(drive_small, jobs, processes(settings.workers), "courses")
    return {"totals": totals(drives), "drives": drives}


def _describe(file: Path, robot: Robot, knowledge: str) -> None:
    text = DESCRIPTIONS[knowledge].format(
        wheelbase=robot.vehicle.wheelbase,
        lane_width=0.215,
        height=robot.height,
        pitch=robot.pitch,
        angle=robot.angle,
        forward=robot.forward,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as partial:
        partial.write_text(text)
