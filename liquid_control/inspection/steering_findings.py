"""Findings about the recorded steering: unit, sign, zero, wheelbase, delay, and a twist that holds
an angle."""

from __future__ import annotations

import math
from collections.abc import Iterator

from liquid_control.inspection.agreement import Agreement, follows_other_axis
from liquid_control.inspection.findings import OK, WARNING, Finding, fault, note, warning
from liquid_control.inspection.fit import Fit
from liquid_control.inspection.motion_signals import LINEAR_BELOW
from liquid_control.inspection.steering_calibration import Calibration
from liquid_control.inspection.suspects import Error
from liquid_control.recordings.settings import RecordingSettings

CLOSE, WEAK = 0.95, 0.4  # correlations
SAME = 0.6, 1.7  # ratios with the right unit
FITTING = 0.8, 1.25  # ratios with the right wheelbase
WHEELBASES = 0.05, 15.0  # m
WHEELS = (
    (6.0, 30.0, "looks like a steering-wheel angle, ratio about {:.0f}"),
    (400.0, 1700.0, "looks like a steering-wheel angle in degrees"),
)
BY_OTHERS = {"heading_steering", "lateral_steering"}
SPEED_BY_OTHERS = {"lateral_gyro", "pose_speed"}
LONG = 0.2  # s
DEGREES, NEARLY = 180.0 / math.pi, 0.3  # the second of the logarithm
LARGEST_ANGLE = 0.8  # rad of front wheels
LEAST_TELLING, BENDING = 15.0, 0.03
"""Seconds in motion and standard deviation of the gyro [rad/s] from which on they must agree."""
SIGNIFICANT = 4.0  # standard errors of an offset
LARGEST_BIAS = 0.1
"""Yaw rate [rad/s] that a gyro may read at rest; no gyro that works reads more."""
SMALL_OFFSET, LARGE_OFFSET = math.radians(0.5), math.radians(1.5)


def steering_error(
    error: Error, agreement: Agreement, is_curvature: bool, settings: RecordingSettings
) -> Iterator[Finding]:
    """An error of the steering's scale or sign for which it is blamed."""
    if agreement.twist is not None:
        yield _twist(agreement, settings)
        return
    others = "gyro and speed"
    size = abs(error.factor)
    remedy = steering_flags(agreement.calibration, settings, _factor(error, agreement, settings))
    if error.only_flipped:
        text = f"its sign is flipped against {others}"
        if agreement.mended.known:
            text += f" (correlation {agreement.mended.correlation:.2f})"
        yield fault("steering_sign", "steering", text, remedy)
        return
    looks = next((words for low, high, words in WHEELS if low < size < high), "")
    if error.unit:
        looks = f"looks like {error.unit[1]}" + " per second" * is_curvature
    text = f"it is {error.factor:.3g} ± {size * error.doubt:.2g} times what {others} say: "
    wheelbase = settings.vehicle.wheelbase * size
    if not looks and not is_curvature and error.factor > 0 and _plausible(wheelbase):
        looks = f"of unknown unit, or the wheelbase is {wheelbase:.2f} m"
        remedy = f"--vehicle.wheelbase {wheelbase:.3g} if that is the vehicle's, else {remedy}"
    yield fault(
        "steering_unit", "steering", text + (looks or "of unknown unit").format(size), remedy
    )


def judge_steering(
    agreement: Agreement, is_curvature: bool, settings: RecordingSettings
) -> Iterator[Finding]:
    """What is to be said of a steering whose unit and sign are right, or could not be checked."""
    blamed = any(
        error.suspect == "steering" for one in agreement.diagnosis.explained for error in one.errors
    )
    fit, calibration = agreement.mended, agreement.calibration
    if agreement.twist is not None and not blamed:
        yield _twist(agreement, settings)
    elif not blamed and agreement.twist is None:
        if fit.known and not is_curvature:
            known = {one.name for one in agreement.diagnosis.relations.measured}
            yield from _wheelbase(fit, settings, bool(known & SPEED_BY_OTHERS))
        yield from _offset(calibration, fit, settings)
    yield from _unchecked(agreement)
    if fit.known:
        yield from _delay(fit, settings)


def steering_flags(
    calibration: Calibration | None, settings: RecordingSettings, factor: float
) -> str:
    """The flags that bring the steering, `factor` times what it should be, to the front wheels'
    angle: on top of those with which it was read."""
    scale = settings.steering_scale / factor
    flags = f"--steering-scale {scale:.4g}"
    offset = settings.steering_offset / factor
    if calibration is not None and calibration.scaled and _significant(calibration):
        offset += calibration.offset / (calibration.scale * factor)  # the same zero in this scale
    if abs(offset) > math.radians(0.05):
        flags += f" --steering-offset {offset:.4g}"
    return flags


def _exact(error: Error) -> float:
    if error.only_flipped:
        return -1.0
    return error.unit[0] if error.unit else error.factor


def _factor(error: Error, agreement: Agreement, settings: RecordingSettings) -> float:
    """What the remedy divides by. A line through steep angles has not the scale of their tangents,
    which the calibration has."""
    fitted = agreement.calibration
    steep = settings.vehicle.max_steering_angle > LINEAR_BELOW
    if error.unit or error.only_flipped or not steep or fitted is None or not fitted.scaled:
        return _exact(error)
    return 1.0 / fitted.scale


def _plausible(wheelbase: float) -> bool:
    return WHEELBASES[0] < wheelbase < WHEELBASES[1]


def _twist(agreement: Agreement, settings: RecordingSettings) -> Finding:
    twist, fit = agreement.twist, agreement.mended
    remedy, fits = "--twist-steering angle", ""
    scale, wheelbase = twist.scale, settings.vehicle.wheelbase / abs(twist.scale)
    in_degrees = abs(math.log(abs(scale) * DEGREES)) < NEARLY
    if in_degrees:
        scale, fits = math.copysign(1.0 / DEGREES, scale), " in degrees"
    elif not twist.fits and twist.largest < LARGEST_ANGLE and _plausible(wheelbase):
        scale = math.copysign(1.0, scale)
        remedy += f" --vehicle.wheelbase {wheelbase:.3g}"
        fits = f" with a wheelbase of {wheelbase:.2f} m, set are {settings.vehicle.wheelbase:g} m"
    elif twist.fits:
        scale = math.copysign(1.0, scale)
    if scale != 1.0:
        remedy += f" --steering-scale {settings.steering_scale * scale:.4g}"
        fits += f", times {scale:.4g}"
    says = f"{1.0 / abs(fit.slope):.3g} times" if fit.known else "not"
    return fault(
        "twist_angle",
        "steering",
        f"angular.z is {says} the yaw rate that the gyro measures, and fits as the angle of the "
        f"front wheels{fits}",
        remedy,
    )


def _wheelbase(fit: Fit, settings: RecordingSettings, sure: bool) -> Iterator[Finding]:
    """`sure`: another signal confirms the speed."""
    size = abs(fit.ratio)
    if FITTING[0] < size < FITTING[1] or abs(fit.correlation) <= CLOSE:
        return
    fitted = settings.vehicle.wheelbase * size
    yield Finding(
        "wheelbase",
        "steering",
        f"steering and gyro fit a wheelbase of {fitted:.2f} m, set are "
        f"{settings.vehicle.wheelbase:g} m"
        + ("" if sure else f", or the speed is {size:.2f} times the right one"),
        f"--vehicle.wheelbase {fitted:.2f}"
        + ("" if sure else f" or --speed-scale {settings.speed_scale / size:.3g}"),
        OK,
        WARNING,
    )


def _offset(
    calibration: Calibration | None, fit: Fit, settings: RecordingSettings
) -> Iterator[Finding]:
    """A zero that is off, in the recorded steering's own scale."""
    if calibration is None or not (fit.known or fit.reason):
        return
    offset = calibration.offset / calibration.scale
    error = calibration.offset_error / abs(calibration.scale)
    if not (abs(offset) > SMALL_OFFSET and _significant(calibration)):
        return
    more = "" if calibration.scaled else "; the drive is too straight to tell scale and sign"
    remedy = f"--steering-offset {settings.steering_offset + offset:.4f}"
    open_ = not calibration.bias_known and abs(calibration.turning) < LARGEST_BIAS
    if open_:
        more += (
            f", or the gyro reads {calibration.turning:.3f} rad/s when it does not turn: no "
            "standstill and no heading decides"
        )
        remedy += " if the gyro is right"
    yield (fault if abs(offset) > LARGE_OFFSET and not open_ else warning)(
        "steering_offset",
        "steering",
        f"its zero is off: it reads {math.degrees(-offset):.2f} ± {math.degrees(error):.2f} "
        f"degrees when the vehicle drives straight{more}",
        remedy,
    )


def _significant(calibration: Calibration) -> bool:
    return abs(calibration.offset) > SIGNIFICANT * calibration.offset_error


def _unchecked(agreement: Agreement) -> Iterator[Finding]:
    """A steering that nothing checks, or that the gyro does not follow."""
    fit = agreement.mended
    known = {one.name for one in agreement.diagnosis.relations.measured}
    if follows_other_axis(agreement.axes) or fit.known or known & BY_OTHERS:
        return
    if fit.reason and agreement.steered:
        yield Finding(
            "steering_unchecked",
            "steering",
            f"its unit and sign could not be checked: {fit.reason}",
            "record bends to both sides, with IMU and speed",
            OK,
            WARNING,
        )
    if math.isfinite(fit.slope):
        telling = (
            fit.duration > LEAST_TELLING and fit.deviation > BENDING and abs(fit.correlation) < WEAK
        )
        yield (warning if telling else note)(
            "steering_disagrees",
            "steering",
            f"steering and gyro hardly agree (correlation {fit.correlation:.2f} "
            f"in {fit.duration:.0f} s of driving)",
            "is it the right topic (--topics.steering), the right joint (--topics.joint)?"
            if telling
            else "",
        )


def _delay(fit: Fit, settings: RecordingSettings) -> Iterator[Finding]:
    delay = fit.delay
    if delay is None or not delay.sure or abs(delay.seconds) <= max(LONG, 3.0 * delay.uncertainty):
        return
    late = f"{abs(delay.seconds):.2f} ± {delay.uncertainty:.2f} s"
    flag = f"--steering-delay {settings.steering_delay + delay.seconds:.3g}"
    if delay.seconds > 0:
        yield note(
            "steering_delay",
            "steering",
            f"the vehicle turns {late} after the recorded steering",
            f"of a command that is the vehicle's own delay; of a measured angle {flag}",
        )
    else:
        yield warning(
            "steering_delay",
            "steering",
            f"the vehicle turns {late} before the recorded steering",
            f"their clocks differ: read it with --stamps receive, or {flag}",
        )
