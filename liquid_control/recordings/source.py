"""Source: what a recording gives, whatever its format.

A format derives one class from `Source`, which yields the recorded items as entries, and is listed
in `formats.FORMATS`. Everything else reads sources: replay, training and inspection know no format.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.clock import Record, RecordingClock
from liquid_control.recordings.corrections import corrected
from liquid_control.recordings.decoding import Prepare, decode_ahead
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.values import (
    ACCELEROMETER,
    CALIBRATION,
    CLASS_OF_ROLE,
    ROLES,
    Choice,
    Damage,
    Entry,
    Sample,
    StoredPicture,
    Stream,
)
from liquid_control.signals import Frame, ImuSample, SteeringSample
from liquid_control.system.allocator import keep_freed_memory

MOST_REASONS = 64


class Source(ABC):
    """One recording, open for reading; a context manager.

    `settings`: as given, with what a file of its vehicle says. `streams`: all that it holds,
    those that are not used included. `choices`: roles for which several streams qualified.
    `start_ns`, `end_ns`: receipt of the first and the last item, zeros where there is none.
    `skipped`: by reason, how many items `samples` could not give; from the start on, those that the
    recording itself marks as not to be used. `absent`: by role, why an item read last held no
    value; it matters where none of the role's does. `unstamped`: by role, how many items without a
    stamp were given that of their receipt; `odd`: how many have a stamp of 10^9 nanoseconds or more
    beside its seconds. `assumed`: what is taken of the vehicle that --vehicle names, in words.
    `decode_s`: seconds that each picture took to read, decode and prepare, in the thread that did
    it. `clock`: what was done to the times of the pass that began last; see `RecordingClock`.
    """

    def __init__(
        self,
        path: str | Path,
        settings: RecordingSettings | None = None,
        streams: Sequence[Stream] = (),
        start_ns: int = 0,
        end_ns: int = 0,
        choices: Sequence[Choice] = (),
    ) -> None:
        self.path = Path(path)
        self.settings = settings or RecordingSettings()
        self.streams, self.choices = tuple(streams), tuple(choices)
        self.start_ns, self.end_ns = start_ns, end_ns
        self.skipped: dict[str, int] = {}
        self.absent: dict[str, str] = {}
        self.unstamped: dict[str, int] = {}
        self.odd: dict[str, int] = {}
        self.assumed: list[str] = []
        self.decode_s = array("d")
        self.clock = RecordingClock(())

    @abstractmethod
    def records(self, roles: Collection[str]) -> Iterator[Record]:
        """Everything recorded in these roles, in received order and with its times as recorded:
        entries or, for the camera, work that makes one (see `clock.Record`). Where the recorder's
        clock was set back, its order of recording. May be called again."""

    @property
    def root(self) -> Path:
        """The file or folder that holds all of the recording."""
        return self.path

    @property
    def camera(self) -> Intrinsics | None:
        """The camera's calibration, None where it is not recorded."""
        return None

    @property
    def camera_missing(self) -> str:
        """Why `camera` is None."""
        return "no calibration of its camera"

    @property
    def full_curvature(self) -> float | None:
        """Of a steering recorded as a command of -1 to 1, the curvature at its end [1/m]; else
        None."""
        return None

    @property
    def alternatives(self) -> dict[str, tuple[str, ...]]:
        """By role that is not there, or whose speed is a commanded one: streams or numbers in them
        that could be named for it."""
        return {}

    @property
    def damage(self) -> list[Damage]:
        """What cannot be read; it grows while the recording is read."""
        return []

    def close(self) -> None:  # noqa: B027  a format without files has nothing to close
        """Closes the files; everything but `records` stays usable. May be called again."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def roles(self) -> dict[str, Stream]:
        """The stream of each role that is played, those of calibration and accelerometer
        included."""
        order = ("camera", CALIBRATION, "imu", ACCELEROMETER, *ROLES[2:])
        played = {role: stream for stream in self.streams for role in stream.roles}
        return {role: played[role] for role in order if role in played}

    @property
    def seconds(self) -> float:
        """Of all stretches together, as far as it is known before the recording is read: without
        the pauses between them."""
        return max(self.end_ns - self.start_ns, 0) / 1e9

    def entries(self, roles: Collection[str] = ROLES) -> Iterator[Entry]:
        """Everything recorded in these roles, on the time line of `clock`, refused items included;
        pictures are not decoded."""
        for record in self._read(roles):
            yield record() if callable(record) else record

    def as_recorded(self, roles: Collection[str] = ROLES) -> Iterator[Record]:
        """As `entries`, with the times as recorded, and pictures as work that reads them."""
        return corrected(self._stamped(roles), self.settings)

    def samples(
        self, kinds: Collection[type] | None = None, prepare: Prepare | None = None
    ) -> Iterator[tuple[int, Sample]]:
        """(received_ns, sample) on the time line of `clock`; `kinds` limits it to samples of these
        classes.

        `prepare` maps each Frame to the object that is yielded in its place. It runs in the thread
        that decoded the picture, which is then still in the core's cache: that halves the time of
        shrinking it.

        From here on the process does not return freed memory to the kernel: decoding allocates a
        picture at a time, and returning each takes a third as long again as the decoding.
        """
        keep_freed_memory()
        wanted = [role for role in ROLES if kinds is None or CLASS_OF_ROLE[role] in kinds]
        camera = self.roles["camera"].name if "camera" in self.roles else ""
        return decode_ahead(self._read(wanted), camera, prepare, self._skip, self.decode_s)

    @property
    def remarks(self) -> list[str]:
        """What was taken in place of what is recorded, after a reading."""
        unstamped = [
            f"{role}: {count} messages of {self.roles[role].name} are stamped 0, their header is "
            "not filled in: the time of their receipt is used"
            for role, count in self.unstamped.items()
        ]
        odd = [
            f"{role}: {count} stamps of {self.roles[role].name} have 10^9 nanoseconds or more, "
            "which no clock gives: they are added to the seconds; if they are none, "
            "--stamps receive helps"
            for role, count in self.odd.items()
        ]
        return self.assumed + unstamped + odd

    def _read(self, roles: Collection[str]) -> Iterator[Record]:
        """`records` with all corrections; notes why there is no value."""
        self.absent.clear()
        self.unstamped.clear()
        self.odd.clear()
        self.clock = RecordingClock(role for role in roles if role in self.roles)
        for record in corrected(self.clock.place(self._stamped(roles)), self.settings):
            if not callable(record) and record.problem:
                self.absent[record.role] = record.problem
            yield record

    def _stamped(self, roles: Collection[str]) -> Iterator[Record]:
        """`records`, in which commands without a stamp have that of their receipt: publishers of
        commands often leave the header empty. A sensor without stamps is left as it is, since the
        robot's nodes cannot use it either."""
        commands = self.roles["steering"].roles if "steering" in self.roles else ()
        for record in self.records(roles):
            bare = not callable(record) and not record.stamp_ns and record.sample is not None
            if bare and record.role in commands:
                self.unstamped[record.role] = self.unstamped.get(record.role, 0) + 1
                sample = dataclasses.replace(record.sample, stamp_ns=record.received_ns)
                record = record._replace(stamp_ns=record.received_ns, sample=sample)
            yield record

    def _skip(self, reason: str) -> None:
        known = reason in self.skipped or len(self.skipped) < MOST_REASONS
        reason = reason if known else "other reasons"
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def entry_of(received_ns: int, sample: Sample, settings: RecordingSettings, stream: str) -> Entry:
    """The entry of a sample that carries its own stamp, by the settings' stamps, mounting of the
    IMU and scales.

    A steering angle that is not finite is refused, in the name of `stream`.
    """
    own_ns = sample.stamp_ns
    stamp_ns = received_ns if settings.stamps == "receive" else own_ns
    if isinstance(sample, Frame):
        picture = StoredPicture.from_image(sample.image)
        return Entry(received_ns, "camera", stamp_ns, own_ns, picture)
    role = next(role for role in ROLES if isinstance(sample, CLASS_OF_ROLE[role]))
    if isinstance(sample, ImuSample):
        sample = settings.imu.turn()(sample)
    changes: dict[str, object] = {"stamp_ns": stamp_ns}
    problem = ""
    if isinstance(sample, SteeringSample):
        changes["steering_angle"] = sample.steering_angle * settings.steering_scale
        if not math.isfinite(sample.steering_angle):
            problem = f"{stream}: its steering angle is not a number"
    sample = dataclasses.replace(sample, **changes)
    return Entry(received_ns, role, stamp_ns, own_ns, sample, problem)


Opener = Callable[[Path, RecordingSettings, bool], Source]


@dataclasses.dataclass(frozen=True)
class Format:
    """One recording format.

    `recognises`: whether a path looks like it, by names alone; it may not exist. `open`: path,
    settings and `guess` to a Source, see `formats.open_recording`. `expected`: what to name, for
    messages.
    """

    name: str
    recognises: Callable[[Path], bool]
    open: Opener
    expected: str
