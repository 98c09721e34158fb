"""Python, and the packages of setup.py's extras."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from collections.abc import Iterator

from liquid_control.cli.checks.finding import MISSING, NOTE, OK, Finding, is_importable
from liquid_control.cli.extras import MODULES
from liquid_control.system.threads import cores

NODES_NEED = {"numpy", "opencv-python-headless", "onnxruntime", "PyYAML"}
"""Packages without which no policy drives; another one that is missing is a note."""
CHECKED_WITH_THE_GPU = {"triton"}


def check() -> list[Finding]:
    return [_python(), *_packages()]


def check_package(extra: str, name: str) -> Finding:
    """Looks for the module, not for pip's record of it: packages of apt have none."""
    if not is_importable(MODULES.get(name, name.replace("-", "_"))):
        state = MISSING if name in NODES_NEED else NOTE
        advice = f"pip install 'liquid_control[{extra}]', or the system's own package"
        return Finding(extra, name, state, "not installed", advice)
    try:
        return Finding(extra, name, OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(extra, name, OK, "the system's own")


def _python() -> Finding:
    system = f"{platform.system()} {platform.machine()}, {cores()} cores"
    found = f"{platform.python_version()} on {system}"
    if (3, 10) <= sys.version_info[:2] <= (3, 12):
        return Finding("run", "python", OK, found)
    return Finding("run", "python", MISSING, found, "Use Python 3.10, 3.11 or 3.12.")


def _packages() -> Iterator[Finding]:
    """From the metadata of the installed package."""
    try:
        requirements = importlib.metadata.requires("liquid_control") or []
    except importlib.metadata.PackageNotFoundError:
        advice = "Install it: make setup, or colcon build."
        yield Finding("run", "liquid_control", NOTE, "its sources, not installed", advice)
        return
    seen = set(CHECKED_WITH_THE_GPU)
    for requirement in requirements:
        match = re.match(r"""([\w.-]+).*extra == ['"](\w+)['"]""", requirement)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield check_package(match[2], match[1])
