"""CPU time of a process as the kernel counts it, from /proc/PID/stat."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process, in user and kernel mode [s]. Raises OSError where there is no
    such process or no /proc."""
    said = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = said.rpartition(")")[2].split()  # the name before it may hold spaces
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
