"""A folder of pictures with a CSV file, for whatever has no format of its own.

The CSV file has a header. `picture` (path within the folder) and one of `stamp` [s], `stamp_ms`,
`stamp_ns` are needed; one of `steering` (-1 to 1, positive to the left), `steering_angle` [rad] and
`curvature` [1/m], and `speed` [m/s], `throttle`, `gyro_x..z` [rad/s], `acceleration_x..z` [m/s²]
may be there. Angles and axes are those of the vehicle: x forward, y left, z up.
"""

from __future__ import annotations

from pathlib import Path

from liquid_control.errors import RecordingError, TopicError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source
from liquid_control.recordings.tables.recording import TableRecording
from liquid_control.recordings.tables.table import ANGLE, CURVATURE, NORMALISED, Row, Table
from liquid_control.recordings.tables.text_table import read_lines, to_number

PICTURES = (".jpg", ".jpeg", ".png")
CLOCKS = {"stamp": 10**9, "stamp_ms": 10**6, "stamp_ns": 1}
STEERINGS = {"steering": NORMALISED, "steering_angle": ANGLE, "curvature": CURVATURE}
GYRO = tuple(f"gyro_{axis}" for axis in "xyz")
ACCELERATION = tuple(f"acceleration_{axis}" for axis in "xyz")
HEADER = (
    "Its first line must name the columns: picture, one of stamp (s), stamp_ms, stamp_ns, and what "
    "there is of steering (-1 to 1, positive to the left), steering_angle (rad), curvature (1/m), "
    "speed (m/s)"
)
NO_TIME, NO_PICTURE = "no time in the line", "no picture in the line"
UNNAMED = "pictures that no line names"
SHUFFLED = 0.1
"""Share of lines that are earlier than the one before, from which on the order says nothing."""


def table_of(path: Path) -> Path | None:
    """The CSV file at `path`: itself, or the only one in a folder that holds pictures."""
    try:
        if path.is_file():
            return path if path.suffix == ".csv" and _has_pictures(path.parent) else None
        files = sorted(path.glob("*.csv")) if path.is_dir() else []
        return files[0] if len(files) == 1 and _has_pictures(path) else None
    except OSError:
        return None


def open_folder(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises RecordingError for a header without the names needed and where no line can be used,
    TopicError for a column that is not there."""
    return TableRecording(path, settings, guess, read_folder(table_of(path), settings))


def read_folder(file: Path, settings: RecordingSettings) -> Table:
    """All lines in their order, or by their times where the lines are shuffled."""
    table = Table(file.parent, positive="left")
    lines = read_lines(table, file)
    header = next(lines, [])
    clock = next((name for name in CLOCKS if name in header), "")
    if "picture" not in header or not clock:
        raise RecordingError(file, f"its header is {', '.join(header) or 'empty'}", f"{HEADER}.")
    steering = settings.topics.steering or next((one for one in STEERINGS if one in header), "")
    speed = settings.topics.speed or ("speed" if "speed" in header else "")
    for role, name in (("steering", steering), ("speed", speed)):
        if name and name not in header:
            raise TopicError(role, name, f"one of {', '.join(header)}")
    table.kind = STEERINGS.get(steering, NORMALISED)
    place = {name: number for number, name in enumerate(header)}
    seen = set()
    for cells in lines:

        def number(name: str, cells: list[str] = cells) -> float:
            at = place.get(name, len(cells))
            return to_number(cells[at]) if at < len(cells) else to_number("")

        picture = cells[place["picture"]] if place["picture"] < len(cells) else ""
        stamp_ns = _stamp(cells[place[clock]] if place[clock] < len(cells) else "", CLOCKS[clock])
        if not stamp_ns or not picture:
            table.leave_out(NO_PICTURE if stamp_ns else NO_TIME)
            continue
        picture = picture.replace("\\", "/")
        seen.add(picture)
        gyro, acceleration = (tuple(map(number, names)) for names in (GYRO, ACCELERATION))
        values = (number(name) for name in (steering, speed, "throttle"))
        table.rows.append(Row(stamp_ns, picture, *values, gyro, acceleration))
    table.names = {"camera": "picture"}
    if any(row.gyro[2] == row.gyro[2] for row in table.rows):
        table.names["imu"] = "gyro and acceleration"
    table.names |= {"speed": speed} if speed else {}
    table.names |= {"steering": steering} if steering else {}
    used = {*table.names.values(), "picture", clock, *GYRO, *ACCELERATION}
    table.others = tuple(name for name in header if name not in used)
    _count_unnamed(table, seen)
    _sort_shuffled(table)
    return table


def _stamp(text: str, unit: int) -> int:
    """A time [ns], 0 where there is none; whole numbers keep all their digits."""
    try:
        found = int(text) * unit
    except ValueError:
        value = to_number(text)
        found = round(value * unit) if value == value and abs(value) < 2**62 else 0
    return found if 0 < found < 2**62 else 0


def _has_pictures(folder: Path) -> bool:
    """Whether there are pictures in a folder or in one of those in it."""
    here = list(folder.iterdir())
    if any(file.suffix.lower() in PICTURES for file in here):
        return True
    return any(
        file.suffix.lower() in PICTURES
        for inner in here
        if inner.is_dir()
        for file in inner.iterdir()
    )


def _count_unnamed(table: Table, seen: set[str]) -> None:
    folders = {table.folder / name.rpartition("/")[0] for name in seen}
    there = {
        file
        for folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURES
    }
    table.leave_out(UNNAMED, len(there - {table.folder / name for name in seen}))


def _sort_shuffled(table: Table) -> None:
    rows = table.rows
    back = sum(later.stamp_ns < row.stamp_ns for row, later in zip(rows, rows[1:], strict=False))
    if back > SHUFFLED * len(rows):
        rows.sort(key=lambda row: row.stamp_ns)
        table.remarks.append("camera: the lines of the table are shuffled: sorted by their times")


FOLDER = Format(
    "pictures with a CSV file",
    lambda path: table_of(path) is not None,
    open_folder,
    "a folder of pictures with a CSV file",
)
