"""Spoils what the network itself is given: noise on its picture, and dt taken from it as a control.

The published test adds its noise to the network's input picture, so here it goes in behind the
camera and the preprocessing: added to a camera's picture of twice the size, the shrinking would
average it away, and a variance of 0.3 would be one of 0.075.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.deploy.runtime import Runtime
from liquid_control.signals import Observation
from liquid_control.sim.conditions.condition import Condition


def add_noise(image: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of `deviation` (of 0..1) on every value of a picture (..., 3) uint8, clipped.
    Lechner et al. 2020."""
    noise = rng.standard_normal(image.shape, np.float32)
    noise *= 255.0 * deviation
    noise += image
    np.clip(noise, 0, 255, out=noise)
    return np.rint(noise, out=noise).astype(np.uint8)


def add_salt_and_pepper(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A `share` of the pixels of (H, W, 3) uint8 turned black or white, half of them each."""
    drawn = rng.random(image.shape[:2], np.float32)
    spoiled = image.copy()
    spoiled[drawn < share] = 0
    spoiled[drawn < share / 2] = 255
    return spoiled


class SpoiledInput:
    """A `Runtime` around another. What is added depends on the road's seed and the frame's stamp
    alone, so all policies meet the same."""

    def __init__(self, runtime: Runtime, condition: Condition, seed: int) -> None:
        self.preprocess, self.neurons = runtime.preprocess, runtime.neurons
        self._runtime, self._condition, self._seed = runtime, condition, seed

    def initial_state(self) -> np.ndarray:
        return self._runtime.initial_state()

    def step(self, observation: Observation, state: np.ndarray) -> tuple[float, np.ndarray]:
        """See `Runtime.step`."""
        return self._runtime.step(self.spoil(observation), state)

    def spoil(self, observation: Observation) -> Observation:
        """The observation as the network gets it."""
        condition, image = self._condition, observation.image
        rng = frame_generator(self._seed, observation.stamp_ns)
        if condition.noise_variance:
            image = add_noise(image, condition.noise_deviation, rng)
        if condition.salt_and_pepper:
            image = add_salt_and_pepper(image, condition.salt_and_pepper, rng)
        return dataclasses.replace(
            observation, image=image, dt=condition.constant_dt or observation.dt
        )


def frame_generator(seed: int, stamp_ns: int) -> np.random.Generator:
    """Random numbers of one frame of one road."""
    return np.random.default_rng([seed, stamp_ns])
