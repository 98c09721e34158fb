"""The state of a recurrent core: named arrays. No torch."""

from __future__ import annotations

import math
from typing import NamedTuple


class StateArray(NamedTuple):
    """One array of a core's state. `shape`: without the batch."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)
