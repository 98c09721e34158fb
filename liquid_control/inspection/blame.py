"""Findings about signals that disagree: which one is wrong, how, and the flag that mends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from liquid_control.inspection.agreement import Agreement
from liquid_control.inspection.diagnosis import Diagnosis
from liquid_control.inspection.findings import FAULT, OK, WARNING, Finding, fault, note, warning
from liquid_control.inspection.imu_axes import mounting_flags
from liquid_control.inspection.imu_findings import judge_mounting
from liquid_control.inspection.relations import mean_force
from liquid_control.inspection.speed_frame import SpeedFault
from liquid_control.inspection.steering_findings import judge_steering, steering_error
from liquid_control.inspection.suspects import Error, Explanation
from liquid_control.perception.inertial import GRAVITY
from liquid_control.recordings.settings import RecordingSettings

SERIOUS = math.log(1.5)
PARTNERS = {
    "gyro": {
        "steering_gyro": "the steering",
        "lateral_gyro": "the lateral acceleration",
        "heading_gyro": "the headings",
        "camera_gyro": "the pictures",
    },
    "speed": {
        "pose_speed": "the positions",
        "lateral_gyro": "gyro with lateral acceleration",
        "steering_gyro": "gyro with steering",
        "heading_steering": "headings with steering",
    },
    "steering": {
        "steering_gyro": "gyro and speed",
        "heading_steering": "the headings",
        "lateral_steering": "the lateral acceleration",
        "camera_steering": "the pictures",
    },
    "camera": {"camera_gyro": "the gyro", "camera_steering": "the steering"},
}
"""What speaks against a signal, by the relation in which it does."""


def judge_agreement(
    agreement: Agreement, is_curvature: bool, settings: RecordingSettings
) -> Iterator[Finding]:
    """All findings about signals that disagree. `is_curvature`: the steering was recorded as a yaw
    rate."""
    diagnosis = agreement.diagnosis
    yield from judge_mounting(agreement, settings)
    yield from _speed_fault(diagnosis.speed, settings)
    if len(diagnosis.explained) == 1:
        for error in diagnosis.explained[0].errors:
            yield from _judge_error(error, agreement, is_curvature, settings)
    elif diagnosis.explained:
        yield _either(diagnosis, agreement, is_curvature, settings)
    else:
        yield warning(
            "signals_disagree",
            "imu",
            "no error of one or two signals explains how gyro, acceleration, speed, steering and "
            "positions disagree",
            "check units, axes and topics of all of them",
        )
    yield from _lateral_unchecked(agreement)
    yield from judge_steering(agreement, is_curvature, settings)


def _lateral_unchecked(agreement: Agreement) -> Iterator[Finding]:
    fit, known = agreement.lateral, {one.name for one in agreement.diagnosis.relations.measured}
    if agreement.diagnosis.rotation is not None:  # judged with the mounting
        return
    if known & {"lateral_gyro", "lateral_steering"} or not fit.samples:
        return
    why = fit.reason or f"it hardly follows speed x yaw rate (correlation {fit.correlation:.2f})"
    text = f"unit and sign of the lateral acceleration could not be checked: {why}"
    yield note("lateral_unchecked", "imu", text)


def against(diagnosis: Diagnosis, suspect: str) -> str:
    """What speaks against a suspect, in words."""
    words = PARTNERS.get(suspect, {})
    said = [words[one.name] for one in diagnosis.relations.measured if one.name in words]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said) or "the others"


def _judge_error(
    error: Error, agreement: Agreement, is_curvature: bool, settings: RecordingSettings
) -> Iterator[Finding]:
    if error.suspect == "steering":
        yield from steering_error(error, agreement, is_curvature, settings)
    else:
        yield FINDINGS[error.suspect](error, agreement.diagnosis, settings)


def _speed(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    others = against(diagnosis, "speed")
    remedy = f"--speed-scale {settings.speed_scale / _exact(error):.4g}"
    if settings.speed_offset:
        remedy += f" --speed-offset {settings.speed_offset / _exact(error):.4g}"
    if error.only_flipped:
        return fault("speed_sign", "speed", f"its sign is flipped against {others}", remedy)
    return _weighed(error)("speed_unit", "speed", f"{_times(error)} what {others} say", remedy)


def _gyro(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    others = against(diagnosis, "gyro")
    remedy = f"--imu.gyro-scale {settings.imu.gyro_scale / _exact(error):.4g}"
    if error.only_flipped:
        return fault("gyro_sign", "imu", f"the gyro's z axis turns against {others}", remedy)
    text = f"the gyro's yaw rate: {_times(error)} what {others} say"
    return _weighed(error)("gyro_unit", "imu", text, remedy)


def _lateral(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    if error.factor < 0:
        return fault(
            "lateral_sign",
            "imu",
            "the lateral acceleration has the opposite sign of speed x yaw rate",
            "y must point left; of an IMU that is turned by half a turn: "
            + mounting_flags(np.diag([-1.0, -1.0, 1.0]), settings.imu),
        )
    text = f"the lateral acceleration: {_times(error)} speed x yaw rate"
    return warning("lateral_scale", "imu", text, "check unit and range of its y axis")


def _accelerometer(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    size = float(np.linalg.norm(mean_force(diagnosis.corrected)))
    remedy = f"--imu.acceleration-scale {settings.imu.acceleration_scale / _exact(error):.4g}"
    mean = f"the accelerometer's mean is {size:.2f}"
    if error.only_flipped:
        return fault(
            "acceleration_sign",
            "imu",
            "all axes of the accelerometer have the wrong sign: at rest it must read "
            f"+{GRAVITY} on z",
            remedy,
        )
    if error.unit:
        return warning("acceleration_unit", "imu", f"{mean}: looks like {error.unit[1]}", remedy)
    return warning("gravity", "imu", f"{mean} m/s², expected {GRAVITY}", remedy)


def _vertical(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    return note(
        "vertical_sign",
        "imu",
        "gravity lies on -z, expected z, while gyro and lateral acceleration agree with the "
        "others: only the accelerometer's z has the wrong sign",
        "the policy does not use it",
    )


def _camera(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    return fault(
        "picture_against_gyro",
        "camera",
        f"the pictures turn against {against(diagnosis, 'camera')}: they are mirrored",
        "the driver of the camera must not mirror them",
    )


def _heading(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    words = " turns the other way" if error.factor < 0 else f": {_times(error)} right"
    return note(
        "odometry_heading", "speed", f"the heading of the odometry's pose{words}; it is not used"
    )


def _position(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    return note(
        "odometry_scale",
        "speed",
        f"the odometry's positions: {_times(error)} what the speed says; they are not used",
    )


def _longitudinal(error: Error, diagnosis: Diagnosis, settings: RecordingSettings) -> Finding:
    words = "the opposite sign of" if error.factor < 0 else f"{abs(error.factor):.3g} times"
    return note(
        "longitudinal",
        "imu",
        f"acceleration x is {words} the change of the speed; the policy does not use it",
    )


FINDINGS: dict[str, Callable[[Error, Diagnosis, RecordingSettings], Finding]] = {
    "speed": _speed,
    "gyro": _gyro,
    "lateral": _lateral,
    "accelerometer": _accelerometer,
    "vertical": _vertical,
    "camera": _camera,
    "heading": _heading,
    "position": _position,
    "longitudinal": _longitudinal,
}


def _either(
    diagnosis: Diagnosis, agreement: Agreement, is_curvature: bool, settings: RecordingSettings
) -> Finding:
    """One of several explanations, between which nothing in the recording decides."""
    options, weights = [], []
    for explanation in diagnosis.explained:
        found = [
            finding
            for error in explanation.errors
            for finding in _judge_error(error, agreement, is_curvature, settings)
        ]
        options.append(
            (
                " and ".join(f"{one.role}: {one.text}" for one in found),
                " ".join(one.remedy for one in found if one.remedy) or "nothing to do",
            )
        )
        weights.append(max(_rank(one.train) for one in found))
    serious = min(weights) == _rank(FAULT)
    pictures = any(error.suspect == "camera" for one in diagnosis.explained for error in one.errors)
    words = "; or ".join(text for text, _ in options)
    ways = "; ".join(
        f"if it is the {_names(one)}: {remedy}"
        for one, (_, remedy) in zip(diagnosis.explained, options, strict=True)
    )
    return (fault if serious else warning)(
        "picture_against_gyro" if pictures else "signals_disagree",
        "imu",
        f"one of {len(options)} is wrong, and no third signal decides: {words}",
        ways,
    )


def _names(explanation: Explanation) -> str:
    return " and the ".join(error.suspect for error in explanation.errors)


def _rank(weight: str) -> int:
    return (OK, WARNING, FAULT).index(weight)


def _speed_fault(found: SpeedFault | None, settings: RecordingSettings) -> Iterator[Finding]:
    if found is None:
        return
    if found.kind == "world":
        yield fault(
            "speed_frame",
            "speed",
            "linear.x of the twist follows the positions along one direction of the map: it is in "
            "the frame of the pose, not of the vehicle",
            f"--speed-source {found.source}",
        )
    elif found.kind == "offset":
        yield warning(
            "speed_offset",
            "speed",
            f"it is {-found.offset:.2f} ± {found.error:.2f} m/s more than the positions move, at "
            "any speed",
            f"--speed-offset {settings.speed_offset + found.offset:.3g}",
        )
    elif found.kind == "odd":
        yield fault(
            "speed_frame",
            "speed",
            "the speed is not that at which the positions move, and steering, gyro and "
            "acceleration agree with the positions",
            f"--speed-source {found.source}",
        )
    else:
        yield warning(
            "speed_against_pose",
            "speed",
            "speed and positions of the odometry disagree, and no third signal decides",
            "--speed-source pose if the positions are right",
        )


def _weighed(error: Error) -> Callable[..., Finding]:
    return fault if abs(math.log(abs(error.factor))) > SERIOUS or error.factor < 0 else warning


def _exact(error: Error) -> float:
    """The factor that a remedy takes out."""
    if error.only_flipped:
        return -1.0
    return error.unit[0] if error.unit else error.factor


def _times(error: Error) -> str:
    unit = f" ({error.unit[1]})" if error.unit else ""
    return f"it is {error.factor:.3g} ± {abs(error.factor) * error.doubt:.2g} times{unit}"
