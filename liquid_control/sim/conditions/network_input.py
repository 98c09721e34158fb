"""Corrupts the input of the network: noise on its picture, and a constant dt as a control.

The published test adds its noise to the network's input picture, so it is added here behind the
camera and the preprocessing. Resizing would average out noise on a camera picture of twice the
size: a variance of 0.3 would become 0.075.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.perception.noise import add_gaussian_noise
from liquid_control.signals import Observation


def add_salt_and_pepper(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A `share` of the pixels of (H, W, 3) uint8 turned black or white, half of them each."""
    drawn = rng.random(image.shape[:2], np.float32)
    corrupted = image.copy()
    corrupted[drawn < share] = 0
    corrupted[drawn < share / 2] = 255
    return corrupted


class CorruptedInput(Wrapped):
    """A `Runtime` around another, with `noise_variance` (of 0..1), a share of `salt_and_pepper` and
    `constant_dt` [s] on its input; 0 leaves each as it is. The noise depends on the road's seed and
    the frame's stamp alone, so that all policies get the same."""

    def __init__(
        self,
        runtime: Runtime,
        seed: int,
        noise_variance: float = 0.0,
        salt_and_pepper: float = 0.0,
        constant_dt: float = 0.0,
    ) -> None:
        super().__init__(runtime)
        self._seed = seed
        self._deviation, self._share = math.sqrt(noise_variance), salt_and_pepper
        self._constant_dt = constant_dt

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        return super().step(self.corrupt(observation), state)

    def corrupt(self, observation: Observation) -> Observation:
        """The observation as the network gets it."""
        image, rng = observation.image, frame_generator(self._seed, observation.stamp_ns)
        if self._deviation:
            normal = rng.standard_normal(image.shape, np.float32)
            image = add_gaussian_noise(image, self._deviation, normal)
        if self._share:
            image = add_salt_and_pepper(image, self._share, rng)
        return dataclasses.replace(observation, image=image, dt=self._constant_dt or observation.dt)


def frame_generator(seed: int, stamp_ns: int) -> np.random.Generator:
    """Random numbers of one frame of one road."""
    return np.random.default_rng([seed, stamp_ns])
