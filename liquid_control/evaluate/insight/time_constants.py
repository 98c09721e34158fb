"""How long each neuron remembers, step by step of a drive, in seconds."""

from __future__ import annotations

import numpy as np
import torch

from liquid_control.evaluate.insight.trace import Trace
from liquid_control.policy.cells.cell import split_state
from liquid_control.policy.network import PolicyNetwork

LONGEST = 100.0
"""Upper bound [s], for a gate that time hardly moves."""
STEPS = 256
"""Steps that are computed at a time."""


@torch.no_grad()
def time_constants(network: PolicyNetwork, trace: Trace) -> np.ndarray | None:
    """(T, N) seconds for the N neurons (first numbers of the state), or None for a core without
    time constants. What they are: `CoreConfig.time_constant`."""
    cell, found = network.cell, []
    for start in range(0, len(trace), STEPS):
        part = slice(start, start + STEPS)
        x = network.sense(
            torch.tensor(trace.image[part]),
            torch.tensor(trace.measurements[part], dtype=torch.float32),
        )
        before, after = (
            split_state(torch.tensor(states[part]), cell.state)
            for states in (trace.before, trace.after)
        )
        dt = torch.tensor(trace.dt[part], dtype=torch.float32) * network.config.time_scale
        constants = cell.time_constants_of_step(x, before, dt, after)
        if constants is None:
            return None
        found.append(constants)
    return (torch.cat(found) / network.config.time_scale).clamp_max(LONGEST).numpy()
