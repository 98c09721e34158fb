from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from liquid_control.system.memory_use import peak_bytes, status_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")

GROWS = """
from liquid_control.system.memory_use import peak_bytes, status_bytes
before = peak_bytes()
block = bytearray(b"x") * 80_000_000
grown, resident = peak_bytes(), status_bytes()["VmRSS"]
del block
print(before, grown, resident, status_bytes()["VmRSS"], peak_bytes())
"""


def test_the_peak_follows_a_block_and_stays_after_it_is_freed():
    done = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, check=True)
    before, grown, resident, freed, peak = map(int, done.stdout.split())
    assert grown - before > 70e6
    assert resident - freed > 70e6
    assert abs(peak - grown) < 5e6


def test_sizes_of_another_process_and_of_none():
    assert status_bytes(os.getpid()).keys() >= {"VmHWM", "VmRSS", "VmData", "RssAnon", "VmSwap"}
    assert 0 < status_bytes()["VmRSS"] <= peak_bytes()
    assert status_bytes(2**22 + 1) == {}
