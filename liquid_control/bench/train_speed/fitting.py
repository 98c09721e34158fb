"""Where the time of an optimiser step goes, and how close to the machine's limit the encoder
runs."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Sequences
from liquid_control.model.car import lane_keeping
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.fit import make_optimiser, optimise, schedule
from liquid_control.train.fit_core import fit_core
from liquid_control.train.simulation_settings import SimulationSettings

WARM_UP = 3
MATRIX, COPIED = 1024, 1 << 25
"""Side of the matrices whose product gives the arithmetic limit; number of float32 values whose
copy gives the memory limit."""


def fitting(episodes: Sequence[Episode], recipe: SimulationSettings, steps: int) -> dict:
    """Seconds of one core for a step of the whole network, by part, and for one of the core alone;
    torch must have one thread."""
    torch.manual_seed(recipe.seed)
    network, rng = (
        PolicyNetwork(recipe.policy, lane_keeping(recipe.preprocess)),
        np.random.default_rng(recipe.seed),
    )
    optimiser = make_optimiser(network, recipe.fit)
    sequences = Sequences(episodes, recipe.frames, recipe.augmentation)
    rows = [timed_step(network, optimiser, sequences, rng, recipe) for _ in range(WARM_UP + steps)][
        WARM_UP:
    ]
    parts = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    step = _per_step(_steps(network, optimiser, sequences, rng, recipe, WARM_UP + steps))
    frames = recipe.fit.batch * recipe.frames
    facts = {
        "frames": frames,
        "seconds": step,
        "frames_per_second": frames / step,
        "parts": parts,
        "encoder_frames_per_second": frames
        / (parts["encoder, forward"] + parts["encoder, backward"]),
    }
    if recipe.core_fit.steps:
        facts |= _core_alone(network, episodes, recipe, rng, 10 * steps)
    return facts | {"encoder": _encoder_limit(network, sequences, rng, recipe, parts)}


def machine_limit(rounds: int) -> dict:
    """Limits of the machine with torch's present number of threads: float32 operations per second
    in a matrix product, bytes per second in a copy."""
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


def step_of_all_cores(episodes: Sequence[Episode], recipe: SimulationSettings, steps: int) -> float:
    """Wall seconds of a step of the whole network with torch's default number of threads."""
    network = PolicyNetwork(recipe.policy, lane_keeping(recipe.preprocess))
    sequences = Sequences(episodes, recipe.frames, recipe.augmentation)
    optimiser, rng = make_optimiser(network, recipe.fit), np.random.default_rng(recipe.seed)
    return _per_step(
        _steps(network, optimiser, sequences, rng, recipe, WARM_UP + steps), time.perf_counter
    )


def timed_step(
    network: PolicyNetwork,
    optimiser: torch.optim.Adam,
    sequences: Sequences,
    rng: np.random.Generator,
    recipe: SimulationSettings,
) -> dict[str, float]:
    """One optimiser step of training at the base rates; returns the seconds of one core of each
    part of it."""
    clock, marks = time.process_time, {"start": time.process_time()}
    with _encoder_marks(network, lambda name: marks.update({name: clock()})):
        batch = sequences.draw(rng, recipe.fit.batch)
        optimise(network, optimiser, batch, recipe.fit, 1.0)
    marks["optimiser"] = clock()
    return {
        name: marks[name] - before
        for name, before in zip(list(marks)[1:], marks.values(), strict=False)
    }


@contextlib.contextmanager
def _encoder_marks(network: PolicyNetwork, mark: Callable[[str], None]) -> Iterator[None]:
    """Calls `mark` with the name of the part of a step that ends: `batch` where the encoder begins,
    `encoder, forward`, `core` where the gradient of the features arrives, and
    `encoder, backward` at each gradient of the encoder's parameters, of which the last counts."""

    def encoded(encoder: torch.nn.Module, pictures: tuple, features: torch.Tensor) -> None:
        mark("encoder, forward")
        features.register_hook(lambda gradient: mark("core"))

    encoder = network.encoder
    hooks = [
        encoder.register_forward_pre_hook(lambda encoder, pictures: mark("batch")),
        encoder.register_forward_hook(encoded),
        *(
            parameter.register_post_accumulate_grad_hook(lambda _: mark("encoder, backward"))
            for parameter in encoder.parameters()
        ),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _core_alone(
    network: PolicyNetwork,
    episodes: Sequence[Episode],
    recipe: SimulationSettings,
    rng: np.random.Generator,
    steps: int,
) -> dict:
    settings = dataclasses.replace(recipe.core_fit, steps=WARM_UP + steps)
    began = time.process_time()
    core_steps = fit_core(network, episodes, recipe.augmentation, rng, recipe.fit, settings)
    next(core_steps)  # encodes the pictures
    first = time.process_time()
    step = _per_step(core_steps)
    pictures = settings.passes * sum(map(len, episodes))
    return {
        "core_step_s": step,
        "core_frames": recipe.fit.batch * settings.frames,
        "encode_s": max(first - began - step, 0.0) / pictures,
    }


def _encoder_limit(
    network: PolicyNetwork,
    sequences: Sequences,
    rng,
    recipe: SimulationSettings,
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


def _steps(
    network: PolicyNetwork,
    optimiser: torch.optim.Adam,
    sequences: Sequences,
    rng: np.random.Generator,
    recipe: SimulationSettings,
    steps: int,
) -> Iterator[int]:
    """The steps of a training, as `train.from_simulation` does them."""
    for step in range(1, steps + 1):
        batch = sequences.draw(rng, recipe.fit.batch)
        optimise(network, optimiser, batch, recipe.fit, schedule(step, steps))
        yield step


def _per_step(steps: Iterator[object], clock: Callable[[], float] = time.process_time) -> float:
    """Median seconds between one step and the next, without the first few."""
    marks = [clock() for _ in steps]
    return statistics.median(
        after - before for before, after in itertools.pairwise(marks[WARM_UP - 1 :])
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
