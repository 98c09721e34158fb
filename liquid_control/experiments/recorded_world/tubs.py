"""Real recordings of DonkeyCars: a tub is cut into a learned and a held-out one by whole segments;
`train recordings`, `replay` and `evaluate` run on them as a user runs them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.control.vehicle import curvature
from liquid_control.errors import ConfigError
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.steps import once, run_command
from liquid_control.experiments.recorded_world.training import trained
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.tables.tub2 import IMAGES, MANIFEST, folder_of
from liquid_control.signals import Frame, SteeringSample
from liquid_control.system.files import write_atomically

GAP_MS = 500
"""A longer time between two records cuts a segment."""

FOLDS = 5
"""Each holds out another fifth of the records, by whole segments."""

SMALL, NEIGHBOURS = (32, 24), 15
"""Size (columns, rows) of the grey pictures that a nearest neighbour is found by."""


def examine_tub(settings: RecordedWorldSettings) -> dict:
    """The track: figures of each fold and of all together."""
    return _examine(settings, "tub", settings.tub)


def examine_walls(settings: RecordedWorldSettings) -> dict:
    """The recording between walls, as `examine_tub`."""
    return _examine(settings, "walls", settings.walls)


def _examine(settings: RecordedWorldSettings, name: str, tub: Path | None) -> dict:
    vehicle = settings.tub_vehicle
    if tub is None or vehicle is None:
        raise ConfigError(name, "no recording", f"--{name} TUB and --tub-vehicle FILE")
    folder, given = settings.out / name, RecordingSettings(vehicle_file=str(vehicle))
    runs: dict = {}
    for fold in range(max(round(FOLDS * settings.share), 1)):
        learned, held_out = split_tub(tub, folder / f"fold_{fold}", fold)
        neighbours = once(
            folder / f"fold_{fold}" / "neighbours.json",
            {"fold": fold, "vehicle": vehicle.read_text()},
            lambda learned=learned, held_out=held_out: yardsticks(learned, held_out, given),
        )["found"]
        for way, flags in settings.ways:
            words = ["--vehicle", vehicle, *flags]
            out = folder / f"fold_{fold}" / f"run_{way}"
            made = trained(settings, [learned], out, settings.seed, words, vehicle.read_text())
            found = examine_model(settings, made.model, held_out, vehicle, out)
            runs[f"{way}_{fold}"] = {"way": way, "fold": fold, **made.about, **found, **neighbours}
    return {
        "ways": {
            way: pooled([r for r in runs.values() if r["way"] == way]) for way, _ in settings.ways
        },
        "runs": runs,
    }


def examine_model(
    settings: RecordedWorldSettings, model: Path, held_out: Path, vehicle: Path, out: Path
) -> dict:
    """Steering of `replay` and driving of `evaluate` on the held-out tub."""
    decisive = {"model": (model / "model.json").read_text(), "vehicle": vehicle.read_text()}
    replay = once(
        out / "replay.json",
        decisive,
        lambda: run_command("replay", model, held_out, "--vehicle", vehicle).facts,
    )
    words = ["evaluate", model, "--world", f"recording:{held_out}", "--vehicle", vehicle]
    drive = once(out / "drive.json", decisive, lambda: run_command(*words).facts)
    row = drive["found"]["conditions"][0]
    wanted = ("departures", "put_backs", "longest_without_put_back_s", "unseen_share")
    return {
        "steering": steering_of(replay["found"]),
        "distance_m": row["distance_m"],
        "duration_s": row["duration_s"],
        "lateral_rmse_m": row["lateral_rmse_m"],
        **{name: row[name] for name in wanted},
    }


def steering_of(facts: dict) -> dict:
    """The first `steering` block in what `replay --json` said."""
    waiting: list = [facts]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            if "r2" in one.get("steering", {}):
                return one["steering"]
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    raise KeyError("steering")


def pooled(runs: Sequence[dict]) -> dict:
    """Over folds: means weighted by frames, counts and times summed."""
    frames = np.array([run["steering"]["frames"] for run in runs], float)

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=frames))

    return {
        "folds": len(runs),
        "frames": int(frames.sum()),
        "r2": mean([run["steering"]["r2"] for run in runs]),
        "mae": mean([run["steering"]["mae"] for run in runs]),
        "neighbours_r2": mean([run["neighbours"]["r2"] for run in runs]),
        "neighbours_mae": mean([run["neighbours"]["mae"] for run in runs]),
        "mean_mae": mean([run["always_mean"]["mae"] for run in runs]),
        "share_of_zero": mean([run["share_of_zero"] for run in runs]),
        "duration_s": sum(run["duration_s"] for run in runs),
        "departures": sum(run["departures"] for run in runs),
        "put_backs": sum(run["put_backs"] for run in runs),
        "longest_without_put_back_s": longest_over_folds(runs),
        "lateral_rmse_m": math.sqrt(mean([run["lateral_rmse_m"] ** 2 for run in runs])),
    }


def longest_over_folds(runs: Sequence[dict]) -> float:
    """The longest drive without being put back [s]; folds without one are driven one after the
    other."""
    longest = running = 0.0
    for run in runs:
        if run["put_backs"]:
            longest, running = max(longest, running, run["longest_without_put_back_s"]), 0.0
        else:
            running += run["duration_s"]
    return max(longest, running)


def split_tub(tub: Path, out: Path, fold: int) -> tuple[Path, Path]:
    """Two tubs with the pictures and catalogs of one: in the first the held-out segments are
    deleted, in the second all others."""
    source = folder_of(tub)
    lines = (source / MANIFEST).read_text().splitlines()
    index = json.loads(lines[4])
    parts = segments(source, index)
    chosen = held_out_segments([len(part) for part in parts], fold)
    held_out = {number for part in chosen for number in parts[part]}
    learned = {number for part in parts for number in part} - held_out
    made = []
    for name, dropped in (("learned", held_out), ("held_out", learned)):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        for entry in (*index["paths"], IMAGES):
            link = folder / entry
            if not link.is_symlink():
                link.symlink_to((source / entry).resolve())
        deleted = sorted({*index["deleted_indexes"], *dropped})
        changed = [*lines[:4], json.dumps({**index, "deleted_indexes": deleted})]
        with write_atomically(folder / MANIFEST) as partial:
            partial.write_text("\n".join(changed) + "\n")
        made.append(folder)
    return made[0], made[1]


def segments(source: Path, index: dict) -> list[list[int]]:
    """Indexes of records between two gaps, those that are not deleted."""
    deleted, times = set(index["deleted_indexes"]), {}
    for name in index["paths"]:
        for line in (source / name).read_text().splitlines():
            record = json.loads(line)
            number = record["_index"]
            if number not in deleted and number < index["current_index"]:
                times[number] = record["_timestamp_ms"]
    found: list[list[int]] = []
    before = None
    for number in sorted(times):
        follows = before is not None and number == before + 1
        if not follows or not 0 <= times[number] - times[before] <= GAP_MS:
            found.append([])
        found[-1].append(number)
        before = number
    return found


def held_out_segments(lengths: Sequence[int], fold: int) -> list[int]:
    """Segments of fold number `fold`: all are dealt out, the longest first, each to the fold with
    the fewest records."""
    records, dealt = [0] * FOLDS, {}
    for segment in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        least = records.index(min(records))
        records[least] += lengths[segment]
        dealt[segment] = least
    return [segment for segment in range(len(lengths)) if dealt[segment] == fold]


def yardsticks(learned: Path, held_out: Path, settings: RecordingSettings) -> dict:
    """What a nearest neighbour and the mean of what was learned answer on the held-out tub, in
    units of full steering."""
    known, steered = pictures_and_steering(learned, settings)
    asked, truth = pictures_and_steering(held_out, settings)
    answers = nearest(known, steered, asked)
    return {
        "neighbours": errors(answers, truth),
        "always_mean": errors(np.full_like(truth, steered.mean()), truth),
        "share_of_zero": float(np.mean(truth == 0.0)),
        "share_at_the_stops": float(np.mean(np.abs(truth) > 0.98)),
    }


def nearest(known: np.ndarray, steered: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mean steering (A,) of the `NEIGHBOURS` known pictures (K, P) of the largest cosine to each
    picture asked about (A, P); all of unit length."""
    answers = np.empty(len(asked))
    for begin in range(0, len(asked), 512):
        part = asked[begin : begin + 512] @ known.T
        best = np.argpartition(-part, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        answers[begin : begin + 512] = steered[best].mean(1)
    return answers


def errors(answers: np.ndarray, truth: np.ndarray) -> dict:
    residual, spread = np.mean((answers - truth) ** 2), truth.var()
    return {"r2": float(1 - residual / spread), "mae": float(np.mean(np.abs(answers - truth)))}


def pictures_and_steering(path: Path, settings: RecordingSettings) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures (N, P) of unit length without their mean, and steering (N,) in -1 to 1 at the
    same stamps."""
    frames, steering = {}, {}
    with open_recording(path, settings) as source:
        vehicle = source.settings.vehicle
        full = math.tan(vehicle.max_steering_angle) / vehicle.wheelbase
        for _, sample in source.samples(kinds=(Frame, SteeringSample)):
            if isinstance(sample, Frame):
                gray = cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY)
                small = cv2.resize(gray, SMALL, interpolation=cv2.INTER_AREA).ravel().astype(float)
                small -= small.mean()
                frames[sample.stamp_ns] = small / max(np.linalg.norm(small), 1e-9)
            else:
                steering[sample.stamp_ns] = curvature(sample.steering_angle, vehicle) / full
    both = sorted(frames.keys() & steering.keys())
    pictures = np.array([frames[stamp] for stamp in both], np.float32)
    return pictures, np.array([steering[stamp] for stamp in both])
