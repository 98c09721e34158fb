"""A recording in memory: samples that were never in a file, read like one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source, entry_of
from liquid_control.recordings.stretches import covered
from liquid_control.recordings.values import (
    CALIBRATION,
    CLASS_OF_ROLE,
    Damage,
    Entry,
    Sample,
    Stream,
    mean_rate,
)


class InMemoryRecording(Source):
    """Source of (received_ns, sample) pairs in received order; one stream a role, named like it.

    An Entry in place of a pair stands for an item that is refused.
    """

    def __init__(
        self,
        samples: Iterable[tuple[int, Sample] | Entry],
        settings: RecordingSettings | None = None,
        camera: Intrinsics | None = None,
        damage: Sequence[Damage] = (),
        path: str | Path = "memory",
    ) -> None:
        settings = settings or RecordingSettings()
        names = {kind: role for role, kind in CLASS_OF_ROLE.items()}
        self._entries = [
            one
            if isinstance(one, Entry)
            else entry_of(*one, settings=settings, stream=names[type(one[1])])
            for one in samples
        ]
        received = [entry.received_ns for entry in self._entries]
        start_ns, end_ns = min(received, default=0), max(received, default=0)
        self._seconds = seconds = covered((one, one) for one in received)
        counts = Counter(entry.role for entry in self._entries)
        streams = [
            Stream(
                role,
                kind.__name__,
                (role,),
                counts[role],
                mean_rate(counts[role], seconds),
                "angle" if role == "steering" else "",
            )
            for role, kind in CLASS_OF_ROLE.items()
            if counts[role]
        ]
        if camera is not None:
            streams.append(Stream(CALIBRATION, "Intrinsics", (CALIBRATION,), 1))
        super().__init__(path, settings, streams, start_ns, end_ns)
        self._camera, self._damage = camera, list(damage)

    @property
    def seconds(self) -> float:
        return self._seconds

    @property
    def camera(self) -> Intrinsics | None:
        return self._camera

    @property
    def damage(self) -> list[Damage]:
        return self._damage

    def records(self, roles: Collection[str]) -> Iterator[Entry]:
        return (entry for entry in self._entries if entry.role in roles)
