"""Whether a process that works for hours grows: memory and open files after each piece of work, as a slope."""

from __future__ import annotations

import os
from pathlib import Path

WARM_UP, ENOUGH = 15, 60
"""Pieces of work before a process has loaded all it needs, and how many behind them tell a slope from the steps of an allocator."""


def footprint() -> dict[str, int | None]:
    """This process now: `pid`, resident memory [bytes], open file descriptors; None where there is no /proc."""
    own = Path("/proc/self")
    if not own.is_dir():
        return {"pid": os.getpid(), "memory_bytes": None, "files": None}
    pages = int((own / "statm").read_text().split()[1])
    return {"pid": os.getpid(), "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"), "files": len(list((own / "fd").iterdir()))}


def growth(rows: list[dict]) -> dict[str, float | None]:
    """Fastest growth of any process: memory in percent per simulated hour of its own, open files per hour; None: too little was done.

    `rows`: footprints in the order of work, each with its simulated `seconds`.
    """
    memory, files = [], []
    for pid in {row["pid"] for row in rows}:
        own = sorted((row for row in rows if row["pid"] == pid), key=lambda row: row["index"])
        hours, driven = [], 0.0
        for row in own:
            driven += row["seconds"] / 3600.0
            hours.append(driven)
        own, hours = own[WARM_UP:], hours[WARM_UP:]
        if len(own) < ENOUGH or own[0]["memory_bytes"] is None:
            continue
        memory.append(100.0 * _slope(hours, [row["memory_bytes"] / own[0]["memory_bytes"] for row in own]))
        files.append(_slope(hours, [row["files"] for row in own]))
    return {
        "memory_growth_percent_an_hour": round(max(memory), 3) if memory else None,
        "file_growth_an_hour": round(max(files), 3) if files else None,
    }


def _slope(x: list[float], y: list[float]) -> float:
    """Of the straight line of least squares."""
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    across = sum((a - middle_x) ** 2 for a in x)
    return sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / across if across else 0.0
