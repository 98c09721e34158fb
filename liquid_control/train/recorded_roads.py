"""The roads that recordings make, by the part that they are in: what is held out is never driven on
in training."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.data.episode import Episode
from liquid_control.errors import LiquidControlError
from liquid_control.model.spec import names
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.vehicle_file import with_vehicle_file
from liquid_control.sim.recorded.loader import RecordedRoads, load_roads
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.train.load_recordings import LoadedRecordings
from liquid_control.train.recordings_settings import RecordingsSettings
from liquid_control.train.split import Split

ESTIMATED = 8
"""Recordings of one vehicle in which its camera's place is estimated, where more are given: it
takes seconds for each."""
LEAST_SECONDS = 2.0
"""A shorter piece of a road is not driven on: the pictures behind a place are missing at its
beginning."""


class NothingToDriveError(LiquidControlError):
    """No recording that is learned from makes a road."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        listed = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:3])
        more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
        super().__init__(
            f"no recording that is learned from makes a road to drive on ({listed}{more}). "
            "--closed-loop off clones the drivers without one"
        )
        self.reasons = reasons


@dataclasses.dataclass(frozen=True, eq=False)
class SplitRoads:
    """Roads to learn on and to examine on. `left_out`: seconds by reason, of recordings that make
    roads; `problems`: why others make none; `estimates` by recording."""

    learned: Sequence[RecordedRoad]
    held_out: Sequence[RecordedRoad]
    of_recording: Mapping[str, Sequence[RecordedRoad]]
    left_out: Mapping[str, float]
    problems: Mapping[str, str]
    estimates: Mapping[str, Mapping]

    @property
    def facts(self) -> dict:
        """For the provenance."""
        return {
            "learned_roads": len(self.learned),
            "learned_m": round(sum(road.path.length for road in self.learned), 3),
            "held_out_roads": len(self.held_out),
            "held_out_m": round(sum(road.path.length for road in self.held_out), 3),
            "left_out_s": {name: round(value, 1) for name, value in self.left_out.items()},
            "not_driven_in": dict(self.problems),
            "estimates": dict(self.estimates),
        }


def split_roads(settings: RecordingsSettings, loaded: LoadedRecordings, split: Split) -> SplitRoads:
    """The roads of all loaded recordings. Where a recording makes none, that is said, and it is
    only cloned. Raises NothingToDriveError where none is left to learn on."""
    jobs = []
    for name in loaded.episodes:
        path = Path(name)
        recording = with_vehicle_file(path, settings.recording)
        jobs.append(_Job(path, recording, loaded.preprocess, settings.cache, settings.curvature))
    made = _made(jobs, settings.workers)
    found_in = {str(job.path): made[job.path] for job in jobs}
    problems = {name: found for name, found in found_in.items() if isinstance(found, str)}
    roads = {name: found for name, found in found_in.items() if name not in problems}
    left_out: Counter = Counter()
    learned, held_out = [], []
    for name, found in roads.items():
        left_out.update(found.left_out)
        for road in found.roads:
            for side, pieces in zip((learned, held_out), parts(road, name, split), strict=True):
                side += pieces
    for name, problem in problems.items():
        print(f"WARNING: {name}: cloned only, not driven in: {problem}", file=sys.stderr)
    if not learned:
        others = {name: _reasons(found) for name, found in roads.items()}
        raise NothingToDriveError(problems | others)
    return SplitRoads(
        learned,
        held_out,
        {name: found.roads for name, found in roads.items()},
        dict(left_out),
        problems,
        {name: found.estimates for name, found in roads.items()},
    )


def parts(
    road: RecordedRoad, recording: str, split: Split
) -> tuple[list[RecordedRoad], list[RecordedRoad]]:
    """The pieces of a road in the learned and in the held-out part of the split: the frames whose
    stamps lie within the episodes of one part and not within those of the other."""
    learned, held_out = (
        _within(
            road.path.stamp_ns,
            [each for name, each in side.items() if split.recording_of(name) == recording],
        )
        for side in (split.learned, split.held_out)
    )
    return _pieces(road, learned & ~held_out), _pieces(road, held_out & ~learned)


def with_auxiliary(episode: Episode, roads: Sequence[RecordedRoad]) -> Episode:
    """The episode with the auxiliary targets that its recording's roads give: on the path, so that
    offset and heading error are those of the lane's middle. NaN where no road has the frame."""
    columns = {
        name: np.full(len(episode), np.nan, np.float32) for name in names(episode.spec.auxiliary)
    }
    for road in roads:
        path, ahead = road.path, road.scale.curvature_ahead
        place = np.clip(np.searchsorted(path.stamp_ns, episode.stamp_ns), 0, len(path) - 1)
        there = path.stamp_ns[place] == episode.stamp_ns
        station = path.station[place[there]]
        targets = {
            "lane_offset": -path.middle[place[there]],
            "heading_error": -road.turned[place[there]],
            "curvature": path.curvature[place[there]],
            "curvature_ahead": np.interp(station + ahead, path.station, path.curvature),
        }
        for name in columns.keys() & targets.keys():
            columns[name][there] = targets[name]
    auxiliary = np.stack(list(columns.values()), 1) if columns else episode.auxiliary
    return dataclasses.replace(episode, auxiliary=auxiliary)


@dataclasses.dataclass(frozen=True)
class _Job:
    path: Path
    recording: RecordingSettings
    preprocess: PreprocessConfig
    cache: Path
    curvature: CurvatureSettings


def _made(jobs: Sequence[_Job], workers: int) -> dict[Path, RecordedRoads | str]:
    """Roads, or the reason why there are none, by path. Of many recordings of one vehicle, the
    camera's place is estimated in `ESTIMATED`; the others take its median."""
    by_vehicle: dict[RecordingSettings, list[_Job]] = {}
    for job in jobs:
        by_vehicle.setdefault(job.recording, []).append(job)
    first = [
        of_one[index]
        for of_one in by_vehicle.values()
        for index in np.linspace(0, len(of_one) - 1, min(len(of_one), ESTIMATED)).astype(int)
    ]
    engine = processes(workers)
    made = dict(
        zip([job.path for job in first], run_jobs(_load, first, engine, "roads"), strict=True)
    )
    others = [
        dataclasses.replace(
            job, recording=_placed(recording, [made.get(each.path) for each in of_one])
        )
        for recording, of_one in by_vehicle.items()
        for job in of_one
        if job.path not in made
    ]
    found = run_jobs(_load, others, engine, "roads")
    return made | dict(zip([job.path for job in others], found, strict=True))


def _placed(
    recording: RecordingSettings, found: Sequence[RecordedRoads | str | None]
) -> RecordingSettings:
    """The settings with the median place and lens of the cameras that were estimated."""
    made = [one for one in found if isinstance(one, RecordedRoads)]
    cameras = [one.roads[0].camera for one in made]
    values = {
        "height": [camera.above for camera in cameras],
        "pitch": [camera.pitch for camera in cameras],
        "field_of_view": [
            2.0 * math.atan(camera.width / 2 / camera.focal[0]) for camera in cameras
        ],
        "forward": [camera.forward for camera in cameras],
    }
    estimated = {
        name: float(np.median(of_all))
        for name, of_all in values.items()
        if any(f"camera_{name}" in one.estimates for one in made)
    }
    return dataclasses.replace(recording, mount=dataclasses.replace(recording.mount, **estimated))


def _load(job: _Job) -> RecordedRoads | str:
    """A recording's roads, or the reason why it makes none, as text: classes of errors do not
    survive between processes."""
    try:
        found = load_roads(job.path, job.recording, job.preprocess, job.cache, job.curvature)
    except LiquidControlError as error:
        return str(error)
    return found if found.roads else _reasons(found)


def _reasons(found: RecordedRoads) -> str:
    listed = ", ".join(f"{seconds:.0f} s {reason}" for reason, seconds in found.left_out.items())
    return f"no stretch is left ({listed})"


def _within(stamp_ns: np.ndarray, episodes: Sequence[Episode]) -> np.ndarray:
    """Whether each of stamps (N,) lies within an unbroken run of the episodes."""
    inside = np.zeros(len(stamp_ns), bool)
    for episode in episodes:
        edges = np.append(np.flatnonzero(episode.is_first), len(episode))
        edges = edges if edges[0] == 0 else np.concatenate([[0], edges])
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            first, last = episode.stamp_ns[start], episode.stamp_ns[end - 1]
            inside |= (stamp_ns >= first) & (stamp_ns <= last)
    return inside


def _pieces(road: RecordedRoad, selected: np.ndarray) -> list[RecordedRoad]:
    """The unbroken stretches of frames `selected` (N,) bool, without those that are too short."""
    if selected.all():
        return [road]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], selected.astype(np.int8), [0]]))).tolist()
    stamps = road.path.stamp_ns
    return [
        road.part(start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if (stamps[end - 1] - stamps[start]) * 1e-9 >= LEAST_SECONDS
    ]
