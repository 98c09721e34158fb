"""The memories that are compared on the road, each with the size it has there, and how their states
are named. No torch."""

from __future__ import annotations

from liquid_control.config import WIRED, PolicyConfig
from liquid_control.model.car import MEASUREMENTS

CANDIDATES = {
    "ltc": PolicyConfig(memory="ltc"),
    "cfc": PolicyConfig(memory="cfc"),
    "cfc_full": PolicyConfig(memory="cfc_full"),
    "cfc_mixed": PolicyConfig(memory="cfc_mixed"),
    "ct_rnn_19": PolicyConfig(memory="ct_rnn"),
    "ct_rnn_64": PolicyConfig(memory="ct_rnn", units=64),
    "gru": PolicyConfig(memory="gru"),
    "gru_timed": PolicyConfig(memory="gru_timed"),
    "lstm_19": PolicyConfig(memory="lstm"),
    "lstm_64": PolicyConfig(memory="lstm", units=64),
    "feedforward": PolicyConfig(memory="feedforward", units=64),
    "feedforward_stack": PolicyConfig(memory="feedforward_stack", units=64),
}
"""Policy config by candidate. Encoder, scales and readout are the same for all of them."""

MEMORY_RATES = {
    "ltc": 0.04,
    "cfc": 0.02,
    "cfc_full": 0.005,
    "cfc_mixed": 0.02,
    "ct_rnn": 0.005,
    "gru": 0.01,
    "gru_timed": 0.02,
    "lstm": 0.02,
    "feedforward": 0.04,
    "feedforward_stack": 0.01,
}
"""Learning rate by memory: the best of 0.005, 0.01, 0.02 and 0.04 in 1500 steps behind the same
encoder, by the error on held-out drives summed over image noise of variance 0, 0.1, 0.2 and 0.3
(doc/candidates.md)."""


def state_names(config: PolicyConfig) -> tuple[str, ...]:
    """A name for each number of the state (U,), in order: motor_0, command_0 …, inter_0 … of a
    wired memory; unit_0 … of an unwired one, and behind them memory_0 … (the cell state of an LSTM)
    or past_0 … (inputs of earlier frames)."""
    if config.memory in WIRED:
        parts = {"motor": config.motor, "command": config.command, "inter": config.inter}
    else:
        parts = {"unit": config.units}
        if config.memory in ("lstm", "cfc_mixed"):
            parts["memory"] = config.units
        if config.memory == "feedforward_stack":
            parts["past"] = (config.stack - 1) * (config.image_features + len(MEASUREMENTS))
    return tuple(f"{part}_{index}" for part, count in parts.items() for index in range(count))
