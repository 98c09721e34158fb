"""The installed models."""

from __future__ import annotations

from pathlib import Path

from liquid_control.cli.checks.finding import MISSING, NOTE, OK, Finding
from liquid_control.errors import LiquidControlError
from liquid_control.model.installed import installed_models

ADVICE = "Train one: liquid-control train simulation."


def check() -> list[Finding]:
    findings = [_check(directory) for directory in installed_models()]
    return findings or [Finding("run", "model", NOTE, "none is installed", ADVICE)]


def _check(directory: Path) -> Finding:
    name = f"model {directory.name}"
    try:
        from liquid_control.model.model_file import read_model

        read_model(directory)
    except ImportError as error:
        advice = f"{error.name} is not installed, see above"
        return Finding("run", name, MISSING, "not checked", advice)
    except LiquidControlError as error:
        return Finding("run", name, MISSING, "unusable", str(error))
    return Finding("run", name, OK, f"files match their hashes, {directory}")
