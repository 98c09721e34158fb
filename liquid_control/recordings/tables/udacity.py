"""The log of Udacity's simulator: driving_log.csv with three pictures, steering, throttle, brake
and speed in a line, usually without a header.

Steering is -1 to 1 of 25 degrees at the front wheels, positive to the right; speed is in mph. The
paths are those of the computer that recorded; the only time is in the pictures' names, in local
time without its zone.
"""

from __future__ import annotations

import datetime
import math
import re
from pathlib import Path

from liquid_control.errors import TopicError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source
from liquid_control.recordings.tables.recording import TableRecording
from liquid_control.recordings.tables.table import ANGLE, NORMALISED, UNKNOWN, Row, Table
from liquid_control.recordings.tables.text_table import read_lines, to_number
from liquid_control.recordings.vehicle_file import full_curvature

LOG, IMAGES = "driving_log.csv", "IMG"
CAMERAS = ("center", "left", "right")
FULL_ANGLE = math.radians(25.0)
MPH = 0.44704  # m/s
TIME = re.compile(r"(\d{4})_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d{3})\.\w+$")
COLUMNS = (*CAMERAS, "steering", "throttle", "brake", "speed")
"""Their order where a header does not name another."""
NO_TIME = "no time in the picture's name (center_YYYY_MM_DD_hh_mm_ss_mmm.jpg)"
SHORT = "fewer than 7 columns"


def log_of(path: Path) -> Path | None:
    """The log at `path`: itself, or in the folder."""
    path = path / LOG if path.is_dir() else path
    return path if path.name == LOG and path.is_file() else None


def open_log(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises RecordingError where no line can be used, TopicError for a camera that is none."""
    return TableRecording(path, settings, guess, read_log(log_of(path), settings))


def read_log(file: Path, settings: RecordingSettings) -> Table:
    """All lines in their order. Without a largest curvature of the settings, the steering is the
    simulator's angle."""
    camera = settings.topics.camera or CAMERAS[0]
    for role, known in (("camera", CAMERAS), ("steering", ("steering",)), ("speed", ("speed",))):
        asked = getattr(settings.topics, role)
        if asked and asked not in known:
            raise TopicError(role, asked, f"one of {', '.join(known)}")
    names = {"camera": camera, "speed": "speed", "steering": "steering"}
    by_curvature = full_curvature(settings) is not None
    others = (*(one for one in CAMERAS if one != camera), "throttle", "brake")
    table = Table(file.parent, names=names, others=others)
    table.kind = NORMALISED if by_curvature else ANGLE
    left = settings.positive_steering == "left"
    unit = 1.0 if by_curvature else FULL_ANGLE if left else -FULL_ANGLE
    prefix = f"{IMAGES}/" if (file.parent / IMAGES).is_dir() else ""
    place = {name: at for at, name in enumerate(COLUMNS)}
    for number, cells in enumerate(read_lines(table, file)):
        header = [cell.lower() for cell in cells]
        if not number and CAMERAS[0] in header:
            place |= {name: header.index(name) for name in COLUMNS if name in header}
            continue
        if len(cells) <= max(place.values()):
            table.leave_out(SHORT)
            continue
        picture = cells[place[camera]].replace("\\", "/").rpartition("/")[2]
        stamp_ns = time_of(picture)
        if not stamp_ns:
            table.leave_out(NO_TIME)
            continue
        values = (to_number(cells[place[name]]) for name in ("steering", "throttle", "speed"))
        steering, throttle, speed = values
        if abs(steering) > 1.05:
            table.leave_out("steering beyond -1 to 1")
            steering = UNKNOWN
        row = Row(stamp_ns, prefix + picture, steering * unit, speed * MPH, throttle)
        table.rows.append(row)
    return table


def time_of(picture: str) -> int:
    """The time in a picture's name [ns], read as if it were UTC; 0 where there is none."""
    found = TIME.search(picture)
    if found is None:
        return 0
    *parts, milliseconds = map(int, found.groups())
    try:
        moment = datetime.datetime(*parts, tzinfo=datetime.timezone.utc)
    except ValueError:
        return 0
    return (int(moment.timestamp()) * 1000 + milliseconds) * 10**6


UDACITY = Format(
    "Udacity's simulator",
    lambda path: log_of(path) is not None,
    open_log,
    "a folder with driving_log.csv of Udacity's simulator",
)
