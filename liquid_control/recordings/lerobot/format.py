"""LeRobot datasets in the table of formats: recognised by names, opened without LeRobot."""

from __future__ import annotations

from pathlib import Path

from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source

INFO, DATA = "meta/info.json", "data"


def recognises(path: Path) -> bool:
    """A dataset's folder, one of its parquet files, or another folder or file of parquet, so that
    opening it says what is expected."""
    try:
        if path.is_dir():
            return (path / INFO).is_file() or any(
                next(path.glob(pattern), None) is not None
                for pattern in ("*.parquet", f"{DATA}/*.parquet", f"{DATA}/*/*.parquet")
            )
    except OSError:
        return False
    return path.suffix == ".parquet" or path.name == "info.json" and path.parent.name == "meta"


def open_lerobot(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises MissingDependencyError without the bags extra, and as `LerobotRecording` does."""
    from liquid_control.recordings.lerobot.recording import LerobotRecording

    return LerobotRecording(path, settings, guess)


LEROBOT = Format(
    "LeRobot dataset",
    recognises,
    open_lerobot,
    "a LeRobot dataset of version 2 or 3 (meta/info.json with data/ and videos/)",
)
