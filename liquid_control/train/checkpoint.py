"""Training state on disk without pickles: tensors of network and optimiser as safetensors, all else
as JSON in the header."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from liquid_control.system.files import damaged, write_atomically


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
    """Restores network and optimiser in place; returns the facts. Raises ConfigError for a file
    that is cut, damaged or of another network."""
    with _refusing_damage(path):
        weights, states = {}, {}
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            facts["position"].keys(), facts["seconds"]["total"]
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


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Gives the network the weights of a file, in place. Raises ConfigError as above."""
    with _refusing_damage(path):
        network.load_state_dict(load_file(path))


@contextlib.contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise damaged(path) from None
