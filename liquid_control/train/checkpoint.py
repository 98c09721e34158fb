"""Training state on disk without pickles: network and optimiser tensors in safetensors, progress in
its header."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def save_checkpoint(
    path: Path, network: torch.nn.Module, optimiser: torch.optim.Adam, progress: dict
) -> None:
    """Writes beside and renames. `progress` is any JSON-able dict."""
    tensors = {
        f"network.{name}": value.contiguous() for name, value in network.state_dict().items()
    }
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {
            f"optimiser.{index}.{name}": value.contiguous() for name, value in state.items()
        }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {"progress": json.dumps(progress)})
    partial.replace(path)


def load_checkpoint(path: Path, network: torch.nn.Module, optimiser: torch.optim.Adam) -> dict:
    """Restores network and optimiser in place; returns the progress."""
    weights, states = {}, {}
    with safe_open(path, "pt") as file:
        progress = json.loads(file.metadata()["progress"])
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
    return progress
