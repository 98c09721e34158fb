"""B worlds that are stepped as one batch of tensors: the interface between simulation and
reinforcement learning.

A world that ends is reset by itself. `sim.worlds.Worlds` is the interface of single worlds of the
whole vehicle, which do not reset themselves.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import torch
from torch import Tensor

from liquid_control.model.spec import PolicySpec


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """What B worlds show at one time, on their device. A frame is a value: a later step does not
    change its tensors."""

    image: Tensor | None
    """(B, h, w, 3) uint8 RGB as `spec.image` makes it, None where the spec has none."""
    measurements: Tensor
    """(B, M) float32 in the units of `spec.measurements`."""
    dt: Tensor
    """(B,) float32 [s], since the frame before, `nominal_dt` in the first frame of an episode."""
    is_first: Tensor
    """(B,) bool: the first frame of an episode."""
    state: Tensor
    """(B, S) float32: numbers that only training has, for a critic."""


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """Result of one step. Where a world has ended, `frame` is the first of its next episode, with
    `is_first`, and `last` is what the world showed at its end.

    At most one of `terminated`, `truncated` and `broken` is true. `truncated`: the time or the road
    is over, and the value of `last` counts. `broken`: the physics gave numbers that are not finite;
    the reward is 0 and `last` is not to be read in that row.
    """

    frame: Frame
    reward: Tensor
    """(B,) float32, the sum over the time that the step took."""
    terminated: Tensor
    """(B,) bool."""
    truncated: Tensor
    """(B,) bool."""
    broken: Tensor
    """(B,) bool."""
    dt: Tensor
    """(B,) float32 [s], how long the action was held."""
    last: Frame | None
    """The frame before worlds were reset; None where no world has ended."""

    @property
    def done(self) -> Tensor:
        """(B,) bool: the world has ended and was reset."""
        return self.terminated | self.truncated | self.broken


class VectorWorld(Protocol):
    """`num_worlds`: B. `spec`: of a policy that acts in them, with M measurements and A actions.
    `state_size`: S. `nominal_dt` [s]: the period in which rewards and discounts are counted.
    `device`: where all tensors are, and where actions must be."""

    num_worlds: int
    spec: PolicySpec
    state_size: int
    nominal_dt: float
    device: torch.device

    def reset(self, seed: int) -> Frame:
        """All worlds begin an episode. The seed decides everything that is drawn from here on, in
        later episodes too: same seed and actions, equal frames, whatever came before."""
        ...

    def step(self, action: Tensor) -> Step:
        """Holds each row of `action` (B, A) float32, in the units of `spec.actions` and clipped to
        what the body can do, until the row's next frame. Raises ShapeError."""
        ...

    def close(self) -> None: ...
