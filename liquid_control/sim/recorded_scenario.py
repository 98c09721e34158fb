"""The drives on recorded roads that training collects: recovery drives of the expert, and the
policy's own in the rounds of DAgger."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from liquid_control.config import PreprocessConfig, check, number
from liquid_control.model.packed import PackedModel
from liquid_control.model.spec import Feature
from liquid_control.sim.collect import NOISE_TIME, DriveJob, OnRecording
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.seeds import road_seed

PIECE = 600
"""Most frames of one drive: enough that its start costs little, few enough that all cores have some
to the end."""
EXPERT_NOISE = (0.5, 1.0, 1.5, 2.0)
POLICY_NOISE = (0.0, 0.5, 1.0)
"""Shares of the steering noise, in turn from drive to drive."""
LARGEST_NOISE = 0.5
"""Of the steering, as a share of the vehicle's largest curvature."""
POLICY_PASSES = 2
"""Drives of a policy over the same stretch of a recording in a round, at most."""
POLICY_RESTART = 3.0
"""A policy is left alone this many times longer than the expert: it must meet its own errors."""
DRAWN_RESTART = 0.25
"""A drive whose looks are drawn begins again this many times as late: each time with another."""
ROUND_INDICES = 100_000
"""Distance between the seeds' indices of two DAgger rounds."""


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far from the recorded path is driven in training."""

    offset: float = number(
        0.12,
        0.0,
        0.3,
        "",
        "standard deviation of the offset at which a drive begins, as a share of the lane's width",
    )
    heading: float = number(
        0.06, 0.0, 0.3, "rad", "standard deviation of the heading error at which a drive begins"
    )
    restart: float = number(
        4.0, 0.2, 1e4, "s", "mean time after which a drive begins again at another offset"
    )
    noise: float = number(
        0.05,
        0.0,
        2.0,
        "",
        "noise on the steering: how far it moves the vehicle before it changes, as a share of the "
        "lane's width",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class RecordedDriving:
    """What all drives on recorded roads have in common. `measurements`: of the policy. `drawn`: the
    looks of the lanes are drawn, others in each drive. `chooses_speed`: the driver does."""

    roads: Sequence[RecordedRoad]
    preprocess: PreprocessConfig
    measurements: tuple[Feature, ...]
    deviation: Deviation
    seed: int
    drawn: bool = False
    chooses_speed: bool = False


def recovery_drives(
    driving: RecordedDriving, frames: int, most_passes: int, title: str = "recovery"
) -> dict[str, DriveJob]:
    """Drives of the expert by name, which begins with `title`: over all roads again and again, up
    to about `frames` and at most `most_passes` times."""
    jobs: dict[str, DriveJob] = {}
    for piece, pass_ in _pieces(driving, frames, most_passes, 0):
        index = len(jobs)
        share = EXPERT_NOISE[(index + pass_) % len(EXPERT_NOISE)]
        name = f"{title}_{index:04d}"
        jobs[name] = _job(driving, piece, index, share, driving.deviation.restart, name)
    return jobs


def policy_drives(
    driving: RecordedDriving, model: PackedModel, dagger_round: int, frames: int
) -> dict[str, DriveJob]:
    """Drives of a policy in a DAgger round (1, 2, ...) by name, labelled with the expert's action,
    over roads drawn anew each round, up to about `frames`."""
    jobs: dict[str, DriveJob] = {}
    title = "drawn_round" if driving.drawn else "round"
    for piece, _ in _pieces(driving, frames, POLICY_PASSES, dagger_round):
        index = len(jobs)
        share, name = POLICY_NOISE[index % len(POLICY_NOISE)], f"{title}_{dagger_round}_{index:04d}"
        restart = POLICY_RESTART * driving.deviation.restart
        job = _job(driving, piece, ROUND_INDICES * dagger_round + index, share, restart, name)
        jobs[name] = dataclasses.replace(job, model=model)
    return jobs


def _pieces(
    driving: RecordedDriving, frames: int, most_passes: int, dagger_round: int
) -> Iterator[tuple[RecordedRoad, int]]:
    """Pieces of all roads in random order, another in each pass, and the pass's number."""
    pieces = [piece for road in driving.roads for piece in _cut(road)]
    rng, reached = np.random.default_rng([driving.seed, dagger_round, 0xD21 + driving.drawn]), 0
    for pass_ in range(most_passes):
        for index in rng.permutation(len(pieces)):
            if reached >= frames:
                return
            yield pieces[index], pass_
            reached += len(pieces[index].path)


def _cut(road: RecordedRoad) -> list[RecordedRoad]:
    count = max(len(road.path) // PIECE, 1)
    edges = np.linspace(0, len(road.path), count + 1).astype(int).tolist()
    return [road.part(start, end) for start, end in zip(edges[:-1], edges[1:], strict=True)]


def _job(
    driving: RecordedDriving,
    road: RecordedRoad,
    index: int,
    noise_share: float,
    restart: float,
    name: str,
) -> DriveJob:
    deviation, width = driving.deviation, road.scale.lane_width
    return DriveJob(
        road_seed(driving.seed, index),
        driving.preprocess,
        OnRecording(
            road,
            DRAWN_RESTART * restart if driving.drawn else restart,
            deviation.offset * width,
            deviation.heading,
            driving.measurements,
            driving.drawn,
            driving.chooses_speed,
        ),
        noise_share * steering_noise(road, deviation.noise),
        name=name,
    )


def steering_noise(road: RecordedRoad, share: float) -> float:
    """Standard deviation [rad] of a noise that moves the vehicle by `share` of the lane's width
    within the noise's correlation time."""
    speed, vehicle = float(np.median(road.path.speed)), road.vehicle
    largest = np.tan(vehicle.max_steering_angle) / vehicle.wheelbase
    curvature = 2.0 * share * road.scale.lane_width / (speed * NOISE_TIME) ** 2
    return float(np.arctan(min(curvature, LARGEST_NOISE * largest) * vehicle.wheelbase))
