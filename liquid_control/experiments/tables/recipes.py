"""How every model of every table is trained, and what was published.

Where a paper's authors released the recipe of a model (their best search result), it is theirs to
the number. Models that they did not train on a table (CfC on Half-Cheetah), or whose recipe they
did not release for it (LSTM and GRU on Walker2D and XOR), get the sizes and budget of their
neighbours there.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One model on one table."""

    units: int
    rate: float
    """learning rate at the start"""
    batch: int
    epochs: int
    seeds: int
    decay: float = 1.0
    """factor of the learning rate per epoch, applied at every step"""
    optimiser: str = "adam"
    epsilon: float = 1e-7
    """Keras' default"""
    clip: float = 0.0
    """largest norm of one parameter's gradient (each by itself, Keras' clipnorm); 0: none"""
    period: float = 1.0
    """what the cell takes one unit of the table's dt for"""
    backbone: int = 0
    """units of each backbone layer of a CfC"""
    layers: int = 1
    activation: str = "lecun_tanh"
    dropout: float = 0.0
    """share of backbone units left out, drawn again at every time step"""
    penalty: float = 0.0
    """L2 penalty of the CfC's weights, added to the loss"""
    forget_bias: float = 1.0
    timed: bool = True
    """LSTM and GRU: whether dt is one more input"""
    tested: str = "last"
    """weights that are tested: those after the `last` epoch or those with the best `validation`
    error"""
    whole_batches: bool = False
    """leave out the last, smaller batch of an epoch"""
    samples: int = 0
    """training streams of a table that makes its own data"""
    longest: int = 0
    """bits of the longest such stream"""
    tests: int = 0
    """test streams"""


CHEETAH = Recipe(
    units=32,
    rate=0.001,
    batch=16,
    epochs=200,
    seeds=5,
    epsilon=1e-8,
    tested="validation",
    whole_batches=True,
)
WALKER = Recipe(units=64, rate=0.02, decay=0.95, batch=256, epochs=50, seeds=3, clip=1.0)
WALKER_MIXED = dataclasses.replace(
    WALKER,
    units=128,
    rate=0.005,
    batch=128,
    clip=10.0,
    backbone=128,
    layers=2,
    dropout=0.2,
    penalty=6e-6,
    forget_bias=2.1,
)
WALKER_TUNED = dataclasses.replace(WALKER_MIXED, rate=0.008, dropout=0.1)
"""The published recipe underfits in our hands; this one was chosen by the validation error of seed
0."""
XOR = Recipe(
    units=64,
    rate=0.005,
    decay=0.85,
    batch=128,
    epochs=16,
    seeds=3,
    optimiser="rmsprop",
    clip=10.0,
    samples=100_000,
    longest=15,
    tests=10_000,
)
"""The published one has streams of up to 31 bits, 200 epochs, and up to 192 units: more than two
cores can do in an hour."""

# The LTC of the authors' code has no dt: its cm stands where ours has cm unfolds / dt. Its CT-RNN
# makes 6 steps of 0.1. Mixed memory in two arrangements: `memory_first` is that of the authors'
# code (policy.cells.lstm_cfc), `mixed_memory` that of ncps; `memory_first_tuned` is the first with
# a recipe of ours.
RECIPES = {
    "half_cheetah": {
        "ltc": dataclasses.replace(CHEETAH, rate=0.01, period=6.0),
        "cfc": dataclasses.replace(CHEETAH, backbone=128),
        "ct_rnn": dataclasses.replace(CHEETAH, period=0.6),
        "lstm": dataclasses.replace(CHEETAH, timed=False),
    },
    "walker2d": {
        "cfc": dataclasses.replace(
            WALKER, backbone=256, activation="silu", dropout=0.1, penalty=1e-6
        ),
        "memory_first": WALKER_MIXED,
        "memory_first_tuned": WALKER_TUNED,
        "mixed_memory": WALKER_MIXED,
        "lstm": dataclasses.replace(WALKER, rate=0.01),
        "gru": dataclasses.replace(WALKER, rate=0.01),
    },
    "event_xor": {
        "cfc": dataclasses.replace(XOR, backbone=128, activation="relu", penalty=3e-6, clip=1.0),
        "memory_first": dataclasses.replace(
            XOR, backbone=128, activation="relu", penalty=2e-6, forget_bias=0.6
        ),
        "lstm": XOR,
    },
}

METRICS = {"half_cheetah": "test MSE", "walker2d": "test MSE", "event_xor": "test accuracy [%]"}
TITLES = {"half_cheetah": "Half-Cheetah", "walker2d": "Walker2D", "event_xor": "Event-based XOR"}
HIGHER_IS_BETTER = ("event_xor",)

PUBLISHED = {
    "half_cheetah": {
        "ltc": (2.308, 0.015),
        "ct_rnn": (2.838, 0.112),
        "lstm": (2.500, 0.140),
        "Neural ODE": (3.805, 0.313),
        "CT-GRU": (3.014, 0.134),
    },
    "walker2d": {
        "cfc": (0.643, 0.006),
        "memory_first": (0.617, 0.006),
        "memory_first_tuned": (0.617, 0.006),
        "lstm": (1.065, None),
        "no_gate": (0.650, 0.008),
        "ltc": (0.662, 0.013),
        "Transformer": (0.761, None),
        "ODE-LSTM": (0.883, None),
        "Cf-S": (0.948, None),
        "GRU-D": (1.090, None),
        "CT-RNN": (1.198, None),
    },
    "event_xor": {
        "cfc": (99.42, None),
        "memory_first": (99.72, None),
        "ODE-LSTM": (98.89, None),
        "no_gate": (96.29, None),
        "Cf-S": (85.42, None),
        "LTC": (49.11, None),
    },
}
"""Mean and standard deviation where it was given."""
TARGETS = {
    "half_cheetah": {"ltc": 2.308},
    "walker2d": {"cfc": 0.643, "memory_first": 0.617, "memory_first_tuned": 0.617},
    "event_xor": {"cfc": 99.0},
}
