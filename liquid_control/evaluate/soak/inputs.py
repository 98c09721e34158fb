"""`liquid-control soak inputs`: hostile inputs by the thousand into what reads them. Each must give a value or its own class of error.

A case is found again by its target, seed and index. What counts as wrong: any other exception, and a case of more than two seconds.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from liquid_control.config import check, number
from liquid_control.errors import ConfigError
from liquid_control.evaluate.soak import model_cases, sensor_cases
from liquid_control.evaluate.soak.growth import footprint
from liquid_control.parallel import map_processes

SLOW = 2.0
"""A case that takes longer than this hangs [s]."""
JOB = 500

TARGETS: dict[str, Callable[[Path], Callable[[random.Random], str]]] = {
    "image": lambda folder: sensor_cases.image,
    "compressed_image": lambda folder: sensor_cases.compressed_image,
    "measurements": lambda folder: sensor_cases.Drive().measurements,
    "configuration": lambda folder: model_cases.configuration,
    "model_json": lambda folder: model_cases.ModelCopy(folder).model_json,
    "weights": lambda folder: model_cases.ModelCopy(folder).weights,
    "onnx": lambda folder: model_cases.ModelCopy(folder).onnx,
}
"""What is fed, by name. Each makes of an empty folder a function that runs one case and says how it ended, or raises."""


@dataclasses.dataclass(frozen=True)
class InputSoakSettings:
    """Feed hostile pictures, measurements, model files and configurations to what reads them."""

    cases: int = number(100_000, 1, 10**9, "", "of each kind")
    only: tuple[str, ...] = dataclasses.field(default=(), metadata={"doc": "these kinds alone: " + ", ".join(TARGETS)})
    seed: int = number(0, 0, 2**31 - 1, "", "names the cases")
    workers: int = number(0, 0, 256, "", "processes; 0 is one a core")

    def __post_init__(self) -> None:
        check(self)
        for name in self.only:
            if name not in TARGETS:
                raise ConfigError("InputSoakSettings.only", name, "of " + ", ".join(TARGETS))


def soak_inputs(settings: InputSoakSettings) -> dict:
    """Facts by kind of input; `wrong` must be 0. `endings` says how often what was answered."""
    started = time.perf_counter()
    names = settings.only or tuple(TARGETS)
    firsts = range(0, settings.cases, JOB)
    jobs = [(name, settings.seed, first, min(JOB, settings.cases - first)) for name in names for first in firsts]
    answers = map_processes(run_cases, jobs, settings.workers, "cases, 500 each")
    kinds = {}
    for name in names:
        own = [answer for job, answer in zip(jobs, answers, strict=True) if job[0] == name]
        endings = sum((collections.Counter(answer["endings"]) for answer in own), collections.Counter())
        wrong = [line for answer in own for line in answer["wrong"]]
        kinds[name] = {
            "cases": settings.cases, "wrong": len(wrong), "first_wrong": wrong[:5], "slowest_s": round(max(a["slowest_s"] for a in own), 3),
            "endings": dict(endings.most_common()),
        }  # fmt: skip
    grown = [answer["grown_bytes"] for answer in answers if answer["grown_bytes"] is not None]
    return {
        "cases": settings.cases * len(names), "wrong": sum(kind["wrong"] for kind in kinds.values()), "seed": settings.seed,
        "largest_growth_of_500_cases_mb": round(max(grown) / 1e6, 1) if grown else None,
        "wall_s": round(time.perf_counter() - started, 1), "kinds": kinds,
    }  # fmt: skip


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Decoders of pictures write a line on stderr for each damaged one, from C."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def run_cases(job: tuple[str, int, int, int]) -> dict:
    """Cases `first` to `first` + `count` of one kind."""
    name, seed, first, count = job
    endings, wrong, slowest = collections.Counter(), [], 0.0
    with tempfile.TemporaryDirectory() as folder, _quiet_libraries():
        run = TARGETS[name](Path(folder))
        with contextlib.suppress(Exception):
            run(random.Random("not counted: importing PyTorch takes seconds"))
        before = footprint()["memory_bytes"]
        for index in range(first, first + count):
            began = time.perf_counter()
            try:
                ending = run(random.Random(f"{name} {seed} {index}"))
            except Exception as error:  # noqa: BLE001  this is what is looked for
                ending = f"raised {type(error).__name__}"
                wrong.append(f"{name}, seed {seed}, case {index}: {type(error).__name__}: {str(error)[:200]}")
            took = time.perf_counter() - began
            if took > SLOW:
                wrong.append(f"{name}, seed {seed}, case {index}: took {took:.1f} s")
            slowest = max(slowest, took)
            endings[ending] += 1
    after = footprint()["memory_bytes"]
    return {"endings": dict(endings), "wrong": wrong, "slowest_s": slowest, "grown_bytes": None if after is None else after - before}
