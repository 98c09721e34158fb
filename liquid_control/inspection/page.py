"""The page of an inspection: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from liquid_control.inspection.charts import Lane, intervals, lanes, scatter
from liquid_control.inspection.estimated import estimated_rows
from liquid_control.inspection.findings import STATES
from liquid_control.inspection.fit import Fit
from liquid_control.inspection.motion_signals import MAX_GAP
from liquid_control.inspection.pictures import Picture
from liquid_control.inspection.recording import Inspection
from liquid_control.inspection.relations import YAW_SMOOTHING
from liquid_control.inspection.stamps import StampReport
from liquid_control.inspection.text import content_rows, together
from liquid_control.recordings.driven_curvature import at
from liquid_control.report import page
from liquid_control.report.charts import Series, time_chart
from liquid_control.report.media import jpeg_source

CLASSES = {
    "camera": "proposed",
    "imu": "allowed",
    "accelerometer": "allowed",
    "speed": "measured",
    "steering": "fourth",
}
NEAR = 600.0  # s; stamps further from the recorder's clock are drawn from their own start
LONGEST = 1e6  # s; a longer time is a wrong stamp
QUALITY = 72


def write_page(inspection: Inspection, path: str | Path) -> None:
    """Writes the page; nothing on it is fetched from elsewhere. Raises MissingDependencyError
    without jinja2."""
    facts = inspection.facts
    pictures = inspection.tracks.pictures if inspection.tracks else None
    shift = _shift(inspection.stamps)
    page.write_page(
        "bag",
        path,
        facts=facts,
        name=Path(facts["recording"]).name,
        began=datetime.fromtimestamp(facts["start_ns"] // 10**9, timezone.utc).strftime(
            "%Y-%m-%d %H:%M:%S UTC"
        ),
        verdicts=together(facts["verdict"]),
        scale=_display_scale(inspection.agreement.steering) if inspection.agreement else 1.0,
        states={state: weight for weight, state in STATES.items()},
        rows=[*content_rows(facts), *estimated_rows(facts["estimated"])]
        if "estimated" in facts
        else list(content_rows(facts))
        if inspection.tracks
        else [],
        notes=[one for one in facts["findings"] if one["replay"] == one["train"] == "ok"],
        charts=_charts(inspection, shift) if inspection.tracks else {},
        jitters=[
            (role, report, intervals(report))
            for role, report in inspection.stamps.items()
            if report.count > 2
        ],
        sheet=[_shown(one, shift) for one in pictures.sheet] if pictures else [],
        worst=[_shown(one, shift) for one in pictures.worst.values()] if pictures else [],
    )


def _shift(stamps: Mapping[str, StampReport]) -> float:
    """Seconds that are subtracted from all stamps, so that a recording in another clock is drawn
    from zero."""
    first = min((report.first for report in stamps.values() if not report.constant), default=0.0)
    return first if abs(first) > NEAR else 0.0


def _charts(inspection: Inspection, shift: float) -> dict[str, str]:
    tracks, stamps, agreement = inspection.tracks, inspection.stamps, inspection.agreement
    end = max(
        [report.last - shift for report in stamps.values() if report.last - shift < LONGEST],
        default=0.0,
    )
    end = end if end > 0 else inspection.facts["duration"] or 1.0

    def line(name: str, classes: str, seconds: np.ndarray, values: np.ndarray) -> Series:
        inside = (seconds - shift >= -1.0) & (seconds - shift <= end + 1.0)
        return Series(name, classes, np.clip(seconds[inside] - shift, 0.0, end), values[inside])

    charts = (
        {
            "lanes": lanes(
                [_lane(role, report, inspection, shift) for role, report in stamps.items()], end
            )
        }
        if stamps
        else {}
    )
    expected, yaw_rate, fit = agreement.expected, agreement.yaw_rate, agreement.steering
    if len(yaw_rate) > 1:
        lines = [line("gyro", "allowed", yaw_rate.stamp_ns * 1e-9, yaw_rate.value)]
        if len(expected) > 1:
            scale = _display_scale(fit)
            lines.insert(
                0,
                line(
                    "steering and speed",
                    "proposed",
                    expected.stamp_ns * 1e-9,
                    scale * expected.value,
                ),
            )
        charts["yaw"] = time_chart(lines, "rad/s", end, levels={0.0: "zero"}, digits=3)
    if len(expected) > 1 and fit.known:
        partner = at(
            expected.stamp_ns + (round(fit.delay.seconds * 1e9) if fit.delay else 0),
            yaw_rate,
            MAX_GAP,
        )
        both = np.isfinite(partner) & np.isfinite(expected.value)
        names = ("rad/s by steering and speed", f"rad/s by the gyro (mean of {YAW_SMOOTHING:g} s)")
        charts["scatter"] = scatter(
            expected.value[both], partner[both], fit.slope, fit.offset, names
        )
    for name, track, unit, digits in (
        ("speed", tracks.speed, "m/s", 1),
        ("steering", tracks.steering, "rad", 3),
    ):
        if len(track.rows) > 1:
            charts[name] = time_chart(
                [line(name, CLASSES[name], *track.rows.T)],
                unit,
                end,
                150,
                levels={0.0: "zero"},
                digits=digits,
            )
    late = [
        Series(
            role,
            CLASSES[role],
            np.clip(report.latencies[:, 0], 0.0, end),
            1000.0 * report.latencies[:, 1],
        )
        for role, report in stamps.items()
        if len(report.latencies) > 1
    ]
    if late:
        charts["latency"] = time_chart(late, "ms", end, 170, digits=1)
    seconds, brightness, contrast = np.array(tracks.pictures.appearance).reshape(-1, 3).T
    if len(seconds) > 1:
        lines = [
            line("brightness", "proposed", seconds, brightness),
            line("contrast", "measured", seconds, contrast),
        ]
        charts["look"] = time_chart(lines, "of 255", end, 150, digits=0)
    return charts


def _lane(role: str, report: StampReport, inspection: Inspection, shift: float) -> Lane:
    tracks = inspection.tracks
    gaps = [(start - shift, length) for start, length in report.gaps if length < LONGEST]
    marks = [
        (
            "odd",
            "stamp repeated or gone back",
            [] if role == "steering" else [one - shift for one in report.disorder_at],
        )
    ]
    spans = []
    if role == "camera":
        pictures = tracks.pictures
        marks += [
            ("odd", "blank picture", [one - shift for one in pictures.blank_at]),
            ("odd", "undecodable picture", [one - shift for one in pictures.failed_at]),
        ]
        spans.append(
            (
                "stuck",
                "pictures repeat",
                [(start - shift, count * report.interval) for start, count in pictures.repeated],
            )
        )
    if role == "imu":
        spans += [
            (
                "stuck",
                f"{name} repeats itself",
                [(start - shift, length) for start, length in found],
            )
            for name, found in (tracks.gyro.stuck | tracks.accelerometer.stuck).items()
        ]
    return Lane(role, report.first - shift, report.last - shift, gaps, marks, spans)


def _display_scale(fit: Fit) -> float:
    """Factor that draws signals of different units at one scale; the sign stays as recorded."""
    return 1.0 if not fit.known or 0.5 < abs(fit.ratio) < 2.0 else 1.0 / abs(fit.ratio)


def _shown(picture: Picture, shift: float) -> dict:
    return {
        "source": jpeg_source(picture.thumbnail[..., ::-1], QUALITY),
        "seconds": picture.seconds - shift,
        "note": picture.note,
        "brightness": picture.brightness,
        "contrast": picture.contrast,
        "sharpness": picture.sharpness,
    }
