"""Expected responses when processes die, freeze, slow down or lose their connection, and when
another node floods the network.

Written before the first run, except where `why` states what a run showed. Times end with the
arrival of the gate's command at the observer, on one steady clock. Control has returned with the
first command that follows a picture taken after the fault's end.
"""

from __future__ import annotations

import dataclasses

SOON, SAFE, BACK = 0.05, 0.2, 1.0
"""A tick of the gate; from the policy's death to the safe ramp; from its return to control [s]."""
HEALTHY = 1.0
"""How long inputs are healthy before a standing vehicle is engaged again [s]; the rate of proposals
takes a part of a second before."""


@dataclasses.dataclass(frozen=True)
class Expectation:
    """No command breaks a limit in any case, and no process dies that was not killed. Beyond that:

    `does`, `why`: for people. `ramp_within`: seconds after the fault's begin in which the first
    command of the safe ramp is heard. `control_within`: after the return. `drives_on`: no safe stop
    at all. `fault`: words in the reason of the fault that must be latched. `longest_gap`: between
    two decisions of the gate [s], where it must keep its rate. `growth_mb`: what gate and policy
    may grow by.
    """

    does: str
    why: str
    ramp_within: float | None = None
    control_within: float | None = BACK
    drives_on: bool = False
    fault: str = ""
    longest_gap: float | None = None
    growth_mb: tuple[float, float] = (30.0, 100.0)


POLICY = {
    "policy_killed": Expectation(
        "SIGKILL; started again", "its proposals go stale; a new one is obeyed at once", SAFE
    ),
    "policy_restarted": Expectation(
        "SIGINT; started again",
        "as killed, counted from its last proposal: it may work until it ends",
        SAFE,
    ),
    "policy_frozen": Expectation(
        "SIGSTOP for 1 s",
        "as killed; the picture that it wakes with is too old and not obeyed",
        SAFE,
    ),
    "policy_frozen_to_standstill": Expectation(
        "SIGSTOP until the vehicle stands",
        "then inputs must be healthy for a second before the gate engages again",
        SAFE,
        HEALTHY + BACK,
    ),
    "policy_slowed": Expectation(
        "stopped 20 of 60 ms, for 3 s", "pictures are used a little late", drives_on=True
    ),
    "policy_crawls": Expectation(
        "stopped 300 of 400 ms, for 4 s",
        "each stop outlasts a proposal: safe stop, and on between them",
        SAFE,
    ),
}
ROBOT = {
    "camera_killed": Expectation(
        "SIGKILL; started again",
        "no pictures, no proposals; the last one may be under way",
        SAFE + SOON,
    ),
    "camera_frozen": Expectation("SIGSTOP for 1 s", "as killed", SAFE + SOON),
    "motion_killed": Expectation(
        "SIGKILL of IMU and odometry; started again", "a speed is valid for 0.5 s", 0.5 + 2 * SOON
    ),
    "sim_killed": Expectation(
        "SIGKILL of sim_node; started again",
        "a new world stands still: the gate may have to engage again",
        SAFE + SOON,
        HEALTHY + BACK,
    ),
    "sim_frozen": Expectation(
        "SIGSTOP of sim_node for 1 s", "as a camera that freezes", SAFE + SOON
    ),
}
NETWORK = {
    "link_down": Expectation(
        "the link between policy and gate is down for 2 s",
        "as a camera that is lost, and back with it",
        SAFE + SOON,
    ),
    "link_down_long": Expectation(
        "the link is down for 25 s",
        "DDS drops its peer after 20 s and must discover it again, and the vehicle stands by then",
        SAFE + SOON,
        HEALTHY + BACK + 4.0,
    ),
}
_FLOODS = {
    "commands": Expectation(
        "commands at the highest rate",
        "another node commands: fault, found by its name",
        fault="others command",
    ),
    "proposals": Expectation(
        "proposals at the highest rate",
        "two nodes propose: fault, found by their names",
        fault="several nodes",
    ),
    "proposals_as_policy": Expectation(
        "the same under the policy's name",
        "messages of two publishers in turns: fault, found by their GIDs",
        fault="several nodes",
    ),
    "wrong_type_of_command": Expectation(
        "text on the command topic",
        "DDS connects no such reader; its writer is a conflict",
        fault="others",
    ),
    "wrong_types_of_sensors": Expectation(
        "text on the topics of camera, IMU, speed", "DDS connects no such reader", drives_on=True
    ),
    "broken_bytes": Expectation(
        "bytes that are no message, of the right type",
        "refused where they are read; good ones may be lost",
    ),
    "bad_pictures": Expectation(
        "headers that lie: 8000x8000 with 1 kB, zero, 2^32, wrong step",
        "refused; good ones may be lost",
    ),
    "huge_pictures": Expectation(
        "well-formed pictures of 100 MB",
        "looked at, as they are pictures; memory for a few of them",
        growth_mb=(30.0, 600.0),
    ),
    "imu": Expectation("IMU at the highest rate", "never more than 200 at once are read"),
    "odometry": Expectation(
        "odometry at the highest rate",
        "never more than 200 at once are read, or reading would not end",
    ),
    "requests": Expectation(
        "no takeover, at the highest rate", "the gate's timer comes before any message"
    ),
}
FLOODS = {name: dataclasses.replace(case, longest_gap=0.2) for name, case in _FLOODS.items()}
ALL = {**POLICY, **ROBOT, **NETWORK, **FLOODS}
