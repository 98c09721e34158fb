"""rosbag2 in the table of formats: recognised by names, opened without ROS."""

from __future__ import annotations

from pathlib import Path

from liquid_control.errors import MissingDependencyError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source

STORAGES = (".mcap", ".db3")
ROS1 = ".bag"


def recognises(path: Path) -> bool:
    """Whether a path is a rosbag2 directory or one of its files, by names alone; also one of ROS 1,
    so that opening it says so."""
    if path.is_dir():
        return (path / "metadata.yaml").exists() or any(map(_is_storage, path.iterdir()))
    return _is_storage(path) or path.suffix == ROS1


def open_rosbag(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises MissingDependencyError without the bags extra, and as `RosbagRecording` does."""
    try:
        from liquid_control.recordings.rosbag.recording import RosbagRecording
    except ImportError as error:
        raise MissingDependencyError(
            error.name or "rosbags", "Install the bags extra: pip install 'liquid_control[bags]'"
        ) from error
    return RosbagRecording(path, settings, guess)


def _is_storage(file: Path) -> bool:
    """macOS stores attributes of bag.mcap as ._bag.mcap."""
    named = any(suffix in STORAGES for suffix in file.suffixes[-2:])
    return named and not file.name.startswith("._")


ROSBAG = Format("rosbag2", recognises, open_rosbag, "a rosbag2 directory, a .mcap or a .db3 file")
