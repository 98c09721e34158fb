"""`liquid-control bench shadow`: what a candidate costs the policy that drives.

Gate, policy and a cheap robot run as processes; rounds with and without the candidate alternate,
so that other load on the machine affects both.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from liquid_control.bench.timing import write_result
from liquid_control.config import check, number, path, text
from liquid_control.errors import MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.system.cpu_time import cpu_seconds
from liquid_control.system.verb import Verb

MUST = {"cpu": 1.5, "p99_ms": 0.5}
"""Largest CPU time of the node, in those of a node without a candidate, and largest increase of the
99th percentile from stamp to proposal."""

PICTURES, SETTLED = 45, 3.0
WITH, WITHOUT = "with", "without"
COUNTS = ("shadow_frames_used", "shadow_frames_skipped", "shadow_failures")


@dataclasses.dataclass(frozen=True)
class ShadowBenchSettings:
    """Settings of `liquid-control bench shadow`."""

    out: Path = path(Path("doc/results"), "folder for shadow.json", writes="folder")
    model: str = text("lane_keeper", "the model that drives: a directory, or an installed one")
    shadow: str = text("lane_keeper_cfc", "the candidate: a directory, or an installed one")
    rounds: int = number(5, 1, 1000, "", "measurements with and without the candidate, each")
    seconds: float = number(20.0, 2.0, 3600.0, "s", "length of a measurement")

    def __post_init__(self) -> None:
        check(self)


def bench_shadow(settings: ShadowBenchSettings) -> dict:
    """Measures, writes shadow.json and returns what it holds. Raises DriveError when processes do
    not start, MissingDependencyError without ROS."""
    try:
        from liquid_control.stress.processes import sensors
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make setup, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    model, shadow = (find_model(name).resolve() for name in (settings.model, settings.shadow))
    for each in (model, shadow):
        pack_model(each)  # a broken one is refused before anything is drawn
    rows: dict[str, list[dict]] = {WITHOUT: [], WITH: []}
    with tempfile.TemporaryDirectory(prefix="bench-shadow-") as scratch:
        pictures = Path(scratch) / "pictures.npy"
        np.save(pictures, sensors.render_pictures(PICTURES, 0))
        parameters = {WITHOUT: {}, WITH: {"shadow_model": str(shadow)}}
        with tqdm(total=2 * settings.rounds, unit="round", leave=False, disable=None) as bar:
            for turn in range(settings.rounds):
                for name in (WITHOUT, WITH) if turn % 2 else (WITH, WITHOUT):
                    logs = Path(scratch) / f"{name}_{turn}"
                    rows[name].append(
                        _measured(model, pictures, logs, parameters[name], settings.seconds)
                    )
                    bar.update()
    measured = {
        "model": model.name,
        "shadow": shadow.name,
        "rounds": rows,
        **_compared(rows),
        "must": MUST,
    }
    return write_result(settings.out / "shadow.json", ("onnxruntime", "numpy"), measured)


def table(result: Mapping) -> str:
    """A line for each figure."""
    lines = [
        f"CPU time of the policy node: {result['cpu_without']:.1%} of a core without, "
        f"{result['cpu_with']:.1%} with a shadow: {result['cpu']:.2f} times (<= {MUST['cpu']})",
        f"stamp to proposal, 99th percentile: {result['p99_ms_without']:.2f} ms without, "
        f"{result['p99_ms_with']:.2f} ms with: {result['p99_ms']:+.2f} ms (<= {MUST['p99_ms']})",
        f"frames of the shadow: {result['shadow_frames_used']} used, "
        f"{result['shadow_frames_skipped']} skipped, {result['shadow_failures']} failures",
    ]
    host = result["machine"]
    lines.append(f"{host['processor']}, {host['cores']} cores, load {host['load']}, {host['date']}")
    return "\n".join(lines)


def succeeded(result: Mapping) -> bool:
    """Whether every figure is what it must be."""
    used = result["shadow_frames_used"] > 0 and not result["shadow_failures"]
    return used and result["cpu"] <= MUST["cpu"] and result["p99_ms"] <= MUST["p99_ms"]


def _measured(model: Path, pictures: Path, logs: Path, parameters: Mapping, seconds: float) -> dict:
    """One measurement while the policy drives."""
    from liquid_control.stress.processes.rig import Cast, Rig

    with Rig(Cast(model, pictures, logs, policy_parameters=parameters)) as rig:
        rig.engaged()
        time.sleep(SETTLED)
        pid, heard = rig.children.pids["policy_node"], len(rig.observer.proposals)
        before, began = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        used, lasted = cpu_seconds(pid) - before, time.monotonic() - began
        rig.check()
        ahead = time.time_ns() - time.monotonic_ns()
        late = [(at + ahead - stamp) / 1e6 for at, stamp in rig.observer.proposals[heard:]]
        said = rig.observer.diagnostics["policy_node"]
    return {
        "cpu": used / lasted,
        "proposals": len(late),
        "p50_ms": float(np.percentile(late, 50)),
        "p99_ms": float(np.percentile(late, 99)),
        **{name: int(said.get(name, 0)) for name in COUNTS},
    }


def _compared(rows: Mapping[str, list[dict]]) -> dict:
    """The median over the rounds, and of the differences of neighbouring rounds."""
    pairs = list(zip(rows[WITH], rows[WITHOUT], strict=True))
    found = {
        "cpu": statistics.median(one["cpu"] / other["cpu"] for one, other in pairs),
        "p99_ms": statistics.median(one["p99_ms"] - other["p99_ms"] for one, other in pairs),
    }
    for name in ("cpu", "p99_ms"):
        for which, of_which in rows.items():
            found[f"{name}_{which}"] = statistics.median(row[name] for row in of_which)
    return found | {name: sum(row[name] for row in rows[WITH]) for name in COUNTS}


VERB = Verb(ShadowBenchSettings, bench_shadow, table, succeeded)
