"""`soak recordings`: recordings of known drives, each with something done to it."""

from __future__ import annotations

import collections
import dataclasses
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from liquid_control.config import check, number, several, text
from liquid_control.errors import ConfigError
from liquid_control.stress.recordings.drive import draw_drive, streams_of
from liquid_control.stress.recordings.judge import RIGHT, VERDICTS, Outcome, judge
from liquid_control.stress.recordings.kinds import KINDS
from liquid_control.stress.recordings.writing import draw_layout, write_recording
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb

JOB = 10
MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class RecordingSoakSettings:
    """Build recordings of known drives with clocks, units, axes, signs, encodings and layouts as
    other people have them; hold what is said of them and taken from them against the truth."""

    cases: int = number(2000, 1, 10**7, "", "recordings, spread evenly over the kinds")
    only: tuple[str, ...] = several((), "only these kinds: " + ", ".join(KINDS))
    seed: int = number(0, 0, 2**31 - 1, "", "seed of the recordings")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")
    out: str = text("", "folder for recordings.json; empty: none")

    def __post_init__(self) -> None:
        check(self)
        for name in self.only:
            if name not in KINDS:
                raise ConfigError("RecordingSoakSettings.only", name, "of " + ", ".join(KINDS))


def soak_recordings(settings: RecordingSoakSettings) -> dict:
    """Facts by kind: how many recordings had each verdict, and the first that were not right."""
    started = time.perf_counter()
    names = settings.only or tuple(KINDS)
    cases = [(names[index % len(names)], settings.seed, index) for index in range(settings.cases)]
    jobs = [cases[first : first + JOB] for first in range(0, len(cases), JOB)]
    answers = run_jobs(_run, jobs, processes(settings.workers), f"recordings, {JOB} each")
    rows = [row for answer in answers for row in answer]
    kinds = {name: _kind([row for row in rows if row["kind"] == name]) for name in names}
    verdicts = collections.Counter(row["verdict"] for row in rows)
    facts = {
        "cases": len(rows),
        "wrong": len(rows) - verdicts[RIGHT],
        "verdicts": {name: verdicts[name] for name in VERDICTS if verdicts[name]},
        "seed": settings.seed,
        "wall_s": round(time.perf_counter() - started, 1),
        "kinds": kinds,
    }
    if settings.out:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / "recordings.json") as partial:
            partial.write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def run_case(name: str, seed: int, index: int) -> tuple[str, Outcome]:
    """(what was done, outcome) of case `index` of a kind: reproducible from these three."""
    rng = np.random.default_rng([seed, index])
    drive = draw_drive(rng)
    streams = streams_of(drive, rng)
    kind = KINDS[name]
    changed = kind.change(streams, draw_layout(rng), drive, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = write_recording(Path(folder), drive, changed.streams, changed.layout)
        return changed.what, judge(path, drive, kind, changed.numbers_hold, Path(folder) / "cache")


def _run(job: list[tuple[str, int, int]]) -> list[dict]:
    rows = []
    for name, seed, index in job:
        what, outcome = run_case(name, seed, index)
        numbers = outcome.numbers
        rows.append(
            {
                "kind": name,
                "case": index,
                "what": what,
                "verdict": outcome.verdict,
                "said": [" ".join(one) for one in outcome.said],
                "used": round(numbers.used, 3) if numbers else None,
                "errors": {key: round(value, 3) for key, value in numbers.errors.items()}
                if numbers
                else {},
                "remedy": outcome.remedied,
                "error": outcome.error,
            }
        )
    return rows


def _kind(rows: list[dict]) -> dict:
    verdicts = collections.Counter(row["verdict"] for row in rows)
    wrong = [row for row in rows if row["verdict"] != RIGHT]
    return {
        "cases": len(rows),
        "verdicts": {name: verdicts[name] for name in VERDICTS if verdicts[name]},
        "remedies_applied": sum(bool(row["remedy"]) for row in rows),
        "first_wrong": wrong[:MOST_SHOWN],
    }


def as_text(facts: dict) -> str:
    """A row per kind, then the first cases that were not right."""
    lines = [f"{facts['cases']} recordings in {facts['wall_s']} s, {facts['wrong']} not right"]
    for name, kind in facts["kinds"].items():
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in kind["verdicts"].items())
        lines.append(f"  {name.ljust(27)}{verdicts}; {kind['remedies_applied']} remedies applied")
    for name, kind in facts["kinds"].items():
        for row in kind["first_wrong"][:3]:
            lines.append(f"  {name}, case {row['case']}: {row['verdict']}: {row['what']}")
            lines.append(f"      said {row['said']}, errors {row['errors']} {row['error']}")
    return "\n".join(lines)


VERB = Verb(
    RecordingSoakSettings, soak_recordings, show=as_text, succeeded=lambda facts: not facts["wrong"]
)
