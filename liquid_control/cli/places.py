"""Whether a verb can write its results where it is to."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

from liquid_control.errors import ConfigError


def refuse_unusable_places(settings: object) -> None:
    """Raises ConfigError where a verb could not write its results, before it works for hours."""
    for field in dataclasses.fields(settings):
        place, kind = getattr(settings, field.name), field.metadata.get("writes")
        if kind and place is not None:
            problem = _problem(Path(place), kind == "file")
            if problem:
                raise ConfigError(
                    f"--{field.name}", str(place), f"a place that can be written, but {problem}"
                )


def _problem(place: Path, is_file: bool) -> str:
    """Why a folder (or file) cannot be made or written there; "" where nothing prevents it."""
    for each in (place, *place.absolute().parents):
        try:
            mode = each.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if each.is_symlink():
                return f"{each} is a link to nothing"
            continue
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)
        if each == place and is_file and stat.S_ISREG(mode):
            return ""
        if not stat.S_ISDIR(mode) or (each == place and is_file):
            return f"{each} is {'a folder' if stat.S_ISDIR(mode) else 'no folder'}"
        return "" if os.access(each, os.W_OK | os.X_OK) else f"{each} may not be written"
    return "it is nowhere"
