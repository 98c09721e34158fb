"""Training state on disk without pickles: tensors of network and optimiser as safetensors, all else
as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from liquid_control.system.files import write_atomically


def save_checkpoint(
    path: Path, network: torch.nn.Module, optimiser: torch.optim.Adam, facts: Mapping
) -> None:
    """Writes atomically. `facts`: JSON-able."""
    tensors = {
        f"network.{name}": value.contiguous() for name, value in network.state_dict().items()
    }
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()
        }
    with write_atomically(path) as partial:
        save_file(tensors, partial, {"facts": json.dumps(facts)})


def load_checkpoint(path: Path, network: torch.nn.Module, optimiser: torch.optim.Adam) -> dict:
    """Restores network and optimiser in place; returns the facts."""
    weights, states = {}, {}
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["facts"])
        for key in file.keys():  # noqa: SIM118  safe_open is no mapping
            kind, _, name = key.partition(".")
            if kind == "network":
                weights[name] = file.get_tensor(key)
            else:
                index, _, entry = name.partition(".")
                states.setdefault(int(index), {})[entry] = file.get_tensor(key)
    network.load_state_dict(weights)
    optimiser.load_state_dict(
        {"state": states, "param_groups": optimiser.state_dict()["param_groups"]}
    )
    return facts
