"""Figures of a trace: saliency with and without noise, and a row for every neuron."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from liquid_control.deploy.saliency import VisualBackProp, scaled
from liquid_control.evaluate.insight.activity import (
    bend_of,
    followed_curves,
    largest_steps,
    principal_components,
)
from liquid_control.evaluate.insight.gradient import gradient_saliency
from liquid_control.evaluate.insight.similarity import RANGE, structural_similarity
from liquid_control.evaluate.insight.time_constants import time_constants
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.perception.noise import add_gaussian_noise
from liquid_control.policy.network import PolicyNetwork

VARIANCES = (0.1, 0.2, 0.3)
FRAMES = 200
"""As in the published comparison."""


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """Saliency of T steps, (T, h, w) in 0..1: of the encoder by VisualBackProp, of the curvature by
    its gradient."""

    encoder: np.ndarray
    gradient: np.ndarray


def saliency(
    back_prop: VisualBackProp,
    network: PolicyNetwork,
    trace: Trace,
    steps: np.ndarray,
    images: np.ndarray | None = None,
) -> Maps:
    """Both maps of the trace's `steps` (T,), or of `images` (T, h, w, 3) uint8 in their
    place."""
    pictures = trace.image[steps] if images is None else images
    gradients = gradient_saliency(network, trace, steps, images)
    size = trace.image.shape[1:3]
    maps = ([back_prop.saliency(one) for one in pictures], [scaled(one) for one in gradients])
    return Maps(*(np.array(one, np.float32).reshape(-1, *size) for one in maps))


def noisy(trace: Trace, steps: np.ndarray, variance: float, seed: int) -> np.ndarray:
    """The trace's pictures with Gaussian noise of `variance` (of 0..1), from a generator for
    each frame."""
    size = trace.image.shape[1:]
    normal = (
        np.random.default_rng([seed, int(step)]).standard_normal(size, np.float32) for step in steps
    )
    return np.array(
        [
            add_gaussian_noise(trace.image[step], variance**0.5, drawn)
            for step, drawn in zip(steps, normal, strict=True)
        ]
    )


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM (T,) of two stacks of maps (T, h, w) in 0..1."""
    return np.array(
        [structural_similarity(RANGE * x, RANGE * y) for x, y in zip(a, b, strict=True)]
    )


def similarity_under_noise(
    back_prop: VisualBackProp, network: PolicyNetwork, trace: Trace, seed: int
) -> list[dict]:
    """For each of `VARIANCES` the mean SSIM of both kinds of saliency with and without noise, over
    `FRAMES` frames."""
    steps = trace.evenly(FRAMES)
    clean, rows = saliency(back_prop, network, trace, steps), []
    for variance in VARIANCES:
        corrupted = saliency(back_prop, network, trace, steps, noisy(trace, steps, variance, seed))
        rows.append(
            {
                "variance": variance,
                "frames": len(steps),
                "ssim_visual_backprop": float(ssim(clean.encoder, corrupted.encoder).mean()),
                "ssim_gradient": float(ssim(clean.gradient, corrupted.gradient).mean()),
            }
        )
    return rows


@dataclasses.dataclass(frozen=True, eq=False)
class Neurons:
    """`rows`: a dict of plain figures per neuron; `constants` (T, N) s or None; `projected` (T, 2)
    on the principal components, their `shares` (N,), and `bend` (T,), the road's, as an index into
    `activity.BENDS`."""

    rows: list[dict]
    constants: np.ndarray | None
    projected: np.ndarray
    shares: np.ndarray
    bend: np.ndarray


def examine_neurons(network: PolicyNetwork, trace: Trace, names: Sequence[str]) -> Neurons:
    """Figures of each of the `names` (N,), which are the first N numbers of the state."""
    states = trace.after[:, : len(names)]
    constants = time_constants(network, trace)
    components = principal_components(states)
    steps = largest_steps(states, trace.is_first)
    rows = []
    for index, (name, follows) in enumerate(
        zip(names, followed_curves(states, trace.road_curvature), strict=True)
    ):
        low, middle, high = (
            np.percentile(constants[:, index], (5, 50, 95))
            if constants is not None
            else (None,) * 3
        )
        rows.append(
            {
                "neuron": name,
                "mean": float(states[:, index].mean()),
                "deviation": float(states[:, index].std()),
                **{
                    f"correlation_{key}" if key != "follows" else key: value
                    for key, value in follows.items()
                },
                "largest_step": float(steps[index]),
                "time_constant_s": None
                if middle is None
                else {"p5": float(low), "median": float(middle), "p95": float(high)},
            }
        )
    return Neurons(
        rows, constants, components.projected, components.shares, bend_of(trace.road_curvature)
    )
