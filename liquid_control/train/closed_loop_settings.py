"""Settings of training in the recorded world: recovery drives, DAgger rounds, shares."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, group, number
from liquid_control.sim.recorded_scenario import Deviation


@dataclasses.dataclass(frozen=True)
class ClosedLoopSettings:
    """How much is driven in the world that the recordings make."""

    rounds: int = number(2, 0, 100, "", "DAgger rounds, in which the policy drives")
    round_steps: int = number(600, 1, 10**7, "", "optimiser steps in each round")
    recovery_frames: int = number(
        30_000, 100, 10**7, "", "frames of recovery drives, in which the expert drives"
    )
    recovery_passes: int = number(
        4, 1, 1000, "", "recovery drives over the same stretch of a recording, at most"
    )
    round_frames: int = number(12_000, 100, 10**7, "", "frames that the policy drives in a round")
    real_share: float = number(
        0.4, 0.0, 1.0, "", "share of recorded frames in what is learned from; others: synthesised"
    )
    drawn_share: float = number(
        0.5,
        0.0,
        0.9,
        "",
        "share of what is learned from in which the lane's look is drawn: other floors, lines and "
        "colours than the recorded ones",
    )
    drawn_frames: int = number(20_000, 100, 10**7, "", "frames of recovery drives with drawn looks")
    deviation: Deviation = group(Deviation())

    def __post_init__(self) -> None:
        check(self)
