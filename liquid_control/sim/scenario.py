"""The drives that training and experiments collect, in MuJoCo and on recorded roads: lengths,
steering noise and image noise, in one schedule."""

from __future__ import annotations

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.model.packed import PackedModel
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.collect import DriveJob
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.table import LANE_KEEPING

LONG_ROAD, SHORT_ROAD, POLICY_ROAD = 400.0, 120.0, 200.0
"""Length [m] of the roads that the expert drives, and of those that a policy drives in a DAgger
round."""

EXPERT_STEERING_NOISE = (0.01, 0.02, 0.03, 0.045)
"""Standard deviation [rad] of the noise on the expert's steering. It changes once per `STRATA`
roads, so that every stratum gets every value."""

POLICY_STEERING_NOISE = (0.0, 0.01, 0.02)
"""The same for a policy's steering; it changes with each road."""

POLICY_IMAGE_NOISE = (0.0, 0.5, 1.0)
"""Share of the largest image noise that a policy gets; it changes once per `STRATA` roads."""

ROUND_INDICES = 100_000
"""Distance between the road indices of two DAgger rounds."""


def expert_drives(
    seed: int,
    long_roads: int,
    short_roads: int,
    preprocess: PreprocessConfig,
    task: str = LANE_KEEPING,
) -> dict[str, DriveJob]:
    """Drives of the expert of a task by name; the long roads come first."""
    jobs = {}
    for index in range(long_roads + short_roads):
        length = LONG_ROAD if index < long_roads else SHORT_ROAD
        name = f"expert_{index:04d}"
        jobs[name] = DriveJob(
            road_seed(seed, index),
            preprocess,
            WorldConfig(length=length, stratum=index % STRATA),
            EXPERT_STEERING_NOISE[index // STRATA % len(EXPERT_STEERING_NOISE)],
            name=name,
            task=task,
        )
    return jobs


def policy_drives(
    model: PackedModel,
    dagger_round: int,
    seed: int,
    roads: int,
    image_noise: float,
    preprocess: PreprocessConfig,
    task: str = LANE_KEEPING,
) -> dict[str, DriveJob]:
    """Drives of a policy in a DAgger round (1, 2, ...) by name, labelled with the expert's action.
    `image_noise`: largest variance, of pixels in 0..1."""
    jobs = {}
    for index in range(roads):
        noise_share = POLICY_IMAGE_NOISE[index // STRATA % len(POLICY_IMAGE_NOISE)]
        name = f"round_{dagger_round}_{index:04d}"
        jobs[name] = DriveJob(
            road_seed(seed, ROUND_INDICES * dagger_round + index),
            preprocess,
            WorldConfig(length=POLICY_ROAD, stratum=index % STRATA),
            POLICY_STEERING_NOISE[index % len(POLICY_STEERING_NOISE)],
            model,
            noise_share * image_noise,
            name=name,
            task=task,
        )
    return jobs
