from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# 48 MB each: beyond 32 MB glibc always asks the kernel; below, it may or may not have learned to
# keep them.
FAULTS = """
import resource, sys, torch
from liquid_control.system.allocator import keep_freed_memory
def faults():
    for _ in range(3):
        maps = [torch.ones(12_000_000) for _ in range(4)]
        del maps
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        maps = [torch.ones(12_000_000) for _ in range(4)]
        del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
torch.set_num_threads(1)
before = faults()
assert keep_freed_memory()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_large_blocks_are_fetched_from_the_kernel_once():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert after < 100 < before
