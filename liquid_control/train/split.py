"""The drives that are learned from and those that are held out: whole recordings, never windows,
whose neighbours are almost the same pictures."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Sequences
from liquid_control.errors import ConfigError, LiquidControlError

GAP = 2.0
"""Seconds left out between a held-out block and what is learned from, when one recording must do
for both."""
BLOCKS = 5
"""A single recording is cut so that every `BLOCKS`th block is held out."""


class TooLittleError(LiquidControlError):
    """What is left of the recordings is not enough to train on or to validate with."""

    def __init__(self, part: str, frames: int, got: str, expected: str) -> None:
        super().__init__(
            f"the {part} part has {frames} frames and {got}, expected {expected}; "
            "give more or longer recordings"
        )
        self.part, self.frames = part, frames


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Episodes by name. `by`: 'recording', or 'blocks of one recording', whose held-out error is
    too low."""

    learned: Mapping[str, Episode]
    held_out: Mapping[str, Episode]
    by: str

    def recording_of(self, name: str) -> str:
        """The recording that an episode of either part comes from."""
        return name if self.by == "recording" else name.rpartition("[")[0]

    @property
    def names(self) -> dict:
        """For the provenance; `held_out_ns`: first and last stamp of each held-out episode;
        `learned_ns`: of each unbroken run of those that are learned from."""
        spans = {
            name: [int(episode.stamp_ns[0]), int(episode.stamp_ns[-1])]
            for name, episode in sorted(self.held_out.items())
        }
        return {
            "by": self.by,
            "learned": sorted(self.learned),
            "held_out": sorted(self.held_out),
            "held_out_ns": spans,
            "learned_ns": {name: _runs(episode) for name, episode in sorted(self.learned.items())},
        }


def _runs(episode: Episode) -> list[list[int]]:
    first = np.flatnonzero(episode.is_first)
    first = first if len(first) and first[0] == 0 else np.concatenate([[0], first])
    last = np.append(first[1:], len(episode)) - 1
    return np.stack([episode.stamp_ns[first], episode.stamp_ns[last]], 1).tolist()


def split_drives(
    episodes: Mapping[str, Episode], held_out: Sequence[Path], share: float, seed: int, block: float
) -> Split:
    """Holds out the recordings `held_out`, or, when there are none, as `split_recordings` does.
    Warns when one recording must serve both parts. Raises ConfigError when a part would be
    empty."""
    named = {str(path) for path in held_out}
    if named:
        learned = {name: episode for name, episode in episodes.items() if name not in named}
        chosen = {name: episode for name, episode in episodes.items() if name in named}
        if not learned or not chosen:
            raise ConfigError(
                "held_out",
                f"{len(chosen)} of {len(episodes)} usable recordings",
                "some to learn from and some held out",
            )
        return Split(learned, chosen, "recording")
    split = split_recordings(episodes, share, seed, block)
    if split.by != "recording":
        print(
            f"WARNING: one recording only. Learned and held-out parts are {split.by}, with gaps "
            "between: same road, same light, same driver. The held-out error flatters; "
            "give a second recording to know how good the policy is.",
            file=sys.stderr,
        )
    return split


def require_enough(split: Split, sequences: Sequences) -> None:
    """Raises TooLittleError when there is no sequence to learn from or no target to validate
    with. `sequences`: those of the learned part."""
    if not sequences.windows:
        expected = (
            f"at least one unbroken sequence of {sequences.length}, "
            "half of them with a known target"
        )
        raise TooLittleError("learned", len(sequences), "no sequence to learn from", expected)
    if not any(each.known.any() for each in split.held_out.values()):
        frames = sum(map(len, split.held_out.values()))
        raise TooLittleError("held-out", frames, "no known target", "some to validate with")


def split_recordings(
    episodes: Mapping[str, Episode], share: float, seed: int, block: float
) -> Split:
    """Holds out whole recordings, drawn by `seed`, until they are `share` of all frames; at least
    one, and never the last.

    A single recording is cut into blocks of `block` seconds instead, with gaps between.
    """
    if len(episodes) == 1:
        ((name, episode),) = episodes.items()
        learned, held_out = split_blocks(episode, block)
        return Split(_named(name, learned), _named(name, held_out), "blocks of one recording")
    names = sorted(episodes)
    order = [
        names[index] for index in np.random.default_rng([seed, 0x5B117]).permutation(len(names))
    ]
    enough = share * sum(map(len, episodes.values()))
    chosen, frames = [], 0
    for name in order[:-1]:
        if chosen and frames >= enough:
            break
        chosen.append(name)
        frames += len(episodes[name])
    learned = {name: episodes[name] for name in names if name not in chosen}
    return Split(learned, {name: episodes[name] for name in sorted(chosen)}, "recording")


def split_blocks(episode: Episode, block: float) -> tuple[list[Episode], list[Episode]]:
    """Every fifth block of `block` seconds is held out, the last of five first; `GAP` seconds on
    both sides of it are left out.

    A recording shorter than `BLOCKS` blocks is cut into `BLOCKS` equal ones.
    """
    seconds = (episode.stamp_ns - episode.stamp_ns[0]) * 1e-9
    # A clock that jumped back must not sort frames into blocks they were not driven in: count
    # driven time, not stamps.
    steps = np.diff(seconds, prepend=0.0)
    driven = np.cumsum(np.where((steps > 0) & (steps < 60.0), steps, 0.0))
    length = min(block, driven[-1] / BLOCKS)
    number = np.minimum(
        driven // max(length, 1e-9), math.ceil(driven[-1] / max(length, 1e-9)) - 1
    ).astype(int)
    held = number % BLOCKS == BLOCKS - 1
    edges = driven[np.flatnonzero(np.diff(held.astype(np.int8))) + 1]
    near = np.zeros(len(driven), bool)
    for edge in edges:
        near |= ~held & (np.abs(driven - edge) < min(GAP, length / 2))
    return pieces(episode, ~held & ~near), pieces(episode, held)


def pieces(episode: Episode, selected: np.ndarray) -> list[Episode]:
    """The unbroken stretches of `selected` (N,) bool, each an episode; pictures are views."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], selected, [False]]).astype(np.int8)))
    return [episode.part(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _named(name: str, parts: Sequence[Episode]) -> dict[str, Episode]:
    return {f"{name}[{index}]": part for index, part in enumerate(parts)}
