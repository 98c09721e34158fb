"""Judges topics and stamps: what is missing, silent, out of order or on another clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.inspection.agreement import Fit
from liquid_control.inspection.findings import FAULT, WARNING, Finding, fault, graded, note, warning
from liquid_control.inspection.stamps import StampReport
from liquid_control.recordings.rosbag.reader import Damage
from liquid_control.recordings.rosbag.topics import Roles

TIMELINE = TimelineConfig()
PATIENCE = {"camera": TIMELINE.max_gap, "imu": TIMELINE.imu_window, "speed": 0.5, "steering": 0.5}
"""A longer silence [s] of a role is felt by the policy, the gate or the training target."""
SLOWEST = {"camera": 8.0, "imu": 20.0, "speed": 4.0, "steering": 8.0}  # Hz
DROPPED_SHARE, COVERED_SHARE = 0.25, 0.9
FEW = 10  # messages
LATE, APART, DRIFTED, JUMPED, OTHER_CLOCK, FUTURE = 0.3, 0.2, 0.05, 0.2, 30.0, 0.01  # s
SURE_APART, CLEAR = (
    0.04,
    0.85,
)  # s between camera and gyro, seen in the pictures with such a correlation
MOST_LISTED = 8
RECEIVE = "read it with --stamps receive"


def judge_roles(roles: Roles) -> Iterator[Finding]:
    """What a missing topic means for each use."""
    if roles.camera is None:
        yield fault(
            "no_camera",
            "camera",
            "no pictures: no Image or CompressedImage",
            "name the topic with --topics.camera, or record the camera",
        )
    if roles.imu is None:
        yield warning(
            "no_imu",
            "imu",
            "no Imu: the policy is given zero yaw rate and lateral acceleration",
            "record sensor_msgs/Imu",
        )
    if roles.speed is None:
        yield warning(
            "no_speed",
            "speed",
            f"no speed: the policy is told {TIMELINE.assumed_speed:g} m/s",
            "name the topic with --topics.speed, or record Odometry",
        )
    if roles.steering is None:
        from_gyro = roles.imu is not None and roles.speed is not None
        target = (
            "; training takes its target from gyro and speed" if from_gyro else ", and to train on"
        )
        yield Finding(
            "no_steering",
            "steering",
            "no steering: nothing to compare a replay with" + target,
            "name the topic with --topics.steering, or record the driver's commands",
            WARNING,
            WARNING if from_gyro else FAULT,
        )


def judge_damage(damage: Sequence[Damage], skipped: Mapping[str, int]) -> Iterator[Finding]:
    """Unreadable parts of the files, undecodable messages."""
    for one in damage[:MOST_LISTED]:
        place = one.file if one.offset is None else f"{one.file} at byte {one.offset}"
        yield warning(
            "damage",
            "files",
            f"{place}: {one.problem}; lost: {one.lost}",
            "all that is readable is used",
        )
    if len(damage) > MOST_LISTED:
        yield warning(
            "damage",
            "files",
            f"{len(damage) - MOST_LISTED} more places are damaged",
            "all that is readable is used",
        )
    for reason, count in list(skipped.items())[:MOST_LISTED]:
        yield warning(
            "undecodable", "files", f"{count} message{'s' * (count != 1)} left out: {reason}"
        )


def judge_stamps(role: str, stamps: StampReport, span: tuple[float, float]) -> Iterator[Finding]:
    """Order, silence and rate of one topic. `span`: first and last second of the camera's."""
    of = f"of {stamps.count} stamps"
    grave = fault if role == "camera" else warning
    if stamps.zeros > 0.5 * stamps.count:
        yield grave("zero_stamps", role, f"{stamps.zeros} {of} are zero", RECEIVE)
        return
    if stamps.constant:
        yield grave(
            "constant_stamps", role, f"{stamps.duplicates} {of} repeat the one before", RECEIVE
        )
        return
    if stamps.zeros:
        yield warning("zero_stamps", role, f"{stamps.zeros} {of} are zero", RECEIVE)
    if stamps.duplicates and role == "steering":
        yield note(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before: commands that are sent again",
        )
    elif stamps.duplicates:
        yield graded(stamps.duplicates / stamps.count, 0.01, 1.0)(
            "duplicate_stamps",
            role,
            f"{stamps.duplicates} {of} repeat the one before{_places(stamps.disorder_at)}",
            "the first of each is used",
        )
    if stamps.backward:
        yield warning(
            "stamps_go_back",
            role,
            f"{stamps.backward} {of} lie before the one before{_places(stamps.disorder_at)}",
            f"late ones are left out; if the clock was set, {RECEIVE}",
        )
    if stamps.count < FEW:
        yield grave(
            "few_messages",
            role,
            f"only {stamps.count} message{'s' * (stamps.count != 1)}",
            "record longer",
        )
        return
    yield from _judge_pace(role, stamps)
    if role != "camera" and span[1] > span[0]:
        covered = (min(span[1], stamps.last) - max(span[0], stamps.first)) / (span[1] - span[0])
        if covered < COVERED_SHARE:
            yield (warning if covered > 0 else fault)(
                "not_covered",
                role,
                f"covers {100 * max(covered, 0.0):.0f} % of the camera's time",
                f"if their clocks differ, {RECEIVE}" if covered <= 0 else "",
            )


def _judge_pace(role: str, stamps: StampReport) -> Iterator[Finding]:
    if stamps.rate < SLOWEST[role]:
        yield warning(
            "slow",
            role,
            f"{stamps.rate:.1f} Hz, expected at least {SLOWEST[role]:g} Hz",
            "record it faster",
        )
    felt = [gap for gap in stamps.gaps if gap[1] > PATIENCE[role]]
    if felt:
        start, longest = felt[0]
        effect = (
            "the policy's memory starts anew after each"
            if role == "camera"
            else "its value is old or unknown meanwhile"
        )
        yield warning(
            "gaps",
            role,
            f"{len(felt)} gap{'s' * (len(felt) != 1)} longer than {PATIENCE[role]:g} s, the longest "
            f"{longest:.2f} s at {start:.1f} s; {effect}",
            "find what stalls the sensor or the recorder",
        )
    share = stamps.dropped / (stamps.count + stamps.dropped)
    if share > DROPPED_SHARE:
        yield warning(
            "dropped",
            role,
            f"some {100 * share:.0f} % of the messages are missing at {stamps.rate:.1f} Hz",
            "the recorder cannot keep up, or the network drops them",
        )


def judge_clocks(stamps: Mapping[str, StampReport], camera: Fit) -> Iterator[Finding]:
    """Header against receive stamps of each role, and camera against IMU."""
    for role, one in stamps.items():
        if np.isfinite(one.latency):
            yield from _judge_clock(role, one)
    seen = camera.delay if camera.delay is not None and camera.delay.sure else None
    if (
        seen is not None
        and seen.correlation > 0
        and abs(seen.seconds) > max(SURE_APART, 3.0 * seen.uncertainty)
    ):
        when = "later" if seen.seconds > 0 else "earlier"
        yield (warning if abs(seen.correlation) > CLEAR else note)(
            "camera_imu_offset",
            "imu",
            f"the gyro says {abs(seen.seconds):.3f} ± {seen.uncertainty:.3f} s {when} what the pictures show",
            "synchronise the clocks; stamp at exposure",
        )
    elif seen is None and {"camera", "imu"} <= set(stamps):
        apart = stamps["camera"].latency - stamps["imu"].latency
        if np.isfinite(apart) and abs(apart) > APART:
            yield warning(
                "camera_imu_offset",
                "imu",
                f"header against receive stamps differ by {apart:+.2f} s between camera and IMU: "
                "their clocks differ, or one is held up",
                RECEIVE,
            )


def _judge_clock(role: str, stamps: StampReport) -> Iterator[Finding]:
    moved = stamps.drift * (stamps.last - stamps.first)
    if abs(stamps.latency) > OTHER_CLOCK:
        yield note(
            "other_clock",
            role,
            f"header stamps lie {abs(stamps.latency):.0f} s "
            f"{'before' if stamps.latency > 0 else 'after'} receipt: not the recorder's clock",
            f"fine where all topics share that clock; else {RECEIVE}",
        )
    elif stamps.latency < -FUTURE:
        yield warning(
            "from_the_future",
            role,
            f"header stamps lie up to {-stamps.latency:.3f} s after receipt",
            RECEIVE,
        )
    elif stamps.latency > LATE:
        yield warning(
            "late",
            role,
            f"messages arrive at best {stamps.latency:.2f} s after their stamps",
            "look for a queue, or a wrong clock",
        )
    if stamps.jump > JUMPED:
        yield warning(
            "clock_jump",
            role,
            f"its clock moves by {stamps.jump:.2f} s against the recorder's within a second",
            f"a clock was set, or messages were held up; {RECEIVE} if it was the clock",
        )
    elif abs(moved) > DRIFTED:
        yield warning(
            "clock_drift",
            role,
            f"its clock drifts by {1e6 * stamps.drift:+.0f} ppm against the recorder's: {moved:+.3f} s",
            "synchronise the clocks (PTP, chrony)",
        )


def _places(seconds: Sequence[float]) -> str:
    return (
        f" (at {', '.join(f'{one:.1f}' for one in seconds[:4])} s{', ...' * (len(seconds) > 4)})"
        if len(seconds)
        else ""
    )
