"""Timing: calls alternate, the median counts, and the machine is part of the result's file."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from liquid_control.system.files import write_atomically
from liquid_control.system.threads import cores

SHORTEST = 0.02
"""A timing lasts at least this long [s]: quick calls are repeated and averaged."""


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    advance: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median seconds per call of each contender.

    In every round each is called once to warm up and then for one timing, so that other load on
    the machine affects all of them. `advance` is called after each timing.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            calls = max(1, math.ceil(SHORTEST / _seconds(call, 1)))
            times[name].append(_seconds(call, calls) / calls)
            advance()
    return {name: statistics.median(values) for name, values in times.items()}


def machine(packages: tuple[str, ...]) -> dict:
    """Processor, cores, load average over the last minute (`load`), system, versions and date,
    for the file of a measurement."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def write_result(path: Path, packages: tuple[str, ...], measured: Mapping) -> dict:
    """Writes what was measured as JSON, behind the command and the machine; returns what the file
    holds. Makes the folder. `packages`: those whose versions matter."""
    command = " ".join(["liquid-control", *sys.argv[1:]])
    result = {"command": command, "machine": machine(packages), **measured}
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def _seconds(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _processor() -> str:
    """The model's name, and the widest vectors it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", facts.get("Features", "")).split()
    vectors = next((flag for flag in ("avx512f", "avx2", "avx", "asimd") if flag in flags), "")
    return f"{facts.get('model name', platform.machine())} {vectors}".strip()
