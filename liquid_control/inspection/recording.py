"""Inspection of a recording: what it holds, what is wrong with it, and what it is fit for. Two
levels: the index alone, or one pass over all messages."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from liquid_control.config import TimelineConfig
from liquid_control.control.driving_scale import LEAST_IDLE, scale_of_drive
from liquid_control.inspection.agreement import Agreement, compare_signals
from liquid_control.inspection.blame import judge_agreement
from liquid_control.inspection.clocks import (
    judge_clocks,
    judge_stamps,
    other_clocks,
    untimed,
    with_cause,
)
from liquid_control.inspection.estimated import estimated
from liquid_control.inspection.facts import full_facts
from liquid_control.inspection.findings import (
    FAULT,
    WARNING,
    Finding,
    fault,
    note,
    verdicts,
    warning,
)
from liquid_control.inspection.inputs import gives_target, judge_inputs, judge_remarks
from liquid_control.inspection.labels import judge_labels
from liquid_control.inspection.measurements import judge_driving, judge_imu
from liquid_control.inspection.motion_signals import MAX_GAP
from liquid_control.inspection.pictures import judge_pictures
from liquid_control.inspection.stamps import StampReport
from liquid_control.inspection.time_line import apart_from, judge_silences, judge_time, silences
from liquid_control.inspection.tracks import Tracks, read_tracks
from liquid_control.inspection.vehicle_size import USUAL, judge_sharpness, judge_size
from liquid_control.recordings.clock import RecordingClock
from liquid_control.recordings.driven_curvature import fastest
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.motion import at
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import ACCELEROMETER, ROLES, Choice, Damage, Stream
from liquid_control.recordings.vehicle_file import with_parameters

MOST_LISTED = 8
OTHER_NUMBERS = ("steering_unit", "twist_angle", "speed_unit", "speed_frame", "speed_offset")
"""Findings after which the numbers say nothing of the vehicle's size."""


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """`facts`: plain data for JSON. The rest is drawn on the page; empty and None where only the
    index was read."""

    facts: dict
    stamps: dict[str, StampReport]
    tracks: Tracks | None
    agreement: Agreement | None


def inspect_recording(
    path: str | Path,
    settings: RecordingSettings | None = None,
    quick: bool = False,
    estimate: bool = False,
) -> Inspection:
    """Reads the index alone (`quick`), or all messages of the streams in use once and decodes some
    hundred pictures.

    `estimate`: also camera and response to the steering, from a second reading. Raises
    RecordingError where nothing can be read and TopicError where a topic that the settings
    name is missing; everything else is a finding.
    """
    with open_recording(path, settings, guess=True) as source:
        inspection = inspect_source(source, quick)
        if estimate and not quick:
            inspection.facts["estimated"] = estimated(source)
        return inspection


def inspect_source(source: Source, quick: bool = False) -> Inspection:
    """As `inspect_recording`, of an open recording."""
    roles, settings = source.roles, source.settings
    findings = [_ambiguous(choice) for choice in source.choices]
    facts = _index_facts(source, quick)
    findings += [
        note("left_out", "files", f"{count} left out: {reason}")
        for reason, count in source.skipped.items()
    ]
    from_gyro = "imu" in roles and "speed" in roles
    stamps, tracks, agreement = {}, None, None
    if not quick:
        with tqdm(
            total=round(source.seconds, 1),
            unit="s",
            desc=source.path.name,
            file=sys.stderr,
            leave=False,
            disable=None,
        ) as bar:
            tracks = read_tracks(source, bar.update)
        stamps = {
            role: report
            for role, track in tracks.stamps.items()
            if (report := track.report()) is not None
        }
        behind = other_clocks(stamps, settings.stamps == "receive")
        agreement = compare_signals(
            tracks, settings.vehicle, is_curvature(roles), behind, untimed(stamps)
        )
        contributed = tracks.inputs.contributions(source)
        from_gyro = gives_target(contributed)
    assumed = with_parameters(TimelineConfig(), settings, "timeline").assumed_speed
    findings += judge_roles(roles, source.alternatives, from_gyro, assumed)
    if not quick:
        findings += _judge(roles, stamps, tracks, agreement, settings, source.clock)
        facts |= full_facts(stamps, tracks, agreement, settings)
        facts["duration"] = tracks.stretches.seconds
        facts["contributions"] = {
            name: dataclasses.asdict(one) for name, one in contributed.items()
        }
        findings += list(judge_inputs(contributed, source.remarks, roles, findings))
    else:
        findings += judge_remarks(source.remarks)
    damage = source.damage
    findings += judge_damage(damage, tracks.skipped if tracks else {})
    facts["damage"] = [dataclasses.asdict(one) for one in damage]
    facts["findings"] = [dataclasses.asdict(one) for one in findings]
    facts["verdict"] = verdicts(findings)
    return Inspection(facts, stamps, tracks, agreement)


def judge_roles(
    roles: Mapping[str, Stream],
    alternatives: Mapping[str, Sequence[str]],
    from_gyro: bool,
    assumed_speed: float = TimelineConfig.assumed_speed,
) -> Iterator[Finding]:
    """What a missing stream means for each use. `alternatives`: by missing role what could be named
    for it; `from_gyro`: gyro and speed give a target of training; `assumed_speed`: by the robot's
    nodes [m/s]."""
    if "camera" not in roles:
        yield fault(
            "no_camera",
            "camera",
            "no pictures: no Image, CompressedImage or video",
            "name the topic with --topics.camera, or record the camera",
        )
    if "imu" not in roles:
        yield warning(
            "no_imu",
            "imu",
            "no IMU: a policy that uses one is given zero yaw rate and lateral acceleration"
            + _others("imu", alternatives),
            "name its gyro, for example --topics.imu "
            f"{alternatives['imu'][0]}, and --topics.accelerometer"
            if "imu" in alternatives
            else "record sensor_msgs/Imu",
        )
    if "imu" in roles and ACCELEROMETER in roles:
        yield note(
            "split_imu",
            "imu",
            f"{roles['imu'].name} (gyro) and {roles[ACCELEROMETER].name} (accelerometer) are read "
            "as one",
        )
    if "speed" not in roles:
        yield warning(
            "no_speed",
            "speed",
            f"no speed: a policy that uses one assumes {assumed_speed:g} m/s"
            + _others("speed", alternatives),
            _naming(
                "speed",
                alternatives,
                "record Odometry; a policy that is trained on recordings without it needs none",
            ),
        )
    elif "steering" in roles and roles["steering"].name == roles["speed"].name:
        named = _naming("speed", alternatives, "") if "speed" in alternatives else ""
        yield note(
            "commanded_speed",
            "speed",
            f"taken from {roles['speed'].name}, which holds the steering, too: it is commanded, "
            "not measured" + _others("speed", alternatives),
            named,
        )
    if "steering" not in roles:
        target = (
            "; training takes its target from gyro and speed" if from_gyro else ", and to train on"
        )
        yield Finding(
            "no_steering",
            "steering",
            "no steering: nothing to compare a replay with"
            + target
            + _others("steering", alternatives),
            _naming("steering", alternatives, "record the driver's commands"),
            WARNING,
            WARNING if from_gyro else FAULT,
        )


def _others(role: str, alternatives: Mapping[str, Sequence[str]]) -> str:
    found = alternatives.get(role, ())
    return f"; it could be one of {', '.join(found)}" if found else ""


def _naming(role: str, alternatives: Mapping[str, Sequence[str]], otherwise: str) -> str:
    if role not in alternatives:
        return f"name the topic with --topics.{role}, or {otherwise}"
    example = f"--topics.{role} {alternatives[role][0]}"
    return f"name the one that it is, for example {example}, and its unit with --{role}-scale"


def judge_damage(damage: Sequence[Damage], skipped: Mapping[str, int]) -> Iterator[Finding]:
    """Unreadable parts of the files, undecodable messages."""
    remedy = "all that is readable is used"
    for one in damage[:MOST_LISTED]:
        yield warning("damage", "files", str(one), remedy)
    if len(damage) > MOST_LISTED:
        more = f"{len(damage) - MOST_LISTED} more places are damaged"
        yield warning("damage", "files", more, remedy)
    for reason, count in list(skipped.items())[:MOST_LISTED]:
        messages = f"{count} message{'s' * (count != 1)}"
        yield warning("undecodable", "files", f"{messages} left out: {reason}")


def _ambiguous(choice: Choice) -> Finding:
    return Finding(
        "ambiguous",
        choice.role,
        f"{len(choice.candidates)} topics could be the {choice.role}: "
        f"{', '.join(choice.candidates)}; looked at {choice.chosen}",
        f"say which, for example --topics.{choice.role.replace('_', '-')} {choice.chosen}",
        FAULT,
        FAULT,
    )


def _index_facts(source: Source, quick: bool) -> dict:
    return {
        "recording": str(source.path),
        "level": "index" if quick else "full",
        "start_ns": source.start_ns,
        "duration": source.seconds,
        "messages": sum(stream.count or 0 for stream in source.streams),
        "topics": [
            {
                "name": stream.name,
                "kind": stream.kind,
                "count": stream.count,
                "roles": list(stream.roles),
                "rate": stream.rate,
            }
            for stream in source.streams
        ],
    }


def _judge(
    roles: Mapping[str, Stream],
    stamps: Mapping[str, StampReport],
    tracks: Tracks,
    agreement: Agreement,
    settings: RecordingSettings,
    clock: RecordingClock,
) -> list[Finding]:
    findings = []
    for role in ROLES:
        if role in roles and role not in stamps:
            weight = FAULT if role == "camera" else WARNING
            text = f"no readable message on {roles[role].name}"
            findings.append(Finding("no_messages", role, text, "", weight, weight))
    camera = stamps.get("camera")
    by_receipt = settings.stamps == "receive"
    behind = other_clocks(stamps, by_receipt)
    of_camera = behind.get("camera", 0.0)
    span = (camera.first + of_camera, camera.last + of_camera) if camera else (0.0, 0.0)
    shared = silences(stamps)
    of_times = []
    for stream, report in stamps.items():
        role = "imu" if stream == ACCELEROMETER else stream
        of_times += judge_stamps(role, apart_from(report, shared), span, behind.get(role, 0.0))
    of_times += judge_silences(shared)
    of_times += judge_clocks(stamps, agreement.camera.delay, by_receipt)
    of_times += judge_time(clock, tracks.origin_ns)
    findings += with_cause(of_times, tracks.interleaving)
    findings += judge_pictures(tracks.pictures)
    checked = agreement.diagnosis.checked
    findings += judge_imu(tracks.gyro, tracks.accelerometer, "gyro" in checked)
    findings += judge_driving(
        tracks.speed,
        tracks.steering,
        fitted="steering" in checked,
        compared="speed" in checked,
        scale=scale_of_drive(settings.vehicle, tracks.fastest if tracks.speed.count else math.nan),
        moved=agreement.diagnosis.corrected.poses is not None,
        is_curvature=is_curvature(roles),
    )
    findings += judge_labels(tracks.steering)
    findings += judge_agreement(agreement, is_curvature(roles), settings)
    if not any(one.code in OTHER_NUMBERS for one in findings):
        findings += judge_sharpness(tracks.sharpness, is_curvature(roles))
        findings += judge_size(settings, *_pace(tracks, agreement, is_curvature(roles)))
    return findings


def _pace(tracks: Tracks, agreement: Agreement, steers_curvature: bool) -> tuple[float, float]:
    """The speed that a drive reaches [m/s], and the curvature of its usual bends at most [1/m]; NaN
    where they are not known."""
    speed = agreement.diagnosis.corrected.speed
    reached = fastest(speed)
    if not reached > LEAST_IDLE:  # it stands, or nothing is known
        reached = math.nan
    angles = np.abs(tracks.steering.rows[:, 1])
    if steers_curvature and len(angles):
        wheelbase = tracks.sharpness.vehicle.wheelbase
        return reached, float(np.tan(np.quantile(angles, USUAL))) / wheelbase
    rate = agreement.yaw_rate
    moving = np.abs(at(rate.stamp_ns, speed, MAX_GAP))
    bends = np.abs(rate.value) / np.where(moving > reached / 4.0, moving, np.nan)
    bends = bends[np.isfinite(bends)]
    return reached, float(np.quantile(bends, USUAL)) if len(bends) else math.nan


def is_curvature(roles: Mapping[str, Stream]) -> bool:
    """Whether the steering is recorded as a yaw rate."""
    return "steering" in roles and roles["steering"].quantity == "curvature"
