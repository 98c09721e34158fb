"""Any registered gymnasium environment with a continuous, finite action space as B worlds, one
after the other in this process."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.spec import MOST_FEATURES, Feature, PolicySpec
from liquid_control.sim.batched.vector_world import Frame, Step

UNKNOWN_PERIOD = 1.0
"""[s] of an environment that does not say how long a step takes."""


class GymnasiumWorld:
    """B environments `name`, see `vector_world.VectorWorld`. The observation, flattened, is what
    the policy measures and what the critic sees; every step lasts `nominal_dt`. Raises ConfigError
    for a name that is not registered or cannot be made, and for spaces that no policy fits."""

    def __init__(self, name: str, num_worlds: int, device: torch.device | str = "cpu") -> None:
        self.num_worlds, self.device = num_worlds, torch.device(device)
        self._worlds = [_make(name) for _ in range(num_worlds)]
        made = self._worlds[0]
        self._low, self._high = _bounds(name, made.action_space)
        self._space = made.observation_space
        count = _count(name, self._space)
        self.nominal_dt = _period(made)
        middle, half = (self._high + self._low) / 2, (self._high - self._low) / 2
        self._middle = middle  # a policy's action of 0
        self.spec = PolicySpec(
            None,
            tuple(Feature(f"observation_{k}", "") for k in range(count)),
            tuple(
                Feature(f"action_{k}", "", scale=float(half[k]), doc="from the middle of its range")
                for k in range(len(half))
            ),
        )
        self.state_size = count

    def reset(self, seed: int) -> Frame:
        """See `VectorWorld`."""
        seeds = np.random.default_rng(seed).integers(2**31, size=self.num_worlds)
        pairs = zip(self._worlds, seeds.tolist(), strict=True)
        self._seen = np.stack([self._flat(world.reset(seed=one)[0]) for world, one in pairs])
        return self._frame(self._seen, np.ones(self.num_worlds, bool))

    def step(self, action: Tensor) -> Step:
        """See `VectorWorld`."""
        if tuple(action.shape) != (self.num_worlds, len(self._low)):
            raise ShapeError("action", action.shape, (self.num_worlds, len(self._low)))
        given = action.detach().cpu().numpy() + self._middle
        shape, kind = self._worlds[0].action_space.shape, self._worlds[0].action_space.dtype
        rows = np.clip(given, self._low, self._high).astype(kind).reshape(-1, *shape)
        reward, ends = np.zeros(self.num_worlds), np.zeros((3, self.num_worlds), bool)
        last, seen = self._seen.copy(), self._seen.copy()
        for row, world in enumerate(self._worlds):
            found, reward[row], terminated, truncated, _ = world.step(rows[row])
            last[row] = self._flat(found)
            broken = not (np.isfinite(last[row]).all() and np.isfinite(reward[row]))
            reward[row] = 0.0 if broken else reward[row]
            ends[:, row] = terminated, truncated and not terminated, broken
            ends[:2, row] &= not broken
            seen[row] = self._flat(world.reset()[0]) if ends[:, row].any() else last[row]
        self._seen, done = seen, ends.any(0)
        return Step(
            self._frame(seen, done),
            self._tensor(reward),
            *(torch.from_numpy(each).to(self.device) for each in ends),
            torch.full((self.num_worlds,), self.nominal_dt, device=self.device),
            self._frame(last, np.zeros(self.num_worlds, bool)) if done.any() else None,
        )

    def close(self) -> None:
        """Closes the environments."""
        for world in self._worlds:
            world.close()

    def _flat(self, observation: object) -> np.ndarray:
        return np.asarray(spaces.flatten(self._space, observation), np.float64)

    def _frame(self, seen: np.ndarray, is_first: np.ndarray) -> Frame:
        measurements = self._tensor(seen)
        dt = torch.full((self.num_worlds,), self.nominal_dt, device=self.device)
        first = torch.from_numpy(is_first.copy()).to(self.device)
        return Frame(None, measurements, dt, first, measurements)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


def _make(name: str) -> gymnasium.Env:
    try:
        return gymnasium.make(name)
    except gymnasium.error.Error as error:
        raise ConfigError("task", name, f"a registered environment ({_line(error)})") from None
    except Exception as error:  # an environment may raise anything
        raise ConfigError("task", name, f"an environment that can be made ({_line(error)})") from (
            error
        )


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _bounds(name: str, space: spaces.Space) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest action (A,)."""
    expected = "an environment with continuous actions within finite bounds"
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        raise ConfigError("task", f"{name} with actions {type(space).__name__}", expected)
    low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ConfigError("task", f"{name} with actions from {low.min()} to {high.max()}", expected)
    return low, high


def _count(name: str, space: spaces.Space) -> int:
    """How many numbers an observation is."""
    fits = space.is_np_flattenable
    count = spaces.flatdim(space) if fits else 0
    if not 1 <= count <= MOST_FEATURES:
        got = f"{count} numbers" if fits else type(space).__name__
        raise ConfigError(
            "task", f"{name} with observations of {got}", f"one of 1 to {MOST_FEATURES} numbers"
        )
    return count


def _period(world: gymnasium.Env) -> float:
    """Seconds of a step, as far as the environment says."""
    dt, rate = getattr(world.unwrapped, "dt", None), world.metadata.get("render_fps")
    for period in (dt, 1.0 / rate if rate else None):
        if isinstance(period, (int, float)) and 1e-4 <= period <= 100.0:
            return float(period)
    return UNKNOWN_PERIOD
