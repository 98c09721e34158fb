"""The twin: lane keeping in B worlds at once, see `VectorWorld`.

On the CPU the car and the camera are numba kernels, on another device PyTorch.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from liquid_control.config import (
    PreprocessConfig,
    WorldConfig,
    check,
    choice,
    group,
    number,
    switch,
)
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import PolicySpec
from liquid_control.sim.batched import lane_cpu, lane_torch
from liquid_control.sim.batched.batch import (
    BROKEN,
    GOES_ON,
    INERTIAL,
    KNOWN,
    NORMAL,
    RENEWAL,
    SEEN,
    SEEN_ERROR,
    SEEN_EXPERT,
    SEEN_OFFSET,
    SEEN_STATION,
    TERMINATED,
    TRUNCATED,
    Batch,
    Drawn,
    Pool,
    Rules,
    Shown,
)
from liquid_control.sim.batched.lane_camera import LaneCamera
from liquid_control.sim.batched.motion import (
    CAR,
    DELAY,
    ROW_CURVATURE,
    STATE,
    STEP,
    STEPS_PER_ADVANCE,
)
from liquid_control.sim.batched.numbers import NUMBERS, lane_numbers
from liquid_control.sim.batched.places import draw_places
from liquid_control.sim.batched.vector_world import Frame, Step
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.lane_keeping import CURVATURE_AHEAD, LANE_KEEPING

NOMINAL_DT = 0.04
"""Mean period of the cameras [s]."""
RARE = 1e-6
"""So rarely all the frames that are drawn at once are dropped."""
START = 12.0
"""Where an episode begins at the earliest [m]: `sim.world.START_STATION`."""
LEAST_LEFT = 120.0
"""An episode begins with at least so much of its road left [m], or half of it."""


@dataclasses.dataclass(frozen=True)
class LaneSettings:
    """A batch of worlds on `roads` roads of the set that `roads_seed` names."""

    observation: str = choice(
        "numbers", ("numbers", "pictures"), "what a policy sees: seven numbers or pictures"
    )
    world: WorldConfig = group(WorldConfig(length=400.0))
    image: PreprocessConfig = group(PreprocessConfig())
    roads: int = number(
        256, 1, 100_000, "", "roads and cars, an episode takes one each; 0.4 MB with pictures"
    )
    roads_seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    held_out: bool = switch(False, "take test roads, which training does not reach")
    time_limit: float = number(20.0, 0.1, 1e5, "s", "longest episode")
    anywhere: bool = switch(True, "begin at any station of the road, not at its beginning")
    offset: float = number(0.4, 0.0, 2.0, "m", "standard deviation of the first lane offset")
    heading: float = number(0.05, 0.0, 0.5, "rad", "standard deviation of the first heading error")
    noise: float = number(1.0, 0.0, 10.0, "", "factor on the noise of the seven numbers")
    roughness: float = number(
        0.008, 0.0, 10.0, "", "cost of a change of the curvature by 0.04 1/m between two frames"
    )

    def __post_init__(self) -> None:
        check(self)


class LaneWorlds:
    """See `VectorWorld`. A policy of `lane_numbers` drives in them, or with pictures one of
    `model.car.lane_keeping`; the world keeps to its speed plan.

    Reward: that of `sim.tasks.lane_keeping`, metres of progress weighted from 1 on the lane's
    centre to 0 at the departure threshold, less the settings' `roughness`. Terminated: the car has
    left its lane or turned around. Truncated: the end of the road or of the time. An action that is
    not a number counts as 0.
    Raises ConfigError for a condition that a batch does not have, and for a device that is not
    there.
    """

    def __init__(
        self,
        num_worlds: int,
        settings: LaneSettings | None = None,
        device: str | torch.device = "cpu",
        condition: Condition = CLEAN,
    ) -> None:
        if num_worlds < 1:
            raise ConfigError("num_worlds", num_worlds, "at least 1")
        self.num_worlds, self.settings = num_worlds, settings or LaneSettings()
        self.device = usable_device(device)
        self._compiled = self.device.type == "cpu"
        sees = self.settings.observation == "pictures"
        self.spec: PolicySpec = lane_keeping(self.settings.image) if sees else lane_numbers()
        self.nominal_dt, self.state_size = NOMINAL_DT, KNOWN
        chosen = self.settings
        self.places = draw_places(
            chosen.world, chosen.roads_seed, chosen.roads, chosen.held_out, condition, LANE_KEEPING
        )
        config, vehicle, table = (
            condition.world(chosen.world),
            condition.vehicle,
            self.places.table,
        )
        trees, image = config.trees, chosen.image
        self._camera = LaneCamera(self.places, trees, image, self.device) if sees else None
        arrays = (table.rows, self.places.cars, self.places.biases)
        self._pool = Pool(*(torch.tensor(one, device=self.device) for one in arrays))
        length = min(config.length, table.length)
        room = length - START - min(LEAST_LEFT, (length - START) / 2)
        self._rules = Rules(
            table.samples,
            chosen.roads,
            length,
            chosen.time_limit,
            chosen.anywhere,
            START,
            room if chosen.anywhere else 0.0,
            chosen.offset,
            chosen.heading,
            chosen.roughness,
            chosen.noise,
            config.frame_rate_low,
            config.frame_rate_high,
            config.frame_jitter,
            config.drop_share,
            condition.latency,
            vehicle.wheelbase,
            vehicle.max_steering_angle,
            condition.steering_offset,
        )
        dropped = config.drop_share
        self._draws = 1 + (math.ceil(math.log(RARE) / math.log(dropped)) if dropped else 0)
        late = float(self.places.cars[:, DELAY].max()) * STEP + condition.latency
        shortest = (1.0 - config.frame_jitter) / config.frame_rate_high
        self._pending = 2 + math.ceil((late + STEPS_PER_ADVANCE * STEP) / shortest)
        self._generator = torch.Generator(self.device)

    def reset(self, seed: int) -> Frame:
        """See `VectorWorld`."""
        self._generator.manual_seed(seed)
        self._batch, shown = self._empty_batch(), self._empty_shown()
        told = (self._pool, self._batch, self._rules, self._draw(), shown)
        if self._compiled:
            lane_cpu.begin(0, self.num_worlds, *_arrays(*told))
        else:
            rows = torch.arange(self.num_worlds, device=self.device)
            lane_torch.begin(rows, *told)
        shown.dt.fill_(NOMINAL_DT)
        return self._frame(shown, shown.dt, torch.ones_like(shown.ended, dtype=torch.bool))

    def step(self, action: Tensor) -> Step:
        """See `VectorWorld`."""
        if tuple(action.shape) != (self.num_worlds, 1):
            raise ShapeError("action", tuple(action.shape), (self.num_worlds, 1))
        action, shown = action.detach().to(self.device, torch.float32), self._empty_shown()
        told = (self._pool, self._batch, self._rules, self._draw(), action, shown)
        before = self._batch.road.clone(), self._batch.kind.clone()
        if self._compiled:
            lane_cpu.step(0, self.num_worlds, *_arrays(*told))
        else:
            lane_torch.step(*told)
        ended, dt = shown.ended, shown.dt
        going = ended == GOES_ON
        done, last = ~going, None
        if not bool(going.all()):
            frame = self._frame(shown, torch.where(done, NOMINAL_DT, dt), done)
            last = self._last(shown, going, frame, *before)
        else:
            frame = self._frame(shown, dt, done)
        return Step(
            frame, shown.reward, ended == TERMINATED, ended == TRUNCATED, ended == BROKEN, dt, last
        )

    def expert(self) -> Tensor:
        """(B, 1) the action [1/m] of the task's expert now, who knows the road; see
        `sim.tasks.lane_keeping.pursue`."""
        return self._batch.seen[:, SEEN_EXPERT, None].clone()

    def auxiliary(self) -> Tensor:
        """(B, 4) the auxiliary targets of `model.car.lane_keeping` now."""
        seen, table = self._batch.seen, (self._pool, self._rules, self._batch.road)
        ahead = (seen[:, SEEN_STATION] + far for far in (0.0, CURVATURE_AHEAD))
        bends = [lane_torch.at(*table, station)[:, ROW_CURVATURE] for station in ahead]
        return torch.stack([seen[:, SEEN_OFFSET], seen[:, SEEN_ERROR], *bends], 1)

    @property
    def station(self) -> Tensor:
        """(B,) of the car's centre on its road now [m]."""
        return self._batch.seen[:, SEEN_STATION].clone()

    @property
    def lane_offset(self) -> Tensor:
        """(B,) of the car's centre from the lane's now [m]."""
        return self._batch.seen[:, SEEN_OFFSET].clone()

    @property
    def heading_error(self) -> Tensor:
        """(B,) of the car from the lane's direction now [rad]."""
        return self._batch.seen[:, SEEN_ERROR].clone()

    def close(self) -> None:
        """See `VectorWorld`."""

    def _frame(self, shown: Shown, dt: Tensor, is_first: Tensor) -> Frame:
        if self._camera is None:
            return Frame(None, shown.numbers, dt, is_first, shown.known)
        place = self._batch.state, self._batch.road, self._batch.kind
        image = self._camera.draw(*place, self._compiled)
        return Frame(image, shown.inertial, dt, is_first, shown.known)

    def _last(self, shown: Shown, going: Tensor, frame: Frame, road: Tensor, kind: Tensor) -> Frame:
        """What worlds showed at their end, on a `road` and in a car of a `kind`, and in the other
        rows what they show now."""
        over, image = (~going).nonzero()[:, 0], frame.image
        if self._camera is not None:
            ends = shown.last_state[over], road[over], kind[over]
            image = image.clone()
            image[over] = self._camera.draw(*ends, self._compiled)
        pairs = (
            (frame.measurements, shown.last_numbers if image is None else shown.last_inertial),
            (shown.known, shown.last_known),
        )
        measurements, known = (torch.where(going[:, None], now, last) for now, last in pairs)
        return Frame(image, measurements, shown.dt, torch.zeros_like(going), known)

    def _empty_batch(self) -> Batch:
        count, pending = self.num_worlds, self._pending
        real = {"dtype": torch.float32, "device": self.device}
        whole = {"dtype": torch.int64, "device": self.device}
        return Batch(
            state=torch.zeros(count, STATE, **real),
            car=torch.ones(count, CAR, **real),
            bias=torch.zeros(count, 2, **real),
            road=torch.zeros(count, **whole),
            kind=torch.zeros(count, **whole),
            clock=torch.zeros(count, **whole),
            starts=torch.zeros(count, pending, **whole),
            angles=torch.zeros(count, pending, **real),
            times=torch.zeros(count, 2, dtype=torch.float64, device=self.device),
            asked=torch.zeros(count, **real),
            means=torch.zeros(count, 2, **real),
            seen=torch.zeros(count, SEEN, **real),
        )

    def _empty_shown(self) -> Shown:
        count = self.num_worlds
        widths = (len(NUMBERS), INERTIAL, KNOWN)
        real = {"dtype": torch.float32, "device": self.device}
        frame, last = ([torch.empty(count, one, **real) for one in widths] for _ in range(2))
        return Shown(
            *frame,
            torch.empty(count, **real),
            torch.empty(count, **real),
            torch.empty(count, dtype=torch.int64, device=self.device),
            *last,
            torch.empty(count, STATE, **real),
        )

    def _draw(self) -> Drawn:
        count, generator, draws = self.num_worlds, self._generator, self._draws
        wide = len(NUMBERS) + INERTIAL
        uniform = torch.rand(count * (2 * draws + RENEWAL), generator=generator, device=self.device)
        normal = torch.randn(count * (NORMAL + 2 * wide), generator=generator, device=self.device)
        return Drawn(
            uniform[: 2 * count * draws].view(2, count, draws),
            uniform[2 * count * draws :].view(count, RENEWAL),
            normal[: count * NORMAL].view(count, NORMAL),
            normal[count * NORMAL :].view(2, count, wide),
        )


def usable_device(name: str | torch.device) -> torch.device:
    """Raises ConfigError for a device that is not there."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigError("device", str(name), f"one that is there ({reason})") from error
    return device


def _arrays(*given: object) -> tuple:
    """The same with numpy arrays for tensors, in one memory."""
    return tuple(
        one.numpy()
        if isinstance(one, Tensor)
        else one
        if isinstance(one, Rules)
        else type(one)(*(array.numpy() for array in one))
        for one in given
    )
