"""Memory of a process as the kernel counts it, from /proc/PID/status."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def status_bytes(pid: int | str = "self") -> dict[str, int]:
    """The sizes of a process [bytes] by the kernel's names, such as VmHWM (largest resident size),
    VmRSS (resident now), VmData and RssAnon. Empty where there is no such process or no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    rows = (line.split() for line in lines.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}


def peak_bytes() -> int:
    """The largest resident size of this process so far [bytes].

    VmHWM on Linux: a process inherits `ru_maxrss` from the one that starts it.
    """
    found = status_bytes().get("VmHWM")
    if found is not None:
        return found
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
