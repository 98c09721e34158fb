"""Where a small change of the picture would change the answer: |d curvature / d pixel|, through
encoder and core."""

from __future__ import annotations

import numpy as np
import torch

from liquid_control.evaluate.insight.trace import Trace
from liquid_control.model.spec import names
from liquid_control.policy.cells.cell import split_state
from liquid_control.policy.network import PolicyNetwork

BATCH = 128


def gradient_saliency(
    network: PolicyNetwork, trace: Trace, steps: np.ndarray, images: np.ndarray | None = None
) -> np.ndarray:
    """(N, h, w) float32, each step's largest |d curvature / d value| over the three channels, the
    core's state held as it was (Simonyan et al. 2013). `steps` (N,) of the trace; `images` (N, h,
    w, 3) uint8 instead of the trace's own."""
    images = trace.image[steps] if images is None else images
    found, steering = [], names(network.spec.actions).index("curvature")
    for start in range(0, len(steps), BATCH):
        chosen = steps[start : start + BATCH]
        pixels = torch.tensor(
            images[start : start + BATCH], dtype=torch.float32, requires_grad=True
        )
        measurements, dt = (
            torch.tensor(part[chosen], dtype=torch.float32)
            for part in (trace.measurements, trace.dt)
        )
        state = split_state(torch.tensor(trace.before[chosen]).float(), network.spec.state)
        action, _ = network(pixels, measurements, dt, state)
        (gradient,) = torch.autograd.grad(action[:, steering].sum(), pixels)
        found.append(gradient.abs().amax(dim=3).numpy())
    return np.concatenate(found) if found else np.zeros((0, *images.shape[1:3]), np.float32)
