"""`liquid-control inspect`: of a recording or of a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control import config
from liquid_control.config import REQUIRED, group, switch, text
from liquid_control.errors import ConfigError
from liquid_control.inspection.model import inspect_model
from liquid_control.inspection.recording import inspect_recording
from liquid_control.inspection.text import as_text
from liquid_control.recordings.formats import format_of
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.system.verb import Verb, as_lines

MANIFEST = "model.json"
PAGES = (".html", ".htm")


@dataclasses.dataclass(frozen=True)
class InspectAnySettings:
    """Settings of `liquid-control inspect`. The flags of topics, stamps, steering and vehicle are
    for recordings."""

    path: str = text(
        REQUIRED,
        "a recording (rosbag2 directory, .mcap or .db3 file, DonkeyCar tub, ...), or a model "
        "(directory, or name of an installed one)",
    )
    out: Path | None = config.path(
        None,
        "of a recording: write a page with plots and pictures to this .html file; of a model: draw "
        "its wiring (.svg, .png, .pdf)",
        writes="file",
    )
    quick: bool = switch(False, "read only a recording's index, not its messages")
    estimate: bool = switch(
        True, "estimate camera, lens and response to the steering from a recording's pictures"
    )
    recording: RecordingSettings = group(RecordingSettings(), flat=True)


def inspect_any(settings: InspectAnySettings) -> dict:
    """The facts of a recording or of a model. Raises RecordingError, TopicError or ModelFileError
    for one that cannot be read."""
    if not is_recording(settings.path):
        if Path(settings.path).is_dir() and not (Path(settings.path) / MANIFEST).exists():
            raise ConfigError(
                "path",
                settings.path,
                "a recording (directory with .mcap or .db3 files, a DonkeyCar tub, or one file) "
                "or a model directory",
            )
        return inspect_model(settings.path, settings.out)
    if settings.out is not None and settings.out.suffix not in PAGES:
        raise ConfigError("out", str(settings.out), "a name that ends with .html")
    inspection = inspect_recording(
        settings.path, settings.recording, settings.quick, settings.estimate
    )
    if settings.out is not None:
        from liquid_control.inspection.page import write_page

        write_page(inspection, settings.out)
    return inspection.facts


def is_recording(path: str | Path) -> bool:
    """Whether a path is meant as a recording: a file, or a path that a format recognises. A
    directory with a model.json is a model."""
    path = Path(path)
    return path.is_file() or (not (path / MANIFEST).exists() and format_of(path) is not None)


VERB = Verb(
    InspectAnySettings,
    inspect_any,
    lambda facts: as_text(facts) if "recording" in facts else as_lines(facts),
)
