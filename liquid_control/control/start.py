"""Where driving starts from: the angle of the wheels while the driver has them."""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import VehicleConfig
from liquid_control.control.measured import Measured
from liquid_control.control.safety import SafetyGate
from liquid_control.signals import Action, Command, Limit

NOISE, FASTEST = 0.05, 10.0
"""What two measured angles may differ by [rad], and per second [rad/s]: more than any steering
reaches."""
BEYOND = 1.2
"""An angle larger than this multiple of the vehicle's largest is in another unit or wrong."""
DOUBT = 60.0
"""For so long after such an angle none is believed: in degrees, too, the numbers are small on a
straight [s]."""
REMEMBERED = 1.0
"""What was known about the wheels longer ago says nothing about them [s]."""


class Start:
    """The best that is known about the wheels and the speed of a vehicle that the driver steers.

    The measured angle, where it is fresh and possible. Otherwise the angle that the gate itself
    would command for the policy's proposals: policy and driver follow the same road, so it is the
    nearest to the wheels that can be known without a measurement; zero on a bend would turn the
    wheels by all of the bend. Otherwise the angle known a moment ago, otherwise 0. All times in ns
    on a steady clock.
    """

    def __init__(self, vehicle: VehicleConfig) -> None:
        self._largest = BEYOND * vehicle.max_steering_angle
        self._angle = Measured(self._largest, NOISE, FASTEST)
        self._impossible, self._doubted_until = 0.0, None
        self._heard_ns: int | None = None
        self._known_ns: int | None = None

    def push(self, angle: float, steady_ns: int, age_ns: int, stale_after: float) -> bool:
        """Takes a front-wheel angle [rad] that was measured `age_ns` ago; False when it is not
        believed."""
        self._heard_ns = steady_ns
        if math.isfinite(angle) and abs(angle) > self._largest:
            self._impossible, self._doubted_until = angle, steady_ns + round(DOUBT * 1e9)
        fresh = abs(age_ns) <= stale_after * 1e9
        return self._angle.push(angle, steady_ns - max(age_ns, 0), fresh)

    def known_angle(self, steady_ns: int, stale_after: float) -> float | None:
        """The measured angle [rad] while it is fresh and not in doubt."""
        if self._doubted_until is not None and steady_ns <= self._doubted_until:
            return None
        return self._angle.known(steady_ns, stale_after)

    def problem(self, steady_ns: int, stale_after: float) -> str:
        """Why angles that are heard are not believed; empty where they are, or none is heard."""
        if self._heard_ns is None or steady_ns - self._heard_ns > REMEMBERED * 1e9:
            return ""
        if self._doubted_until is not None and steady_ns <= self._doubted_until:
            return (
                f"{self._impossible:.4g} rad was measured, the vehicle takes "
                f"{self._largest / BEYOND:.4g} at most; is it in degrees, or of the steering wheel?"
            )
        if self._angle.known(steady_ns, stale_after) is None:
            return "it is not believed: not finite, too old, or jumping"
        return ""

    def obeyed(self, steady_ns: int) -> None:
        """The wheels follow a command issued now."""
        self._known_ns = steady_ns

    def command(
        self,
        gate: SafetyGate,
        measured_angle: float | None,
        proposed: Action | None,
        speed: float | None,
        steady_ns: int,
        before: Command | None,
    ) -> Command:
        """Angle and speed to start from. `proposed`: the latest proposal, None where it is not
        usable. `before`: this answer at the last tick, whose time of issue is kept, or the last
        command; None at the first tick."""
        remembered = (
            before is not None
            and self._known_ns is not None
            and steady_ns - self._known_ns <= REMEMBERED * 1e9
        )
        before = before or Command(0, steady_ns, 0.0, 0.0)
        angle = measured_angle
        if angle is None and proposed is not None:
            angle = gate.lasting_angle(proposed.curvature, speed)
            if remembered:
                angle = gate.limit(proposed, Limit.NONE, speed, steady_ns, before)[0].steering_angle
        if angle is not None:
            self._known_ns = steady_ns
        elif remembered:
            angle = before.steering_angle
        return dataclasses.replace(
            before, stamp_ns=0, steering_angle=angle or 0.0, speed=max(speed or 0.0, 0.0)
        )
