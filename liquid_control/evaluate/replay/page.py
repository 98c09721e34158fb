"""The page of a replay: policies against the recorded driver, in one file whose size does not grow
with the recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.evaluate.replay.charts import bins, path_map, residual, scatter
from liquid_control.evaluate.replay.chosen_speed import of_speed
from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.evaluate.replay.metrics import Comparison, figures
from liquid_control.evaluate.replay.pictures import Watched, draw
from liquid_control.evaluate.replay.tables import HEAD, clock, frame_rows, table, tiles
from liquid_control.evaluate.replay.text import degrees, sentences, verdict
from liquid_control.report.charts import Series, stretches, time_chart
from liquid_control.report.media import jpeg_source, video_source
from liquid_control.report.page import write_page
from liquid_control.stats.whiteness import autocorrelation

MOST_BAGS = 12
"""Recordings shown one by one: of more, those with the largest error."""

QUALITY = 82
"""Of the JPEG pictures, of 100."""

AROUND = 4.0
"""Seconds to each side of a worst moment in its chart."""

BRIDGED = 0.06
"""Gate activations closer than this are drawn as one stretch [s]."""


def write_report(
    path: Path,
    facts: Mapping,
    logs: list[list[ReplayLog]],
    comparisons: Mapping[str, list[Comparison]],
    watched: Mapping[str, Watched],
    camera: object,
    worst: int,
) -> None:
    """`facts` as in summary.json; `logs` by recording, then by model; `watched` by recording."""
    models = list(facts["models"])
    judged = {model: facts["overall"].get(model) for model in models}
    first = judged[models[0]]
    moments = _moments(facts, logs, watched, worst)
    write_page(
        "replay",
        path,
        models=models,
        keys=[(f"m{number % 4}", model) for number, model in enumerate(models)],
        facts=facts,
        verdict=verdict(first, [r for r in facts["results"] if r["model"] == models[0]]),
        tiles=tiles(facts, first, models[0]),
        said={
            model: sentences(
                model, judged[model], [r for r in facts["results"] if r["model"] == model]
            )
            + [of_speed(found) for found in (facts["chosen_speed"].get(model),) if found]
            for model in models
        },
        table=table(facts),
        head=HEAD,
        camera=camera,
        charts=_charts(comparisons),
        moments=moments,
        compared=first is not None,
        paths=any(one.view is not None for one in watched.values()),
        bags=_bags(facts, logs, comparisons, moments),
        left_out=max(len(logs) - MOST_BAGS, 0),
        videos={
            bag: video_source(one.video.path)
            for bag, one in watched.items()
            if one.video is not None and one.video.frames
        },
    )


def _charts(comparisons: Mapping[str, list[Comparison]]) -> dict:
    """SVG over all recordings: `scatter` by model, `by_bend`, `by_speed`."""
    judged = {
        model: (number, parts, figures(parts))
        for number, (model, parts) in enumerate(comparisons.items())
        if parts
    }
    drawn = {}
    for model, (number, parts, _) in judged.items():
        pair = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("recorded", "angle")
        ]
        drawn[model] = scatter(*pair, f"m{number % 4}")
    return {
        "scatter": drawn,
        "by_bend": bins(
            {m: found["by_bend"] for m, (_, _, found) in judged.items()},
            lambda v: f"{v:g}",
            "driver's curvature, 1/m",
        ),
        "by_speed": bins(
            {m: found["by_speed"] for m, (_, _, found) in judged.items()},
            lambda v: f"{v:g}",
            "speed, m/s",
        ),
    }


def _moments(
    facts: Mapping, logs: list[list[ReplayLog]], watched: Mapping[str, Watched], count: int
) -> list[dict]:
    """The worst moments of all models with a retained picture: number, words, picture, and a chart
    of the seconds around."""
    places = sorted(
        (one for of_model in facts["worst"].values() for one in of_model),
        key=lambda one: -abs(one["error"]),
    )
    by_bag = {of_bag[0].bag: of_bag for of_bag in logs}
    shown: list[dict] = []
    for place in places:
        if len(shown) == count:
            break
        near = [
            one
            for one in shown
            if one["bag"] == place["bag"] and abs(one["seconds"] - place["seconds"]) < AROUND
        ]
        pictures = watched[place["bag"]]
        picture = None if near else pictures.moments.nearest(place["stamp_ns"])
        if picture is None:
            continue
        of_bag = by_bag[place["bag"]]
        angles = {"driver": place["recorded"]} | {
            log.model: _angle_at(log, place["stamp_ns"]) for log in of_bag
        }
        canvas = draw(picture, angles, of_bag[0].vehicle, pictures.view)
        side = "left" if place["error"] > 0 else "right"
        shown.append(
            place
            | {
                "number": len(shown) + 1,
                "source": jpeg_source(canvas, QUALITY),
                "height": canvas.shape[0],
                "width": canvas.shape[1],
                "words": f"{degrees(abs(place['error']), 1)} too far {side}",
                "at": clock(place["seconds"]),
                "chart": _steering(
                    of_bag, place["seconds"] - AROUND, place["seconds"] + AROUND, 260
                ),
            }
        )
    return shown


def _angle_at(log: ReplayLog, stamp_ns: int) -> float:
    frames = log.issued.of_frames()
    place = int(np.argmin(np.abs(frames.stamp_ns - stamp_ns))) if len(frames) else 0
    return float(frames.proposed_angle[place]) if len(frames) else math.nan


def _bags(
    facts: Mapping,
    logs: list[list[ReplayLog]],
    comparisons: Mapping[str, list[Comparison]],
    moments: list[dict],
) -> list[dict]:
    """Facts and charts of each recording that is shown."""
    error = {
        part.bag: float(np.mean(part.error**2)) for parts in comparisons.values() for part in parts
    }
    chosen = sorted(logs, key=lambda of_bag: -error.get(of_bag[0].bag, 0.0))[:MOST_BAGS]
    shown = []
    for of_bag in (of_bag for of_bag in logs if of_bag in chosen):
        log, found = (
            of_bag[0],
            [part for parts in comparisons.values() for part in parts if part.bag == of_bag[0].bag],
        )
        end = max(float(log.since_start(log.issued.stamp_ns[-1:]).max(initial=0.0)), 1.0)
        marks = {
            str(moment["number"]): moment["seconds"]
            for moment in moments
            if moment["bag"] == log.bag
        }
        frames = log.issued.of_frames()
        charts = {"steering": _steering(of_bag, 0.0, end, 230)} if len(frames) else {}
        if found:
            lines = [
                Series(
                    part.model,
                    f"m{_number(of_bag, part.model)}",
                    part.seconds,
                    np.degrees(part.error),
                )
                for part in found
            ]
            charts["error"] = time_chart(lines, "°", end, height=150, levels={0.0: "zero"})
            correlations = {part.model: autocorrelation(part.seconds, part.error) for part in found}
            charts["residual"] = residual(
                {model: one for model, one in correlations.items() if one is not None}
            )
        if np.isfinite(frames.measured_speed).any():
            speed = Series(
                "speed", "measured", log.since_start(frames.stamp_ns), frames.measured_speed
            )
            by_policy = [
                Series(one.model, f"m{_number(of_bag, one.model)}", at, frame.chosen_speed)
                for one in of_bag
                for frame in (one.issued.of_frames(),)
                for at in (one.since_start(frame.stamp_ns),)
                if np.isfinite(frame.chosen_speed).all() and len(frame)
            ]
            charts["speed"] = time_chart([speed, *by_policy], "m/s", end, height=130, digits=1)
        charts["map"] = path_map(log, marks)
        shown.append(
            {
                "name": log.bag,
                "length": clock(log.seconds),
                "charts": charts,
                "topics": dict(log.roles),
                "gate": len(of_bag) == 1,
                "rows": frame_rows(
                    [result for result in facts["results"] if result["bag"] == log.bag]
                ),
            }
        )
    return shown


def _steering(of_bag: list[ReplayLog], start: float, end: float, height: int) -> str:
    """Angles of driver and policies from `start` to `end`; the gate's stretches where there is one
    policy."""
    log, lines = of_bag[0], []
    recorded = log.since_start(log.recorded.stamp_ns)
    for name, classes, seconds, angle in (
        ("driver", "driver", recorded, log.recorded.steering_angle),
        *(
            (one.model, f"m{number % 4}", one.since_start(f.stamp_ns), f.proposed_angle)
            for number, one in enumerate(of_bag)
            for f in (one.issued.of_frames(),)
        ),
    ):
        inside = (seconds >= start) & (seconds <= end)
        lines.append(Series(name, classes, seconds[inside] - start, np.degrees(angle[inside])))
    spans = _gate_spans(log, start, end) if len(of_bag) == 1 else []
    return time_chart(
        [line for line in lines if len(line.values)],
        "°",
        end - start,
        height,
        levels={0.0: "zero"},
        spans=spans,
        digits=1,
    )


def _gate_spans(log: ReplayLog, start: float, end: float) -> list[tuple[float, float, str]]:
    """Stretches in which a limit acted, safe stops apart."""
    spans: list[tuple[float, float, str]] = []
    seconds = log.since_start(log.issued.issued_ns) - (log.clock_offset or 0.0)
    for kind, acted in (
        ("limited", log.issued.limits != 0),
        ("stopped", log.issued.safe_stop != 0),
    ):
        times = seconds[acted & (seconds >= start) & (seconds <= end)]
        bridged = max(BRIDGED, (end - start) / 900)
        spans += [(first - start, last - start, kind) for first, last in stretches(times, bridged)]
    return spans


def _number(of_bag: list[ReplayLog], model: str) -> int:
    return [log.model for log in of_bag].index(model) % 4
