"""What must happen in each cell of the fault matrix.

Written before the first run. That run found that a frozen camera and an impossible speed went
unnoticed, and that a stop without a measured speed began from the commanded speed. Since then the
observer refuses repeated pictures, the gate refuses impossible speeds, and a stop begins from the
speed measured last. Two promises were withdrawn. Intermittent camera and command were to drive on,
but gaps of 0.1 s and the camera's own dropped frames sometimes outlast a proposal's life by some
milliseconds. A vehicle that stops blind was to stay on the road, which a held angle cannot promise;
that it brakes is checked instead. A speed of the wrong sign was to be driven on with; since the
gate brakes a vehicle that rolls backwards, it is braked.
"""

from __future__ import annotations

import dataclasses

from liquid_control.control.loop import PERIOD


@dataclasses.dataclass(frozen=True)
class Expectation:
    """No limit is broken in any cell. Beyond that:

    `degrades_within`: seconds after the fault began in which the gate must have left the driving
    states, None where it may drive on. `brakes`: from then to the fault's end the vehicle slows
    down. `drives_on`: it must not leave the driving states at all. `stays_on_road`: the vehicle
    does not leave the road; there is no such promise for well-formed wrong values. `why`: the
    reasoning. It always drives again a second after the fault (after a stop, within the time that
    engaging takes).
    """

    why: str
    degrades_within: float | None = None
    brakes: bool = False
    drives_on: bool = False
    stays_on_road: bool = True


FRAME_STALE, SPEED_STALE = 0.2 + 0.07 + PERIOD, 0.5 + 0.02 + PERIOD
"""A fault must be noticed within these [s]: the bounds of the shipped configuration, each with one
sample period and one period of the gate."""

BLIND = "no frame, no new proposal: the last one goes stale"
REFUSED = "every sample is refused, as if there was none"
UNDETECTABLE = "well-formed wrong values: not detectable, the limits bound their effect"
INERTIAL_HELP = "the camera alone will do"

EXPECTED = {
    ("camera", "off"): Expectation(BLIND, FRAME_STALE, brakes=True, stays_on_road=False),
    ("camera", "stuck"): Expectation(
        "identical pictures from a moving vehicle are refused",
        FRAME_STALE,
        brakes=True,
        stays_on_road=False,
    ),
    ("camera", "garbage"): Expectation(UNDETECTABLE, stays_on_road=False),
    ("camera", "wrong"): Expectation(UNDETECTABLE, stays_on_road=False),
    ("camera", "slow"): Expectation(
        "each gap is longer than a proposal lives", FRAME_STALE, stays_on_road=False
    ),
    ("camera", "delayed"): Expectation(
        "frames older than a proposal may be", FRAME_STALE, brakes=True, stays_on_road=False
    ),
    ("camera", "intermittent"): Expectation(
        "a gap and a dropped frame together may just outlast a proposal"
    ),
    ("camera", "nan"): Expectation(REFUSED, FRAME_STALE, brakes=True, stays_on_road=False),
    ("imu", "off"): Expectation(INERTIAL_HELP, drives_on=True),
    ("imu", "stuck"): Expectation(INERTIAL_HELP, drives_on=True, stays_on_road=False),
    ("imu", "garbage"): Expectation(
        "clipped inside the policy to one input among 32", drives_on=True, stays_on_road=False
    ),
    ("imu", "wrong"): Expectation(UNDETECTABLE, drives_on=True, stays_on_road=False),
    ("imu", "slow"): Expectation(INERTIAL_HELP, drives_on=True),
    ("imu", "delayed"): Expectation(INERTIAL_HELP, drives_on=True),
    ("imu", "intermittent"): Expectation(INERTIAL_HELP, drives_on=True),
    ("imu", "nan"): Expectation(REFUSED, drives_on=True),
    ("speed", "off"): Expectation(
        "limits depend on the speed: without it the gate stops",
        SPEED_STALE,
        brakes=True,
        stays_on_road=False,
    ),
    ("speed", "stuck"): Expectation("a constant speed is nothing unusual", drives_on=True),
    ("speed", "garbage"): Expectation(
        "impossible speeds are refused", SPEED_STALE, brakes=True, stays_on_road=False
    ),
    ("speed", "wrong"): Expectation(
        "a vehicle that rolls backwards is braked", SPEED_STALE, brakes=True, stays_on_road=False
    ),
    ("speed", "slow"): Expectation("the edge of its life: may degrade now and then"),
    ("speed", "delayed"): Expectation("younger than it may be", drives_on=True),
    ("speed", "intermittent"): Expectation("gaps shorter than it lives", drives_on=True),
    ("speed", "nan"): Expectation(REFUSED, SPEED_STALE, brakes=True, stays_on_road=False),
    ("command", "off"): Expectation(
        "the watchdog's case", FRAME_STALE, brakes=True, stays_on_road=False
    ),
    ("command", "stuck"): Expectation(UNDETECTABLE, drives_on=True, stays_on_road=False),
    ("command", "garbage"): Expectation(UNDETECTABLE, drives_on=True, stays_on_road=False),
    ("command", "wrong"): Expectation(UNDETECTABLE, drives_on=True, stays_on_road=False),
    ("command", "slow"): Expectation(
        "each gap is longer than a proposal lives", FRAME_STALE, stays_on_road=False
    ),
    ("command", "delayed"): Expectation(
        "older than a proposal may be", FRAME_STALE, brakes=True, stays_on_road=False
    ),
    ("command", "intermittent"): Expectation(
        "a gap and a dropped frame together may just outlast a proposal"
    ),
    ("command", "nan"): Expectation(
        "not finite is never used", 0.07 + PERIOD, brakes=True, stays_on_road=False
    ),
}
