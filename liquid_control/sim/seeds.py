"""Where random numbers come from: training and test roads are drawn from seed sequences that cannot
meet."""

from __future__ import annotations

import numpy as np

from liquid_control.errors import ConfigError

HELD_OUT = 0x6C616E65
"""Spawn key of test roads. Training streams have the spawn keys 0, 1, 2, ... of their own seed, so
no seed reaches a test road."""

LARGEST_SEED = 2**63 - 1


def streams(seed: int, held_out: bool, count: int) -> list[np.random.Generator]:
    """`count` independent generators of one road. Raises ConfigError for a seed outside
    0..2⁶³-1."""
    if (
        isinstance(seed, bool)
        or not isinstance(seed, (int, np.integer))
        or not 0 <= seed <= LARGEST_SEED
    ):
        raise ConfigError("seed", seed, "a whole number from 0 to 2^63 - 1")
    sequence = np.random.SeedSequence(int(seed), spawn_key=(HELD_OUT,) if held_out else ())
    return [np.random.default_rng(child) for child in sequence.spawn(count)]


def road_seed(seed: int, index: int) -> int:
    """Seed of road `index` of a set that a user's `seed` names."""
    return int(
        np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )
