"""A LeRobot dataset as a Source: rows of parquet files with times since the beginning of their
episode, pictures in files of video or in the rows.

A row has one time, which stands for receipt and stamp of all that is in it. The episodes are one
behind the other, each a stretch of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from liquid_control.control.vehicle import CREEP
from liquid_control.errors import AmbiguousTopicError, RecordingError
from liquid_control.recordings.clock import Record
from liquid_control.recordings.lerobot.columns import (
    ACTION,
    TWIST,
    choose_camera,
    choose_numbers,
    is_speed,
    numbers_of,
)
from liquid_control.recordings.lerobot.dataset import is_depth, read_dataset
from liquid_control.recordings.lerobot.pictures import EpisodePictures
from liquid_control.recordings.lerobot.rows import (
    EPISODE,
    FRAME,
    TIME,
    Piece,
    RowReader,
    Rows,
    pieces_of,
)
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.stretches import covered
from liquid_control.recordings.tables.scale import DOUBTED, END, curvature_per_unit, with_scale
from liquid_control.recordings.tables.table import ANGLE, NORMALISED
from liquid_control.recordings.tables.throttle import forward_of, not_driven
from liquid_control.recordings.values import Choice, Damage, Entry, Stream, mean_rate
from liquid_control.signals import SpeedSample, SteeringSample
from liquid_control.system.parquet import ParquetError, holds_files, names_of, width

LOOKED_AT = 8  # episodes from which the units are judged
BOOKKEEPING = {TIME, EPISODE, FRAME, "index", "task_index"}
NEEDED = f"columns {TIME} [s] and, by episode, {EPISODE} and {FRAME}, as LeRobot 2.0 to 3.0 writes"
NO_STEERING = "no steering in the row"
LARGEST = 1e9
MOST_LISTED = 8


class LerobotRecording(Source):
    """A dataset, open for reading: the rows of one file at a time, the pictures one by one.

    `guess`: of several cameras the first one is taken, and a steering of unknown scale is read with
    an assumed one; `choices` and `remarks` say so. Raises RecordingError where no row can be read
    or the scale is not known, TopicError and AmbiguousTopicError as `columns` do.
    """

    def __init__(self, path: Path, settings: RecordingSettings, guess: bool = False) -> None:
        self._dataset = dataset = read_dataset(path)
        self._pieces: list[Piece] = []
        self._remarks: list[str] = []
        types = self._types(path)
        widths = {
            name: count
            for name, kind in types.items()
            if name not in BOOKKEEPING
            and (count := width(kind, dataset.features.get(name, {}).get("shape")))
        }
        self._numbers = numbers = numbers_of(widths, dataset.features)
        self._columns = columns = choose_numbers(numbers, settings)
        in_rows = [name for name, kind in types.items() if holds_files(kind)]
        camera, choices = self._choose_camera(in_rows, settings, guess)
        self._pictures = EpisodePictures(dataset, camera, camera in in_rows)
        self._reader = RowReader(columns)
        self._pieces = pieces_of(dataset, self._reader)
        spans = [(piece.begin_ns, piece.end_ns) for piece in self._pieces if len(piece.rows)]
        if not spans:
            raise RecordingError(path, f"no row can be used ({self._why()})", "Copy it again.")
        self._seconds = covered(spans)
        self._forward, largest = self._look()
        settings = self._with_scale(path, settings, guess, largest)
        positive = "right" if columns.kind == NORMALISED else "left"
        self._per_unit = curvature_per_unit(settings, columns.kind, positive)
        self._names = {
            "camera": camera,
            "speed": columns.speed and columns.speed.name,
            "steering": columns.steering and columns.steering.name,
        }
        start_ns, end_ns = min(begin for begin, _ in spans), max(end for _, end in spans)
        others = [*dataset.clips, *in_rows, *(one.name for one in numbers)]
        streams = self._streams(others)
        super().__init__(path, settings, streams, start_ns, end_ns, choices)
        for piece in self._pieces:
            for reason, count in piece.left_out.items():
                self.skipped[reason] = self.skipped.get(reason, 0) + count

    @property
    def root(self) -> Path:
        return self.path if self.path.suffix == ".parquet" else self._dataset.root

    @property
    def alternatives(self) -> dict[str, tuple[str, ...]]:
        there = {"steering": self._columns.steering, "speed": self._columns.speed}
        found = {
            "steering": [one.name for one in self._numbers if one.feature.startswith(ACTION)],
            "speed": [one.name for one in self._numbers if is_speed(one)],
        }
        return {
            role: tuple(found[role][:MOST_LISTED])
            for role, number in there.items()
            if number is None and found[role]
        }

    @property
    def seconds(self) -> float:
        return self._seconds

    @property
    def damage(self) -> list[Damage]:
        return list(self._dataset.damage.values())

    @property
    def camera_missing(self) -> str:
        return "this format has no calibration of its camera"

    @property
    def remarks(self) -> list[str]:
        return super().remarks + self._remarks

    def records(self, roles: Collection[str]) -> Iterator[Record]:
        for piece in self._pieces:
            try:
                rows = self._reader.read(piece.file) if len(piece.rows) else None
            except ParquetError as error:
                self._dataset.lose(piece.file, error.problem, "its rows")
                continue
            if rows is not None:
                yield from self._of_piece(piece, rows, roles)

    def _of_piece(self, piece: Piece, rows: Rows, roles: Collection[str]) -> Iterator[Record]:
        at, names = piece.rows, self._names
        stamps = (np.rint(rows.seconds[at] * 1e9).astype(np.int64) + piece.shift_ns).tolist()
        steering: list[tuple[float, str]] = []
        if "steering" in roles and names["steering"]:
            steering = self._angles(rows, at, stamps)
        speeds = rows.speed[at].tolist() if "speed" in roles and names["speed"] else []
        pictures: Iterator[Record] = iter(())
        if "camera" in roles and names["camera"]:
            pictures = self._pictures.records(piece, rows, stamps)
        for row, stamp_ns in enumerate(stamps):
            if speeds and abs(speeds[row]) < LARGEST:
                sample = SpeedSample(stamp_ns, speeds[row])
                yield Entry(stamp_ns, "speed", stamp_ns, None, sample)
            if steering:
                angle, problem = steering[row]
                sample = SteeringSample(stamp_ns, angle, self.settings.constant_speed or None)
                sample = None if problem else sample
                yield Entry(stamp_ns, "steering", stamp_ns, None, sample, problem)
            yield from _next(pictures)

    def _angles(self, rows: Rows, at: np.ndarray, stamps: list[int]) -> list[tuple[float, str]]:
        """(front-wheel angle [rad], why it is not used) of each row."""
        columns, settings, name = self._columns, self.settings, self._names["steering"]
        value = rows.steering[at] * columns.unit * settings.steering_scale
        problems = ["" if abs(one) < LARGEST else f"{name}: {NO_STEERING}" for one in value]
        if self._forward:
            throttle = rows.throttle[at].tolist()
            for row, reason in not_driven(stamps, throttle, self._forward):
                problems[row] = problems[row] or f"{name}: {reason}"
        if columns.kind == NORMALISED:
            for row in np.flatnonzero(np.abs(value) > END).tolist():
                problems[row] = problems[row] or f"{name}: {DOUBTED}"
        elif columns.kind == TWIST:
            speed = rows.twist_speed[at]
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.where(np.abs(speed) < CREEP, np.nan, value / speed)
            for row in np.flatnonzero(~np.isfinite(value)).tolist():
                problems[row] = problems[row] or f"{name}: a yaw rate at standstill"
        if columns.kind != ANGLE:
            value = np.arctan(settings.vehicle.wheelbase * value * self._per_unit)
        return list(zip(value.tolist(), problems, strict=True))

    def _types(self, path: Path) -> dict:
        """Types of the columns by name, of the first file that can be read and has times. Raises
        RecordingError where there is none."""
        others = ""
        for file in self._dataset.data:
            try:
                types = names_of(file)
            except ParquetError as error:
                self._dataset.lose(file, error.problem, "its rows")
                continue
            if TIME in types:
                return types
            others = others or f"{file.name} has the columns {', '.join(types) or 'none'}"
        problem = f"no rows of a LeRobot dataset: {others or self._why()}"
        raise RecordingError(path, problem, f"Expected {NEEDED}.")

    def _why(self) -> str:
        reasons = [str(one) for one in list(self._dataset.damage.values())[:3]]
        left_out = {key: None for piece in self._pieces for key in piece.left_out}
        return "; ".join([*reasons, *left_out]) or "its files hold none"

    def _choose_camera(
        self, in_rows: list[str], settings: RecordingSettings, guess: bool
    ) -> tuple[str, tuple[Choice, ...]]:
        features = self._dataset.features
        there = [key for key, clips in self._dataset.clips.items() if clips] + in_rows
        there = [key for key in there if not is_depth(features.get(key, {}))]
        try:
            return choose_camera(there, settings), ()
        except AmbiguousTopicError as error:
            if not guess:
                raise
            chosen = error.candidates[0]
            return chosen, (Choice("camera", error.candidates, chosen),)

    def _look(self) -> tuple[float, float]:
        """(direction of the throttle, usual largest steering) of the first episodes."""
        throttle, steering = [], []
        for piece in self._pieces[:LOOKED_AT]:
            try:
                rows = self._reader.read(piece.file)
            except ParquetError:
                continue
            throttle += rows.throttle[piece.rows].tolist()
            steering += rows.steering[piece.rows].tolist()
        steering = np.abs([one for one in steering if math.isfinite(one)] or [0.0])
        return forward_of(throttle), float(np.quantile(steering, 0.99))

    def _with_scale(
        self, path: Path, settings: RecordingSettings, guess: bool, largest: float
    ) -> RecordingSettings:
        """The settings with the steering's scale; what is assumed is a remark. Raises
        RecordingError where it is not known, unless `guess`."""
        columns, remarks = self._columns, self._remarks
        if columns.speed is not None and settings.speed_scale == 1.0:
            remarks.append(
                f"speed: {columns.speed.name} is taken to be in m/s, which no file says "
                "(--speed-scale 0.2778 for km/h)"
            )
        if columns.steering is None:
            return settings
        name = columns.steering.name
        if columns.kind != NORMALISED:
            remarks.append(
                f"steering: {name} is taken as {columns.kind}"
                f"{', in degrees' if columns.unit != 1.0 else ''}, positive to the left "
                "(--steering-scale corrects unit and sign)"
            )
            return settings
        if largest * abs(settings.steering_scale) > 2.0 * END:
            problem = f"{name} reaches {largest:.3g}, expected -1 to 1"
            scale = 10.0 ** -math.ceil(math.log10(largest) - 1e-6)
            remedy = f"Give --steering-scale {scale:g}, or name another number with "
            remedy += f"--topics.steering: {', '.join(self._others(name)) or 'there is none'}."
            if not guess:
                raise RecordingError(path, problem, remedy)
            remarks.append(f"steering: {problem}. {remedy}")
        if settings.positive_steering == "auto":
            remarks.append(
                f"steering: which side positive values of {name} steer to is in no file: right is "
                "taken (--positive-steering left)"
            )
        return with_scale(path, settings, guess, name, remarks)

    def _others(self, name: str) -> list[str]:
        types = {one.name for one in self._columns[:4] if one is not None}
        return sorted(types - {name})

    def _streams(self, others: list[str]) -> list[Stream]:
        count = sum(len(piece.rows) for piece in self._pieces)
        kinds = {
            "camera": "picture",
            "speed": "speed",
            "steering": f"{self._columns.kind} steering",
        }
        quantity = "curvature" if self._columns.kind == TWIST else "angle"
        streams = [
            Stream(
                name,
                kinds[role],
                (role,),
                count,
                mean_rate(count, self._seconds),
                quantity if role == "steering" else "",
            )
            for role, name in self._names.items()
            if name
        ]
        used = {stream.name for stream in streams}
        return streams + [Stream(name, "column") for name in others if name not in used]


def _next(pictures: Iterator[Record]) -> Iterator[Record]:
    found = next(pictures, None)
    if found is not None:
        yield found
