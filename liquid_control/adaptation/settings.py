"""Settings of the adaptation on the robot."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, choice, number, text

MODES = ("off", "gain", "output", "both")
"""What adapts: nothing, the gain of the vehicle, the correction of the output, or both."""
NOTHING = "none"
"""The file that stands for no memory."""


@dataclasses.dataclass(frozen=True)
class AdaptationConfig:
    """What the policy's output adapts to while it drives, and how far. Off: the runtime of the
    policy is used as it is."""

    adapts: str = choice("off", MODES, "what adapts: nothing, the vehicle's gain, the output, both")
    state_file: str = text(
        "",
        "JSON file of what was learnt; empty: one named after the node, in liquid_control in "
        "$ROS_HOME or ~/.ros; none: it is forgotten at the end",
    )
    signing_key: str = text(
        "",
        "private key (PEM file) that signs the file, and whose signature it must have; empty: no "
        "signature",
    )
    gate_angle: float = number(
        0.0,
        0.0,
        1.2,
        "rad",
        "gate.max_steering_angle of the gate; 0: that of the default gate for this vehicle",
    )
    largest_gain: float = number(
        0.3, 0.0, 0.3, "", "the vehicle's gain is believed to differ from 1 by this at most"
    )
    largest_correction: float = number(
        0.1, 0.0, 0.1, "", "largest correction of the output, as a share of the gate's curvature"
    )
    better_by: float = number(
        0.1,
        0.02,
        0.9,
        "",
        "what adapts is used from where its error on data that it has not learnt from is lower by "
        "this share, until it is lower by less than half of it",
    )
    lateral_acceleration: float = number(
        2.5, 0.1, 5.0, "m/s²", "the gain is learnt from frames with less lateral acceleration"
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def gain(self) -> bool:
        """Whether the gain of the vehicle adapts."""
        return self.adapts in ("gain", "both")

    @property
    def output(self) -> bool:
        """Whether the output is corrected."""
        return self.adapts in ("output", "both")
