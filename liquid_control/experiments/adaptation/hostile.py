"""Frames whose labels and measurements are wrong in every way, through the whole adaptation: what
it gives stays within its tube, and its covariances within their bounds."""

from __future__ import annotations

import math
import time

import numpy as np

from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.config import VehicleConfig
from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.signals import Observation

DT_NS, SPEED = 40_000_000, 10.0
CHANGES, LOOKED = 400, 1000
"""Steps after which the kind of hostility changes, and after which covariances are looked at."""
HONEST = 0.1
"""Share of the steps at the beginning in which all is right, so that the correction is in use."""
SHOWS = 25
"""Frames before a takeover in which the neurons show it."""
LABELS = ("honest", "flipped", "left", "right", "random", "huge", "nan", "infinite")
GYROS = ("honest", "flipped", "five times", "nan", "biased", "random")


class Scripted(Wrapped):
    """A policy that answers and remembers what it is given: `steer` [1/m], `neurons` (U,)."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._shapes = {array.name: array.shape for array in runtime.spec.state}
        self.steer, self.neurons = 0.0, np.zeros(runtime.spec.state_size, np.float32)

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        after, begin = {}, 0
        for name, shape in self._shapes.items():
            end = begin + math.prod(shape)
            after[name], begin = self.neurons[begin:end].reshape(shape), end
        return np.array([self.steer], np.float32), after


def hostile_stream(runtime: Runtime, steps: int, seed: int = 0) -> dict:
    """`largest_share`: the largest correction over its bound; `lowest_gain`, `highest_gain`;
    `covariance`: the smallest and largest variance of a weight over their bounds; `step_us`: median
    and 99th percentile of what a frame costs; `broken`: how many bounds were broken."""
    vehicle, rng = VehicleConfig(), np.random.default_rng(seed)
    policy = Scripted(runtime)
    adapted = AdaptedRuntime(policy, AdaptationConfig("both"), vehicle)
    gain, output = adapted.gain, adapted.output
    label = gyro = "honest"
    driver = Driver.POLICY
    share, gains, variances, broken, costs, used = 0.0, [], [], 0, [], 0
    sign, until = 1.0, 300
    for step in range(steps):
        now = (step + 1) * DT_NS
        if step % CHANGES == 0 and step > HONEST * steps:
            label, gyro = rng.choice(LABELS), rng.choice(GYROS)
        if step >= until:
            driver = Driver.PERSON if driver is Driver.POLICY else Driver.POLICY
            until = step + int(rng.integers(10, 200 if driver is Driver.PERSON else 600))
            sign = sign if driver is Driver.PERSON else rng.choice([-1.0, 1.0])
        base = 0.03 * math.sin(step / 25.0) + 0.01 * math.sin(step / 71.0)
        noise = float(rng.standard_normal())
        wrong = {"honest": 0.01 * sign, "flipped": -2.0 * base, "left": 0.02, "right": -0.02}
        wrong |= {"random": 0.02 * noise, "huge": 1e12 * noise, "nan": math.nan}
        steered = base + wrong.get(label, math.inf) if driver is Driver.PERSON else base
        turn = {"honest": base, "flipped": -base, "five times": 5.0 * base, "nan": math.nan}
        turn |= {"biased": base + 0.5, "random": 0.05 * noise}
        policy.steer = base
        shows = sign if driver is Driver.PERSON or until - step < SHOWS else 0.02 * noise
        policy.neurons = np.full(len(policy.neurons), shows, np.float32)
        given = np.array([turn[gyro] * SPEED, 0.0, SPEED], np.float32)
        began = time.perf_counter()
        adapted.drives(driver, now)
        adapted.steered(now, steered)
        action, _ = adapted.step(Observation(now, None, given, DT_NS / 1e9, False), {})
        costs.append(time.perf_counter() - began)
        change = float(action[0]) - float(np.float32(base)) * gain.factor
        share = max(share, abs(change) / output.largest)
        used += output.used
        gains.append(gain.gain)
        broken += not (abs(change) <= output.largest * 1.001 + 1e-7 and 0.7 <= gain.gain <= 1.3)
        if step % LOOKED == 0:
            bounds = output.bounds
            diagonal = np.diagonal(output.covariance)
            variances += [diagonal.min() / bounds[0], diagonal.max() / bounds[1]]
            p11, p12, p22 = gain.covariance
            sound = p11 > 0 and p22 > 0 and p11 * p22 >= p12 * p12
            broken += not (sound and variances[-2] >= 0.999 and variances[-1] <= 1.001)
    return {
        "steps": steps,
        "largest_share": share,
        "lowest_gain": min(gains),
        "highest_gain": max(gains),
        "covariance": [min(variances[::2]), max(variances[1::2])],
        "takeovers": output.takeovers,
        "output_used_share": used / steps,
        "step_us": [1e6 * float(np.percentile(costs, at)) for at in (50, 99)],
        "failures": adapted.failures,
        "broken": broken + adapted.failures,
    }
