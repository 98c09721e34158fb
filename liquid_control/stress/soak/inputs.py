"""`liquid-control soak inputs`: hostile inputs by the thousand into what reads them. Each must give
a value or its own class of error.

A case is found again by its kind, seed and index. What counts as wrong: any other exception, a case
of more than two seconds, and one that takes more than 256 MiB.
"""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import random
import time
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import check, number, several
from liquid_control.errors import ConfigError
from liquid_control.stress.cases import MOST_MEMORY, Case, Maker, run_cases
from liquid_control.stress.soak import model_cases, sensor_cases
from liquid_control.stress.soak.command_cases import CommandLineMaker
from liquid_control.stress.yaml_cases import TopicMapFile
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import EntryPoint, Verb

JOB = 500


def _image(folder: Path) -> Case:
    return sensor_cases.image


def _compressed_image(folder: Path) -> Case:
    return sensor_cases.compressed_image


def _measurements(folder: Path) -> Case:
    return sensor_cases.Drive().measurements


def _configuration(folder: Path) -> Case:
    return model_cases.configuration


def _topic_map(folder: Path) -> Case:
    return TopicMapFile(folder).read


def _model_json(folder: Path) -> Case:
    return model_cases.ModelCopy(folder).model_json


def _weights(folder: Path) -> Case:
    return model_cases.ModelCopy(folder).weights


def _onnx(folder: Path) -> Case:
    return model_cases.ModelCopy(folder).onnx


MAKERS: dict[str, Maker] = {
    "image": _image,
    "compressed_image": _compressed_image,
    "measurements": _measurements,
    "configuration": _configuration,
    "topic_map": _topic_map,
    "model_json": _model_json,
    "weights": _weights,
    "onnx": _onnx,
}
"""Kinds of input by name that need neither ROS nor the command line."""
OUTER = ("parameter_file", "command_line")
"""Kinds whose readers are in packages above this one; the command line passes them in."""
KINDS = (*MAKERS, *OUTER)


@dataclasses.dataclass(frozen=True)
class InputSoakSettings:
    """Feed hostile pictures, measurements, models, configurations and command lines to what reads
    them."""

    cases: int = number(100_000, 1, 10**9, "", "cases of each kind")
    only: tuple[str, ...] = several((), "only these kinds: " + ", ".join(KINDS))
    seed: int = number(0, 0, 2**31 - 1, "", "seed of the cases")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)
        for name in self.only:
            if name not in KINDS:
                raise ConfigError("InputSoakSettings.only", name, "of " + ", ".join(KINDS))


def soak_inputs(settings: InputSoakSettings, outer: Mapping[str, Maker] | None = None) -> dict:
    """Facts by kind of input; `wrong` must be 0. `endings`: number of each result.
    `outer`: the available makers of `OUTER`. Raises ConfigError if a selected one is missing."""
    started = time.perf_counter()
    makers = MAKERS | dict(outer or {})
    names = settings.only or tuple(makers)
    missing = [name for name in names if name not in makers]
    if missing:
        raise ConfigError(
            "InputSoakSettings.only",
            ", ".join(missing),
            "kinds whose reader is installed here (parameter files need ROS 2)",
        )
    firsts = range(0, settings.cases, JOB)
    jobs = [
        (name, makers[name], settings.seed, first, min(JOB, settings.cases - first))
        for name in names
        for first in firsts
    ]
    # In no order, so that each worker sees every kind and the progress bar estimates the time left.
    order = random.Random(0).sample(range(len(jobs)), len(jobs))
    answers = dict(
        zip(
            order,
            run_jobs(
                run_cases,
                [jobs[index] for index in order],
                processes(settings.workers),
                "cases, 500 each",
            ),
            strict=True,
        )
    )
    kinds = {
        name: _kind(
            settings.cases, [answers[index] for index, job in enumerate(jobs) if job[0] == name]
        )
        for name in names
    }
    grown = [
        answer["grown_bytes"] for answer in answers.values() if answer["grown_bytes"] is not None
    ]
    return {
        "cases": settings.cases * len(names),
        "wrong": sum(kind["wrong"] for kind in kinds.values()),
        "seed": settings.seed,
        "not_fed": sorted(set(KINDS) - set(makers)),
        "largest_growth_of_500_cases_mb": round(max(grown) / 1e6, 1) if grown else None,
        "most_memory_of_a_case_mb": max(kind["most_memory_mb"] for kind in kinds.values()),
        "allowed_memory_of_a_case_mb": MOST_MEMORY / 1e6,
        "wall_s": round(time.perf_counter() - started, 1),
        "kinds": kinds,
    }


def _kind(cases: int, answers: list[dict]) -> dict:
    endings = sum(
        (collections.Counter(answer["endings"]) for answer in answers), collections.Counter()
    )
    wrong = [line for answer in answers for line in answer["wrong"]]
    return {
        "cases": cases,
        "wrong": len(wrong),
        "first_wrong": wrong[:5],
        "slowest_s": round(max(a["slowest_s"] for a in answers), 3),
        "most_memory_mb": round(max(a["most_memory_bytes"] for a in answers) / 1e6, 1),
        "endings": dict(endings.most_common()),
    }


def _soak_everything(settings: InputSoakSettings, entry: EntryPoint) -> dict:
    """`soak_inputs` with the kinds of `OUTER` whose readers are installed."""
    outer: dict[str, Maker] = {"command_line": CommandLineMaker(entry)}
    if importlib.util.find_spec("rclpy") is not None:
        from liquid_control.stress.processes.parameter_cases import parameter_file

        outer["parameter_file"] = parameter_file
    return soak_inputs(settings, outer)


VERB = Verb(
    InputSoakSettings,
    _soak_everything,
    succeeded=lambda facts: not facts["wrong"],
    tests_commands=True,
)
