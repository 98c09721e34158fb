"""The examination of one drive in closed loop, in a simulated or a recorded world: what is counted,
and when a vehicle is put back."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np

from liquid_control.control.controller import COMFORT, Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.evaluate.closed_loop.comfort import lateral_accelerations, mean_squares
from liquid_control.signals import Limit
from liquid_control.sim.drive import Step, drive
from liquid_control.sim.driven_world import DrivenWorld

STANDSTILL = 10.0
"""A vehicle that advances less than `ADVANCE` in this time stands still [s]."""
ADVANCE, LEAST_LEFT = 0.2, 0.1
"""Distance that is no standstill, and the least from the end of the road at which a vehicle is put
back, as shares of the distance by which it is put ahead: 1 m and 0.5 m of a car."""
BACK_IN_LANE = 0.75
"""A departure ends within this share of its threshold."""


@dataclasses.dataclass(frozen=True)
class Examined:
    """One drive. Distances in metres, times in seconds; the fields are those of `RoadResult`.
    `put_back_s`: when the vehicle was put back, since the beginning."""

    distance_m: float
    departures: int
    off_road: int
    lateral_rmse_m: float
    largest_offset_m: float
    frames_used: int
    gate_activations: int
    simulated_s: float
    wall_s: float
    cpu_s: float
    outside_m: float
    standstills: int
    frames_dropped: int
    safe_stop_s: float
    lateral_jerk_rms: float
    steering_rate_rms: float
    put_back_s: tuple[float, ...]
    lateral_acceleration_p95: float
    lateral_acceleration_max: float
    beyond_comfort_s: float


def examine(
    world: DrivenWorld,
    controller: Controller,
    gate: SafetyGate,
    watch: Callable[[Step, bool], object] | None = None,
    ignored: Limit = Limit.NONE,
    measured: float | None = None,
) -> Examined:
    """Drives to the end of the world's road. A vehicle that leaves the lane or stands still is
    counted and put back on its middle, by the lengths of its `scale`. `watch` gets every
    step and whether the vehicle is put back after it. `ignored`: limits that do not count, such as
    the unknown speed of a vehicle that measures none. `measured`: as in `drive`."""
    started, busy = time.perf_counter(), time.process_time()
    scale = world.scale
    departures = off_road = standstills = gated = periods = stopped = 0
    outside, limited = False, False
    squares, distance, beyond, largest = 0.0, 0.0, 0.0, 0.0
    station, began_ns = world.truth.station, world.time_ns
    mark_station, mark_ns = station, began_ns
    put_back: list[float] = []
    stretches: list[list[tuple[int, float, float, float]]] = [[]]
    for step in drive(world, controller, gate, measured=measured):
        truth = step.truth
        offset = abs(truth.lane_offset)
        departing = offset > scale.departure
        moved = max(truth.station - station, 0.0)
        station = truth.station
        distance += moved
        squares += moved * truth.lane_offset**2
        largest = max(largest, offset)
        departures += departing and not outside
        outside = departing or (outside and offset > BACK_IN_LANE * scale.departure)
        beyond += moved * departing
        acted = bool(step.verdict.limits & ~ignored)
        gated += acted and not limited
        limited = acted
        periods, stopped = periods + 1, stopped + step.verdict.safe_stop
        stretches[-1].append((truth.stamp_ns, truth.yaw, truth.speed, truth.steering_angle))
        if station > mark_station + ADVANCE * scale.put_back_ahead:
            mark_station, mark_ns = station, truth.stamp_ns
        stuck = truth.stamp_ns - mark_ns > STANDSTILL * 1e9
        terminated = world.task.is_terminated(truth)
        if watch is not None:
            watch(step, terminated or stuck)
        if terminated or stuck:
            off_road, standstills = off_road + terminated, standstills + (not terminated)
            last = world.road.length - LEAST_LEFT * scale.put_back_ahead
            station = min(station + scale.put_back_ahead, last)
            world.place(station)
            controller.reset()
            put_back.append((truth.stamp_ns - began_ns) * 1e-9)
            mark_station, mark_ns = station, truth.stamp_ns
            stretches.append([])
    simulated = (world.time_ns - began_ns) * 1e-9
    jerk, rate = mean_squares(stretches)
    lateral = lateral_accelerations(stretches)
    return Examined(
        distance_m=distance,
        departures=departures,
        off_road=off_road,
        lateral_rmse_m=math.sqrt(squares / max(distance, 1e-9)),
        largest_offset_m=largest,
        frames_used=controller.frames_used,
        gate_activations=gated,
        simulated_s=simulated,
        wall_s=time.perf_counter() - started,
        cpu_s=time.process_time() - busy,
        outside_m=beyond,
        standstills=standstills,
        frames_dropped=world.frames_dropped,
        safe_stop_s=simulated * stopped / max(periods, 1),
        lateral_jerk_rms=math.sqrt(jerk),
        steering_rate_rms=math.sqrt(rate),
        put_back_s=tuple(put_back),
        lateral_acceleration_p95=float(np.quantile(lateral, 0.95)) if len(lateral) else 0.0,
        lateral_acceleration_max=float(lateral.max(initial=0.0)),
        beyond_comfort_s=simulated * float(np.mean(lateral > COMFORT)) if len(lateral) else 0.0,
    )
