"""Event-based XOR: the parity of a bit stream of which only the changes are inputs.

Recipe of the authors' code (Lechner and Hasani 2020): a stream of 2 to `longest` random bits
(theirs: 31); an event is written at each bit that differs from the one before (feature: the bit;
elapsed: bits since the last event over longest + 1) and, for a last stretch that no event has
ended, one more at the end. The label is the parity of the ones. Made here, not read.
"""

from __future__ import annotations

import numpy as np

from liquid_control.experiments.tables.series import Series, Splits

TRAIN_SEED, TEST_SEED = 1234984, 48736
TEST_SAMPLES = 10_000


def make(samples: int, longest: int = 31, tests: int = TEST_SAMPLES) -> Splits:
    """`samples` training and `tests` test streams; a tenth as many for validation, from a seed of
    their own."""
    return Splits(
        train=streams(samples, longest, TRAIN_SEED),
        validation=streams(tests // 10, longest, TRAIN_SEED + 1),
        test=streams(tests, longest, TEST_SEED),
    )


def streams(samples: int, longest: int, seed: int) -> Series:
    """x (N, longest + 1, 1), dt (N, longest + 1), y (N,). Random numbers are drawn in the order in
    which the authors draw them."""
    rng, pad = np.random.RandomState(seed), longest + 1
    x, dt = np.zeros((samples, pad, 1), np.float32), np.ones((samples, pad), np.float32)
    y, lengths = np.empty(samples, np.float32), np.empty(samples, np.int64)
    for sample in range(samples):
        bits = rng.randint(low=0, high=2, size=rng.randint(low=2, high=longest + 1))
        ends = np.flatnonzero(np.diff(bits, prepend=-1))  # the first bit is an event too
        ends = ends if ends[-1] == len(bits) - 1 else np.append(ends, len(bits) - 1)
        x[sample, : len(ends), 0] = bits[ends]
        dt[sample, : len(ends)] = np.diff(ends, prepend=-1) / pad
        y[sample], lengths[sample] = bits.sum() % 2, len(ends)
    return Series(x, dt, y, lengths)
