"""A vehicle without pictures: what is asked of it, and what its gyro says of the answer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.deploy.runtime import State
from liquid_control.model.car import lane_keeping
from liquid_control.model.state import StateArray
from liquid_control.signals import Observation

DT_NS = 50_000_000
SPEED = 10.0
VEHICLE = VehicleConfig()


class Winding:
    """A policy on a winding road, in two neurons; `steer` is what it answers next [1/m]."""

    preprocess = PreprocessConfig()

    def __init__(self) -> None:
        self.spec = dataclasses.replace(lane_keeping(), state=(StateArray("h", (2,)),))
        self.steer, self.neurons = 0.0, np.zeros(2, np.float32)

    def initial_state(self) -> State:
        return {"h": np.zeros(2, np.float32)}

    def step(self, observation, state):
        return np.array([self.steer], np.float32), {"h": self.neurons}


def adapted(mode: str = "gain", vehicle: VehicleConfig = VEHICLE) -> AdaptedRuntime:
    return AdaptedRuntime(Winding(), AdaptationConfig(mode), vehicle)


class Ride:
    """Frames at 20 Hz at `speed` [m/s], on a road for a car or `sharper` by a factor. `gain`:
    reached over commanded; `bias` of the gyro [rad/s]; `disturbance` of the reached curvature [1/m]
    by the time [s]; a lag of two frames. Noise as of the simulated gyro."""

    def __init__(
        self, runtime: AdaptedRuntime, seed: int = 0, speed: float = SPEED, sharper: float = 1.0
    ) -> None:
        self.runtime, self.frame, self.speed, self.sharper = runtime, 0, speed, sharper
        self.rng = np.random.default_rng(seed)
        self.commands = [0.0] * 3
        self.phases = self.rng.uniform(0, 2 * math.pi, 4)
        self.errors: list[float] = []
        self.outputs: list[tuple[float, float]] = []

    def road(self, seconds: float) -> float:
        periods = (3.7, 6.1, 9.3, 17.0)
        waves = (
            math.sin(6.28 * seconds / p + a) for p, a in zip(periods, self.phases, strict=True)
        )
        return 0.012 * self.sharper * sum(waves)

    def run(
        self,
        seconds: float,
        gain: float = 1.0,
        bias: float = 0.0,
        disturbance: Callable[[float], float] = lambda seconds: 0.0,
    ) -> Ride:
        runtime = self.runtime
        for _ in range(round(seconds * 20)):
            now, at = self.frame * DT_NS, self.frame * 0.05
            asked = self.road(at)
            reached = gain * self.commands[-3] + disturbance(at)
            yaw = reached * self.speed + bias + 0.002 * self.rng.standard_normal()
            runtime.runtime.steer = asked
            given = np.array([yaw, 0.0, self.speed], np.float32)
            observation = Observation(now, None, given, 0.05, self.frame == 0)
            action, _ = runtime.step(observation, runtime.initial_state())
            self.outputs.append((asked, float(action[0])))
            if self.frame == 0:
                runtime.drives(Driver.POLICY, now)
            runtime.steered(now, float(action[0]))
            self.commands.append(float(action[0]))
            self.errors.append(gain * float(action[0]) - asked)
            self.frame += 1
        return self
