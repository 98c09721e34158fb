"""What a check of the machine returns, and how a risky check runs in a separate process."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys

OK, NOTE, MISSING = "ok", "note", "missing"
LONGEST = 60.0
"""A probe that runs longer [s] is ended."""
PROBE = """
import importlib, json, sys
module, function = sys.argv[1:]
print(json.dumps(getattr(importlib.import_module(module), function)()))
"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One result. `state` is ok, note or missing; `advice` says what to do, if anything."""

    group: str
    name: str
    state: str
    found: str
    advice: str = ""


def probe(module: str, function: str) -> tuple[list | None, str]:
    """Calls a function of this package without arguments in a separate process, so that a crash
    or hang (OpenGL, DDS, drivers) cannot end the check. Returns (its result, "") or (None, error).
    """
    command = [sys.executable, "-c", PROBE, f"liquid_control.{module}", function]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {LONGEST:g} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or [
        f"exit code {done.returncode}"
    ]
    return (json.loads(lines[-1]), "") if done.returncode == 0 else (None, lines[-1])


def is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package before its dot: backports.zstd
        return False
