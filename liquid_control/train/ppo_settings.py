"""Settings of reinforcement learning, and the tasks that it knows by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from liquid_control.config import check, choice, group, number, path, text
from liquid_control.errors import ConfigError
from liquid_control.model.cores import CoreConfig, LtcConfig, WiringConfig
from liquid_control.model.encoders import STRIDES
from liquid_control.sim.batched.bodies import BODIES, OBSERVATIONS, BodyWorld
from liquid_control.sim.batched.gymnasium_world import GymnasiumWorld
from liquid_control.sim.batched.lane import LaneSettings, LaneWorlds
from liquid_control.sim.batched.vector_world import VectorWorld
from liquid_control.train.device import DEVICES

PLACES = ("out", "workers", "device")
"""Settings that say where a run is done and do not decide its outcome."""
LONGEST_DRIVE = 1000.0
"""[s] on a held-out road."""
CIRCUIT = WiringConfig(
    inter=14, command=8, sensory_fanout=7, inter_fanout=4, recurrent_command=8, motor_fanin=4
)
"""With ten motor neurons a circuit of 32."""


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """The policy's network: one layer, the core, and a layer that sees both."""

    encoder: str = choice("strided", tuple(STRIDES), "image encoder, for tasks with pictures")
    core: CoreConfig = LtcConfig(wiring=CIRCUIT)
    width: int = number(64, 0, 4096, "", "units of the layers around the core; 0: no layers")
    core_outputs: int = number(10, 1, 4096, "", "outputs of a core between layers")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class PpoNumbers:
    """Numbers of the algorithm that a task has a preset of; 0 is the preset."""

    worlds: int = number(0, 0, 2**20, "", "worlds at a time; 0: the task's")
    frames: int = number(0, 0, 2**16, "", "steps of each world in an iteration; 0: the task's")
    minibatches: int = number(
        0, 0, 4096, "", "parts of the worlds in an epoch, an optimiser step each; 0: the task's"
    )
    epochs: int = number(0, 0, 1000, "", "passes over the steps of an iteration; 0: the task's")
    rate: float = number(0.0, 0.0, 1.0, "", "learning rate; 0: the task's")
    gamma: float = number(
        0.0, 0.0, 1.0, "", "discount in a nominal period of the task; 0: the task's"
    )
    trace: float = number(
        0.0, 0.0, 1.0, "", "lambda of the advantages in a nominal period; 0: the task's"
    )
    std: float = number(
        0.0,
        0.0,
        100.0,
        "",
        "standard deviation of the actions at the start, in units of their scale; 0: the task's",
    )

    def __post_init__(self) -> None:
        check(self)


LANES = {"lane": "numbers", "lane_pictures": "pictures"}
"""What a policy sees in the twin, by task."""
BODY = PpoNumbers(32, 64, 4, 5, 5e-4, 0.98, 0.92, 0.223)
QUICK_BODY = PpoNumbers(32, 64, 4, 5, 1e-3, 0.995, 0.95, 0.7)
"""Of bodies with a period of 8 ms: noise of one period has little effect on them."""
OTHER = PpoNumbers(16, 64, 4, 5, 5e-4, 0.99, 0.95, 0.5)
PRESETS = dict.fromkeys(BODIES, BODY) | {
    "lane": PpoNumbers(128, 32, 4, 4, 1e-3, 0.98, 0.95, 0.74),
    "lane_pictures": PpoNumbers(64, 32, 4, 3, 5e-4, 0.98, 0.95, 0.74),
    "Hopper": QUICK_BODY,
    "Walker2d": QUICK_BODY,
}
"""Numbers by task; those of any other gymnasium environment are `OTHER`."""


@dataclasses.dataclass(frozen=True)
class PpoSettings:
    """All that decides the outcome. An interrupted run with the same settings is resumed."""

    out: Path = path(
        Path("runs/ppo"),
        "folder of the run: checkpoint, TensorBoard, and the model in model/",
        writes="folder",
    )
    task: str = text(
        "HalfCheetah",
        ", ".join(PRESETS) + ", or the id of a gymnasium environment, such as Pendulum-v1",
    )
    observation: str = choice(
        "full",
        OBSERVATIONS,
        "what a body's policy is given: all; no velocities; these at irregular times; and with "
        "outages",
    )
    steps: int = number(500_000, 1, 10**12, "", "steps of all worlds together")
    seed: int = number(0, 0, 2**31 - 1, "", "seed of worlds, weights, exploration and batches")
    numbers: PpoNumbers = group(PpoNumbers(), flat=True)
    clip: float = number(0.2, 1e-3, 10.0, "", "largest change of an action's probability, as share")
    value_weight: float = number(0.5, 0.0, 100.0, "", "weight of the critic's error in the loss")
    entropy_weight: float = number(0.0, 0.0, 10.0, "", "weight of the actions' entropy")
    gradient: float = number(0.5, 1e-6, 1e6, "", "largest norm of the gradient")
    checkpoint_every: int = number(
        100,
        1,
        10**6,
        "",
        "iterations between two checkpoints, at which all worlds begin a new episode",
    )
    evaluation_worlds: int = number(
        20, 0, 10000, "", "worlds that the policy acts in at the end, without noise; 0: none"
    )
    workers: int = number(0, 0, 256, "", "threads of the physics; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    policy: NetworkSettings = group(NetworkSettings())

    def __post_init__(self) -> None:
        check(self)
        if self.observation != "full" and self.task not in BODIES:
            raise ConfigError(
                "observation", self.observation, f"full for {self.task}: it is not one of a body"
            )
        chosen = self.chosen
        if chosen.minibatches > chosen.worlds:
            raise ConfigError(
                "minibatches", chosen.minibatches, f"at most the {chosen.worlds} worlds"
            )

    @property
    def chosen(self) -> PpoNumbers:
        """The numbers, with the task's preset for those that are 0."""
        preset = PRESETS.get(self.task, OTHER)
        given = {name: value for name, value in dataclasses.asdict(self.numbers).items() if value}
        return dataclasses.replace(preset, **given)

    def make_world(
        self, num_worlds: int, device: torch.device, held_out: bool = False
    ) -> VectorWorld:
        """The task's worlds; `held_out`: those that no training sees, where a task has such. Raises
        ConfigError for a task that is not known or does not fit."""
        if self.task in LANES:
            roads = LaneSettings(observation=LANES[self.task], roads_seed=self.seed)
            if held_out:  # one whole road for each world
                from_the_start = {"anywhere": False, "time_limit": LONGEST_DRIVE}
                roads = dataclasses.replace(
                    roads, held_out=True, roads=num_worlds, **from_the_start
                )
            return LaneWorlds(num_worlds, roads, device)
        if self.task in BODIES:
            return BodyWorld(self.task, num_worlds, self.observation, self.workers, device)
        return GymnasiumWorld(self.task, num_worlds, device)
