"""A drive step by step: the policy's inputs, its state before and after, and the road's
curvature."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.runtime import Runtime, State, Wrapped, to_vector
from liquid_control.errors import DriveError
from liquid_control.signals import Observation
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.drive import drive
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_and_speed import task_of
from liquid_control.sim.tasks.lane_keeping import is_departing
from liquid_control.sim.world import World

LONGEST = 400.0
"""A drive ends after so long, whether or not the road does [s]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """T steps. `road` (T,) index of the road; `seconds` (T,) since its start; `image` (T, h, w, 3)
    uint8, `measurements` (T, M), `dt` (T,) s and `is_first` (T,) the policy's inputs; `before`,
    `after` (T, U) its state; `curvature` (T,) its output and `road_curvature` (T,) the road's there
    [1/m], positive left; `lane_offset` (T,) m, `speed` (T,) m/s. `pictures`: larger ones of the
    same moments (H, W, 3), of the first road only; `departures`: drives that ended beyond the
    lane."""

    road: np.ndarray
    seconds: np.ndarray
    image: np.ndarray
    measurements: np.ndarray
    dt: np.ndarray
    is_first: np.ndarray
    before: np.ndarray
    after: np.ndarray
    curvature: np.ndarray
    road_curvature: np.ndarray
    lane_offset: np.ndarray
    speed: np.ndarray
    pictures: tuple[np.ndarray, ...] = ()
    departures: int = 0

    def __len__(self) -> int:
        return len(self.road)

    def evenly(self, count: int) -> np.ndarray:
        """Indices of at most `count` steps, spread evenly over all."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))


class StepRecorder(Wrapped):
    """A `Runtime` around another that keeps inputs and outputs of its latest step."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.latest: tuple[Observation, State, np.ndarray, State] | None = None

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, after = super().step(observation, state)
        self.latest = observation, state, action, after
        return action, after


def record(
    runtime: Runtime,
    road: int,
    seed: int,
    config: WorldConfig,
    picture: tuple[int, int] | None = None,
) -> Trace:
    """Drives held-out road `road` of the set that `seed` names until it ends or the vehicle leaves
    its lane.

    `picture`: (width, height) of the larger pictures, None for none. Raises DriveError when the
    drive is too short.
    """
    world = World(
        dataclasses.replace(config, stratum=road % STRATA),
        road_seed(seed, road),
        held_out=True,
        task=task_of(runtime.spec),
    )
    recorder = StepRecorder(runtime)
    controller, gate = Controller(recorder, speed=world.set_speed), SafetyGate(vehicle=VEHICLE)
    rows, pictures = [], []
    try:
        for step in drive(world, controller, gate):
            if step.action is not None:
                observation, before, action, after = recorder.latest
                truth = step.truth
                values = (
                    observation.image,
                    np.asarray(observation.measurements),
                    observation.dt,
                    observation.is_first,
                    to_vector(before),
                    to_vector(after),
                    step.action.curvature,
                )
                rows.append(
                    (
                        road,
                        truth.stamp_ns * 1e-9,
                        *values,
                        truth.curvature,
                        truth.lane_offset,
                        truth.speed,
                    )
                )
                if picture is not None:
                    pictures.append(world.render(*picture))
            if is_departing(step.truth) or step.truth.stamp_ns > LONGEST * 1e9:
                break
    finally:
        world.close()
    if len(rows) < 2:
        raise DriveError(
            "the drive had fewer than two steps, so there is nothing to explain; "
            "give longer roads (--world.length)"
        )
    columns = (np.array(column) for column in zip(*rows, strict=True))
    return Trace(*columns, pictures=tuple(pictures), departures=int(is_departing(step.truth)))


def joined(traces: list[Trace]) -> Trace:
    """One after the other; the pictures are the first one's."""
    names = [
        field.name
        for field in dataclasses.fields(Trace)
        if field.name not in ("pictures", "departures")
    ]
    columns = {name: np.concatenate([getattr(trace, name) for trace in traces]) for name in names}
    return Trace(
        **columns, pictures=traces[0].pictures, departures=sum(trace.departures for trace in traces)
    )
