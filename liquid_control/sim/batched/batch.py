"""What a batch of twin worlds is made of: named arrays with one row for each world, for numba as
numpy arrays and for PyTorch as tensors."""

from __future__ import annotations

from typing import NamedTuple

from liquid_control.sim.batched.numbers import AHEAD, NUMBERS

PERIOD, EXPOSED = range(2)
SEEN_STATION, SEEN_OFFSET, SEEN_ERROR, SEEN_EXPERT, SEEN_AHEAD = range(5)
SEEN = SEEN_AHEAD + len(AHEAD)
"""Columns of what `look` finds: station, lane offset [m], heading error [rad], the expert's
curvature [1/m], and the lane's curvatures ahead [1/m]."""
INERTIAL = 3
"""Yaw rate [rad/s], lateral acceleration [m/s²] and speed [m/s]."""
KNOWN = len(NUMBERS) + 6
"""Numbers that only training has."""
RENEWAL = 4
"""Uniform numbers that begin an episode: road, car, station, camera rate."""
NORMAL = 2
"""Normal numbers that begin an episode: offset, heading."""


class Pool(NamedTuple):
    """Roads and cars that episodes take from, float32."""

    rows: object  # (R * samples, ROW)
    cars: object  # (R, CAR)
    biases: object  # (R, 2) of yaw rate and lateral acceleration


class Batch(NamedTuple):
    """The worlds. `angles` [rad] are asked of the front wheels from the steps `starts` on, both in
    order of time; `times` [s]: period of the camera and the latest exposure since the episode
    began; `asked` [1/m]: the latest action; `means`: yaw rate and lateral acceleration since the
    frame before."""

    state: object  # (B, STATE) float32
    car: object  # (B, CAR) float32
    bias: object  # (B, 2) float32
    road: object  # (B,) int64
    kind: object  # (B,) int64, of the pool's cars
    clock: object  # (B,) int64, steps since the episode began
    starts: object  # (B, K) int64
    angles: object  # (B, K) float32
    times: object  # (B, 2) float64
    asked: object  # (B,) float32
    means: object  # (B, 2) float32
    seen: object  # (B, SEEN) float32


class Rules(NamedTuple):
    """Numbers that are the same for all worlds; lengths in metres, times in seconds."""

    samples: int
    pool: int
    length: float
    time_limit: float
    anywhere: bool
    start: float
    room: float
    offset: float
    heading: float
    roughness: float
    noise: float
    rate_low: float
    rate_high: float
    jitter: float
    drop_share: float
    latency: float
    wheelbase: float
    largest_angle: float
    steering_offset: float


class Drawn(NamedTuple):
    """Random numbers of one step: uniform in 0 to 1 and normal."""

    exposure: object  # (2, B, draws) float32: jitter of each period, whether the frame is dropped
    renewal: object  # (B, RENEWAL) float32
    beside: object  # (B, NORMAL) float32
    noise: object  # (2, B, numbers + INERTIAL) float32: of the frame, of the next episode's first


class Shown(NamedTuple):
    """What a step writes. `last_*`: before worlds that ended were reset."""

    numbers: object  # (B, numbers) float32
    inertial: object  # (B, INERTIAL) float32
    known: object  # (B, KNOWN) float32
    dt: object  # (B,) float32 [s]
    reward: object  # (B,) float32
    ended: object  # (B,) int64: GOES_ON, TERMINATED, TRUNCATED or BROKEN
    last_numbers: object
    last_inertial: object
    last_known: object
    last_state: object  # (B, STATE)


GOES_ON, TERMINATED, TRUNCATED, BROKEN = range(4)
