"""Writes report.html and summary.json of a drive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.control.vehicle import steering_angle
from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.evaluate.drive.road_map import road_map
from liquid_control.evaluate.drive.summary import latencies_ms, summarize
from liquid_control.evaluate.drive.video import STOPPING, write_video
from liquid_control.report.charts import Series, heat_map, histogram, stretches, time_chart
from liquid_control.report.media import video_source
from liquid_control.report.page import write_page
from liquid_control.report.strip import by_layer, normalised
from liquid_control.system.files import clear_results

RESULTS = ("drive.mp4", "report.html", "summary.json")
"""What a drive may leave in its folder."""

BRIDGED = 0.06
"""Gate activations closer than this are drawn as one stretch [s]."""


def write_drive(log: DriveLog, directory: str | Path) -> dict:
    """Writes summary.json, drive.mp4 (when the log holds pictures) and report.html into
    `directory`, in place of what an earlier drive left there; returns the summary."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    clear_results(directory, *RESULTS)
    figures = summarize(log)
    (directory / "summary.json").write_text(
        json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    video = directory / "drive.mp4" if len(log.pictures.stamp_ns) else None
    if video is not None:
        write_video(log, video)
    write_report(log, figures, directory / "report.html", video)
    return figures


def write_report(
    log: DriveLog, figures: Mapping, path: str | Path, video: Path | None = None
) -> None:
    """Writes one page that loads nothing but a `video` too large to be part of it."""
    write_page(
        "drive",
        path,
        figures=figures,
        facts=log.facts,
        tiles=_tiles(figures, log.scale),
        charts=_charts(log, figures),
        video=None if video is None or not video.exists() else video_source(video),
        video_offset=float(log.seconds(log.pictures.stamp_ns[:1])[0])
        if len(log.pictures.stamp_ns)
        else 0.0,
        rows=[(name.replace("_", " "), _shown(value)) for name, value in figures.items()],
    )


def _charts(log: DriveLog, figures: Mapping) -> dict[str, str]:
    """SVG by name; a chart without data is left out."""
    track, commands, proposals, neurons = log.track, log.commands, log.proposals, log.neurons
    seconds = {
        name: log.seconds(part.stamp_ns)
        for name, part in (("track", track), ("proposals", proposals), ("neurons", neurons))
    }
    seconds["commands"] = log.seconds(commands.received_ns)
    end = float(max((s[-1] for s in seconds.values() if len(s)), default=0.0))
    charts = {"map": road_map(track, log.scale, log.lanes)}
    if np.isfinite(track.lane_offset).any():
        levels = {log.scale.departure: "limit", -log.scale.departure: "limit", 0.0: "zero"}
        charts["offset"] = time_chart(
            [Series("lane offset", "allowed", seconds["track"], track.lane_offset)],
            "m",
            end,
            levels=levels,
        )
    if len(commands.stamp_ns):
        proposed = np.degrees(
            [steering_angle(float(bend), log.vehicle) for bend in proposals.curvature]
        )
        steering = [
            Series(
                "gate allows", "allowed", seconds["commands"], np.degrees(commands.steering_angle)
            )
        ]
        speeds = [Series("gate allows", "allowed", seconds["commands"], commands.speed)]
        if len(proposed):
            steering.insert(
                0, Series("policy asks for", "proposed", seconds["proposals"], proposed)
            )
            speeds.insert(
                0, Series("policy asks for", "proposed", seconds["proposals"], proposals.speed)
            )
        speeds.append(Series("vehicle drives", "measured", seconds["track"], track.speed))
        spans = _gate_spans(seconds["commands"], commands.limits)
        charts["steering"] = time_chart(
            steering, "°", end, levels={0.0: "zero"}, spans=spans, digits=1
        )
        charts["speed"] = time_chart(speeds, "m/s", end, spans=spans, digits=1)
    latency = latencies_ms(log)
    if len(latency):
        marks = {
            f"{name} {figures[key]:.1f} ms": figures[key]
            for name, key in (("median", "latency_ms_p50"), ("99 %", "latency_ms_p99"))
        }
        charts["latency"] = histogram(latency, "ms", marks)
    if len(neurons.stamp_ns):
        names = log.neuron_names
        order = by_layer(names)
        charts["neurons"] = heat_map(
            seconds["neurons"], normalised(neurons.state)[:, order], [names[i] for i in order], end
        )
    return {name: chart for name, chart in charts.items() if chart}


def _gate_spans(seconds: np.ndarray, limits: np.ndarray) -> list[tuple[float, float, str]]:
    """Stretches in which a limit acted, safe stops apart."""
    spans: list[tuple[float, float, str]] = []
    for kind, acted in (("limited", limits != 0), ("stopped", (limits & STOPPING.value) != 0)):
        spans += [(*span, kind) for span in stretches(seconds[acted], BRIDGED)]
    return spans


def _tiles(figures: Mapping, scale: DrivingScale) -> list[tuple[str, str, str]]:
    """Headline figures: (label, figure, small print)."""
    used, sent = figures["frames_used"], figures["frames_sent"] or figures["frames_received"]
    share = 100 * used / sent if sent else None
    limits = sorted(figures["gate_limits"], key=figures["gate_limits"].get, reverse=True)
    return [
        (
            "driven",
            _figure(figures["distance_m"], "m", 0),
            "in " + _figure(figures["duration_s"], "s", 1),
        ),
        (
            "departures",
            str(figures["departures"]),
            f"more than {scale.departure:.3g} m off the lane's centre",
        ),
        (
            "lateral error",
            _figure(figures["lateral_rmse_m"], "m", 2),
            "RMSE; largest " + _figure(figures["lateral_max_m"], "m", 2),
        ),
        (
            "latency",
            _figure(figures["latency_ms_p50"], "ms", 1),
            "99 % below " + _figure(figures["latency_ms_p99"], "ms", 1),
        ),
        ("frames used", _figure(share, "%", 1), f"{used} of {'–' if sent is None else sent}"),
        (
            "gate acted",
            str(figures["gate_activations"]),
            "times" + (", mostly on " + limits[0].replace("_", " ") if limits else ""),
        ),
        ("real time", _figure(figures["real_time_factor"], "×", 2), "stamped over elapsed time"),
    ]


def _figure(value: float | None, unit: str, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f} {unit}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in value.items())
            or "none"
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
