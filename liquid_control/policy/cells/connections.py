"""The connections of a wired cell in its `state_dict`, so that weights of other connections are
refused.

Weights are listed by synapse, or masked: with another wiring of the same sizes they have the same
shapes and mean something else. `wired` cells keep a hash of their connections as `_extra_state`
(uint8, so that it can be saved, copied and averaged like any tensor). A `state_dict` without it, of
an earlier version or of a model folder, whose model.json holds the wiring, is taken as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from liquid_control.errors import ConfigError

KEY = "_extra_state"
"""The name that PyTorch gives to what `get_extra_state` returns."""


def digest(*parts: np.ndarray | str) -> bytes:
    """Hash of arrays (their shapes and whole numbers) and words."""
    found = hashlib.sha256()
    for part in parts:
        array = np.ascontiguousarray(part, np.int64) if isinstance(part, np.ndarray) else None
        found.update(repr(part if array is None else array.shape).encode())
        found.update(b"" if array is None else array.astype("<i8").tobytes())
    return found.digest()


def get_extra_state(cell: nn.Module) -> Tensor:
    """The hash (32,) uint8 of a cell's `connections`."""
    return torch.tensor(list(cell.connections), dtype=torch.uint8, device="cpu")


def set_extra_state(cell: nn.Module, state: Tensor) -> None:
    """Raises ConfigError unless `state` is `get_extra_state`'s of a cell with these connections."""
    if not isinstance(state, Tensor) or state.is_meta:
        return
    if state.flatten().tolist() != list(cell.connections):
        raise ConfigError(
            f"{type(cell).__name__}.load_state_dict",
            "weights of a cell with other connections",
            "those of a cell with this wiring and these options; build the cell from the wiring "
            "that was saved with it (wiring.to_dict)",
        )


def load_from_state_dict(cell: nn.Module, state, prefix, metadata, strict, missing, *rest) -> None:
    """`nn.Module._load_from_state_dict` that refuses other connections before it copies weights,
    and does not miss the hash where there is none."""
    if prefix + KEY in state:
        set_extra_state(cell, state[prefix + KEY])
    absent: list[str] = []
    nn.Module._load_from_state_dict(cell, state, prefix, metadata, strict, absent, *rest)
    missing += [name for name in absent if name != prefix + KEY]


def without_connections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a `state_dict`, for files that hold the wiring elsewhere."""
    return {name: value for name, value in state.items() if name.rpartition(".")[2] != KEY}
