"""Marks: moments of a drive to find again, as messages of a topic and as
metadata of the file. Needs no ROS."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.recordings.rosbag.messages import diagnostic_message
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.signals import stamp_ns

NAME = "recorder_node/marks"
"""Of the topic, behind its namespace."""
METADATA = "mark"
"""Name of the metadata record of each mark."""
LEVELS = {"engage": 0, "button": 0, "fault": 2}
WARN = 1


@dataclasses.dataclass(frozen=True)
class Mark:
    """A moment: `time_ns` on the recorder's clock, `kind` of `settings.KINDS`, and the reason in
    words."""

    time_ns: int
    kind: str
    reason: str

    def message(self) -> bytes:
        """As a serialised DiagnosticArray: stamp, kind as the name and reason as the message of its
        only status."""
        level = LEVELS.get(self.kind, WARN)
        return diagnostic_message(self.time_ns, level, self.kind, self.reason)

    def values(self) -> dict[str, str]:
        """As a record of metadata."""
        return {"time_ns": str(self.time_ns), "kind": self.kind, "reason": self.reason}


def read_marks(path: str | Path) -> list[Mark]:
    """The marks in a rosbag2, in the order of their times. Raises RecordingError."""
    with BagReader(path) as reader:
        names = {topic.name for topic in reader.topics if topic.name.endswith(NAME)}
        decoded = [reader.decode(message) for message in reader.messages(names)] if names else []
    return sorted(
        (
            Mark(stamp_ns(message.header.stamp), status.name, status.message)
            for message in decoded
            for status in message.status
        ),
        key=lambda mark: mark.time_ns,
    )
