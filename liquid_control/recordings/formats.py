"""The table of recording formats, and the function that opens a recording of any of them."""

from __future__ import annotations

import itertools
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.comma.recording import COMMA
from liquid_control.recordings.lerobot.format import LEROBOT
from liquid_control.recordings.rosbag.format import ROSBAG
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source
from liquid_control.recordings.tables.folder import FOLDER
from liquid_control.recordings.tables.tub1 import TUB1
from liquid_control.recordings.tables.tub2 import TUB2
from liquid_control.recordings.tables.udacity import UDACITY
from liquid_control.recordings.vehicle_file import with_assumed_speed, with_vehicle_file

FORMATS: tuple[Format, ...] = (ROSBAG, TUB2, TUB1, UDACITY, COMMA, LEROBOT, FOLDER)
"""The first one that recognises a path opens it."""


def format_of(path: str | Path) -> Format | None:
    """The format that a path looks like, None where no format recognises it."""
    path = Path(path)
    return next((each for each in FORMATS if each.recognises(path)), None)


MOST, SHOWN = 100, 4
"""Entries of a directory that are looked at, and recordings in it that are named."""


def open_recording(
    path: str | Path, settings: RecordingSettings | None = None, guess: bool = False
) -> Source:
    """Opens a recording of any known format, to be closed or used as a context.

    Where several streams qualify for a role, `guess` takes the one with the most items and lists
    the choice in `choices`; without it AmbiguousTopicError is raised, which names the flag. The
    source's settings are those given, with what a vehicle.yaml says (see `vehicle_file`). Raises
    RecordingError where nothing can be read, TopicError where a named stream is missing or of a
    type that its role cannot be read from, ConfigError for a vehicle.yaml that is none.
    """
    path = Path(path)
    found = format_of(path)
    if found is not None:
        source = found.open(path, with_vehicle_file(path, settings or RecordingSettings()), guess)
        with_assumed_speed(source)
        return source
    expected = "; ".join(each.expected for each in FORMATS)
    if not path.exists():
        raise RecordingError(path, "no such file or directory", f"Name {expected}.")
    if inside := _inside(path):
        raise RecordingError(path, "a directory of recordings", f"Name one: {', '.join(inside)}.")
    kind = "directory" if path.is_dir() else "file"
    raise RecordingError(path, f"a {kind} of no known recording format", f"Name {expected}.")


def _inside(path: Path) -> list[str]:
    """The first recordings in a directory, to name one of them."""
    try:
        entries = sorted(itertools.islice(path.iterdir(), MOST)) if path.is_dir() else []
        return [str(entry) for entry in entries if format_of(entry) is not None][:SHOWN]
    except OSError:
        return []
