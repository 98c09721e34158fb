"""The page of an examination in the recorded world: figures, film of the worst moments, and each
stretch as a map of the recorded path with the driven one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.deploy.runtime import Runtime
from liquid_control.evaluate.closed_loop.moments import Moment, worst_moments, write_film
from liquid_control.evaluate.closed_loop.recorded import StretchJob, StretchResult
from liquid_control.evaluate.closed_loop.recorded_rows import KILOMETRE, sentences
from liquid_control.evaluate.drive.log import Track
from liquid_control.evaluate.drive.road_map import road_map
from liquid_control.report.charts import Series, time_chart
from liquid_control.report.media import jpeg_source, video_source
from liquid_control.report.page import write_page
from liquid_control.system.files import write_atomically

MOMENTS, MOST_STRETCHES = 6, 12
"""Shown: of more stretches, the worst ones."""
STILL_WIDTH, QUALITY = 480, 85


def write_examination(
    folder: Path,
    facts: Mapping,
    results: Sequence[StretchResult],
    jobs: Sequence[StretchJob],
    runtime: Callable[[], Runtime],
    state_names: Sequence[str],
) -> None:
    """Writes summary.json, worst.mp4 and report.html for the results of the first condition."""
    with write_atomically(folder / "summary.json") as partial:
        partial.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    film = folder / "worst.mp4"
    shown = write_film(film, worst_moments(results, MOMENTS), jobs, runtime, state_names)
    roads = {(job.recording, job.road.name): job for job in jobs}
    worst = sorted(results, key=_badness, reverse=True)[:MOST_STRETCHES]
    chosen = [result for result in results if result in worst]
    marks = {id(moment): number for number, (moment, _, _) in enumerate(shown, 1)}
    write_page(
        "examination",
        folder / "report.html",
        facts=facts,
        said=sentences(facts),
        tiles=_tiles(facts),
        conditions=[_cells(row, row["condition"]) for row in facts["conditions"]],
        recordings=[_cells(row, row["recording"]) for row in facts["per_recording"]],
        head=HEAD,
        video=video_source(film) if film.exists() else None,
        moments=[
            _still(number, *entry, len(facts["per_recording"]) > 1)
            for number, entry in enumerate(shown, 1)
        ],
        stretches=[
            _stretch(
                result,
                roads[result.recording, result.stretch],
                {
                    marks[id(moment)]: moment.seconds
                    for moment, _, _ in shown
                    if (moment.recording, moment.stretch) == (result.recording, result.stretch)
                },
            )
            for result in chosen
        ],
        left_out=len(results) - len(chosen),
    )


HEAD = (
    "km",
    "departures",
    "put back",
    "put back/km",
    "RMSE, m",
    "largest, m",
    "unseen",
    "jerk, m/s³",
    "longest without, s",
)


def _cells(row: Mapping, name: str) -> tuple[str, list[str]]:
    cells = [
        f"{row['distance_m'] / KILOMETRE:.3g}",
        str(row["departures"]),
        str(row["put_backs"]),
        _with_interval(row, "put_backs_per_km", 1),
        _with_interval(row, "lateral_rmse_m", 3),
        f"{row['largest_offset_m']:.2f}",
        f"{100 * row['unseen_share']:.1f} %",
        f"{row['lateral_jerk_rms']:.2f}",
        f"{row['longest_without_put_back_s']:.0f}",
    ]
    return name, cells


def _with_interval(row: Mapping, name: str, digits: int) -> str:
    bounds = row[f"{name}_ci"]
    if bounds is None:
        return f"{row[name]:.{digits}f}"
    return f"{row[name]:.{digits}f} [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"


def _tiles(facts: Mapping) -> list[tuple[str, str, str]]:
    lane = facts["per_recording"][0]
    return [
        (
            "driven",
            f"{facts['distance_m']:.0f} m",
            f"in {facts['duration_s']:.0f} s on {facts['stretches']} stretches",
        ),
        ("put back", str(facts["put_backs"]), f"{facts['put_backs_per_km']:.1f} per km"),
        (
            "departures",
            str(facts["departures"]),
            f"more than {lane['departure_m']:.2g} m off the driver's path",
        ),
        (
            "lateral error",
            f"{facts['lateral_rmse_m']:.3f} m",
            f"RMSE; largest {facts['largest_offset_m']:.2f} m",
        ),
        (
            "longest without put-back",
            f"{facts['longest_without_put_back_s']:.0f} s",
            f"lane {lane['lane_width_m']:.2g} m wide",
        ),
        (
            "unseen picture",
            f"{100 * facts['unseen_share']:.1f} %",
            "of the policy's pictures was never recorded",
        ),
    ]


def _badness(result: StretchResult) -> tuple[float, float]:
    found = result.examined
    return (found.off_road + found.standstills, found.largest_offset_m)


def _still(number: int, moment: Moment, second: float, picture: np.ndarray, several: bool) -> dict:
    height = round(picture.shape[0] * STILL_WIDTH / picture.shape[1])
    small = cv2.resize(picture, (STILL_WIDTH, height), interpolation=cv2.INTER_AREA)
    place = f"{moment.stretch}, {moment.seconds:.1f} s"
    return {
        "number": number,
        "source": jpeg_source(small, QUALITY),
        "width": STILL_WIDTH,
        "height": height,
        "words": moment.words,
        "place": f"{Path(moment.recording).parent.name}/{place}" if several else place,
        "second": second,
    }


def _stretch(result: StretchResult, job: StretchJob, marks: Mapping[int, float]) -> dict:
    """Map and charts of one stretch."""
    trace, scale, found = result.trace, job.road.scale, result.examined
    stamps = np.round(trace.seconds * 1e9).astype(np.int64)
    places = (trace.x, trace.y, trace.yaw, trace.speed, trace.station, trace.offset)
    track = Track(stamps, stamps, *places, trace.command)
    end = float(trace.seconds[-1])
    times = trace.seconds[trace.put_back > 0.0].tolist()
    put_back = [(at, at, "stopped") for at in times]
    levels = {scale.departure: "limit", -scale.departure: "limit", 0.0: "zero"}
    return {
        "name": result.stretch,
        "words": f"{found.distance_m:.0f} m in {found.simulated_s:.0f} s, "
        f"{found.off_road + found.standstills} times put back",
        "marks": ", ".join(f"{number} at {at:.1f} s" for number, at in marks.items()),
        "charts": {
            "map": road_map(track, scale, 1, trace.put_back > 0),
            "offset": time_chart(
                [Series("offset", "allowed", trace.seconds, trace.offset)],
                "m",
                end,
                levels=levels,
                spans=put_back,
            ),
            "steering": time_chart(
                [
                    Series("driver at this place", "measured", trace.seconds, trace.command),
                    Series("policy", "proposed", trace.seconds, trace.curvature),
                ],
                "1/m",
                end,
                levels={0.0: "zero"},
                spans=put_back,
            ),
            "speed": time_chart(
                [
                    Series("driver at this place", "measured", trace.seconds, trace.driver_speed),
                    Series("vehicle", "proposed", trace.seconds, trace.speed),
                ],
                "m/s",
                end,
                height=150,
                digits=1,
                spans=put_back,
            ),
            "unseen": time_chart(
                [Series("unseen", "proposed", trace.seconds, 100 * trace.unseen)],
                "%",
                end,
                height=120,
                digits=1,
            ),
        },
    }
