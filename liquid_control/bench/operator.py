"""`liquid-control bench operator`: what the operator's page costs: latency from camera to page in a
real Chromium, CPU time of its server with and without a page, and the policy's latency from picture
to command with and without both.

Real gate, policy and server over real DDS, with real pictures at the page's rate. For the policy's
latency the page is one without a browser, which takes all pictures: a browser on the same machine
takes the cores that a phone has of its own.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from liquid_control.bench.timing import write_result
from liquid_control.config import check, number, path, text
from liquid_control.errors import MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.system.cpu_time import cpu_seconds
from liquid_control.system.verb import Verb

MUST = {"page_p95_ms": 150.0, "cpu_watched": 0.05, "cpu_alone": 0.005, "p99_ms": 0.3}
"""Largest latency from camera to page, CPU time of the server in those of a core with one page and
with none, and increase of the 99th percentile from stamp to command."""
PICTURES, SETTLED = 45, 3.0
SERVER = "operator_node"
WITHOUT, ALONE, WATCHED = "without", "alone", "watched"
"""Without the server, with it and no page, and with one page."""


@dataclasses.dataclass(frozen=True)
class OperatorBenchSettings:
    """Settings of `liquid-control bench operator`."""

    out: Path = path(Path("doc/results"), "folder for operator_page.json", writes="folder")
    model: str = text("lane_keeper", "the model that drives: a directory, or an installed one")
    rounds: int = number(3, 1, 1000, "", "measurements of each kind")
    seconds: float = number(20.0, 2.0, 3600.0, "s", "length of a measurement")

    def __post_init__(self) -> None:
        check(self)


def bench_operator(settings: OperatorBenchSettings) -> dict:
    """Measures, writes operator_page.json and returns what it holds. Raises DriveError when
    processes do not start, MissingDependencyError without ROS, aiohttp or Chromium."""
    try:
        from liquid_control.stress.processes import operator_client, rig, sensors
    except ImportError as error:
        remedy = "Source a ROS 2 installation, and pip install 'liquid_control[operate]'"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    model = find_model(settings.model).resolve()
    pack_model(model)  # a broken one is refused before anything is drawn
    rows: dict[str, list[dict]] = {WITHOUT: [], ALONE: [], WATCHED: []}
    with tempfile.TemporaryDirectory(prefix="bench-operator-") as scratch:
        pictures = Path(scratch) / "pictures.npy"
        np.save(pictures, sensors.render_pictures(PICTURES, 0))
        with rig.Rig(rig.Cast(model, pictures, Path(scratch) / "logs")) as stage:
            stage.engaged()
            for _ in range(settings.rounds):
                rows[WITHOUT].append(_measured(stage, settings.seconds))
                port = _start(stage)
                rows[ALONE].append(_measured(stage, settings.seconds))
                with operator_client.Pages(port) as pages:
                    pages.watch()
                    rows[WATCHED].append(_measured(stage, settings.seconds))
                late = _in_browser(port, settings.seconds)
                rows[WATCHED][-1] |= {"page_ms": late}
                stage.kill(SERVER)
    measured = {"rounds": rows, **_compared(rows), "must": MUST}
    return write_result(settings.out / "operator_page.json", ("aiohttp", "onnxruntime"), measured)


def _start(stage) -> int:
    """Starts the server; returns its port."""
    from liquid_control.stress.processes.operator_stage import answers, free_port, server

    port = free_port()
    stage.start(SERVER, server(port))
    stage.until(lambda: answers(port), "the page")
    return port


def _measured(stage, seconds: float) -> dict:
    """One measurement while the policy drives."""
    time.sleep(SETTLED)
    pid, count = stage.children.pids.get(SERVER), len(stage.observer.decided)
    before, began = cpu_seconds(pid) if pid else 0.0, time.monotonic()
    time.sleep(seconds)
    used, lasted = (cpu_seconds(pid) if pid else 0.0) - before, time.monotonic() - began
    stage.check()
    driven = [each for each in stage.observer.decided[count:] if each.drives]
    late = [(each.command.issued_ns - each.command.stamp_ns) / 1e6 for each in driven]
    return {
        "cpu": round(used / lasted, 5),
        "commands": len(late),
        "p50_ms": float(np.percentile(late, 50)),
        "p99_ms": float(np.percentile(late, 99)),
    }


def _in_browser(port: int, seconds: float) -> dict:
    """The latency from camera to page as the page shows it, with the rate of its pictures."""
    from liquid_control.stress.browser import Browser

    late, rates = [], []
    with Browser() as browser:
        page = browser.open(f"http://127.0.0.1:{port}/")
        page.until("document.getElementById('latency').textContent !== ''", "pictures", 60.0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            late.append(float(page.text("latency").split(" ")[0]))
            rates.append(float((page.text("rate") or "0").split(" ")[0]))
    return {
        "p50": float(np.percentile(late, 50)),
        "p95": float(np.percentile(late, 95)),
        "rate_hz": statistics.median(rates),
    }


def _compared(rows: Mapping[str, list[dict]]) -> dict:
    """Medians over the rounds, and of the differences of neighbouring measurements."""

    def change(name: str) -> float:
        pairs = zip(rows[name], rows[WITHOUT], strict=True)
        return statistics.median(one["p99_ms"] - other["p99_ms"] for one, other in pairs)

    return {
        "page_p95_ms": statistics.median(row["page_ms"]["p95"] for row in rows[WATCHED]),
        "page_hz": statistics.median(row["page_ms"]["rate_hz"] for row in rows[WATCHED]),
        "cpu_watched": statistics.median(row["cpu"] for row in rows[WATCHED]),
        "cpu_alone": statistics.median(row["cpu"] for row in rows[ALONE]),
        "p99_ms": change(WATCHED),
        "p99_ms_alone": change(ALONE),
        "p99_ms_without": statistics.median(row["p99_ms"] for row in rows[WITHOUT]),
    }


def table(result: Mapping) -> str:
    """A line for each figure."""
    host = result["machine"]
    return "\n".join(
        [
            f"camera to page, 95th percentile: {result['page_p95_ms']:.0f} ms at "
            f"{result['page_hz']:.0f} Hz (<= {MUST['page_p95_ms']:.0f})",
            f"CPU time of the server: {result['cpu_watched']:.1%} of a core with one page "
            f"(<= {MUST['cpu_watched']:.0%}), {result['cpu_alone']:.2%} with none",
            f"stamp to command, 99th percentile: {result['p99_ms_without']:.2f} ms without, "
            f"{result['p99_ms']:+.2f} ms with one page (<= {MUST['p99_ms']})",
            f"{host['processor']}, {host['cores']} cores, load {host['load']}, {host['date']}",
        ]
    )


def succeeded(result: Mapping) -> bool:
    """Whether every figure is what it must be."""
    return all(result[name] <= most for name, most in MUST.items())


VERB = Verb(OperatorBenchSettings, bench_operator, table, succeeded)
