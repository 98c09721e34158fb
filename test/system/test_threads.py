"""The cores that a process may use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from liquid_control.system import threads
from liquid_control.system.jobs import processes, run_jobs

PROGRAM = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.threads import cores
if __name__ == "__main__":
    print(cores(), set(run_jobs(lambda job: os.getpid(), [1, 2], processes())) == {os.getpid()})
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity here")
def test_affinity_bounds_the_workers():
    """One worker runs in this process."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "True"], done.stderr


@pytest.mark.parametrize(
    "quota, expected",
    [("max 100000", 8), ("250000 100000", 3), ("50000 100000", 1), ("900000 100000", 8), ("", 8)],
)
def test_a_control_group_bounds_them_too(quota, expected, tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert threads.cores() == expected
    assert run_jobs(abs, [-1], processes()) == [1]
