"""Networks with any core, and traces of their own steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.cells.cell import join_state
from liquid_control.policy.network import PolicyNetwork

STEPS = 12
SIZE = (32, 64)


@pytest.fixture
def network():
    """`network(core, settings, **config)`: untrained, the same every time."""

    def make(
        core: str = "ltc", settings: dict | None = None, scale: float = 0.04, **config
    ) -> PolicyNetwork:
        torch.manual_seed(3)
        config = PolicyConfig(encoder="slim", core=CORES[core](**settings or {}), **config)
        return PolicyNetwork(config, lane_keeping(PreprocessConfig(*SIZE), scale)).eval()

    return make


@pytest.fixture
def driven():
    """`driven(network)`: a trace of random pictures, as the network's own steps make it."""

    def make(net: PolicyNetwork) -> Trace:
        random = np.random.default_rng(7)
        image = random.integers(0, 256, (STEPS, *SIZE, 3), dtype=np.uint8)
        inertial, dt = (
            random.normal(size=(STEPS, 3)).astype(np.float32),
            random.uniform(0.02, 0.08, STEPS),
        )
        state, rows = net.initial_state(1), []
        with torch.no_grad():
            for t in range(STEPS):
                before = state
                seen = (
                    torch.tensor(part[t : t + 1])
                    for part in (image, inertial, dt.astype(np.float32))
                )
                action, state = net.step(*seen, state)
                vectors = (join_state(one)[0].numpy() for one in (before, state))
                rows.append((*vectors, float(action)))
        before, after, answers = (np.array(column) for column in zip(*rows, strict=True))
        zeros = np.zeros(STEPS)
        return Trace(
            zeros,
            np.cumsum(dt),
            image,
            inertial,
            dt,
            np.arange(STEPS) == 0,
            before,
            after,
            answers,
            zeros,
            zeros,
            zeros,
        )

    return make
