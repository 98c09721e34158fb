"""A table of pictures and measurements as a Source: DonkeyCar tubs, the log of Udacity's simulator,
a folder of pictures with a CSV file.

A row has one time, that of its writing: it stands for receipt and stamp of all that is in it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.clock import Deferred, Record
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source, entry_of
from liquid_control.recordings.stretches import Stretches
from liquid_control.recordings.tables.scale import DOUBTED, END, curvature_per_unit, with_scale
from liquid_control.recordings.tables.table import ANGLE, NORMALISED, Row, Table
from liquid_control.recordings.values import Entry, StoredPicture, Stream, mean_rate
from liquid_control.signals import ImuSample, SpeedSample, SteeringSample
from liquid_control.system.files import POINTER

MISSING, EMPTY = "its picture is missing", "its picture is an empty file"
UNFETCHED = "its picture is a Git LFS pointer: fetch it with git lfs pull"
OUTSIDE = "the path of its picture leads out of the folder"


class TableRecording(Source):
    """A table, open for reading. Pictures are read as they are asked for.

    `guess`: a steering of unknown scale is read with an assumed one, and `remarks` say so; else
    RecordingError is raised, which says what to write. Raises RecordingError for a table without
    rows.
    """

    def __init__(self, path: Path, settings: RecordingSettings, guess: bool, table: Table) -> None:
        if not table.rows:
            raise RecordingError(path, f"no row can be used{_why(table)}", _remedy(table))
        self._table, self._folder = table, table.folder
        self._remarks = list(table.remarks)
        if table.kind == NORMALISED and "steering" in table.names:
            name = table.names["steering"]
            settings = with_scale(path, settings, guess, name, self._remarks)
        self._scale = curvature_per_unit(settings, table.kind, table.positive)
        self._drop_impossible()
        stretches = Stretches()
        for row in table.rows:
            stretches.begins(row.stamp_ns, row.first)
        self._seconds = stretches.seconds
        stamps = [row.stamp_ns for row in table.rows]
        super().__init__(path, settings, self._streams(), min(stamps), max(stamps))
        self.skipped.update(table.left_out)

    @property
    def root(self) -> Path:
        return self._folder

    @property
    def seconds(self) -> float:
        return self._seconds

    @property
    def damage(self) -> list:
        return self._table.damage

    @property
    def camera_missing(self) -> str:
        return "this format has no calibration of its camera"

    @property
    def full_curvature(self) -> float | None:
        normalised = self._table.kind == NORMALISED and "steering" in self._table.names
        return self.settings.largest_curvature if normalised else None

    @property
    def remarks(self) -> list[str]:
        return super().remarks + self._remarks

    def records(self, roles: Collection[str]) -> Iterator[Record]:
        names, first = self._table.names, False
        seen = {role: role in roles and role in names for role in ("imu", "speed", "steering")}
        pictures = "camera" in roles and "camera" in names
        for row in self._table.rows:
            stamp_ns, found = row.stamp_ns, []
            if seen["imu"] and not (math.isnan(row.gyro[2]) and math.isnan(row.acceleration[1])):
                sample = ImuSample(stamp_ns, row.gyro, row.acceleration)
                found.append(self._entry(stamp_ns, sample, "imu"))
            if seen["speed"] and row.speed == row.speed:
                found.append(self._entry(stamp_ns, SpeedSample(stamp_ns, row.speed), "speed"))
            if seen["steering"] and row.steering == row.steering:
                found.append(self._entry(stamp_ns, self._steering(row), "steering"))
            if pictures and row.picture:
                found.append(Deferred(stamp_ns, functools.partial(self._picture, row)))
            first = first or row.first
            if first and found:
                found[0], first = found[0]._replace(first=True), False
            yield from found

    def _steering(self, row: Row) -> SteeringSample:
        angle = row.steering
        if self._table.kind != ANGLE:
            angle = math.atan(self.settings.vehicle.wheelbase * angle * self._scale)
        return SteeringSample(row.stamp_ns, angle, None)

    def _entry(self, stamp_ns: int, sample, role: str) -> Entry:
        entry = entry_of(stamp_ns, sample, self.settings, self._table.names[role])
        return entry._replace(own_ns=None)

    def _picture(self, row: Row) -> Entry:
        data, problem, stamp_ns = b"", "", row.stamp_ns
        if row.picture[:1] == "/" or ".." in row.picture.split("/"):
            problem = OUTSIDE
        else:
            try:
                with open(f"{self._folder}/{row.picture}", "rb", buffering=0) as file:
                    data = file.read()
                if not data:
                    problem = EMPTY
                elif data.startswith(POINTER):
                    problem = UNFETCHED
            except FileNotFoundError:
                problem = MISSING
            except (OSError, ValueError) as error:
                problem = f"its picture cannot be read: {getattr(error, 'strerror', None) or error}"
        if problem:
            problem = f"{self._table.names['camera']}: {problem}"
            return Entry(stamp_ns, "camera", stamp_ns, None, None, problem)
        return Entry(stamp_ns, "camera", stamp_ns, None, StoredPicture(data))

    def _drop_impossible(self) -> None:
        """Leaves the steering of rows out in which it is not -1 to 1."""
        table = self._table
        if table.kind != NORMALISED:
            return
        for number, row in enumerate(table.rows):
            if abs(row.steering) > END:
                table.rows[number] = row._replace(steering=math.nan)
                table.leave_out(f"{table.names['steering']}: {DOUBTED}")

    def _streams(self) -> list[Stream]:
        rows, names = self._table.rows, self._table.names
        known = {
            "camera": sum(bool(row.picture) for row in rows),
            "imu": sum(row.gyro[2] == row.gyro[2] for row in rows),
            "speed": sum(row.speed == row.speed for row in rows),
            "steering": sum(row.steering == row.steering for row in rows),
        }
        kinds = {
            "camera": "picture",
            "imu": "gyro, acceleration",
            "speed": "speed",
            "steering": f"{self._table.kind} steering",
        }
        return [
            Stream(
                name,
                kinds[role],
                (role,),
                known[role],
                mean_rate(known[role], self._seconds),
                "angle" if role == "steering" else "",
            )
            for role, name in names.items()
        ] + [Stream(name, "column") for name in self._table.others]


def _why(table: Table) -> str:
    reasons = [f"{count} {reason}" for reason, count in table.left_out.items()]
    reasons += [str(one) for one in table.damage[:3]]
    return f" ({'; '.join(reasons)})" if reasons else ""


def _remedy(table: Table) -> str:
    if any("deleted" in reason for reason in table.left_out):
        return "Restore the records that are not to be deleted, or record again."
    return "Copy the recording again, or record again."
