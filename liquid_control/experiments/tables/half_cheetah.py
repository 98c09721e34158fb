"""Half-Cheetah: predict the next observation of a MuJoCo run (Hasani et al., AAAI 2021, table 4).

Protocol of the authors' code: files in the order of their names, 0-4 validation, 5-14 test, 15-24
training (25-30 unused); windows of 32 every 10 steps; raw observations.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.experiments.tables.series import Series, Source, Splits, read_traces

SOURCE = Source(
    "half_cheetah",
    31,
    17,
    "experiments_with_ltcs/data/cheetah of https://github.com/raminmh/liquid_time_constant_networks",
)
WINDOW, STRIDE = 32, 10
VALIDATION, TEST, TRAIN = slice(0, 5), slice(5, 15), slice(15, 25)


def load(data: Path) -> Splits:
    """`split` of the files in `data`/half_cheetah. Raises TableDataError."""
    return split(read(data))


def read(data: Path) -> list[np.ndarray]:
    """The runs in `data`/half_cheetah, (T, 17) float32 each. Raises TableDataError."""
    return read_traces(data, SOURCE, WINDOW + 2)


def split(traces: list[np.ndarray]) -> Splits:
    """Windows; dt is 1, the sampling period."""
    return Splits(
        train=_windows(traces[TRAIN]),
        validation=_windows(traces[VALIDATION]),
        test=_windows(traces[TEST]),
    )


def _windows(traces: list[np.ndarray]) -> Series:
    cuts = [
        (trace, start) for trace in traces for start in range(0, len(trace) - WINDOW - 1, STRIDE)
    ]
    x = np.stack([trace[start : start + WINDOW] for trace, start in cuts])  # (N, T, F)
    y = np.stack([trace[start + 1 : start + WINDOW + 1] for trace, start in cuts])
    return Series(x, np.ones(x.shape[:2], np.float32), y, np.full(len(x), WINDOW))
