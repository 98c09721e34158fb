"""Where the time of an optimiser step goes, and how close to the machine's limit the encoder
runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from liquid_control.config import TimelineConfig
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Sequences
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.fit import fit, make_optimiser, steering_loss
from liquid_control.train.fit_core import fit_memory
from liquid_control.train.from_simulation import ImitationSettings

WARM_UP = 3
MATRIX, COPIED = 1024, 1 << 25
"""Side of the matrices whose product says what the machine can compute; float32 values that are
copied to say what it can move."""


def fitting(episodes: Sequence[Episode], recipe: ImitationSettings, steps: int) -> dict:
    """Seconds of one core for a step of the whole network, by part, and for one of the memory
    alone; torch must have one thread."""
    torch.manual_seed(recipe.seed)
    network, rng = (
        PolicyNetwork(recipe.policy, recipe.preprocess),
        np.random.default_rng(recipe.seed),
    )
    optimiser, nominal_dt = make_optimiser(network, recipe.fit), TimelineConfig().nominal_dt
    sequences = Sequences(episodes, recipe.frames, recipe.augmentation, nominal_dt)
    rows = [_step(network, optimiser, sequences, rng, recipe) for _ in range(WARM_UP + steps)][
        WARM_UP:
    ]
    parts = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    whole = _per_step(
        lambda told: fit(
            network, optimiser, sequences, WARM_UP + steps, rng, recipe.fit, on_step=told
        )
    )
    frames = recipe.fit.batch * recipe.frames
    told = {
        "frames": frames,
        "seconds": whole,
        "frames_per_second": frames / whole,
        "parts": parts,
        "encoder_frames_per_second": frames
        / (parts["encoder, forward"] + parts["encoder, backward"]),
    }
    if recipe.memory_fit.steps:
        told |= _memory_alone(network, episodes, recipe, nominal_dt, rng, 10 * steps)
    return told | {"encoder": _encoder_limit(network, sequences, rng, recipe, parts)}


def machine_limit(rounds: int) -> dict:
    """What the machine gives with this many threads: float32 operations a second in a matrix
    product, bytes a second in a copy."""
    a, b, source = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX), torch.rand(COPIED)
    product, target = torch.empty(MATRIX, MATRIX), torch.empty_like(source)
    flops = (
        2 * MATRIX**3 / min(_seconds(lambda: torch.mm(a, b, out=product)) for _ in range(rounds))
    )
    return {
        "flops_per_second": flops,
        "bytes_per_second": 8
        * COPIED
        / min(_seconds(lambda: target.copy_(source)) for _ in range(rounds)),
    }


def step_of_all_cores(episodes: Sequence[Episode], recipe: ImitationSettings, steps: int) -> float:
    """Wall seconds of a step of the whole network with as many threads as torch takes by itself."""
    network = PolicyNetwork(recipe.policy, recipe.preprocess)
    sequences = Sequences(episodes, recipe.frames, recipe.augmentation, TimelineConfig().nominal_dt)
    optimiser, rng = make_optimiser(network, recipe.fit), np.random.default_rng(recipe.seed)
    return _per_step(
        lambda told: fit(
            network, optimiser, sequences, WARM_UP + steps, rng, recipe.fit, on_step=told
        ),
        time.perf_counter,
    )


def _step(
    network: PolicyNetwork,
    optimiser,
    sequences: Sequences,
    rng: np.random.Generator,
    recipe: ImitationSettings,
) -> dict[str, float]:
    """One step as in `train.fit`, with the graph cut behind the encoder so that its backward pass
    can be timed by itself."""
    clock, marks = time.process_time, [time.process_time()]
    batch = sequences.draw(rng, recipe.fit.batch)
    image, inertial, dt = map(torch.from_numpy, (batch.image, batch.inertial, batch.dt))
    optimiser.zero_grad()
    marks.append(clock())
    features = network.encoder(image.flatten(0, 1)).unflatten(0, image.shape[:2])
    marks.append(clock())
    held = features.detach().requires_grad_()
    prediction = network.unroll_features(held, inertial, dt)
    loss = steering_loss(
        prediction.curvature, batch, network.config.curvature_scale, recipe.fit.curve_weight
    )
    (loss + recipe.fit.auxiliary_weight * prediction.auxiliary.square().mean()).backward()
    marks.append(clock())
    features.backward(held.grad)
    marks.append(clock())
    for group in optimiser.param_groups:
        nn.utils.clip_grad_norm_(group["params"], recipe.fit.clip)
    optimiser.step()
    marks.append(clock())
    names = ("batch", "encoder, forward", "memory", "encoder, backward", "optimiser")
    return {
        name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)
    }


def _memory_alone(
    network: PolicyNetwork, episodes, recipe: ImitationSettings, nominal_dt: float, rng, steps: int
) -> dict:
    settings = type(recipe.memory_fit)(
        WARM_UP + steps, recipe.memory_fit.frames, recipe.memory_fit.looks
    )
    began, first = time.process_time(), []

    def run(told: Callable[[int, dict], None]) -> None:
        def on_step(step: int, losses: dict) -> None:
            first.append(time.process_time())
            told(step, losses)

        fit_memory(
            network,
            episodes,
            recipe.augmentation,
            nominal_dt,
            rng,
            recipe.fit,
            settings,
            on_step=on_step,
        )

    step = _per_step(run)
    pictures = settings.looks * sum(map(len, episodes))
    return {
        "memory_step_s": step,
        "memory_frames": recipe.fit.batch * settings.frames,
        "encode_s": max(first[0] - began - step, 0.0) / pictures,
    }


def _encoder_limit(
    network: PolicyNetwork,
    sequences: Sequences,
    rng,
    recipe: ImitationSettings,
    parts: dict[str, float],
) -> dict:
    """Operations of the encoder's two passes, and the least traffic between its layers where each
    is a pass over memory by itself: a layer reads and writes once forward; backward it reads what
    it got, reads a gradient and writes one."""
    image = torch.from_numpy(sequences.draw(rng, recipe.fit.batch).image).flatten(0, 1)
    sizes: list[tuple[int, int]] = []
    hooks = [
        layer.register_forward_hook(
            lambda _, inputs, output: sizes.append((inputs[0].numel(), output.numel()))
        )
        for layer in network.encoder.modules()
        if not list(layer.children())
    ]
    with FlopCounterMode(display=False) as counter:
        network.encoder(image).sum().backward()
    for hook in hooks:
        hook.remove()
    seconds = parts["encoder, forward"] + parts["encoder, backward"]
    flops, traffic = counter.get_total_flops(), sum(4 * (3 * got + 2 * gave) for got, gave in sizes)
    return {
        "flops": flops,
        "bytes": traffic,
        "seconds": seconds,
        "flops_per_second": flops / seconds,
        "bytes_per_second": traffic / seconds,
    }


def _per_step(
    run: Callable[[Callable[[int, dict], None]], None],
    clock: Callable[[], float] = time.process_time,
) -> float:
    """Median seconds between one step and the next, without the first few. `run` gets what is to be
    called behind each step."""
    marks: list[float] = []
    run(lambda step, losses: marks.append(clock()))
    return statistics.median(
        after - before for before, after in zip(marks[WARM_UP - 1 :], marks[WARM_UP:], strict=False)
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
