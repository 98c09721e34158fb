"""The speed along one road: the expert's, and that of a policy that chooses it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtime import Runtime
from liquid_control.evaluate.closed_loop.evaluation import RoadJob
from liquid_control.experiments.recorded_world.charts import save_figure
from liquid_control.model.packed import PackedModel
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_and_speed import LANE_AND_SPEED
from liquid_control.sim.world import World

EVERY = 10
"""IMU periods between two points."""


def draw_speeds(model: PackedModel, job: RoadJob, file: Path) -> None:
    """Drives the road of a job with expert and policy and draws both speeds, and the curvature of
    the road, over the station."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seen = PreprocessConfig(height=16, width=32)
    expert = _driven(job, lambda world: ExpertRuntime(world, seen))
    policy = _driven(job, lambda world: load_packed(model))
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(8.0, 5.0), sharex=True, height_ratios=(3, 1)
    )
    for name, rows, colour in (("expert", expert, "#888888"), ("policy", policy, "#2d82eb")):
        above.plot(rows[:, 0], rows[:, 1], label=name, color=colour)
    above.set_ylabel("speed, m/s")
    above.set_ylim(bottom=0.0)
    above.legend()
    below.plot(expert[:, 0], expert[:, 2], color="#444444")
    below.set_ylabel("curvature, 1/m")
    below.set_xlabel("along the road, m")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    save_figure(figure, file)
    pyplot.close(figure)


def _driven(job: RoadJob, driver: Callable[[World], Runtime]) -> np.ndarray:
    """Rows (T, 3): station [m], speed [m/s] and curvature of the road [1/m]."""
    config = dataclasses.replace(job.world, stratum=job.road % STRATA)
    seed = road_seed(job.seed, job.road)
    world = World(config, seed, held_out=True, task=LANE_AND_SPEED)
    controller = Controller(driver(world), speed=world.set_speed)
    condition = world.condition
    gate = SafetyGate(condition.gate, condition.vehicle)
    rows = []
    for step in drive(world, controller, gate):
        truth = step.truth
        rows.append((truth.station, truth.speed, truth.curvature))
        if world.task.is_terminated(truth):
            break
    world.close()
    return np.array(rows[::EVERY])
