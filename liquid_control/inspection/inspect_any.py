"""`liquid-control inspect`: of a recording or of a model, whichever the path is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control import config
from liquid_control.config import REQUIRED, group, switch, text
from liquid_control.errors import ConfigError
from liquid_control.inspection.model import InspectSettings, inspect, is_recording
from liquid_control.inspection.recording import inspect_bag
from liquid_control.inspection.text import as_text
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.system.verb import Verb, as_lines

MANIFEST = "model.json"
PAGES = (".html", ".htm")


@dataclasses.dataclass(frozen=True)
class InspectAnySettings:
    """What `liquid-control inspect` is asked. The flags of topics, stamps, steering and vehicle are
    for recordings."""

    path: str = text(
        REQUIRED,
        "a recording (rosbag2 directory, .mcap or .db3 file), or a model (directory, or name of an "
        "installed one)",
    )
    out: Path | None = config.path(
        None,
        "of a recording: write a page with plots and pictures to this .html file; of a model: draw "
        "its wiring (.svg, .png, .pdf)",
        writes="file",
    )
    quick: bool = switch(False, "read only a recording's index, not its messages")
    recording: RecordingSettings = group(RecordingSettings(), flat=True)


def inspect_any(settings: InspectAnySettings) -> dict:
    """The facts of a recording or of a model; raises RecordingError, TopicError or ModelFileError for
    one that cannot be read."""
    if not is_recording(settings.path):
        if Path(settings.path).is_dir() and not (Path(settings.path) / MANIFEST).exists():
            raise ConfigError(
                "path",
                settings.path,
                "a recording (directory with .mcap or .db3 files, or one file) or a model directory",
            )
        return inspect(InspectSettings(settings.path, settings.out))
    if settings.out is not None and settings.out.suffix not in PAGES:
        raise ConfigError("out", str(settings.out), "a name that ends with .html")
    inspection = inspect_bag(settings.path, settings.recording, settings.quick)
    if settings.out is not None:
        from liquid_control.inspection.page import write_page

        write_page(inspection, settings.out)
    return inspection.facts


VERB = Verb(
    InspectAnySettings,
    inspect_any,
    lambda facts: as_text(facts) if "recording" in facts else as_lines(facts),
)
