"""Silences the parts of a circuit one after the other and lets each rest of it drive the same roads
again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from liquid_control.config import WorldConfig
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.evaluate.closed_loop.condition_rows import RoadResult
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, drive_with
from liquid_control.evaluate.insight.lesions import WAYS, Lesion, silenced, synapse_strengths
from liquid_control.model.packed import PackedModel, pack_model, unpacked
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.system.jobs import processes, run_jobs

MOST_UNITS = 24
"""Of a core without wiring and with more units, those with the largest readout weights."""


@dataclasses.dataclass(frozen=True, eq=False)
class LesionJob:
    """One lesion (None: intact) on the roads numbered `roads`; `states` (T, U) of an intact
    drive."""

    model: PackedModel
    lesion: Lesion | None
    states: np.ndarray
    roads: tuple[int, ...]
    seed: int
    world: WorldConfig


@dataclasses.dataclass(frozen=True)
class Effect:
    """What a circuit without this part does. `lateral_rmse_m` over distance; `departures` entries
    beyond 1 m from the lane's centre; `off_road` times the vehicle left the road altogether and was
    put back."""

    lesion: Lesion | None
    distance_m: float
    lateral_rmse_m: float
    largest_offset_m: float
    departures: int
    off_road: int
    standstills: int


def intervene(job: LesionJob) -> Effect:
    """Drives `job.roads` with the lesion."""
    torch.set_num_threads(1)
    with unpacked(job.model) as directory:
        network = load_network(directory)
    runtime = (
        TorchRuntime(network) if job.lesion is None else silenced(network, job.lesion, job.states)
    )
    return summed(
        job.lesion,
        [drive_with(runtime, RoadJob(CLEAN.name, road, job.seed, job.world)) for road in job.roads],
    )


def intervene_all(
    model: Path,
    lesions: Sequence[Lesion],
    states: np.ndarray,
    roads: Sequence[int],
    seed: int,
    world: WorldConfig,
    workers: int,
    progress: bool,
) -> tuple[Effect, list[Effect]]:
    """(the intact circuit's drive, one `Effect` per lesion), all on the same roads."""
    packed = pack_model(model)
    jobs = [
        LesionJob(packed, lesion, states, tuple(roads), seed, world) for lesion in (None, *lesions)
    ]
    intact, *effects = run_jobs(
        intervene, jobs, processes(workers), "lesions" if progress else None
    )
    return intact, effects


def choose_lesions(network: PolicyNetwork, states: np.ndarray, synapses: int) -> list[Lesion]:
    """Every neuron, and the `synapses` strongest synapses between neurons, each in both ways."""
    if network.wiring is not None:
        neurons = list(range(network.wiring.neurons))
    else:
        heard = network.cell.readout.weight.detach().abs()[0].numpy() * states[
            :, : network.cell.recurrent.outputs
        ].std(axis=0)
        neurons = sorted(np.argsort(-heard)[:MOST_UNITS].tolist())
    strengths = synapse_strengths(network, states)
    pairs = sorted(strengths, key=strengths.get, reverse=True)[:synapses]
    return [
        Lesion(*part, way)
        for part in [*((neuron, None) for neuron in neurons), *pairs]
        for way in WAYS
    ]


def summed(lesion: Lesion | None, results: Sequence[RoadResult]) -> Effect:
    """Several roads as one drive."""
    distance = sum(result.distance_m for result in results)
    square = sum(result.lateral_rmse_m**2 * result.distance_m for result in results) / max(
        distance, 1e-9
    )
    counts = (
        sum(getattr(result, name) for result in results)
        for name in ("departures", "off_road", "standstills")
    )
    return Effect(
        lesion,
        distance,
        math.sqrt(square),
        max(result.largest_offset_m for result in results),
        *counts,
    )
