"""`liquid-control soak`: hours of simulated driving under random faults and interventions, faster
than real time, each command judged."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
import random
import time
import traceback
from pathlib import Path

from liquid_control.config import GateConfig, check, number, path, text
from liquid_control.control.engagement import DRIVING
from liquid_control.control.guard import OperatorRequest
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.errors import DrawingError
from liquid_control.model.installed import find_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.stress.faults.course import run_course
from liquid_control.stress.faults.injection import KINDS, SOURCES, Fault
from liquid_control.stress.faults.limit_check import violations
from liquid_control.stress.growth import footprint, growth
from liquid_control.system.files import read_json, write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb

LARGEST_GROWTH = 1.0
"""Of memory and of open files [% an hour] that a soak passes with."""
DRIVE, QUIET = 60.0, 8.0
"""Seconds of one drive, and of its beginning and its end without a fault: by its end the gate must
drive again."""


@dataclasses.dataclass(frozen=True)
class SoakSettings:
    """Let `model` drive for hours with random faults in every source, takeovers and emergency
    stops, and judge every command."""

    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    hours: float = number(0.1, 0.001, 10_000.0, "h", "simulated time, in drives of one minute")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the roads and the faults")
    out: Path | None = path(
        None, "folder of soak.json and one file per drive; a stopped run resumes", writes="folder"
    )
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def soak(settings: SoakSettings) -> dict:
    """Facts, to be judged by `passed`."""
    started = time.perf_counter()
    model = pack_model(find_model(settings.model))
    folder = None if settings.out is None else settings.out / "drives"
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_other_models(folder, model)
    drives = range(math.ceil(settings.hours * 3600.0 / DRIVE - 1e-9))
    done = [row for index in drives if (row := _read_row(folder, model, settings.seed, index))]
    missing = sorted(set(drives) - {row["index"] for row in done})
    jobs = [(model, settings.seed, index) for index in missing]

    def keep(_: int, row: dict) -> dict:
        if folder is not None:
            _write(_row_path(folder, row["seed"], row["index"]), row)
        return row

    fresh = run_jobs(run_drive, jobs, processes(settings.workers), "drives", keep)
    facts = _summary(settings, done + fresh)
    facts |= {
        "drives_kept_from_before": len(done),
        "wall_s": round(time.perf_counter() - started, 1),
    }
    facts["real_time_factor"] = (
        round(sum(row["seconds"] for row in fresh) / max(facts["wall_s"], 1e-3), 1)
        if fresh
        else None
    )
    if settings.out is not None:
        _write(settings.out / "soak.json", facts)
    return facts


def passed(facts: dict) -> bool:
    """Whether nothing was broken, left unhandled or stuck, and nothing grew that was long enough
    watched."""
    grown = (facts["memory_growth_percent_an_hour"], facts["file_growth_percent_an_hour"])
    counts = (facts["limit_violations"], facts["unhandled_errors"], facts["stuck"])
    return not any(counts) and all(each is None or each < LARGEST_GROWTH for each in grown)


def run_drive(job: tuple[PackedModel, int, int]) -> dict:
    """Drive number `index` of a seed, judged; an exception is part of the answer."""
    model, seed, index = job
    rng = random.Random(f"soak {seed} {index}")
    faults, request = draw_faults(rng), draw_requests(rng)
    row = {
        "index": index,
        "seed": seed,
        "model": model.name,
        "sha256": model.sha256,
        "faults": [dataclasses.asdict(fault) for fault in faults],
        "error": None,
    }
    ticks = []
    try:
        ticks = run_course(load_packed(model), road_seed(seed, index), DRIVE, faults, request)
    except DrawingError:
        raise  # of the machine
    except Exception:  # noqa: BLE001  an unhandled error is what a soak looks for
        row["error"] = traceback.format_exc(limit=-3)
    wrong = violations(ticks, GateConfig(), VEHICLE)
    row |= {
        "seconds": ticks[-1].seconds if ticks else 0.0,
        "commands": sum(tick.command is not None for tick in ticks),
        "limit_violations": wrong,
        "departed": any(tick.departed for tick in ticks),
        "states": dict(collections.Counter(tick.state.value for tick in ticks)),
        **footprint(),
    }
    row["stuck"] = (
        bool(ticks)
        and not row["departed"]
        and row["seconds"] > DRIVE - 1.0
        and ticks[-1].state not in DRIVING
    )
    return row


def draw_faults(rng: random.Random) -> list[Fault]:
    """Any kind in any source, often several at once, from half a second to four long."""
    begins = [rng.uniform(QUIET, DRIVE - QUIET - 4.0) for _ in range(rng.randint(2, 10))]
    return [
        Fault(rng.choice(SOURCES), rng.choice(KINDS), begin, begin + rng.uniform(0.5, 4.0))
        for begin in sorted(begins)
    ]


def draw_requests(rng: random.Random):
    """The operator's request by time: none, or a takeover or an emergency stop in the middle of the
    drive and a request to engage after it."""
    kind, begin = (
        rng.choice(("none", "takeover", "emergency stop")),
        rng.uniform(QUIET, DRIVE - QUIET - 5.0),
    )

    def at(now: float) -> OperatorRequest:
        during, after = begin <= now < begin + 2.0, now >= begin + 2.0
        if kind == "takeover":
            return OperatorRequest(takeover=during, engage_requested=after)
        if kind == "emergency stop":
            faults = (kind,) if during else ()
            return OperatorRequest(faults=faults, acknowledged=after, engage_requested=after)
        return OperatorRequest()

    return at


def _summary(settings: SoakSettings, rows: list[dict]) -> dict:
    wrong = [f"drive {row['index']}: {line}" for row in rows for line in row["limit_violations"]]
    errors = [f"drive {row['index']}: {row['error']}" for row in rows if row["error"]]
    states = collections.Counter()
    for row in rows:
        states.update(row["states"])
    return {
        "model": str(settings.model),
        "seed": settings.seed,
        "drives": len(rows),
        "hours": sum(row["seconds"] for row in rows) / 3600.0,
        "faults": sum(len(row["faults"]) for row in rows),
        "commands": sum(row["commands"] for row in rows),
        "limit_violations": len(wrong),
        "unhandled_errors": len(errors),
        "stuck": sum(row["stuck"] for row in rows),
        "departures": sum(row["departed"] for row in rows),
        "decisions_by_state": dict(sorted(states.items())),
        **growth(rows),
        "first_violations": wrong[:10],
        "first_errors": errors[:10],
    }


def _row_path(folder: Path, seed: int, index: int) -> Path:
    return folder / f"drive_{seed}_{index:06d}.json"


def _read_row(folder: Path | None, model: PackedModel, seed: int, index: int) -> dict | None:
    """The answer of a drive that an earlier, stopped run finished with the same model."""
    if folder is None or not _row_path(folder, seed, index).is_file():
        return None
    row = read_json(_row_path(folder, seed, index))
    return row if row.get("sha256") == model.sha256 else None


def _remove_other_models(folder: Path, model: PackedModel) -> None:
    for place in folder.glob("drive_*_*.json"):
        if read_json(place).get("sha256") != model.sha256:
            place.unlink()


def _write(path: Path, values: dict) -> None:
    with write_atomically(path) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


VERB = Verb(SoakSettings, soak, succeeded=passed)
