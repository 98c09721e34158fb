"""The executables of the nodes. Each imports its node when it is called, so that neither a package
that is missing nor Ctrl-C during the imports leaves a traceback."""

from __future__ import annotations

import importlib
import os
import signal
import sys

from liquid_control.ros.exit_codes import ENDED, FAILED_START

REMEDY = "Source a ROS 2 installation, and install the packages that doc/install.md lists"


def policy_node() -> int:
    return _run("policy_node")


def safety_node() -> int:
    return _run("safety_node")


def operator_node() -> int:
    return _run("operator_node")


def recorder_node() -> int:
    return _run("recorder_node")


def joystick_node() -> int:
    return _run("joystick_node")


def sim_node() -> int:
    return _run("sim_node")


def _run(name: str) -> int:
    """Imports and runs a node; returns its exit code."""
    signal.signal(signal.SIGINT, lambda signum, frame: os._exit(ENDED))
    try:
        node = importlib.import_module(f"liquid_control.ros.{name}")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError)
        what = f"{error.name} is not installed" if absent else " ".join(str(error).split())
        print(f"{name}: {what}. {REMEDY}", file=sys.stderr)
        return FAILED_START
    return node.main()
