"""One recorded drive as arrays: what a policy saw, and what the expert would have done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from liquid_control.data.npz import NpzError, read_npz
from liquid_control.errors import LiquidControlError
from liquid_control.system.files import write_atomically


class EpisodeFileError(LiquidControlError):
    """An episode file is missing, truncated or holds other arrays."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; delete it and collect again")
        self.path, self.problem = path, problem


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """N frames in order. Units and signs as in `signals`."""

    stamp_ns: np.ndarray  # (N,) int64
    image: np.ndarray  # (N, h, w, 3) uint8 RGB, preprocessed
    inertial: np.ndarray  # (N, 3) float32
    dt: np.ndarray  # (N,) float32
    is_first: np.ndarray  # (N,) bool
    curvature: np.ndarray  # (N,) float32, the expert's
    auxiliary: (
        np.ndarray
    )  # (N, 4) float32: lane offset, heading error, road curvature here and ahead

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def save(self, path: Path) -> None:
        """Writes an uncompressed .npz atomically."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        with write_atomically(path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)


def load_episode(path: Path) -> Episode:
    """Pictures are a read-only memory map: an hour of them is 2 GB. Raises EpisodeFileError for a
    file that is missing, truncated or of another kind."""
    try:
        episode = Episode(
            **read_npz(
                path, [field.name for field in dataclasses.fields(Episode)], mapped=("image",)
            )
        )
    except FileNotFoundError:
        raise EpisodeFileError(path, "no such file") from None
    except NpzError as error:
        raise EpisodeFileError(path, error.problem) from None
    lengths = {
        field.name: len(getattr(episode, field.name)) for field in dataclasses.fields(Episode)
    }
    if len(set(lengths.values())) != 1:
        raise EpisodeFileError(path, f"arrays differ in length: {lengths}")
    return episode
