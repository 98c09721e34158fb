"""What this machine has and lacks: Python, packages, drawing, ROS 2, DDS, models, GPU.

Whatever could crash or hang (OpenGL, DDS, drivers) is tried in a process of its own, so the doctor
survives its patients.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from liquid_control.config import switch
from liquid_control.errors import LiquidControlError
from liquid_control.model.installed import installed_models
from liquid_control.model.model_file import read_model
from liquid_control.ros.dds_transport import PROFILES, TRANSPORTS, profile
from liquid_control.system.verb import Verb

OK, NOTE, MISSING = "ok", "note", "missing"
NODES_NEED = ("run", "ros")
"""Groups without which no policy drives; what is missing elsewhere is a note."""

MODULES = {
    "opencv-python-headless": "cv2",
    "PyYAML": "yaml",
    "PyOpenGL": "OpenGL",
    "Jinja2": "jinja2",
}
"""Modules whose name is not their package's."""

DRAWING = """
import json, os, time
from liquid_control.sim.world import World
world = World(seed=0)
world.render(64, 32)
start = time.perf_counter()
for _ in range(20): world.render(64, 32)
frame = (time.perf_counter() - start) / 20
from OpenGL import GL
print(json.dumps([os.environ["MUJOCO_GL"], GL.glGetString(GL.GL_RENDERER).decode(), round(1000 * frame, 2)]))
"""
MIDDLEWARE = """
import importlib.util, json, rclpy
messages = ["sensor_msgs", "geometry_msgs", "nav_msgs", "diagnostic_msgs", "std_msgs", "lifecycle_msgs", "ackermann_msgs"]
lacking = [name for name in messages if importlib.util.find_spec(name) is None]
print(json.dumps([rclpy.get_rmw_implementation_identifier(), rclpy.__file__, lacking]))
"""
PROVIDERS = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"
TORCH = """
import json, torch
seen = torch.cuda.is_available()
print(json.dumps([torch.__version__, seen, ".".join(map(str, torch.cuda.get_device_capability())) if seen else None]))
"""


@dataclasses.dataclass(frozen=True)
class DoctorSettings:
    """What `liquid-control doctor` looks at."""

    drawing: bool = switch(True, "also draw a few pictures of the simulated world")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing looked at: `state` is ok, note or missing; `advice` says what to do, if
    anything."""

    group: str
    name: str
    state: str
    found: str
    advice: str = ""


def examine(settings: DoctorSettings) -> dict:
    """{"healthy": whether a policy can drive on this machine, "findings": all that was looked at},
    plain data for JSON."""
    findings = [
        _python(),
        *_packages(),
        *_ros(),
        *([_drawing()] if settings.drawing else []),
        *_models(),
        *_gpu(),
    ]
    healthy = not any(finding.state == MISSING for finding in findings)
    return {"healthy": healthy, "findings": [dataclasses.asdict(finding) for finding in findings]}


def table(report: dict) -> str:
    """The report of `examine` for people."""
    columns = ("group", "name", "state")
    widths = [max(len(finding[column]) for finding in report["findings"]) for column in columns]
    lines = []
    for finding in report["findings"]:
        cells = [
            finding[column].ljust(width) for column, width in zip(columns, widths, strict=True)
        ]
        lines.append("  ".join([*cells, finding["found"]]))
        if finding["advice"]:
            lines.append(" " * (sum(widths) + 6) + finding["advice"])
    verdict = (
        "This machine can run a policy."
        if report["healthy"]
        else "Something that a policy needs is missing; see above."
    )
    return "\n".join([*lines, verdict])


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    good = (3, 10) <= sys.version_info[:2] <= (3, 12)
    return Finding(
        "run",
        "python",
        OK if good else MISSING,
        found,
        "" if good else "Use Python 3.10, 3.11 or 3.12.",
    )


def _packages() -> list[Finding]:
    """The packages of setup.py's extras, from this package's own metadata; triton has its place
    beside the GPU."""
    try:
        requirements = importlib.metadata.requires("liquid_control") or []
    except importlib.metadata.PackageNotFoundError:
        return [
            Finding(
                "run",
                "liquid_control",
                NOTE,
                "its sources, not installed",
                "Install it: make setup, or colcon build.",
            )
        ]
    findings, seen = [], set()
    for requirement in requirements:
        match = re.match(r"""([\w.-]+).*extra == ['"](\w+)['"]""", requirement)
        if match and match[1] not in {*seen, "triton"}:
            seen.add(match[1])
            findings.append(_package(match[2], match[1]))
    return findings


def _package(group: str, name: str) -> Finding:
    """Asks for the module, not for pip's record of it: apt's packages have none."""
    if not _importable(MODULES.get(name, name.replace("-", "_"))):
        state = MISSING if group in NODES_NEED else NOTE
        return Finding(
            group,
            name,
            state,
            "not installed",
            f"pip install 'liquid_control[{group}]', or the system's own package",
        )
    try:
        return Finding(group, name, OK, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(group, name, OK, "the system's own")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of what stands before its dot: backports.zstd
        return False


def _ros() -> list[Finding]:
    result, error = _ask(MIDDLEWARE)
    if result is None:
        return [
            Finding(
                "ros",
                "rclpy",
                MISSING,
                error,
                "Source a ROS 2 installation, or let make setup install its wheels.",
            )
        ]
    middleware, place, lacking = result
    distribution = os.environ.get("ROS_DISTRO", "wheels")
    needed = [name for name in lacking if name != "ackermann_msgs"]
    advice = f"Install {', '.join(needed)}." if needed else ""
    findings = [
        Finding(
            "ros",
            "rclpy",
            MISSING if needed else OK,
            f"{distribution}, {middleware}, {Path(place).parent}",
            advice,
        )
    ]
    if "ackermann_msgs" in lacking:
        advice = "Needed only to send AckermannDriveStamped; apt has it beside ROS."
        findings.append(Finding("ros", "ackermann_msgs", NOTE, "not there", advice))
    return [*findings, *_fast_dds()] if "fastrtps" in middleware else findings


def _fast_dds() -> list[Finding]:
    path = profile("shared_memory") or "config/fastdds/shared_memory.xml of this package"
    advice = f"For all nodes: export {PROFILES[0]}={path} (before Kilted: {PROFILES[1]}); ours do so themselves where nothing is set."
    chosen = os.environ.get(TRANSPORTS, "")
    if chosen.partition("?")[0] in ("LARGE_DATA", "DEFAULT", "SHM"):
        risk = f"{chosen}: a killed process may hold up the safety gate for a second"
        return [Finding("ros", TRANSPORTS, NOTE, risk, f"Unset it. {advice}")]
    if chosen or any(os.environ.get(name) for name in PROFILES):
        return []
    return [
        Finding(
            "ros",
            "large images",
            NOTE,
            "Fast DDS loses most raw camera pictures as it is set",
            advice,
        )
    ]


def _drawing() -> Finding:
    result, error = _ask(DRAWING)
    if result is None:
        return Finding(
            "sim",
            "drawing",
            NOTE,
            error,
            "apt-get install libosmesa6, or libegl1 and libgl1 where that does not exist.",
        )
    backend, renderer, milliseconds = result
    return Finding(
        "sim", "drawing", OK, f"{backend}, {renderer}, {milliseconds} ms a frame of 64x32"
    )


def _models() -> list[Finding]:
    findings = []
    for directory in installed_models():
        try:
            read_model(directory)
            findings.append(
                Finding(
                    "run", f"model {directory.name}", OK, f"files match their hashes, {directory}"
                )
            )
        except LiquidControlError as error:
            findings.append(
                Finding("run", f"model {directory.name}", MISSING, "unusable", str(error))
            )
    return findings or [
        Finding(
            "run", "model", NOTE, "none is installed", "Train one: liquid-control train imitation."
        )
    ]


def _gpu() -> list[Finding]:
    program = shutil.which("nvidia-smi")
    listed = (
        subprocess.run([program, "-L"], capture_output=True, text=True, timeout=30).stdout
        if program
        else ""
    )
    found = listed.strip().replace("\n", "; ") or "none; the CPU is enough to drive"
    findings = [Finding("gpu", "device", OK if listed else NOTE, found)]
    providers, error = _ask(PROVIDERS)
    findings.append(
        Finding(
            "gpu",
            "onnxruntime",
            OK if providers else NOTE,
            ", ".join(providers) if providers else error,
        )
    )
    return [*findings, *(_kernels() if listed else [])]


def _kernels() -> list[Finding]:
    """Whether training can use the GPU that is there."""
    result, error = _ask(TORCH)
    advice = "Install PyTorch for GPUs to train on it; driving needs neither."
    if result is None:
        return [Finding("gpu", "torch", NOTE, error, advice)]
    version, seen, capability = result
    if not seen:
        return [Finding("gpu", "torch", NOTE, f"{version} does not see it", advice)]
    torch = Finding("gpu", "torch", OK, f"{version}, compute capability {capability}")
    if _importable("triton"):
        return [torch, _package("gpu", "triton")]
    advice = "pip install triton; without it the cells' fused kernels stay off the GPU."
    return [torch, Finding("gpu", "triton", NOTE, "not installed", advice)]


def _ask(program: str) -> tuple[list | None, str]:
    """Runs a program in a process of its own; the JSON of its last line, or None and what went
    wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return None, "no answer within 60 s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or [
        f"exit code {done.returncode}"
    ]
    return (json.loads(lines[-1]), "") if done.returncode == 0 else (None, lines[-1])


VERB = Verb(DoctorSettings, examine, table, lambda report: report["healthy"])
