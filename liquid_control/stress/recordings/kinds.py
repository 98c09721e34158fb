"""Kinds of what happens to recordings, each with random parameters: harmless ones, which must be
read as if nothing had happened, and faults, which must be blamed on the right role."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from liquid_control.stress.recordings.drive import Drive, Stream
from liquid_control.stress.recordings.writing import Layout

Streams = dict[str, Stream]
DAY = 86_400.0


@dataclasses.dataclass(frozen=True)
class Changed:
    """Streams after a change, how they are written, and what it did, for people."""

    streams: Streams
    layout: Layout
    what: str
    numbers_hold: bool = False
    """Whether what training takes is right all the same, so that the change may go unsaid."""


Change = Callable[[Streams, Layout, Drive, np.random.Generator], Changed]


@dataclasses.dataclass(frozen=True)
class Kind:
    """`blamed`: roles, one of which must be named; none for a harmless kind, where `allowed` codes
    of findings are true all the same. `kept`: least share of the pictures that must be used.
    `tolerance`: largest error of a number that counts as right, as a share of its own root mean
    square."""

    change: Change
    blamed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    kept: float = 0.9
    tolerance: float = 0.2

    @property
    def harmless(self) -> bool:
        return not self.blamed


def _shift(stream: Stream, receipt_s: float, stamp_s: float) -> Stream:
    """Receipts and stamps moved by seconds."""
    return stream.changed(
        received_ns=stream.received_ns + round(receipt_s * 1e9),
        stamp_ns=stream.stamp_ns + round(stamp_s * 1e9),
    )


def _jump(streams: Streams, seconds: float, after_s: float) -> Streams:
    """All clocks moved by `seconds` from one moment on."""
    begin = min(int(stream.order[0]) for stream in streams.values()) + round(after_s * 1e9)
    moved = {}
    for role, stream in streams.items():
        added = np.where(stream.order >= begin, round(seconds * 1e9), 0)
        moved[role] = stream.changed(
            received_ns=stream.received_ns + added, stamp_ns=stream.stamp_ns + added
        )
    return moved


def _scaled(stream: Stream, factors: Mapping[int, float]) -> Stream:
    values = stream.values.copy()
    for column, factor in factors.items():
        values[:, column] *= factor
    return stream.changed(values=values)


def _nothing(streams, layout, drive, rng) -> Changed:
    return Changed(streams, dataclasses.replace(layout, encoding="rgb8"), "nothing")


def _encoding(streams, layout, drive, rng) -> Changed:
    return Changed(streams, layout, f"pictures in {layout.encoding}")


def _set_forward(streams, layout, drive, rng) -> Changed:
    step, after = 10 ** rng.uniform(1.0, 9.2), rng.uniform(4.0, 9.0)
    early = {role: _shift(stream, -step, -step) for role, stream in streams.items()}
    what = f"all clocks {step:.0f} s forward after {after:.0f} s"
    return Changed(_jump(early, step, after), layout, what)


def _set_back(streams, layout, drive, rng) -> Changed:
    """In the order in which it was recorded, as one writer leaves it."""
    step, after = 10 ** rng.uniform(0.5, 9.0), rng.uniform(4.0, 9.0)
    layout = dataclasses.replace(layout, order="recorded")
    what = f"all clocks {step:.1f} s back after {after:.0f} s"
    return Changed(_jump(streams, -step, after), layout, what)


def _pause(streams, layout, drive, rng) -> Changed:
    """The vehicle drives on as if nothing had been."""
    length, after = 10 ** rng.uniform(0.5, 6.5), rng.uniform(4.0, 9.0)
    what = f"a pause of {length:.0f} s after {after:.0f} s"
    return Changed(_jump(streams, length, after), layout, what)


def _common_clock(streams, layout, drive, rng) -> Changed:
    offset = float(rng.choice([37.0, -37.0, -18.0, -1.7e9, 10 ** rng.uniform(0.5, 5.0)]))
    moved = {role: _shift(stream, 0.0, offset) for role, stream in streams.items()}
    return Changed(moved, layout, f"all sensors' clocks {offset:.1f} s off the recorder's")


def _other_clock(role: str) -> Change:
    def change(streams, layout, drive, rng) -> Changed:
        size = float(rng.choice([10 ** rng.uniform(-0.2, 1.0), 1.7e9, 10 ** rng.uniform(1.0, 5.0)]))
        offset = size * float(rng.choice([-1.0, 1.0]))
        offset = -abs(offset) if abs(offset) > 1e8 else offset
        moved = streams | {role: _shift(streams[role], 0.0, offset)}
        return Changed(moved, layout, f"the clock of {role} {offset:.2f} s off")

    return change


def _unstamped_steering(streams, layout, drive, rng) -> Changed:
    bare = np.zeros_like(streams["steering"].stamp_ns)
    moved = streams | {"steering": streams["steering"].changed(stamp_ns=bare)}
    return Changed(moved, layout, "steering without stamps")


def _batches(streams, layout, drive, rng) -> Changed:
    imu, size = streams["imu"], int(rng.integers(2, 13))
    last = np.minimum((np.arange(len(imu.stamp_ns)) // size + 1) * size, len(imu.stamp_ns)) - 1
    together = imu.changed(stamp_ns=imu.stamp_ns[last], received_ns=imu.received_ns[last])
    return Changed(streams | {"imu": together}, layout, f"IMU in batches of {size}")


def _dropped(streams, layout, drive, rng) -> Changed:
    """Of every stream some messages are lost."""
    share = rng.uniform(0.0, 0.15)
    left = {}
    for role, stream in streams.items():
        kept = rng.random(len(stream.stamp_ns)) > share
        left[role] = Stream(**{name: column[kept] for name, column in vars(stream).items()})
    return Changed(left, layout, f"{share:.0%} of all messages lost")


def _steering_scale(streams, layout, drive, rng) -> Changed:
    scale = float(rng.choice([180 / math.pi, rng.uniform(12, 20), 1 / rng.uniform(1.8, 4)]))
    scale *= float(rng.choice([-1.0, 1.0]))
    moved = streams | {"steering": _scaled(streams["steering"], {0: scale})}
    return Changed(moved, layout, f"steering times {scale:.3g}")


def _steering_sign(streams, layout, drive, rng) -> Changed:
    moved = streams | {"steering": _scaled(streams["steering"], {0: -1.0})}
    return Changed(moved, layout, "steering with the other sign")


def _steering_offset(streams, layout, drive, rng) -> Changed:
    offset = float(np.std(drive.angle) * rng.uniform(0.7, 2.0) * rng.choice([-1.0, 1.0]))
    values = streams["steering"].values + np.array([offset, 0.0])
    moved = streams | {"steering": streams["steering"].changed(values=values)}
    return Changed(moved, layout, f"steering off by {math.degrees(offset):.2f} degrees")


def _steering_late(streams, layout, drive, rng) -> Changed:
    delay = rng.uniform(0.25, 0.5)
    late = _shift(streams["steering"], delay, delay)
    return Changed(streams | {"steering": late}, layout, f"steering {delay:.2f} s late")


def _twist_angle(streams, layout, drive, rng) -> Changed:
    return Changed(streams, dataclasses.replace(layout, twist=True), "a twist that holds the angle")


def _steering_scale_and_offset(streams, layout, drive, rng) -> Changed:
    scaled = _steering_scale(streams, layout, drive, rng)
    size = np.std(scaled.streams["steering"].values[:, 0])
    values = scaled.streams["steering"].values + np.array([rng.uniform(0.5, 1.5) * size, 0.0])
    moved = streams | {"steering": streams["steering"].changed(values=values)}
    return Changed(moved, layout, f"{scaled.what} and off by {values.mean():.3g}")


def _steering_pulses(streams, layout, drive, rng) -> Changed:
    """Of a servo, straight on at 1500 µs."""
    scale = float(rng.uniform(400, 900) * rng.choice([-1.0, 1.0]))
    values = streams["steering"].values * np.array([scale, 1.0]) + np.array([1500.0, 0.0])
    moved = streams | {"steering": streams["steering"].changed(values=values)}
    return Changed(moved, layout, f"steering in pulses, 1500 and {scale:.0f} per rad")


def _coarse_imu(streams, layout, drive, rng) -> Changed:
    step = int(rng.choice([1_000_000_000, 250_000_000, 500_000_000]))
    stamps = streams["imu"].stamp_ns // step * step
    moved = streams | {"imu": streams["imu"].changed(stamp_ns=stamps)}
    return Changed(moved, layout, f"IMU stamped in steps of {step / 1e9:g} s")


def _speed_sign(streams, layout, drive, rng) -> Changed:
    moved = streams | {"speed": _scaled(streams["speed"], {0: -1.0})}
    return Changed(moved, layout, "speed with the other sign")


def _gyro_sign(streams, layout, drive, rng) -> Changed:
    moved = streams | {"imu": _scaled(streams["imu"], {2: -1.0})}
    return Changed(moved, layout, "gyro z with the other sign")


def _restarted(role: str) -> Change:
    """The driver of a sensor is started anew, and counts its time from then on."""

    def change(streams, layout, drive, rng) -> Changed:
        stream, after = streams[role], rng.uniform(0.3, 0.7)
        late = np.arange(len(stream.stamp_ns)) >= after * len(stream.stamp_ns)
        anew = stream.stamp_ns - stream.stamp_ns[late][0] + 1_000_000_000
        moved = stream.changed(stamp_ns=np.where(late, anew, stream.stamp_ns))
        what = f"stamps of {role} begin anew after {after:.0%}"
        return Changed(streams | {role: moved}, layout, what)

    return change


def _speed_unit(streams, layout, drive, rng) -> Changed:
    unit = float(rng.choice([3.6, 2.2369, 100.0, 1.9438]))
    moved = streams | {"speed": _scaled(streams["speed"], {0: unit})}
    return Changed(moved, layout, f"speed times {unit:.4g}")


def _speed_unit_and_offset(streams, layout, drive, rng) -> Changed:
    scaled = _speed_unit(streams, layout, drive, rng)
    values = scaled.streams["speed"].values.copy()
    values[:, 0] += rng.uniform(0.05, 0.3) * values[:, 0].mean()
    moved = streams | {"speed": streams["speed"].changed(values=values)}
    return Changed(moved, layout, f"{scaled.what} with an offset")


def _world_twist(streams, layout, drive, rng) -> Changed:
    speed = streams["speed"]
    values = speed.values.copy()
    yaw = values[:, 3]
    values[:, 0] = speed.values[:, 0] * np.cos(yaw)
    held = float(np.min(np.cos(yaw))) > 0.9
    moved = streams | {"speed": speed.changed(values=values)}
    return Changed(moved, layout, "a twist in the frame of the odometry", numbers_hold=held)


def _gyro_degrees(streams, layout, drive, rng) -> Changed:
    turned = _scaled(streams["imu"], dict.fromkeys(range(3), 180 / math.pi))
    return Changed(streams | {"imu": turned}, layout, "gyro in degrees per second")


def _acceleration_g(streams, layout, drive, rng) -> Changed:
    unit = 1 / 9.80665
    scaled = _scaled(streams["imu"], {3: unit, 4: unit, 5: unit})
    return Changed(streams | {"imu": scaled}, layout, "accelerations in g")


def _axes(streams, layout, drive, rng) -> Changed:
    turns = {
        "z down": np.diag([1.0, -1.0, -1.0]),
        "optical": np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
        "half a turn": np.diag([-1.0, -1.0, 1.0]),
        "on its side": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    }
    name = str(rng.choice(list(turns)))
    imu = streams["imu"]
    values = np.hstack([imu.values[:, :3] @ turns[name].T, imu.values[:, 3:] @ turns[name].T])
    return Changed(streams | {"imu": imu.changed(values=values)}, layout, f"IMU: {name}")


def _unmeasured(columns: slice, name: str) -> Change:
    def change(streams, layout, drive, rng) -> Changed:
        values = streams["imu"].values.copy()
        values[:, columns] = np.nan
        moved = streams | {"imu": streams["imu"].changed(values=values)}
        return Changed(moved, layout, f"IMU without {name} (covariance -1)")

    return change


STEERING, SPEED, IMU = frozenset({"steering"}), frozenset({"speed"}), frozenset({"imu"})
TIMES = frozenset({"clock_set", "pause", "gaps", "dropped", "silence"})

KINDS: dict[str, Kind] = {
    "clean": Kind(_nothing),
    "encoding": Kind(_encoding),
    "dropped": Kind(_dropped, allowed=frozenset({"gaps", "dropped"}), kept=0.8),
    "clock_forward": Kind(_set_forward, allowed=TIMES),
    "clock_back": Kind(_set_back, allowed=TIMES),
    "pause": Kind(_pause, allowed=TIMES),
    "common_clock": Kind(_common_clock, allowed=frozenset({"other_clock"})),
    "unstamped_steering": Kind(
        _unstamped_steering, allowed=frozenset({"zero_stamps", "receipt_used"})
    ),
    "imu_batches": Kind(_batches, allowed=frozenset({"duplicate_stamps"}), tolerance=0.35),
    "camera_clock": Kind(_other_clock("camera"), frozenset({"camera"})),
    "imu_clock": Kind(_other_clock("imu"), IMU),
    "speed_clock": Kind(_other_clock("speed"), SPEED),
    "steering_scale": Kind(_steering_scale, STEERING),
    "steering_sign": Kind(_steering_sign, STEERING),
    "steering_offset": Kind(_steering_offset, STEERING),
    "steering_late": Kind(_steering_late, STEERING),
    "twist_angle": Kind(_twist_angle, STEERING),
    "steering_scale_and_offset": Kind(_steering_scale_and_offset, STEERING),
    "steering_pulses": Kind(_steering_pulses, STEERING),
    "speed_sign": Kind(_speed_sign, SPEED),
    "gyro_sign": Kind(_gyro_sign, IMU),
    "camera_restarted": Kind(_restarted("camera"), frozenset({"camera"})),
    "imu_restarted": Kind(_restarted("imu"), IMU),
    "imu_coarse": Kind(_coarse_imu, IMU),
    "speed_unit": Kind(_speed_unit, SPEED),
    "speed_unit_and_offset": Kind(_speed_unit_and_offset, SPEED),
    "world_twist": Kind(_world_twist, SPEED),
    "gyro_degrees": Kind(_gyro_degrees, IMU),
    "acceleration_g": Kind(_acceleration_g, IMU),
    "imu_axes": Kind(_axes, IMU),
    "no_gyro": Kind(_unmeasured(slice(0, 3), "gyro"), IMU),
    "no_accelerometer": Kind(_unmeasured(slice(3, 6), "accelerometer"), IMU),
}
