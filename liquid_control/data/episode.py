"""One recorded drive as arrays: the policy's observations, and the actions of its expert."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from liquid_control.data.npz import NpzError, read_npz
from liquid_control.errors import ConfigError, LiquidControlError, ShapeError
from liquid_control.model.spec import PolicySpec
from liquid_control.system.files import write_atomically

COLUMNS = ("stamp_ns", "image", "measurements", "dt", "is_first", "action", "auxiliary")


class EpisodeFileError(LiquidControlError):
    """An episode file is missing, truncated or holds other arrays."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; delete it and collect again")
        self.path, self.problem = path, problem


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """N frames in order. `spec`: the names and units of measurements, actions and auxiliary
    targets. Targets may be NaN, which is unknown. Raises ShapeError."""

    spec: PolicySpec
    stamp_ns: np.ndarray  # (N,) int64
    image: np.ndarray | None  # (N, h, w, 3) uint8 RGB, preprocessed
    measurements: np.ndarray  # (N, M) float32
    dt: np.ndarray  # (N,) float32, seconds
    is_first: np.ndarray  # (N,) bool
    action: np.ndarray  # (N, A) float32, the expert's
    auxiliary: np.ndarray  # (N, K) float32

    def __post_init__(self) -> None:
        features = self.spec.measurements, self.spec.actions, self.spec.auxiliary
        for name, of_name in zip(("measurements", "action", "auxiliary"), features, strict=True):
            expected = (len(self.stamp_ns), len(of_name))
            if getattr(self, name).shape != expected:
                raise ShapeError(name, getattr(self, name).shape, expected)

    def __len__(self) -> int:
        return len(self.stamp_ns)

    @property
    def known(self) -> np.ndarray:
        """Frames with a target, an action that is known: (N,) bool."""
        return np.isfinite(self.action).any(axis=1)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The arrays by name, without an image where there is none."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        return {name: array for name, array in columns.items() if array is not None}

    def part(self, start: int, end: int) -> Episode:
        """Frames `start` to `end`, as an episode of views that begins a sequence."""
        columns = {name: array[start:end] for name, array in self.columns.items()}
        columns["is_first"] = columns["is_first"].copy()
        columns["is_first"][0] = True
        return dataclasses.replace(self, **columns)

    def save(self, path: Path) -> None:
        """Writes an uncompressed .npz atomically."""
        spec = np.array(json.dumps(self.spec.to_dict()))
        with write_atomically(path) as partial, partial.open("wb") as file:
            np.savez(file, spec=spec, **self.columns)


def load_episode(path: Path) -> Episode:
    """Pictures are a read-only memory map: an hour of them is 2 GB. Raises EpisodeFileError for a
    file that is missing, truncated or of another kind."""
    try:
        spec = PolicySpec.from_dict(json.loads(str(read_npz(path, ["spec"])["spec"])))
        names = [name for name in COLUMNS if name != "image" or spec.image is not None]
        columns = read_npz(path, names, mapped={"image"} & set(names))
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1:
            raise EpisodeFileError(path, f"arrays differ in length: {lengths}")
        return Episode(spec, **({"image": None} | columns))
    except FileNotFoundError:
        raise EpisodeFileError(path, "no such file") from None
    except NpzError as error:
        raise EpisodeFileError(path, error.problem) from None
    except (ValueError, ConfigError, ShapeError) as error:
        raise EpisodeFileError(path, f"does not hold what its spec says ({error})") from None
