"""Recorded numbers: a series of bounded length, ranges, stuck and clipped stretches, and what is
wrong with inertial measurements, speed and steering."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from liquid_control.inspection.findings import FAULT, WARNING, Finding, fault, note, warning

LARGEST = 2**18  # rows of a series
BLOCK = 4096
STUCK_SAMPLES, STUCK_SECONDS = 20, 0.5
MOST_STRETCHES = 256
ABSURD = 1e12  # larger than any measurement in any unit
CLIPPED_SAMPLES, CLIPPED_SHARE, CLIPPED_RUN = 20, 0.002, 5

AXES = ("gyro x", "gyro y", "gyro z", "acceleration x", "acceleration y", "acceleration z")
STUCK_MOST = 0.5  # share of the recording
FEW = 10  # samples
GRAVITY = 9.81
SUSPICIOUS_GYRO = 12.0  # rad/s; no road vehicle turns so fast
FASTEST, STANDING = 70.0, 0.5  # m/s
LARGEST_ANGLE = 1.3  # rad


@dataclasses.dataclass(frozen=True)
class ColumnReport:
    """One column: range, mean, standard deviation, and how often it is exactly at its lowest or
    highest value."""

    lowest: float
    highest: float
    mean: float
    deviation: float
    at_lowest: int
    at_highest: int
    longest_run_at_end: int

    @property
    def constant(self) -> bool:
        return self.lowest == self.highest

    def clipped(self, count: int) -> bool:
        """Whether the column saturates: many samples, several in a row, at exactly the same
        extreme."""
        often = max(self.at_lowest, self.at_highest) >= max(CLIPPED_SAMPLES, CLIPPED_SHARE * count)
        return not self.constant and often and self.longest_run_at_end >= CLIPPED_RUN


class SeriesTrack:
    """Rows (seconds, values...) in received order. `rows` is (N, 1 + columns) with N at most
    LARGEST: beyond, neighbours are averaged.

    Ranges, and stretches in which all columns of a `group` repeat exactly while the vehicle moves,
    are counted on every sample.
    """

    def __init__(self, columns: int, groups: dict[str, slice] | None = None) -> None:
        self.columns, self.count, self.not_finite = columns, 0, 0
        self.stuck: dict[str, list[tuple[float, float]]] = {name: [] for name in groups or {}}
        self._groups = groups or {}
        self._pending: list[tuple] = []
        self._moving: list[bool] = []
        self._stride = 1
        self._rows = np.zeros((0, 1 + columns))
        self._low, self._high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self._sum, self._square = np.zeros(columns), np.zeros(columns)
        self._at_low, self._at_high = np.zeros(columns, int), np.zeros(columns, int)
        self._run = np.zeros(columns, int)
        self._open: dict[str, tuple[np.ndarray, float, float, int]] = {}

    def push(self, row: tuple, moving: bool = True) -> None:
        self._pending.append(row)
        self._moving.append(moving)
        if len(self._pending) >= BLOCK:
            self._fold()

    @property
    def rows(self) -> np.ndarray:
        self._fold()
        return self._rows

    def report(self) -> tuple[ColumnReport, ...]:
        """One of each column; empty while nothing finite was pushed."""
        self._fold()
        for name in list(self._open):
            self._close(name)
        if not self.count:
            return ()
        mean = self._sum / self.count
        deviation = np.sqrt(np.maximum(self._square / self.count - mean**2, 0.0))
        table = zip(
            self._low,
            self._high,
            mean,
            deviation,
            self._at_low,
            self._at_high,
            self._run,
            strict=True,
        )
        return tuple(
            ColumnReport(
                float(low), float(high), float(m), float(d), int(n_low), int(n_high), int(run)
            )
            for low, high, m, d, n_low, n_high, run in table
        )

    def _fold(self) -> None:
        if not self._pending:
            return
        rows, moving = np.array(self._pending, np.float64), np.array(self._moving)
        self._pending, self._moving = [], []
        finite = (np.abs(rows) < ABSURD).all(1)  # NaN is not
        self.not_finite += int((~finite).sum())
        rows, moving = rows[finite], moving[finite]
        if not len(rows):
            return
        values = rows[:, 1:]
        self._extremes(values)
        self.count += len(rows)
        self._sum += values.sum(0)
        self._square += (values**2).sum(0)
        for name, group in self._groups.items():
            self._runs(name, rows[:, 0], values[:, group], moving)
        used = len(rows) // self._stride * self._stride
        self._rows = np.concatenate(
            [self._rows, rows[:used].reshape(-1, self._stride, rows.shape[1]).mean(1)]
        )
        while len(self._rows) > LARGEST:
            self._rows = (
                self._rows[: len(self._rows) // 2 * 2].reshape(-1, 2, rows.shape[1]).mean(1)
            )
            self._stride = min(2 * self._stride, BLOCK)

    def _extremes(self, values: np.ndarray) -> None:
        for extreme, count, beyond in (
            (values.min(0), self._at_low, -1),
            (values.max(0), self._at_high, 1),
        ):
            known = self._low if beyond < 0 else self._high
            newer = (extreme - known) * beyond > 0
            count[newer] = 0
            known[newer] = extreme[newer]
            self._run[newer] = 0
            hits = values == known
            count += hits.sum(0)
            for column in np.flatnonzero(hits.any(0)):
                self._run[column] = max(self._run[column], _longest_run(hits[:, column]))

    def _runs(self, name: str, seconds: np.ndarray, values: np.ndarray, moving: np.ndarray) -> None:
        """Finds stretches of exact repetition; the one at a block's end stays open for the next
        block."""
        last, since, until, count = self._open.get(
            name, (values[0] + 1.0, seconds[0], seconds[0], 0)
        )
        same = (
            np.concatenate([[bool((values[0] == last).all())], (values[1:] == values[:-1]).all(1)])
            & moving
        )
        starts = np.flatnonzero(~same)
        goes_on = int(starts[0]) if len(starts) else len(same)
        if goes_on:
            until, count = seconds[goes_on - 1], count + goes_on
        self._open[name] = (last, since, until, count)
        for begin, end in zip(starts, np.append(starts[1:], len(same)), strict=False):
            self._close(name)
            self._open[name] = (values[begin], seconds[begin], seconds[end - 1], int(end - begin))

    def _close(self, name: str) -> None:
        _, since, until, count = self._open.pop(name)
        if (
            count >= STUCK_SAMPLES
            and until - since >= STUCK_SECONDS
            and len(self.stuck[name]) < MOST_STRETCHES
        ):
            self.stuck[name].append((float(since), float(until - since)))


def _longest_run(hits: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hits.view(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def judge_imu(imu: SeriesTrack, columns: tuple[ColumnReport, ...]) -> Iterator[Finding]:
    """Rails, repetitions, units and axes of the inertial measurements."""
    if imu.not_finite:
        yield warning(
            "not_finite",
            "imu",
            f"{imu.not_finite} samples hold NaN, infinity or absurd numbers",
            "they are left out",
        )
    if not columns:
        return
    rails = [
        f"{name} at {c.highest if c.at_highest >= c.at_lowest else c.lowest:.3g}"
        for name, c in zip(AXES, columns, strict=True)
        if c.clipped(imu.count)
    ]
    if rails:
        yield warning(
            "clipped",
            "imu",
            "stands at a rail: " + ", ".join(rails),
            "choose a larger measuring range",
        )
    yield from _stuck(imu, columns)
    gyro = columns[2]
    if gyro.constant and imu.count >= FEW:
        yield warning(
            "constant",
            "imu",
            f"gyro z is {gyro.mean:.3g} rad/s throughout",
            "the driver does not fill in angular_velocity",
        )
    elif max(-gyro.lowest, gyro.highest) > SUSPICIOUS_GYRO and gyro.deviation > 1.0:
        yield fault(
            "gyro_unit",
            "imu",
            f"gyro z reaches {max(-gyro.lowest, gyro.highest):.0f} rad/s: "
            "looks like degrees per second",
            "the driver must publish rad/s",
        )
    yield from _gravity(np.array([column.mean for column in columns[3:6]]))


def _stuck(imu: SeriesTrack, columns: tuple[ColumnReport, ...]) -> Iterator[Finding]:
    duration = max(float(np.ptp(imu.rows[:, 0])), 1e-9)
    for name, stretches in imu.stuck.items():
        if stretches and not all(
            column.constant for column in (columns[0:3] if name == "gyro" else columns[3:6])
        ):
            start, longest = max(stretches, key=lambda one: one[1])
            total = sum(length for _, length in stretches)
            yield Finding(
                "stuck",
                "imu",
                f"the {name} repeats itself exactly while the vehicle moves: {longest:.1f} s "
                f"from {start:.1f} s, {total:.1f} s in all",
                "its driver loses the sensor",
                WARNING,
                FAULT if total > STUCK_MOST * duration else WARNING,
            )


def _gravity(mean: np.ndarray) -> Iterator[Finding]:
    size, axis = float(np.linalg.norm(mean)), int(np.argmax(np.abs(mean)))
    if 0.8 < size < 1.25:
        yield warning(
            "acceleration_unit",
            "imu",
            f"the accelerometer's mean is {size:.2f}: looks like g",
            "the driver must publish m/s²",
        )
    elif size < 3.0:
        yield note(
            "no_gravity",
            "imu",
            f"the accelerometer's mean is {size:.2f} m/s²: without gravity",
            "the policy does not use it",
        )
    elif not 0.9 * GRAVITY < size < 1.1 * GRAVITY:
        yield warning(
            "gravity",
            "imu",
            f"the accelerometer's mean is {size:.2f} m/s², expected {GRAVITY}",
            "check scale and unit",
        )
    if size > 0.8 and (axis != 2 or mean[2] < 0) and not 1.25 <= size < 3.0:
        yield fault(
            "imu_axes",
            "imu",
            f"gravity lies on {'-' * bool(mean[axis] < 0)}{'xyz'[axis]}, expected z: "
            "it is not in body axes (x forward, y left, z up)",
            "turn it into base_link, for example with imu_transformer, before recording",
        )


def judge_driving(speed: SeriesTrack, steering: SeriesTrack, fitted: bool) -> Iterator[Finding]:
    """Ranges of speed and steering; `fitted`: the gyro gives the steering's unit better than its
    range does."""
    for role, track in (("speed", speed), ("steering", steering)):
        if track.not_finite:
            yield warning(
                "not_finite",
                role,
                f"{track.not_finite} samples hold NaN, infinity or absurd numbers",
                "they are left out",
            )
    for column in speed.report():
        fastest = max(-column.lowest, column.highest)
        if fastest < STANDING:
            text = f"the vehicle never moves: at most {fastest:.2f} m/s"
            yield Finding("never_moves", "speed", text, "check unit and topic", WARNING, FAULT)
        elif fastest > FASTEST:
            yield fault(
                "speed_unit",
                "speed",
                f"up to {fastest:.0f} m/s: looks like km/h",
                "the driver must publish m/s",
            )
        if column.mean < -STANDING:
            yield fault(
                "speed_sign",
                "speed",
                f"the mean speed is {column.mean:.1f} m/s: backward",
                "forward must be positive",
            )
    for column in steering.report():
        largest = max(-column.lowest, column.highest)
        if column.constant and steering.count >= FEW:
            text = f"the steering is {column.mean:.3g} rad throughout"
            yield Finding("constant", "steering", text, "is it the right topic?", WARNING, FAULT)
        elif largest > LARGEST_ANGLE and not fitted:
            yield fault(
                "steering_unit",
                "steering",
                f"angles up to {largest:.3g} are not front-wheel radians",
                "bring them there with --steering-scale",
            )
