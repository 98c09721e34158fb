"""The records of a DonkeyCar tub as rows of a table; both versions of the tub share their names.

user/angle: -1 full left, 1 full right; user/throttle: a command, not a speed; user/mode: who
drives; imu/acl_* [m/s²], imu/gyr_* [degrees/s], z up; enc/speed [m/s]. A value that is None was not
written, so that any may be missing in any record.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from liquid_control.errors import TopicError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.tables.table import UNKNOWN, Row, Table
from liquid_control.recordings.tables.throttle import forward_of, not_driven

CAMERA, STEERING = "cam/image_array", ("user/angle", "user/steering", "steering")
THROTTLE, MODE, SPEED = ("user/throttle", "throttle"), "user/mode", "enc/speed"
GYRO = tuple(f"imu/gyr_{axis}" for axis in "xyz")
ACCELERATION = tuple(f"imu/acl_{axis}" for axis in "xyz")
DEGREE = math.pi / 180.0
LATEST_MS = 2**62 // 10**6
SESSION = "_session_id"
PAUSE_NS, PAUSE_STEPS = 500_000_000, 5
"""A longer time between two records, and than so many usual ones, is a pause."""
PILOT = "user/mode is not user: the steering is the pilot's"
NO_STEERING = "no steering in the record"
NO_PICTURE = "no picture in the record"
NO_TIME = "no time in the record"


def fill(
    table: Table,
    records: Iterable[tuple[int, Mapping]],
    settings: RecordingSettings,
    prefix: str,
    keys: Sequence[str] = (),
    holes: Collection[int] = (),
) -> None:
    """Makes a row of each (stamp [ns], record). `prefix`: folder of the pictures within the
    table's. `keys`: names of the columns, as far as an index lists them. `holes`: places of records
    behind deleted ones. A row begins anew there, behind a time that goes back or a pause, and with
    another session.

    Raises TopicError for a name of the settings that is in no record.
    """
    records = list(records)
    names = {name: None for _, record in records for name in record} or dict.fromkeys(keys)
    camera, steering, speed = choose(settings, [name for name in names if name[:1] != "_"])
    throttle = next((name for name in THROTTLE if name in names), "")
    asked = bool(settings.topics.steering)
    begins = {*holes, *_pauses(records), *_sessions(records)}
    for place, (stamp_ns, record) in enumerate(records):
        picture, angle = record.get(camera), _number(record.get(steering))
        if not isinstance(picture, str) or not picture:
            table.leave_out(NO_PICTURE)
            picture = ""
        if steering and math.isnan(angle):
            table.leave_out(f"{steering}: {NO_STEERING}")
        elif not asked and record.get(MODE, "user") not in ("user", ""):
            table.leave_out(f"{steering}: {PILOT}")
            angle = UNKNOWN
        table.rows.append(
            Row(
                stamp_ns,
                prefix + picture.replace("\\", "/").rpartition("/")[2] if picture else "",
                angle,
                _number(record.get(speed)),
                _number(record.get(throttle)),
                tuple(DEGREE * _number(record.get(name)) for name in GYRO),
                tuple(_number(record.get(name)) for name in ACCELERATION),
                place in begins,
            )
        )
    table.names = {"camera": camera} if camera else {}
    if any(
        row.gyro[2] == row.gyro[2] or row.acceleration[1] == row.acceleration[1]
        for row in table.rows
    ):
        table.names["imu"] = "imu"
    if speed:
        table.names["speed"] = speed
    if steering:
        table.names["steering"] = steering
    used = {*table.names.values(), *GYRO, *ACCELERATION}
    table.others = tuple(name for name in names if name not in used and name[:1] != "_")
    _leave_out_standing(table)


def any_between(low: int, high: int, numbers: Sequence[int]) -> bool:
    """Whether one of the sorted `numbers` is between two others."""
    return bisect.bisect_right(numbers, low) < bisect.bisect_left(numbers, high)


def _pauses(records: Sequence[tuple[int, Mapping]]) -> Iterator[int]:
    """Places of records that come long after the one before, or before it."""
    stamps = [stamp_ns for stamp_ns, _ in records]
    steps = [after - before for before, after in itertools.pairwise(stamps)]
    longest = max(PAUSE_NS, PAUSE_STEPS * sorted(steps)[len(steps) // 2]) if steps else 0
    for place, step in enumerate(steps, 1):
        if not 0 <= step <= longest:
            yield place


def _sessions(records: Sequence[tuple[int, Mapping]]) -> Iterator[int]:
    """Places of records of another session than the one before."""
    for place, ((_, before), (_, after)) in enumerate(itertools.pairwise(records), 1):
        if before.get(SESSION, None) != after.get(SESSION, None):
            yield place


def choose(settings: RecordingSettings, names: Sequence[str]) -> tuple[str, str, str]:
    """The columns of camera, steering and speed, "" where there is none. Raises TopicError where
    the settings name one that is not there."""
    topics = settings.topics
    for role in ("camera", "steering", "speed"):
        asked = getattr(topics, role)
        if asked and asked not in names:
            raise TopicError(role, asked, f"one of {', '.join(names)}")
    pictures = [CAMERA, *(name for name in names if "image_array" in name)]
    return (
        topics.camera or next((name for name in pictures if name in names), ""),
        topics.steering or next((name for name in STEERING if name in names), ""),
        topics.speed or (SPEED if SPEED in names else ""),
    )


def stamp_of(record: Mapping, start_ns: int = 0) -> int:
    """When a record was written [ns]; 0 where it does not say. `start_ns`: what `milliseconds` of
    version 1 count from."""
    for name, begin_ns in (("_timestamp_ms", 0), ("milliseconds", start_ns)):
        value = record.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if 0 <= value < LATEST_MS and begin_ns + value > 0:
                return begin_ns + round(value * 1e6) if value % 1 else begin_ns + int(value) * 10**6
    return 0


def _number(value: object) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and abs(value) < 1e9 else UNKNOWN


def _leave_out_standing(table: Table) -> None:
    """Leaves the steering out where the throttle is against the direction of the drive, or is 0 for
    some time. The direction is that of most of the throttle: of some cars it is negative."""
    rows = table.rows
    throttle = [row.throttle for row in rows]
    forward = forward_of(throttle)
    if not forward:
        return
    name = table.names.get("steering", "")
    for number, reason in not_driven([row.stamp_ns for row in rows], throttle, forward):
        if not math.isnan(rows[number].steering):
            table.leave_out(f"{name}: {reason}")
            rows[number] = rows[number]._replace(steering=UNKNOWN)
