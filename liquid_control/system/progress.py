"""How often a progress bar is drawn."""

from __future__ import annotations

import sys

ON_A_TERMINAL, IN_A_FILE = 0.1, 30.0
"""Seconds between two drawings."""


def redraw_interval() -> float:
    """Of a bar on standard error [s]: rarely where that is a file, which keeps every drawing."""
    return ON_A_TERMINAL if sys.stderr.isatty() else IN_A_FILE
