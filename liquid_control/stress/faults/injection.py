"""Faults of a stream of samples: it stops, repeats, has wrong values, lags or is interrupted. The
kinds are those of PX4's failure injection."""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np

from liquid_control.signals import Action, Frame, ImuSample, SpeedSample

SOURCES = ("camera", "imu", "speed", "command")
KINDS = ("off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent", "nan")

SLOW_PERIOD, DELAY, BURST = 0.5, 0.35, 0.1
"""Seconds: between two samples of a slow source, of a delayed source's lag, and of an intermittent
source's silences and of the time between them."""

Sample = Frame | ImuSample | SpeedSample | Action


@dataclasses.dataclass(frozen=True)
class Fault:
    """`kind` (of KINDS) of fault in a `source` (of SOURCES), from `begin` to `end` [s]."""

    source: str
    kind: str
    begin: float
    end: float


class Tap:
    """Injects one fault into one source's stream of samples."""

    def __init__(self, fault: Fault | None, seed: int = 0) -> None:
        self._fault, self._rng = fault, np.random.default_rng(seed)
        self._late: deque[tuple[float, Sample]] = deque()
        self._last: Sample | None = None
        self._next = 0.0

    def pass_on(self, samples: list[Sample], now: float) -> list[Sample]:
        """The samples that arrive at `now` [s] when these are sent."""
        fault = self._fault
        if fault is None:
            return samples
        active = fault.begin <= now < fault.end
        if fault.kind == "delayed":
            due = DELAY if active else 0.0
            self._late.extend((now + due, sample) for sample in samples)
            arrived = []
            while self._late and (self._late[0][0] <= now or not active):
                arrived.append(self._late.popleft()[1])
            return arrived
        if not active:
            self._last = samples[-1] if samples else self._last
            return samples
        return [changed for sample in samples for changed in self._inject(sample, now)]

    def _inject(self, sample: Sample, now: float) -> list[Sample]:
        kind = self._fault.kind
        if kind == "off":
            return []
        if kind == "slow":
            if now < self._next:
                return []
            self._next = now + SLOW_PERIOD
            return [sample]
        if kind == "intermittent":
            return [] if int((now - self._fault.begin) / BURST) % 2 == 0 else [sample]
        if kind == "stuck":
            return (
                [dataclasses.replace(self._last, stamp_ns=sample.stamp_ns)]
                if self._last is not None
                else []
            )
        return [_falsified(sample, kind, self._rng)]


def _falsified(sample: Sample, kind: str, rng: np.random.Generator) -> Sample:
    """The sample with its numbers replaced: garbage (of any size), wrong (mirrored) or NaN."""
    scale = {"garbage": rng.uniform(-1, 1), "wrong": -1.0, "nan": float("nan")}[kind]
    wild = 1e3 if kind == "garbage" else 1.0
    if isinstance(sample, Frame):
        if kind == "nan":
            return dataclasses.replace(sample, image=np.full(sample.image.shape, np.nan))
        picture = (
            rng.integers(0, 256, sample.image.shape, np.uint8)
            if kind == "garbage"
            else sample.image[:, ::-1].copy()
        )
        return dataclasses.replace(sample, image=picture)
    if isinstance(sample, ImuSample):
        rates = (
            rng.uniform(-40, 40, 3)
            if kind == "garbage"
            else scale * np.array(sample.angular_velocity)
        )
        forces = (
            rng.uniform(-400, 400, 3)
            if kind == "garbage"
            else scale * np.array(sample.linear_acceleration)
        )
        return dataclasses.replace(
            sample,
            angular_velocity=tuple(rates.tolist()),
            linear_acceleration=tuple(forces.tolist()),
        )
    if isinstance(sample, SpeedSample):
        return dataclasses.replace(
            sample, speed=wild * scale * (1.0 if kind == "garbage" else sample.speed)
        )
    return dataclasses.replace(
        sample, curvature=wild * scale * (1.0 if kind == "garbage" else sample.curvature)
    )


def pass_through(taps: list[Tap], samples: list[Sample], now: float) -> list[Sample]:
    """The samples that arrive at `now` [s] behind several taps in one stream."""
    for tap in taps:
        samples = tap.pass_on(samples, now)
    return samples
