"""Walker2D with missing steps: predict the next observation of a run of which a tenth was not
recorded.

Protocol of the authors' code (Lechner and Hasani 2020; Hasani et al., Nature Machine Intelligence
2022): files shuffled with a fixed seed, 15 % test, 10 % validation, the rest training; every step
is kept with probability 0.9, its target stays the observation right after it, and the time elapsed
is the number of steps since the last one kept; windows of 64 every 16 steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.experiments.tables.series import (
    Series,
    Source,
    Splits,
    TableDataError,
    read_traces,
)

SOURCE = Source(
    "walker2d",
    400,
    17,
    "https://people.csail.mit.edu/mlechner/datasets/walker.zip (as download_dataset.sh of "
    "https://github.com/raminmh/CfC does)",
)
WINDOW, STRIDE = 64, 16
TEST_SHARE, VALIDATION_SHARE, KEPT = 0.15, 0.1, 0.9
FILE_SEED, STEP_SEED = 125487, 891374


def load(data: Path) -> Splits:
    """`split` of the files in `data`/walker2d. Raises TableDataError."""
    return split(read(data), data / SOURCE.folder)


def read(data: Path) -> list[np.ndarray]:
    """The runs in `data`/walker2d, (T, 17) float32 each. Raises TableDataError."""
    return read_traces(data, SOURCE, WINDOW + 2)


def split(traces: list[np.ndarray], folder: Path = Path(SOURCE.folder)) -> Splits:
    """Windows; dt is the number of steps elapsed. Raises TableDataError, which names the folder."""
    order = np.arange(len(traces))
    np.random.RandomState(FILE_SEED).shuffle(order)
    first, second = int(TEST_SHARE * len(order)), int((TEST_SHARE + VALIDATION_SHARE) * len(order))
    rng = np.random.RandomState(STEP_SEED)
    parts = [
        order[second:],
        order[first:second],
        order[:first],
    ]  # one stream of numbers runs through them in this order
    return Splits(
        *(_windows([_thin(traces[index], rng) for index in part], folder) for part in parts)
    )


def _thin(
    trace: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (n, F), dt (n,), y (n, F) of the steps kept."""
    kept = np.flatnonzero(rng.rand(len(trace) - 1) < KEPT)
    return trace[kept], np.diff(kept, prepend=-1).astype(np.float32), trace[kept + 1]


def _windows(runs: list[tuple[np.ndarray, np.ndarray, np.ndarray]], folder: Path) -> Series:
    cuts = [(run, start) for run in runs for start in range(0, len(run[0]) - WINDOW, STRIDE)]
    if not cuts:
        raise TableDataError(
            folder, f"no run is longer than {WINDOW} steps once thinned out", SOURCE.remedy
        )
    x, dt, y = (
        np.stack([run[column][start : start + WINDOW] for run, start in cuts])
        for column in range(3)
    )
    return Series(x, dt, y, np.full(len(x), WINDOW))
