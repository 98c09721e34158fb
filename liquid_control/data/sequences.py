"""Training sequences from episodes: windows of real, irregular time, with frames removed and
pictures augmented."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from liquid_control.config import TimelineConfig, check, number
from liquid_control.data.episode import Episode
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.spec import Feature, PolicySpec, column, names
from liquid_control.perception.noise import add_gaussian_noise

FIRST_DT = TimelineConfig().nominal_dt
"""dt [s] of the first frame of a window, as the time line gives it to a frame that starts a
sequence."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is changed in a sequence each time it is drawn."""

    noise_share: float = number(
        0.6, 0.0, 1.0, "", "share of sequences whose pictures get Gaussian noise"
    )
    noise_variance: float = number(
        0.3, 0.0, 1.0, "", "largest variance of that noise, for pixels in 0..1; drawn uniformly"
    )
    drop_share: float = number(
        0.4,
        0.0,
        0.95,
        "",
        "largest share of a sequence's frames that are removed; their time goes to the next frame",
    )
    shadow_share: float = number(
        0.3, 0.0, 1.0, "", "share of sequences with a shadow across the picture"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """B sequences of T frames: image (B, T, h, w, 3) uint8 or None, measurements (B, T, M), dt (B,
    T), action (B, T, A), auxiliary (B, T, K)."""

    image: np.ndarray | None
    measurements: np.ndarray
    dt: np.ndarray
    action: np.ndarray
    auxiliary: np.ndarray


class Sequences:
    """Draws batches of windows from episodes, uniformly over frames unless `weights` says how
    often one begins at each frame of an episode; deterministic given the generator. A weight is a
    number for all frames, or (N,) of an episode's N frames: a window then begins as often as its
    frames weigh in the mean.

    The first frame of each window starts with an empty state and gets `FIRST_DT`.
    `mirror_share` of the windows are mirrored left to right; in `blind_share` of them the
    measurements that change their sign when mirrored are zero, and those that are actions, too (the
    speed of a policy that chooses it), are another window's. Targets may be NaN; a window starts
    only where at least half of its frames have one. `recoloured`, of each episode: the colours of
    its pictures have no meaning and change from window to window. Pictures stay where the episodes
    have them, be it a memory map. Raises ConfigError for episodes of different specs.
    """

    def __init__(
        self,
        episodes: Sequence[Episode],
        length: int,
        augmentation: Augmentation,
        *,
        mirror_share: float = 0.0,
        blind_share: float = 0.0,
        weights: Sequence[float | np.ndarray] | None = None,
        recoloured: Sequence[bool] | None = None,
    ) -> None:
        self.length, self.augmentation = length, augmentation
        self.mirror_share, self.blind_share = mirror_share, blind_share
        self._normal = (
            normal_numbers(len(episodes)) if augmentation.noise_share else np.empty(0, np.float32)
        )
        if len({e.spec for e in episodes}) != 1:
            raise ConfigError("episodes", f"{len(episodes)} of different specs", "those of one")
        self.spec = episodes[0].spec
        fields = ("stamp_ns", "measurements", "action", "auxiliary")
        self._columns = {
            name: np.concatenate([getattr(e, name) for e in episodes]) for name in fields
        }
        self._images = [e.image for e in episodes]
        self._recoloured = None if recoloured is None else np.asarray(recoloured, bool)
        self._offsets = np.cumsum([0, *map(len, episodes)])
        first = np.concatenate([e.is_first for e in episodes])
        first[self._offsets[:-1]] = True
        ends = np.append(np.flatnonzero(first), len(first))
        run_end = np.repeat(
            ends[1:], np.diff(ends)
        )  # exclusive end of the unbroken run that each frame belongs to
        self._room = run_end - np.arange(len(first))
        action = self._columns["action"]  # (N, A)
        known = np.concatenate([[0], np.cumsum(np.isfinite(action).any(axis=1))])
        window_end = np.minimum(np.arange(len(first)) + length, len(first))
        targets = known[window_end] - known[:-1]  # frames with one among the next `length`
        enough = 2 * targets >= length
        self._starts = np.flatnonzero((self._room >= length) & enough)
        self._cumulated = None
        if weights is not None:
            at_frame = [_begins(each, w, length) for each, w in zip(episodes, weights, strict=True)]
            self._cumulated = np.cumsum(np.concatenate(at_frame)[self._starts])

    @property
    def windows(self) -> int:
        """Frames at which a training window can start."""
        return len(self._starts)

    def __len__(self) -> int:
        """Frames in all."""
        return len(self._room)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        index = np.stack([self._window(rng, start) for start in self._drawn(rng, batch)])  # (B, T)
        stamps = self._columns["stamp_ns"][index]
        dt = np.full(index.shape, FIRST_DT, np.float32)
        dt[:, 1:] = np.diff(stamps, axis=1) * 1e-9
        drawn = Batch(
            None if self._images[0] is None else np.stack([self._pictures(each) for each in index]),
            self._columns["measurements"][index],
            dt,
            self._columns["action"][index],
            self._columns["auxiliary"][index],
        )
        if self._recoloured is not None and drawn.image is not None:
            for frames, sequence in zip(index, drawn.image, strict=True):
                if self._recoloured[self._episode(frames)]:
                    recolour(rng, sequence)
        if self.mirror_share:
            mirror(drawn, self.spec, rng.random(batch) < self.mirror_share)
        if self.blind_share:
            selected = rng.random(batch) < self.blind_share
            blind(drawn, self.spec, selected)
            exchange_chosen(rng, drawn, self.spec, selected)
        for sequence in () if drawn.image is None else drawn.image:
            augment(rng, sequence, self.augmentation, self._normal)
        return drawn

    def _drawn(self, rng: np.random.Generator, batch: int) -> np.ndarray:
        """First frames (B,) of windows."""
        if self._cumulated is None:
            return rng.choice(self._starts, batch)
        return self._starts[
            np.searchsorted(self._cumulated, rng.random(batch) * self._cumulated[-1], "right")
        ]

    def _pictures(self, frames: np.ndarray) -> np.ndarray:
        """Pictures (T, h, w, 3) of frames (T,), all of one episode."""
        episode = self._episode(frames)
        return self._images[episode][frames - self._offsets[episode]]

    def _episode(self, frames: np.ndarray) -> int:
        """The episode that frames (T,) are of."""
        return int(np.searchsorted(self._offsets, frames[0], "right")) - 1

    def _window(self, rng: np.random.Generator, start: int) -> np.ndarray:
        """Indices (T,) from `start`, some frames left out where the run is long enough."""
        span = min(
            int(self.length / (1 - rng.uniform(0, self.augmentation.drop_share))), self._room[start]
        )
        kept = (
            np.sort(rng.choice(span, self.length, replace=False))
            if span > self.length
            else np.arange(self.length)
        )
        return start + kept


def augment(
    rng: np.random.Generator, image: np.ndarray, options: Augmentation, normal: np.ndarray
) -> None:
    """Adds shadow, then noise, to one sequence (T, h, w, 3) uint8 in place. `normal`: as
    `normal_numbers` gives them."""
    if rng.random() < options.shadow_share:
        image[:] = image * _shadow(rng, *image.shape[1:3])[..., None]
    if rng.random() < options.noise_share:
        deviation = rng.uniform(0, options.noise_variance) ** 0.5
        if len(normal) <= image.size:  # hundreds of large pictures
            normal = np.resize(normal, 2 * image.size)
        offset = rng.integers(len(normal) - image.size)
        noise = normal[offset : offset + image.size].reshape(image.shape)
        image[:] = add_gaussian_noise(image, deviation, noise, rounded=False)


def recolour(rng: np.random.Generator, image: np.ndarray) -> None:
    """Puts the channels of one sequence (T, h, w, 3) uint8 in another order and inverts some, in
    place."""
    image[:] = image[..., rng.permutation(3)] ^ np.where(rng.random(3) < 0.4, 255, 0).astype(
        np.uint8
    )


def normal_numbers(seed: int) -> np.ndarray:
    """Normal numbers (4194304,) to be reused from random offsets: drawing new ones costs more than
    the network's step."""
    return np.random.default_rng(seed).standard_normal(1 << 22, np.float32)


def mirror(batch: Batch, spec: PolicySpec, selected: np.ndarray) -> None:
    """Exchanges left and right of the sequences `selected` (B,) bool in place: pictures, and the
    sign of every measurement and target that has one, see `Feature.mirror`."""
    if batch.image is not None:
        batch.image[selected] = batch.image[selected, :, :, ::-1]
    batch.measurements[selected] *= _mirror_signs(spec.measurements)
    batch.action[selected] *= _mirror_signs(spec.actions)
    batch.auxiliary[selected] *= _mirror_signs(spec.auxiliary)


def blind(batch: Batch, spec: PolicySpec, selected: np.ndarray) -> None:
    """Sets to zero, in place, the measurements of the sequences `selected` (B,) bool that tell left
    from right, so that only the pictures do."""
    sided = _mirror_signs(spec.measurements) < 0  # (M,)
    batch.measurements[np.ix_(selected, np.ones(batch.dt.shape[1], bool), sided)] = 0.0


def exchange_chosen(
    rng: np.random.Generator, batch: Batch, spec: PolicySpec, selected: np.ndarray
) -> None:
    """Gives the sequences `selected` (B,) bool, in place, those measurements of other sequences
    that are actions of the policy, too. A driver's speed is about the one he chose a moment ago: a
    policy that learns to keep its own would never look at the road, and never drive off."""
    own = [name in names(spec.actions) for name in names(spec.measurements)]
    if not any(own):
        return
    other = batch.measurements[rng.permutation(len(selected))]
    batch.measurements[np.ix_(selected, np.ones(batch.dt.shape[1], bool), own)] = other[
        np.ix_(selected, np.ones(batch.dt.shape[1], bool), own)
    ]


def _begins(episode: Episode, weight: float | np.ndarray, length: int) -> np.ndarray:
    """How often a window of `length` frames begins at each of an episode's N frames, (N,). Raises
    ShapeError for weights of another number of frames."""
    if np.ndim(weight) == 0:
        return np.full(len(episode), float(weight))
    if np.shape(weight) != (len(episode),):
        raise ShapeError("weights", np.shape(weight), (len(episode),))
    total = np.concatenate([[0.0], np.cumsum(weight, dtype=float)])
    first = np.arange(len(episode))
    return (total[np.minimum(first + length, len(episode))] - total[first]) / length


def _mirror_signs(features: Sequence[Feature]) -> np.ndarray:
    return column(features, "mirror").astype(np.float32)


def _shadow(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Brightness factors (h, w): one side of a random line through the picture is darker."""
    angle, x, y = rng.uniform(0, np.pi), rng.uniform(0, width), rng.uniform(0.3 * height, height)
    side = (np.arange(width)[None] - x) * np.sin(angle) + (np.arange(height)[:, None] - y) * np.cos(
        angle
    )
    return np.where(side > 0, rng.uniform(0.4, 0.9), 1.0).astype(np.float32)
