"""How a robot records: the parameters `record.*` of recorder_node."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, choice, number, text
from liquid_control.errors import ConfigError

EVENTS, CONTINUOUS = "events", "continuous"
KINDS = ("takeover", "engage", "degraded", "fault", "gate", "disagreement", "button")
"""Of marks: a person took over; the policy was engaged; the gate lost its inputs; the gate latched
a fault; the gate began to change what the policy proposed; the shadow began to differ; the
operator's button."""


@dataclasses.dataclass(frozen=True)
class RecordSettings:
    """What is recorded, and how much of memory and disk it may take."""

    scope: str = choice(
        EVENTS,
        (EVENTS, CONTINUOUS),
        "events: from `before` a mark to `after` the last one; continuous: everything",
    )
    folder: str = text(
        "", "folder of the recordings; empty: liquid_control/recordings in $ROS_HOME or ~/.ros"
    )
    before: float = number(30.0, 0.0, 600.0, "s", "kept in memory for the time before a mark")
    after: float = number(10.0, 0.0, 600.0, "s", "recorded after the last mark")
    kinds: str = text(
        " ".join(KINDS),
        "kinds of marks that start a recording, of " + ", ".join(KINDS) + "; all are noted",
    )
    memory: float = number(
        256.0, 16.0, 65536.0, "MB", "for messages that wait for a mark or for the disk"
    )
    split: float = number(
        300.0, 10.0, 86400.0, "s", "a recording that lasts longer is continued in another one"
    )
    quota: float = number(
        20.0, 0.05, 1e6, "GB", "for all recordings: the oldest without a mark are deleted first"
    )
    keep_free: float = number(1.0, 0.0, 1e6, "GB", "space on the disk that is left free")

    def __post_init__(self) -> None:
        check(self)
        unknown = [kind for kind in self.kinds.split() if kind not in KINDS]
        if unknown:
            name = "RecordSettings.kinds"
            raise ConfigError(name, " ".join(unknown), f"of {', '.join(KINDS)}, with spaces")
