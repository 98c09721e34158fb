"""The figures of `bench shadow` from its rounds, and the CPU time that they are made of."""

from __future__ import annotations

import os
import time

import pytest

from liquid_control.bench import shadow
from liquid_control.system.cpu_time import cpu_seconds


def rows(cpu: list[float], p99: list[float], used: int = 0) -> list[dict]:
    return [
        {"cpu": one, "p99_ms": late, "shadow_frames_used": used}
        | {"shadow_frames_skipped": 1, "shadow_failures": 0}
        for one, late in zip(cpu, p99, strict=True)
    ]


def test_rounds_are_compared_with_their_neighbours():
    """Load that doubles both in one round changes nothing."""
    without, with_it = [0.1, 0.2, 0.1], [0.12, 0.24, 0.12]
    late, later = [5.0, 50.0, 5.0], [5.2, 50.2, 5.2]
    found = shadow._compared({"without": rows(without, late), "with": rows(with_it, later, 500)})
    assert found["cpu"] == pytest.approx(1.2) and found["p99_ms"] == pytest.approx(0.2)
    assert found["shadow_frames_used"] == 1500 and found["shadow_frames_skipped"] == 3
    assert shadow.succeeded(found)
    assert not shadow.succeeded(found | {"cpu": 1.6})
    assert not shadow.succeeded(found | {"p99_ms": 0.6})
    assert not shadow.succeeded(found | {"shadow_frames_used": 0})


def test_cpu_time_is_that_of_work_and_not_of_waiting():
    before = cpu_seconds(os.getpid())
    time.sleep(0.1)
    assert cpu_seconds(os.getpid()) - before < 0.1
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.18
    with pytest.raises(OSError):
        cpu_seconds(2**22 + 1)
