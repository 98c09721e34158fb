"""Simulated against real time, and what diagnostics measure; both on clocks that the test holds."""

from __future__ import annotations

import math

from liquid_control.ros.diagnostics import WINDOW, Meter, status
from liquid_control.ros.real_time import Pace


class Wall:
    def __init__(self) -> None:
        self.ns = 1_000_000_000_000

    def __call__(self) -> int:
        return self.ns


def test_an_instant_is_due_at_its_stamp():
    wall = Wall()
    pace = Pace(now_ns=wall)
    assert pace.seconds_until(30_000_000) == 0.03
    wall.ns += 30_000_000
    assert pace.seconds_until(30_000_000) == 0.0
    assert pace.stamp_ns(30_000_000) == wall.ns
    assert pace.real_time_factor == 1.0


def test_a_little_lateness_is_caught_up_and_much_of_it_slips():
    wall = Wall()
    pace = Pace(now_ns=wall)
    wall.ns += 40_000_000
    assert pace.seconds_until(0) == -0.04 and pace.stamp_ns(0) == wall.ns - 40_000_000
    wall.ns += 960_000_000
    assert pace.seconds_until(0) == 0.0 and pace.stamp_ns(0) == wall.ns, (
        "stamps must not lie a second in the past"
    )
    wall.ns += 1_000_000_000
    assert pace.seconds_until(1_000_000_000) == 0.0
    assert pace.real_time_factor == 0.5


def test_steady_stamps_count_simulated_time_alone():
    wall = Wall()
    pace = Pace(steady_stamps=True, now_ns=wall)
    first = pace.stamp_ns(0)
    wall.ns += 5_000_000_000
    assert pace.seconds_until(10_000_000) == 0.0
    assert pace.stamp_ns(10_000_000) == first + 10_000_000
    assert pace.stamp_of_wall(wall.ns + 7) == first + 10_000_007


def test_a_pause_is_not_lost_time_and_a_clock_set_back_does_not_freeze_the_world():
    wall = Wall()
    pace = Pace(now_ns=wall)
    wall.ns += 7_000_000_000
    pace.resume(0)
    wall.ns += 10_000_000
    assert pace.seconds_until(10_000_000) == 0.0 and pace.real_time_factor == 1.0
    wall.ns -= 3_600_000_000_000
    assert pace.seconds_until(20_000_000) == 0.0
    assert pace.seconds_until(30_000_000) == 0.01


def test_a_meter_measures_its_window():
    now = [100.0]
    meter = Meter(lambda: now[0])
    assert meter.age == math.inf and meter.rate == 0.0 and math.isnan(meter.percentiles(0.5)[0])
    for k in range(1000):
        now[0] += 0.02
        meter.tick(k / 1000)
    assert meter.count == 1000
    assert abs(meter.rate - 50) < 0.5
    half, most = meter.percentiles(0.5, 0.99)
    assert abs(half - 0.875) < 0.003 and abs(most - 0.997) < 0.003, "only the last 5 s count"
    now[0] += 2 * WINDOW
    assert meter.rate == 0.0 and meter.age == 2 * WINDOW


def test_a_status_writes_numbers_that_people_read():
    values = {
        pair.key: pair.value
        for pair in status("a", "b", b"\0", "m", {"x": 1 / 3, "n": 7, "on": True}).values
    }
    assert values == {"x": "0.33333", "n": "7", "on": "True"}
