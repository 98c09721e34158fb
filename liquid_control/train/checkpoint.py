"""Training state on disk without pickles: tensors of network and optimiser as safetensors, all else
as JSON in the header."""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

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
        text = json.dumps(facts)
        save_file(tensors, partial, {"facts": text, "crc32": _checksum(tensors, text)})


def save_weights(path: Path, network: torch.nn.Module) -> None:
    """Writes the weights alone, atomically."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    with write_atomically(path) as partial:
        save_file(weights, partial, {"crc32": _checksum(weights)})


def load_checkpoint(path: Path, network: torch.nn.Module, optimiser: torch.optim.Adam) -> dict:
    """Restores network and optimiser in place; returns the facts. Raises ConfigError for a file
    that is cut, damaged or of another network."""
    with _refusing_damage(path):
        weights, states = {}, {}
        tensors, notes = _read(path)
        facts = json.loads(notes["facts"])
        for key, value in tensors.items():
            kind, _, name = key.partition(".")
            if kind == "network":
                weights[name] = value
            else:
                index, _, entry = name.partition(".")
                states.setdefault(int(index), {})[entry] = value
        network.load_state_dict(weights)
        optimiser.load_state_dict(
            {"state": states, "param_groups": optimiser.state_dict()["param_groups"]}
        )
    return facts


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Gives the network the weights of a file, in place. Raises ConfigError as above."""
    with _refusing_damage(path):
        network.load_state_dict(_read(path)[0])


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and notes of a file, whose checksum is held against the tensors where it has one;
    files of before have none. Raises ValueError."""
    with safe_open(path, "pt") as file:
        notes = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
    found = _checksum(tensors, notes.get("facts", ""))
    if notes.get("crc32", found) != found:
        raise ValueError("checksum")
    return tensors, notes


def _checksum(tensors: Mapping[str, torch.Tensor], facts: str = "") -> str:
    """Of names and bytes of all tensors, and of the facts."""
    found = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        found = zlib.crc32(name.encode(), found)
        array = tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        found = zlib.crc32(array, found)
    return f"{found:08x}"


@contextlib.contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        raise damaged(path) from None
