"""`liquid-control soak processes`: real nodes over real DDS are killed, frozen, slowed, cut off and
flooded; each case is held against what must happen. A run that was stopped goes on where it was,
given the same `out`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from liquid_control.config import check, number, path, several, text
from liquid_control.errors import ConfigError, DriveError, MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.stress.processes import expectations
from liquid_control.stress.processes.judgement import summary, table, wrong
from liquid_control.system.files import read_json, write_atomically
from liquid_control.system.verb import Verb

LARGEST_SEED = 2**31 - 1
PICTURES = 45


@dataclasses.dataclass(frozen=True)
class ProcessSoakSettings:
    """Kill, freeze, slow, cut off and flood the real nodes, and see that the gate does what it
    must."""

    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    tries: int = number(
        100, 1, 100_000, "", "times that the policy is killed; the other cases are tried once each"
    )
    only: tuple[str, ...] = several((), "only these cases: " + ", ".join(expectations.ALL))
    flood_seconds: float = number(3.0, 1.0, 600.0, "s", "how long each flood lasts")
    seed: int = number(
        0, 0, LARGEST_SEED, "", "seed of the road in the pictures and of the moments"
    )
    out: Path | None = path(
        None, "folder of processes.json and logs; a stopped run resumes", writes="folder"
    )

    def __post_init__(self) -> None:
        check(self)
        for name in self.only:
            if name not in expectations.ALL:
                raise ConfigError(
                    "ProcessSoakSettings.only", name, "of " + ", ".join(expectations.ALL)
                )


def soak_processes(settings: ProcessSoakSettings) -> dict:
    """Facts by case; `wrong` must be empty. `skipped` says which cases this machine does not allow,
    and why.

    Raises DriveError when processes do not start, MissingDependencyError without ROS or MuJoCo.
    """
    try:
        from liquid_control.stress.processes import sensors
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make soak, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    import numpy as np

    with tempfile.TemporaryDirectory() as scratch:
        folder = settings.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        pictures = Path(scratch).resolve() / "pictures.npy"
        np.save(pictures, sensors.render_pictures(PICTURES, settings.seed))
        of = {"model": pack_model(find_model(settings.model)).sha256, "seed": settings.seed}
        rows, skipped = _kept(folder / "processes.json", of), {}
        pending = _pending(settings, rows)
        with tqdm(total=len(pending), unit="case", disable=None) as bar:
            for name, row in _rows(settings, pending, pictures, folder.resolve() / "logs", skipped):
                rows.append({"case": name, "load": round(os.getloadavg()[0], 1), **row})
                _write(folder / "processes.json", {"of": of, "rows": rows})
                bar.update()
    return summary(rows, skipped, sys.argv[1:])


def _pending(settings: ProcessSoakSettings, rows: list[dict]) -> list[str]:
    """Names of what is not done yet, in the order of the table."""
    names = [name for name in expectations.ALL if not settings.only or name in settings.only]
    wanted = {name: settings.tries if name == "policy_killed" else 1 for name in names}
    return [
        name
        for name in names
        for _ in range(wanted[name] - sum(row["case"] == name for row in rows))
    ]


def _rows(
    settings: ProcessSoakSettings,
    pending: list[str],
    pictures: Path,
    logs: Path,
    skipped: dict[str, str],
) -> Iterator[tuple[str, Mapping]]:
    """Runs what is to be done, cases that want the same robot on one rig; what cannot be run here
    goes into `skipped`."""
    from liquid_control.stress.processes import deaths, floods, network
    from liquid_control.stress.processes.rig import Cast, Rig

    model, rng = (
        find_model(settings.model).resolve(),
        random.Random(f"processes {settings.seed} {len(pending)}"),
    )
    for robot in ("sensors", "apart", "sim"):
        names = [
            name for name in pending if name in deaths.CASES and deaths.CASES[name][0] == robot
        ]
        if names:
            with Rig(Cast(model, pictures, logs / robot, robot)) as rig:
                for name in names:
                    rig.engaged()
                    yield name, _tried(lambda name=name: deaths.CASES[name][1](rig, rng), name)
    for name in [name for name in pending if name in expectations.FLOODS]:
        with Rig(Cast(model, pictures, logs / name, hear_commands=name != "commands")) as rig:
            rig.engaged()
            yield (
                name,
                _tried(
                    lambda name=name, rig=rig: floods.flood(rig, name, settings.flood_seconds), name
                ),
            )
    names = [name for name in pending if name in expectations.NETWORK]
    reason = network.why_not() if names else ""
    for name in names:
        if reason:
            skipped[name] = reason
            continue
        seconds = 25.0 if name == "link_down_long" else 2.0
        yield (
            name,
            _tried(
                lambda name=name, seconds=seconds: network.run_case(
                    model, pictures, logs / name, seconds
                ),
                name,
            ),
        )


def _tried(case: Callable[[], dict], name: str) -> dict:
    """The facts of a case, begun while the policy drives, and what is wrong with them; a process
    that died is what is looked for."""
    began = time.monotonic()
    try:
        facts = case()
    except DriveError as error:
        facts = {"error": str(error)}
    return {
        **facts,
        "took_s": round(time.monotonic() - began, 1),
        "wrong": wrong(facts, expectations.ALL[name]),
    }


def _kept(path: Path, of: Mapping) -> list[dict]:
    """The measurements of an earlier run `of` the same model and seed, judged again. Raises
    ConfigError for one of others."""
    found = read_json(path, "rows") if path.is_file() else {"rows": []}
    if found.get("of", of) != of:
        raise ConfigError(str(path), "results of another model or seed", "an empty folder")
    rows = found["rows"]
    return [{**row, "wrong": wrong(row, expectations.ALL[row["case"]])} for row in rows]


def _write(path: Path, values: dict) -> None:
    with write_atomically(path) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


VERB = Verb(ProcessSoakSettings, soak_processes, table, lambda facts: not facts["wrong"])
