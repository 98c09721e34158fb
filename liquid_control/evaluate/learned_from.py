"""Whether a policy learned from a recording, and which of its parts were held out, by the policy's
provenance: figures on what it learned from flatter."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Learned:
    """`learned`: from at least a part of the recording. `held_out`: first and last stamp [ns] of
    each part that was not learned from; meaningless where nothing was learned. `runs`: of each
    part that was, empty where the model does not say."""

    learned: bool
    held_out: tuple[tuple[int, int], ...] = ()
    runs: tuple[tuple[int, int], ...] = ()

    def of(self, spans: Iterable[tuple[int, int]]) -> Learned:
        """This, for a recording with these first and last stamps [ns] of its stretches. Nothing
        was learned from it where none of them was: a tub may share its files with one of which
        other records are deleted."""
        met = any(
            begin <= last and first <= end for begin, end in spans for first, last in self.runs
        )
        return self if met or not self.runs else Learned(False)


def learned_from(provenance: Mapping, path: Path, hashes: Collection[str] = ()) -> Learned:
    """What a model's provenance says of the recording at `path`: by its place, or by the SHA-256
    `hashes` of its files, one of which it shares with a copy of it."""
    data = provenance.get("data", {})
    data = data if isinstance(data, Mapping) else {}
    recordings, split = data.get("recordings", {}), data.get("split", {})
    if not isinstance(recordings, Mapping) or not isinstance(split, Mapping):
        return Learned(False)
    known = [
        name
        for name, about in recordings.items()
        if Path(name).absolute() == path.absolute()
        or set(hashes) & set(dict(about.get("files", {})).values())
    ]
    if not known:
        return Learned(False)
    blocks = split.get("by") != "recording"
    learned = {_recording_of(name, blocks) for name in split.get("learned", ())}
    spans = split.get("held_out_ns", {})
    held_out = [
        (int(first), int(last))
        for name, (first, last) in spans.items()
        if _recording_of(name, blocks) in known
    ]
    runs = [
        (int(first), int(last))
        for name, of_one in split.get("learned_ns", {}).items()
        if _recording_of(name, blocks) in known
        for first, last in of_one
    ]
    return Learned(bool(learned & set(known)), tuple(held_out), tuple(runs))


def _recording_of(name: str, blocks: bool) -> str:
    return name.rpartition("[")[0] if blocks else name
