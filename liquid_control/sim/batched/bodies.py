"""Gymnasium's MuJoCo bodies as B worlds: HalfCheetah, Hopper, Walker2d and Ant with the rewards and
ends of their version 5, plain MuJoCo in threads.

The time between frames may vary, and then rewards are sums over it: at the body's nominal period
they are gymnasium's. An episode lasts 1,000 nominal periods.
"""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gymnasium
import numpy as np
import torch
from torch import Tensor

from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.spec import Feature, PolicySpec
from liquid_control.sim.batched.vector_world import Frame, Step
from liquid_control.sim.rendering import mujoco
from liquid_control.system.threads import cores

OBSERVATIONS = ("full", "masked", "irregular", "outages")
"""full: positions and velocities; masked: positions; irregular: positions at random times, from a
fifth to nearly twice the nominal period, and the time since the frame before; outages: as
irregular, and at times the positions stay those of a frame before, whose age is known."""
EPISODE = 1000.0
"""Nominal periods."""
OUTAGE_BEGINS, LONGEST_OUTAGE = 0.05, 10
"""Chance per frame, and frames; the length is drawn from 2 to that."""
UNSOUND = 1e6
"""A position or velocity beyond this is no physics any more."""
FASTEST = 20.0
"""Velocities that the critic is given are clipped to this."""


@dataclasses.dataclass(frozen=True)
class Body:
    """`skip`: physics steps in a nominal period. `hidden`: positions at the start of qpos that no
    policy is given. `alive`, `control`, `contact`: weights of the reward for being upright and of
    the costs, per nominal period. `height`, `angle`: where the body is upright; angle None for a
    body that is judged by its height alone. `fastest`: velocities are clipped to it. `noise`: of
    the start; `is_normal`: of velocities it is the standard deviation."""

    model: str
    skip: int
    hidden: int = 1
    alive: float = 0.0
    control: float = 1e-3
    contact: float = 0.0
    height: tuple[float, float] | None = None
    angle: tuple[float, float] | None = None
    fastest: float = np.inf
    noise: float = 5e-3
    is_normal: bool = False


BODIES = {
    "HalfCheetah": Body("half_cheetah.xml", 5, control=0.1, noise=0.1, is_normal=True),
    "Hopper": Body("hopper.xml", 4, 1, 1.0, 1e-3, 0.0, (0.7, np.inf), (-0.2, 0.2), 10.0),
    "Walker2d": Body("walker2d_v5.xml", 4, 1, 1.0, 1e-3, 0.0, (0.8, 2.0), (-1.0, 1.0), 10.0),
    "Ant": Body(
        "ant.xml", 5, 2, 1.0, 0.5, 5e-4, (0.2, 1.0), fastest=np.inf, noise=0.1, is_normal=True
    ),
}


class BodyWorld:
    """B bodies, see `vector_world.VectorWorld`. `name`: one of `BODIES`; `observation`: one of
    `OBSERVATIONS`; `workers`: threads, 0 for one per core; they do not change any result. Raises
    ConfigError."""

    def __init__(
        self,
        name: str,
        num_worlds: int,
        observation: str = "full",
        workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if name not in BODIES or observation not in OBSERVATIONS:
            got, known = (name, BODIES) if name not in BODIES else (observation, OBSERVATIONS)
            raise ConfigError("body", got, "one of " + ", ".join(known))
        self.body, self.num_worlds, self.device = BODIES[name], num_worlds, torch.device(device)
        # By default MuJoCo writes its warnings to a file in the working directory.
        mujoco.set_mju_user_warning(lambda text: None)
        path = Path(gymnasium.__file__).parent / "envs/mujoco/assets" / self.body.model
        self.model = mujoco.MjModel.from_xml_path(os.fspath(path))
        # Numbers that are not finite stay, and the world is reset here, where it is counted.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.nominal_dt = float(self.model.opt.timestep * self.body.skip)
        self._full, self._contacts = observation == "full", self.body.contact > 0.0
        self._irregular = observation in ("irregular", "outages")
        self._outages = observation == "outages"
        self.spec = self._interface()
        self.state_size = self.model.nq - self.body.hidden + self.model.nv + 1
        self._low, self._high = self.model.actuator_ctrlrange.T
        self._data = [mujoco.MjData(self.model) for _ in range(num_worlds)]
        self._positions = [data.qpos for data in self._data]
        self._velocities = [data.qvel for data in self._data]
        # Gymnasium's Ant is where its torso was at the start of the last physics step.
        self._places = [data.xpos[1] if self._contacts else data.qpos for data in self._data]
        threads = min(workers or cores(), num_worlds)
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        cuts = np.linspace(0, num_worlds, threads + 1).astype(int)
        self._shares = [range(*cuts[k : k + 2]) for k in range(threads)]
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> Frame:
        """See `VectorWorld`."""
        self._rng = np.random.default_rng(seed)
        self._clock = np.zeros(self.num_worlds)  # of the episode, in nominal periods
        self._dt = np.ones(self.num_worlds)  # of the period before, in nominal periods
        self._first = np.ones(self.num_worlds, bool)
        self._silent = np.zeros(self.num_worlds, int)  # frames of an outage that are left
        self._age = np.zeros(self.num_worlds)  # of what is seen, in nominal periods
        for row in range(self.num_worlds):
            self._begin(row)
        self._seen = self._sense()
        return self._frame()

    def step(self, action: Tensor) -> Step:
        """See `VectorWorld`."""
        if tuple(action.shape) != (self.num_worlds, self.model.nu):
            raise ShapeError("action", action.shape, (self.num_worlds, self.model.nu))
        control = np.clip(action.detach().cpu().numpy().astype(float), self._low, self._high)
        skip, count = self.body.skip, self.num_worlds
        skips = self._rng.integers(1, 2 * skip, count) if self._irregular else np.full(count, skip)
        before = self._forward()
        self._advance(control, skips)
        q, v = np.stack(self._positions), np.stack(self._velocities)
        sound = (np.abs(q) < UNSOUND).all(1) & (np.abs(v) < UNSOUND).all(1)
        self._dt, self._first = skips / skip, np.zeros(count, bool)
        self._clock += self._dt
        upright = self._is_upright(q, v)
        cost = self.body.control * np.square(control).sum(1) + self._contact_cost()
        rate = self.body.alive * upright - cost  # per nominal period
        reward = (self._forward() - before) / self.nominal_dt + self._dt * rate
        broken, terminated = ~sound, sound & ~upright
        truncated = sound & upright & (self._clock >= EPISODE)
        self._look()
        last = None
        if (done := broken | terminated | truncated).any():
            last = self._frame()
            for row in np.flatnonzero(done):
                self._begin(row)
            for values, start in ((self._clock, 0.0), (self._dt, 1.0), (self._silent, 0)):
                values[done] = start
            self._age[done], self._first = 0.0, done
            self._seen = np.where(done[:, None], self._sense(), self._seen)
        return Step(
            self._frame(),
            self._tensor(np.where(sound, reward, 0.0)),
            *(torch.from_numpy(each).to(self.device) for each in (terminated, truncated, broken)),
            self._tensor(skips / skip * self.nominal_dt),
            last,
        )

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def _interface(self) -> PolicySpec:
        """Names and units of what a policy is given and gives."""
        hidden, model = self.body.hidden, self.model
        given = [Feature(f"position_{k}", "m or rad") for k in range(hidden, model.nq)]
        if self._full:
            given += [Feature(f"velocity_{k}", "m/s or rad/s") for k in range(model.nv)]
        if self._full and self._contacts:
            given += [Feature(f"contact_{k}", "N or N m") for k in range(6 * (model.nbody - 1))]
        if self._irregular:
            period = self.nominal_dt
            given.append(Feature("period", "s", centre=period, scale=period))
        if self._outages:
            given.append(Feature("age", "s", scale=self.nominal_dt, doc="of the positions"))
        low, high = model.actuator_ctrlrange.T
        scale = np.maximum(np.abs(low), np.abs(high)).tolist()
        actions = [Feature(f"actuator_{k}", "", scale=scale[k]) for k in range(model.nu)]
        return PolicySpec(None, tuple(given), tuple(actions))

    def _begin(self, row: int) -> None:
        data, model, body = self._data[row], self.model, self.body
        mujoco.mj_resetData(model, data)
        data.qpos[:] += self._rng.uniform(-body.noise, body.noise, model.nq)
        if body.is_normal:
            data.qvel[:] = body.noise * self._rng.standard_normal(model.nv)
        else:
            data.qvel[:] = self._rng.uniform(-body.noise, body.noise, model.nv)
        mujoco.mj_forward(model, data)

    def _advance(self, control: np.ndarray, skips: np.ndarray) -> None:
        """`skips` physics steps of each world. MuJoCo releases the interpreter's lock in them."""

        def work(rows: range) -> None:
            for row in rows:
                data = self._data[row]
                data.ctrl[:] = control[row]
                mujoco.mj_step(self.model, data, nstep=int(skips[row]))
                if self._contacts:
                    mujoco.mj_rnePostConstraint(self.model, data)

        jobs = [self._pool.submit(work, rows) for rows in self._shares[1:]]
        work(self._shares[0])
        for job in jobs:
            job.result()

    def _forward(self) -> np.ndarray:
        """How far each body is [m], (B,)."""
        return np.array([place[0] for place in self._places])

    def _is_upright(self, q: np.ndarray, v: np.ndarray) -> np.ndarray:
        body = self.body
        if body.height is None:
            return np.ones(len(q), bool)
        height = q[:, 2 if body.angle is None else 1]
        upright = (height > body.height[0]) & (height < body.height[1])
        if body.angle is not None:
            upright &= (q[:, 2] > body.angle[0]) & (q[:, 2] < body.angle[1])
        if self.body.model == "hopper.xml":  # gymnasium's healthy_state_range
            upright &= (np.abs(q[:, 2:]) < 100.0).all(1) & (np.abs(v) < 100.0).all(1)
        return upright

    def _forces(self) -> np.ndarray:
        """Contact forces (B, bodies, 6) as gymnasium's Ant clips them."""
        return np.clip(np.stack([data.cfrc_ext for data in self._data]), -1.0, 1.0)

    def _contact_cost(self) -> np.ndarray | float:
        if not self._contacts:
            return 0.0
        return self.body.contact * np.square(self._forces()).sum((1, 2))

    def _look(self) -> None:
        """What is seen now: the body, or in an outage what was seen before."""
        if not self._outages:
            self._seen = self._sense()
            return
        begins = (self._silent == 0) & (self._rng.random(self.num_worlds) < OUTAGE_BEGINS)
        lengths = self._rng.integers(2, LONGEST_OUTAGE + 1, self.num_worlds)
        self._silent = np.where(begins, lengths, np.maximum(self._silent - 1, 0))
        dark = self._silent > 0
        self._age = np.where(dark, self._age + self._dt, 0.0)
        self._seen = np.where(dark[:, None], self._seen, self._sense())

    def _sense(self) -> np.ndarray:
        """Positions, and velocities and contacts where the observation has them: (B, M)."""
        parts = [np.stack(self._positions)[:, self.body.hidden :]]
        if self._full:
            fastest = self.body.fastest
            parts.append(np.clip(np.stack(self._velocities), -fastest, fastest))
            if self._contacts:
                parts.append(self._forces()[:, 1:].reshape(self.num_worlds, -1))
        return np.concatenate(parts, 1)

    def _frame(self) -> Frame:
        dt = self._dt[:, None] * self.nominal_dt
        age = self._age[:, None] * self.nominal_dt
        given = [self._seen, *([dt] * self._irregular), *([age] * self._outages)]
        state = [
            np.stack(self._positions)[:, self.body.hidden :],
            np.clip(np.stack(self._velocities), -FASTEST, FASTEST),
            1.0 - self._clock[:, None] / EPISODE,
        ]
        return Frame(
            None,
            self._tensor(np.concatenate(given, 1)),
            self._tensor(dt[:, 0]),
            torch.from_numpy(self._first.copy()).to(self.device),
            self._tensor(np.concatenate(state, 1)),
        )

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
