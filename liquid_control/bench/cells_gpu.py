"""Speed of forward and backward on a GPU, next to ncps on the same GPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

import torch

CALLS = {"peer": 1, "reference": 1, "ours": 50}
"""Calls per timing, as many as run in some tens of milliseconds."""
WARM_UP = 3


def take_turns_on_gpu(
    contenders: Mapping[str, Callable[[], object]], rounds: int, advance: Callable[[], object]
) -> dict[str, float]:
    """Median seconds per call of each contender between two events on the GPU, in turns, after
    `WARM_UP` calls each.

    What the host takes to start the work is part of it: for calls this short that is most of what
    there is."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        for _ in range(WARM_UP):
            call()
    for _ in range(rounds):
        for name, call in contenders.items():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            start.record()
            for _ in range(CALLS[name]):
                call()
            end.record()
            end.synchronize()
            times[name].append(start.elapsed_time(end) / 1000 / CALLS[name])
            advance()
    return {name: statistics.median(values) for name, values in times.items()}


def gpu() -> dict[str, str]:
    """Name of the GPU and versions of what drives it, for the file that keeps a measurement."""
    import triton

    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": torch.version.cuda,
        "triton": triton.__version__,
    }
