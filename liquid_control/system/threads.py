"""How PyTorch's threads wait for each other. Imports no torch, because it must act before torch is
imported."""

from __future__ import annotations

import math
import os
from pathlib import Path


def wait_without_spinning() -> None:
    """Lets OpenMP threads sleep between parallel regions, unless the user decided otherwise.

    Spinning threads win microseconds on an idle machine; under any other load they occupy the cores
    that they wait for: a training step of two threads took 950 ms instead of 150 ms with four
    busy processes.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"


QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Of the control group of a container (version 2)."""


def cores() -> int:
    """The cores that this process may use: those of its affinity (taskset, a container's cpuset),
    and at most the quota of its control group, rounded up; at least 1."""
    usable = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, math.ceil(min(usable, _quota())))


def _quota() -> float:
    """Cores that the control group may use on average (`docker run --cpus`), inf without limit."""
    try:
        quota, period = QUOTA.read_text().split()
        return float(quota) / float(period) if quota != "max" else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
