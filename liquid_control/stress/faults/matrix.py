"""`liquid-control faults`: every kind of fault in every source, driven in closed loop and held
against what must happen."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

from liquid_control.config import GateConfig, check, number, path, text
from liquid_control.control.engagement import DRIVING
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.model.installed import find_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.report.page import require
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.stress.faults.course import Tick, run_course
from liquid_control.stress.faults.expectations import EXPECTED, Expectation
from liquid_control.stress.faults.injection import KINDS, SOURCES, Fault
from liquid_control.stress.faults.limit_check import violations
from liquid_control.system.files import clear_results, write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb

BEGIN, LASTS, AFTER = 5.0, 2.5, 4.0
"""Seconds: the fault begins well after engaging, lasts, and is followed by the time in which
driving must go on."""
BACK_WITHIN, BACK_FROM_STANDSTILL = 1.0, 2.5
"""Seconds after the fault's end in which the gate must drive again: from moving, and from standing,
which needs another engagement."""

BRAKING_SHARE, BRAKING_DELAY = 0.8, 0.3
"""Share of the gate's deceleration that counts as braking, and the lag with which the simulated
vehicle follows a commanded speed [s]."""


@dataclasses.dataclass(frozen=True)
class FaultSettings:
    """Inject every kind of fault into every source while `model` drives the simulated world."""

    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    roads: int = number(3, 1, 1000, "", "held-out roads for each fault")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    out: Path | None = path(
        None, "folder for faults.json and the matrix as faults.png", writes="folder"
    )
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def inject_faults(settings: FaultSettings) -> dict:
    """Facts by cell under `cells`; `broken` counts the cells with an unmet expectation."""
    started = time.perf_counter()
    if settings.out is not None:
        require("matplotlib")
    model = pack_model(find_model(settings.model))
    cells = [(source, kind) for source in SOURCES for kind in KINDS]
    jobs = [
        (model, source, kind, road_seed(settings.seed, road))
        for source, kind in cells
        for road in range(settings.roads)
    ]
    outcomes = run_jobs(run_cell, jobs, processes(settings.workers), "faults")
    grouped = {
        cell: outcomes[i * settings.roads : (i + 1) * settings.roads]
        for i, cell in enumerate(cells)
    }
    rows = [_summary(source, kind, grouped[source, kind]) for source, kind in cells]
    facts = {
        "model": str(settings.model),
        "roads": settings.roads,
        "seed": settings.seed,
        "faults": len(jobs),
        "commands": sum(row["commands"] for row in rows),
        "limit_violations": sum(row["limit_violations"] for row in rows),
        "broken": sum(bool(row["broken"]) for row in rows),
        "wall_s": round(time.perf_counter() - started, 1),
        "cells": rows,
    }
    if settings.out is not None:
        from liquid_control.stress.faults.picture import draw_matrix

        settings.out.mkdir(parents=True, exist_ok=True)
        clear_results(settings.out, "faults.json", "faults.png")
        with write_atomically(settings.out / "faults.json") as partial:
            partial.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        draw_matrix(rows, settings.out / "faults.png")
    return facts


def run_cell(job: tuple[PackedModel, str, str, int]) -> dict:
    """One drive with one fault, judged."""
    model, source, kind, seed = job
    fault = Fault(source, kind, BEGIN, BEGIN + LASTS)
    ticks = run_course(load_packed(model), seed, fault.end + AFTER, fault)
    return judge(ticks, fault, EXPECTED[source, kind])


def judge(ticks: list[Tick], fault: Fault, expected: Expectation) -> dict:
    """What happened, and under `broken` the expectations that were not met."""
    wrong = violations(ticks, GateConfig(), VEHICLE)
    during = [tick for tick in ticks if fault.begin <= tick.seconds < fault.end]
    after = [tick for tick in ticks if tick.seconds >= fault.end]
    left = next((tick.seconds - fault.begin for tick in during if tick.state not in DRIVING), None)
    back = next((tick.seconds - fault.end for tick in after if tick.state in DRIVING), None)
    stopped = any(tick.state.value == "stopped" for tick in during)
    departed = any(tick.departed for tick in ticks)
    broken = [f"limits: {wrong[0]} ({len(wrong)} in all)"] if wrong else []
    if (
        next((tick.state for tick in reversed(ticks) if tick.seconds < fault.begin), None)
        not in DRIVING
    ):
        broken.append("was not driving when the fault began")
    if expected.degrades_within is not None and (left is None or left > expected.degrades_within):
        broken.append(
            f"noticed after {left if left is None else round(left, 2)} s, "
            f"must be within {expected.degrades_within:.2f} s"
        )
    if expected.brakes and left is not None and not _brakes(during, fault.begin + left):
        broken.append("did not brake")
    if expected.drives_on and left is not None:
        reason = next(tick.reason for tick in during if tick.state not in DRIVING)
        broken.append(f"left driving after {left:.2f} s ({reason})")
    if expected.stays_on_road and departed:
        broken.append("left the road")
    if not departed and (back is None or back > (BACK_FROM_STANDSTILL if stopped else BACK_WITHIN)):
        broken.append(f"driving again {'never' if back is None else f'after {back:.2f} s'}")
    return {
        "noticed_s": left,
        "back_s": back,
        "stopped": stopped,
        "departed": departed,
        "commands": sum(t.command is not None for t in ticks),
        "limit_violations": len(wrong),
        "largest_offset_m": max(abs(tick.lane_offset) for tick in ticks),
        "broken": broken,
    }


def _brakes(during: list[Tick], since: float) -> bool:
    """Whether the vehicle slows down about as fast as the gate takes speed away, or stands."""
    stopping = [tick for tick in during if tick.seconds >= since]
    lost = stopping[0].speed - stopping[-1].speed
    due = (
        BRAKING_SHARE
        * GateConfig().deceleration
        * max(stopping[-1].seconds - since - BRAKING_DELAY, 0.0)
    )
    return stopping[-1].speed < 0.2 or lost >= due


def _summary(source: str, kind: str, outcomes: list[dict]) -> dict:
    expected = EXPECTED[source, kind]
    noticed = [outcome["noticed_s"] for outcome in outcomes if outcome["noticed_s"] is not None]
    back = [
        outcome["back_s"]
        for outcome in outcomes
        if outcome["back_s"] is not None and outcome["noticed_s"] is not None
    ]
    return {
        "source": source,
        "kind": kind,
        "why": expected.why,
        "must_notice_within_s": expected.degrades_within,
        "must_drive_on": expected.drives_on,
        "must_stay_on_road": expected.stays_on_road,
        "noticed_s": max(noticed, default=None),
        "noticed": len(noticed),
        "back_s": max(back, default=None),
        "departed": sum(outcome["departed"] for outcome in outcomes),
        "largest_offset_m": round(max(outcome["largest_offset_m"] for outcome in outcomes), 3),
        "commands": sum(outcome["commands"] for outcome in outcomes),
        "drives": len(outcomes),
        "limit_violations": sum(outcome["limit_violations"] for outcome in outcomes),
        "broken": sorted({line for outcome in outcomes for line in outcome["broken"]}),
    }


VERB = Verb(FaultSettings, inject_faults, succeeded=lambda facts: not facts["broken"])
