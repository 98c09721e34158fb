"""What a replay leaves behind: a row for every command, the recorded steering, counts and times. A
few bytes a frame, never a picture."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Mapping

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.signals import Action, Command, Verdict

ROW = {
    "stamp_ns": "q",
    "issued_ns": "q",
    "on_frame": "b",
    "curvature": "d",
    "proposed_angle": "d",
    "steering_angle": "d",
    "speed": "d",
    "measured_speed": "d",
    "yaw_rate": "d",
    "limits": "q",
    "safe_stop": "b",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Issued:
    """Commands in the order of their issue, (C,) each: stamp of the frame behind it and time of
    issue [ns]; whether a new proposal caused it (else the gate's own timer); what the policy asks
    for: path curvature [1/m] and the front-wheel angle of it [rad]; what the gate allows: angle
    [rad] and speed [m/s]; measured speed [m/s] and mean yaw rate [rad/s], NaN where unknown;
    `Limit` values; safe stop."""

    stamp_ns: np.ndarray
    issued_ns: np.ndarray
    on_frame: np.ndarray
    curvature: np.ndarray
    proposed_angle: np.ndarray
    steering_angle: np.ndarray
    speed: np.ndarray
    measured_speed: np.ndarray
    yaw_rate: np.ndarray
    limits: np.ndarray
    safe_stop: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def of_frames(self) -> Issued:
        """Only the commands that a frame caused: one row a frame."""
        kept = self.on_frame.astype(bool)
        return Issued(*(getattr(self, field.name)[kept] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True, eq=False)
class Recorded:
    """What the recorded driver did: stamps (S,) ns and front-wheel angles (S,) rad, as recorded."""

    stamp_ns: np.ndarray
    steering_angle: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)


@dataclasses.dataclass(frozen=True, eq=False)
class ReplayLog:
    """One model on one bag.

    `counts`: the controller's own. `skipped`: messages that could not be decoded, by reason.
    `damage`: what could not be read. `roles`: topic by role. `seconds`: length of the recording.
    `wall`: how long the replay of the bag took, all its models together. `decode_s`: (F,) seconds
    that each picture took to decode and shrink; `step_s`: (F,) seconds of each step of the policy.
    `clock_offset`: median of receipt minus stamp [s].
    """

    model: str
    bag: str
    issued: Issued
    recorded: Recorded
    vehicle: VehicleConfig
    frames: int
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    damage: tuple[str, ...]
    roles: Mapping[str, str]
    seconds: float
    wall: float
    decode_s: np.ndarray
    step_s: np.ndarray
    clock_offset: float | None

    def since_start(self, stamps_ns: np.ndarray) -> np.ndarray:
        """Stamps as seconds since the first frame that was used."""
        return (
            np.asarray(stamps_ns, np.int64) - (self.issued.stamp_ns[0] if len(self.issued) else 0)
        ) / 1e9


class Rows:
    """Grows the columns of `Issued`."""

    def __init__(self) -> None:
        self._columns = {name: array(kind) for name, kind in ROW.items()}
        self._append = [column.append for column in self._columns.values()]

    def add(
        self,
        command: Command,
        verdict: Verdict,
        action: Action | None,
        angle: float,
        speed: float,
        yaw_rate: float,
        on_frame: bool,
    ) -> None:
        bend = action.curvature if action else float("nan")
        values = (
            command.stamp_ns,
            command.issued_ns,
            on_frame,
            bend,
            angle,
            command.steering_angle,
            command.speed,
            speed,
            yaw_rate,
            verdict.limits.value,
            verdict.safe_stop,
        )
        for append, value in zip(self._append, values, strict=True):
            append(value)

    def issued(self) -> Issued:
        return Issued(*(np.array(column) for column in self._columns.values()))
