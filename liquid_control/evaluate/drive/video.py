"""drive.mp4: camera picture, proposed and allowed steering, and the activity of the neurons."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.errors import DriveError
from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.report import overlay
from liquid_control.report.overlay import (
    ALLOWED,
    BACKGROUND,
    INK,
    MUTED,
    PROPOSED,
    RULE,
    STOPPED,
    text,
)
from liquid_control.report.strip import MOST, Strip, by_layer, normalised
from liquid_control.report.video import VideoWriter
from liquid_control.signals import Limit

WIDTH, HEIGHT, STRIP_HEIGHT = 960, 612, 222
PICTURE_HEIGHT, NARROWEST, WIDEST = 360, 480, 720
STEERING_RATIO = 12.0
GAUGE = 87.5  # px of half a lane
SMOOTHING = 0.08
NOTABLE = 2e-3
"""A difference between proposed and allowed angle that is worth a lamp where the recorder cannot
know the verdict [rad]."""

STOPPING = Limit.STALE | Limit.FUTURE | Limit.NOT_FINITE


def write_video(log: DriveLog, path: str | Path) -> int:
    """Writes the video, a frame for each camera picture at the picture's own stamp; returns the
    number of frames. Raises DriveError when the log holds no picture.
    """
    if not len(log.pictures.stamp_ns):
        raise DriveError("the log holds no camera picture, so there is no video to write")
    with VideoWriter(path) as video:
        for seconds, canvas in frames(log):
            video.write(seconds, canvas)
    return video.frames


def frames(log: DriveLog) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (seconds since the first picture, frame (HEIGHT, WIDTH, 3) uint8 BGR); the array is
    used again for the next frame."""
    stamps = log.pictures.stamp_ns
    commands, proposals, track = log.commands, log.proposals, log.track
    command_of, proposal_of = _shown(commands, stamps), _shown(proposals, stamps)
    place_of = np.searchsorted(track.stamp_ns, stamps)
    activity = normalised(log.neurons.state) if len(log.neurons.stamp_ns) else np.zeros((0, 0))
    neurons_of = np.searchsorted(log.neurons.stamp_ns, stamps, side="right")
    canvas = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    blank = canvas[:PICTURE_HEIGHT].copy()
    names = log.neuron_names
    strip = Strip(canvas[HEIGHT - STRIP_HEIGHT - 6 : HEIGHT - 6], names)
    if names:
        count = len(by_layer(names))
        text(
            canvas,
            (18, PICTURE_HEIGHT + 17),
            f"{count} neurons" + f", {MOST} of them drawn" * (count > MOST),
            11,
            INK,
            bold=True,
        )
        text(canvas, (WIDTH - 18, PICTURE_HEIGHT + 17), "now", 11, MUTED, to_left=True)
    latency, drawn = math.nan, 0
    for index, stamp in enumerate(stamps):
        command, proposal, place = (
            command_of[index],
            proposal_of[index],
            min(place_of[index], len(track.stamp_ns) - 1),
        )
        if command >= 0 and commands.stamp_ns[command] == stamp:
            delay = (commands.received_ns[command] - stamp) / 1e6
            latency = delay if math.isnan(latency) else latency + SMOOTHING * (delay - latency)
        now = _Instant(
            seconds=(stamp - stamps[0]) / 1e9,
            speed=float(track.speed[place]) if place >= 0 else math.nan,
            lane_offset=float(track.lane_offset[place]) if place >= 0 else math.nan,
            proposed=steering_angle(float(proposals.curvature[proposal]), log.vehicle)
            if proposal >= 0
            else math.nan,
            allowed=float(commands.steering_angle[command]) if command >= 0 else math.nan,
            latency=latency,
            limits=Limit(int(commands.limits[command])) if command >= 0 else Limit.NONE,
        )
        picture = _picture(log.pictures.encoded[index])
        if log.camera is not None:
            for angle, colour in ((now.allowed, ALLOWED), (now.proposed, PROPOSED)):
                if math.isfinite(angle):
                    overlay.draw_path(
                        picture,
                        log.camera,
                        curvature(angle, log.vehicle),
                        colour,
                        filled=colour is ALLOWED,
                    )
        canvas[:PICTURE_HEIGHT, : picture.shape[1]] = picture
        panel = canvas[:PICTURE_HEIGHT, picture.shape[1] :]
        np.copyto(panel, blank[:, picture.shape[1] :])
        _draw_panel(panel, now, log.scale)
        for moment in range(drawn, neurons_of[index]):
            strip.push((log.neurons.stamp_ns[moment] - log.start_ns) / 1e9, activity[moment])
        drawn = neurons_of[index]
        yield now.seconds, canvas


@dataclasses.dataclass(frozen=True, slots=True)
class _Instant:
    """Values of the panel next to the picture; NaN is unknown. Seconds, m/s, m, rad, rad, ms."""

    seconds: float
    speed: float
    lane_offset: float
    proposed: float
    allowed: float
    latency: float
    limits: Limit


def _draw_panel(panel: np.ndarray, now: _Instant, scale: DrivingScale) -> None:
    right, middle = panel.shape[1] - 18, panel.shape[1] // 2
    end = text(panel, (18, 46), _figure(now.speed, ".1f"), 34, INK, bold=True)
    text(panel, (end + 8, 46), "m/s", 13, MUTED)
    text(
        panel,
        (right, 46),
        f"{int(now.seconds // 60)}:{now.seconds % 60:04.1f}",
        13,
        MUTED,
        to_left=True,
    )
    colour, words = _gate_state(now)
    turned = STOPPED if colour == STOPPED else ALLOWED
    overlay.draw_wheel(
        panel,
        (middle, 130),
        46,
        STEERING_RATIO * now.allowed,
        STEERING_RATIO * now.proposed,
        turned,
    )
    for row, name, angle, mark in (
        (216, "policy asks for", now.proposed, PROPOSED),
        (236, "gate allows", now.allowed, turned),
    ):
        cv2.circle(panel, (23, row - 4), 5, mark, -1, cv2.LINE_AA)
        text(panel, (36, row), name, 12, MUTED)
        text(panel, (right, row), _figure(math.degrees(angle), "+.1f", "°"), 12, INK, to_left=True)
    text(panel, (36, 254), words, 11, colour)
    cv2.line(panel, (18, 266), (right, 266), RULE, 1)
    text(panel, (18, 286), "lane offset", 12, MUTED)
    text(panel, (right, 286), _figure(now.lane_offset, "+.2f", " m"), 12, INK, to_left=True)
    zoom = GAUGE / scale.off_road
    gauge = zoom, now.lane_offset, scale.off_road, scale.departure
    overlay.draw_lane_gauge(panel, (middle, 310), *gauge)
    text(panel, (18, 347), "camera to command", 12, MUTED)
    text(panel, (right, 347), _figure(now.latency, ".1f", " ms"), 12, INK, to_left=True)


def _figure(value: float, form: str, unit: str = "") -> str:
    digits = int(form[-2])
    return (
        f"{round(value, digits) + 0.0:{form}}{unit}" if math.isfinite(value) else "–"
    )  # + 0.0 turns -0.0 into 0.0


def _gate_state(now: _Instant) -> tuple[tuple, str]:
    if now.limits & STOPPING:
        return STOPPED, "safe stop: " + (now.limits & STOPPING).names()[0].replace("_", " ")
    if now.limits:
        return PROPOSED, "limits " + now.limits.names()[-1].replace("_", " ")
    if abs(now.allowed - now.proposed) > NOTABLE:
        return PROPOSED, "limited"
    return MUTED, "unchanged" if math.isfinite(now.allowed) else "waits for the first frame"


def _shown(messages, stamps: np.ndarray) -> np.ndarray:
    """For each picture the index of the first message that it caused, else of the last one received
    by then; -1: none."""
    shown = np.searchsorted(messages.received_ns, stamps, side="right") - 1
    caused, first = np.unique(messages.stamp_ns, return_index=True)
    if len(caused):
        place = np.minimum(np.searchsorted(caused, stamps), len(caused) - 1)
        shown = np.where(caused[place] == stamps, first[place], shown)
    return shown


def _picture(encoded: bytes) -> np.ndarray:
    """The camera picture (PICTURE_HEIGHT, w, 3) as wide as its shape asks for and the panel allows;
    grey if it cannot be read."""
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return np.full((PICTURE_HEIGHT, WIDEST, 3), RULE, np.uint8)
    height, width = picture.shape[:2]
    shown = min(max(round(width * PICTURE_HEIGHT / height), NARROWEST), WIDEST) // 2 * 2
    method = cv2.INTER_AREA if height > PICTURE_HEIGHT else cv2.INTER_CUBIC
    return cv2.resize(picture, (shown, PICTURE_HEIGHT), interpolation=method)
