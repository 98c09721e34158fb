"""Growth of a long-running process: its memory and open files after each job, as a robust slope.

Memory is the sum of anonymous, shared and swapped pages. Pages of files (libraries, weights) are
left out, because the kernel loads and drops them independently of the process. The slope is Theil
and Sen's, the median of the slopes between all pairs: a block that the allocator keeps once, or one
large road, does not count as growth; a leak in every job does.
"""

from __future__ import annotations

import gc
import os
import statistics
from pathlib import Path

from liquid_control.system.memory_use import status_bytes

WARM_UP, ENOUGH = 30, 60
"""Drives until a process has loaded all modules and driven its largest road, and the least number
of further drives for a slope."""
POINTS = 300
"""Largest number of points of a slope; more points are merged to medians of neighbours."""
OWN = ("RssAnon", "RssShmem", "VmSwap")


def footprint() -> dict[str, int | None]:
    """This process now, after garbage collection: `pid`, private memory [bytes], open file
    descriptors; None where there is no /proc."""
    gc.collect()
    sizes = status_bytes()
    if not sizes:
        return {"pid": os.getpid(), "memory_bytes": None, "files": None}
    return {
        "pid": os.getpid(),
        "memory_bytes": sum(sizes.get(name, 0) for name in OWN),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


def growth(rows: list[dict]) -> dict[str, object]:
    """Fastest growth of any process, in percent per hour of its simulated time, and the figures
    of each; None: too little was done.

    `rows`: footprints in any order, each with the `index` of its work and its simulated `seconds`.
    """
    processes = [
        each
        for each in (_process(pid, rows) for pid in sorted({row["pid"] for row in rows}))
        if each is not None
    ]
    return {
        f"{name}_growth_percent_an_hour": max(
            (each[f"{name}_percent_an_hour"] for each in processes), default=None
        )
        for name in ("memory", "file")
    } | {"processes": processes}


def _process(pid: int, rows: list[dict]) -> dict | None:
    own = sorted((row for row in rows if row["pid"] == pid), key=lambda row: row["index"])
    hours, driven = [], 0.0
    for row in own:
        driven += row["seconds"] / 3600.0
        hours.append(driven)
    own, hours = own[WARM_UP:], hours[WARM_UP:]
    if len(own) < ENOUGH or own[0]["memory_bytes"] is None:
        return None
    memory, files = [row["memory_bytes"] for row in own], [row["files"] for row in own]
    tenth = len(own) // 10
    return {
        "hours_judged": round(hours[-1] - hours[0], 3),
        "pieces": len(own),
        "first_mb": round(statistics.median(memory[:tenth]) / 1e6, 2),
        "last_mb": round(statistics.median(memory[-tenth:]) / 1e6, 2),
        "largest_mb": round(max(memory) / 1e6, 2),
        "first_files": files[0],
        "last_files": files[-1],
        "memory_percent_an_hour": _percent(hours, memory),
        "file_percent_an_hour": _percent(hours, files),
    }


def _percent(hours: list[float], values: list[float]) -> float:
    return round(100.0 * slope(hours, values) / statistics.median(values), 3)


def slope(x: list[float], y: list[float]) -> float:
    """Theil and Sen's: the median of the slopes between all pairs of points with different x."""
    size = -(-len(x) // POINTS)
    x, y = (
        [statistics.median(values[at : at + size]) for at in range(0, len(values), size)]
        for values in (x, y)
    )
    pairs = ((i, j) for i in range(len(x)) for j in range(i))
    return statistics.median((y[i] - y[j]) / (x[i] - x[j]) for i, j in pairs if x[i] != x[j])
