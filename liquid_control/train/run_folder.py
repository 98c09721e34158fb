"""What every training run leaves in its folder: its settings, which an interrupted run is told by,
a checkpoint, curves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from liquid_control.errors import ConfigError

SETTINGS, CHECKPOINT = "settings.json", "checkpoint.safetensors"


def open_run(folder: Path, described: Mapping) -> None:
    """Makes the run's folder, or checks that it belongs to the same settings. Raises ConfigError
    when it does not."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(described, indent=1)
    path = folder / SETTINGS
    if path.exists() and path.read_text() != text:
        raise ConfigError(
            str(folder),
            "a run with other settings",
            "an empty folder, or the settings in its settings.json",
        )
    path.write_text(text)


def commit() -> str | None:
    """The repository's commit, marked when files differ from it; None outside a repository or
    without git."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
        )
    except OSError:
        return None
    return told.stdout.strip() or None


def tensorboard(folder: Path):
    """A writer of the run's curves, a context."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder / "tensorboard")
