"""The record of one drive: pictures, proposals, commands, neurons and ground truth over time. No
ROS.

All stamps are integer nanoseconds of one clock; `received_ns` is when the recorder got the message,
on the same clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import CAR_LANE, DrivingScale, driving_scale
from liquid_control.errors import ShapeError
from liquid_control.report.overlay import CameraView
from liquid_control.report.strip import circuit_names, display_names

CAR_SCALE = driving_scale(VehicleConfig(), CAR_LANE)


def table(kind: type, rows: Iterable[tuple]):
    """Builds `Pictures`, `Proposals`, `Commands`, `Neurons` or `Track` from rows in the order of
    its fields; no row is fine."""
    columns = list(zip(*rows, strict=True))
    return kind(*columns) if columns else kind()


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """Camera pictures: stamps (F,), and each picture as the bytes of a JPEG or PNG file."""

    stamp_ns: np.ndarray = ()
    encoded: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _to_columns(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Proposals:
    """What the policy proposed: stamp of the frame, receipt, path curvature [1/m], speed [m/s];
    (P,) each."""

    stamp_ns: np.ndarray = ()
    received_ns: np.ndarray = ()
    curvature: np.ndarray = ()
    speed: np.ndarray = ()

    def __post_init__(self) -> None:
        _to_columns(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Commands:
    """Commands to the vehicle: stamp of the frame behind it, issue, steering angle [rad], speed
    [m/s], receipt; (C,) each.

    `limits`: the values of `signals.Limit` that acted; leave it out where the recorder cannot know.
    """

    stamp_ns: np.ndarray = ()
    issued_ns: np.ndarray = ()
    steering_angle: np.ndarray = ()
    speed: np.ndarray = ()
    received_ns: np.ndarray = ()
    limits: np.ndarray = None

    def __post_init__(self) -> None:
        if self.limits is None:
            object.__setattr__(self, "limits", np.zeros(len(self.stamp_ns)))
        _to_columns(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Neurons:
    """States of the policy's core after each frame: stamps (N,), states (N, U);
    `DriveLog.state_names` says what they are."""

    stamp_ns: np.ndarray = ()
    state: np.ndarray = ()

    def __post_init__(self) -> None:
        _to_columns(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """Where the vehicle truly was: map pose [m, rad], speed [m/s], station and offset in the lane
    [m], the road's curvature [1/m]."""

    stamp_ns: np.ndarray = ()
    received_ns: np.ndarray = ()
    x: np.ndarray = ()
    y: np.ndarray = ()
    yaw: np.ndarray = ()
    speed: np.ndarray = ()
    station: np.ndarray = ()
    lane_offset: np.ndarray = ()
    curvature: np.ndarray = ()

    def __post_init__(self) -> None:
        _to_columns(self)


@dataclasses.dataclass(frozen=True, eq=False)
class DriveLog:
    """One drive.

    `counters` are totals from the nodes' diagnostics by name: frames_sent, frames_received,
    frames_used, rejected_*, runtime_failures, inertial_rejected, gate_activations and gate_<limit>.
    `exit_codes` of the processes by name, 0 where the end was clean; `died` names those that ended
    before the drive did. `state_names` are the names of the neurons' states as the policy
    gives them (motor_0, unit_3, memory_3); without them a wired circuit's are assumed. `facts` are
    printed in the report's head, such as the model's name and the seed. `scale`: of the vehicle in
    its lane. `lanes`: 2, of which the right one is driven, or 1, a recorded path.
    """

    pictures: Pictures = dataclasses.field(default_factory=Pictures)
    proposals: Proposals = dataclasses.field(default_factory=Proposals)
    commands: Commands = dataclasses.field(default_factory=Commands)
    neurons: Neurons = dataclasses.field(default_factory=Neurons)
    track: Track = dataclasses.field(default_factory=Track)
    counters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    exit_codes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vehicle: VehicleConfig = dataclasses.field(default_factory=VehicleConfig)
    camera: CameraView | None = dataclasses.field(default_factory=CameraView)
    died: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    scale: DrivingScale = CAR_SCALE
    lanes: int = 2

    @property
    def neuron_names(self) -> tuple[str, ...]:
        """What to call each of the U states for people: motor, command 1 …, inter 1 …, unit 1 …,
        memory 1 …, past 1 …"""
        count = self.neurons.state.shape[1] if len(self.neurons.stamp_ns) else 0
        named = len(self.state_names) == count
        return display_names(self.state_names) if named else circuit_names(count)

    @property
    def start_ns(self) -> int:
        """The earliest stamp in the log: second 0 of every plot; 0 in an empty log."""
        firsts = [
            part.stamp_ns[0]
            for part in (self.pictures, self.track, self.neurons)
            if len(part.stamp_ns)
        ]
        return int(min(firsts, default=0))

    def seconds(self, stamps_ns: np.ndarray) -> np.ndarray:
        """Stamps as float64 seconds since `start_ns`."""
        return (np.asarray(stamps_ns, np.int64) - self.start_ns) / 1e9


def _to_columns(part: object) -> None:
    """Turns a table's fields into arrays of one length, in order of receipt (of stamps where
    receipt is not recorded)."""
    fields = dataclasses.fields(part)
    count = len(part.stamp_ns)
    order = np.argsort(
        np.asarray(part.received_ns if hasattr(part, "received_ns") else part.stamp_ns, np.int64),
        kind="stable",
    )
    for field in fields:
        column = getattr(part, field.name)
        if len(column) != count or len(order) != count:
            raise ShapeError(
                f"{type(part).__name__}.{field.name}",
                (len(column),),
                f"({count}, ...), as many as stamps",
            )
        if field.name == "encoded":
            value = tuple(column[i] for i in order)
        else:
            value = np.asarray(
                column,
                np.int64 if field.name.endswith("_ns") or field.name == "limits" else np.float64,
            )[order]
        object.__setattr__(part, field.name, value)
