"""`liquid-control bench step`: one step of a policy, batch 1, one core: ONNX Runtime, PyTorch, and
the C code for this processor and for any of its kind, with the least time that the processor's
multiplications would take."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from liquid_control.bench.timing import take_turns, write_result
from liquid_control.config import check, number, path, several
from liquid_control.deploy.c99.library import FLAGS, NATIVE, NativeRuntime, find_compiler
from liquid_control.deploy.c99.parts import parts_of
from liquid_control.deploy.c99.source import fill, header, identifier, multiply_adds, source
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.runtime import Runtime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.signals import Observation
from liquid_control.system.verb import Verb

MUST = {"native": 1.0, "circuit_us": 1.0}
"""Largest time of the C code, in that of ONNX Runtime, and of the circuit alone."""
SIDE = 256
"""Of the square matrices whose product says how fast this core multiplies and adds."""
CIRCUIT_STEPS = 100_000
CIRCUIT_FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-D_POSIX_C_SOURCE=199309L")


@dataclasses.dataclass(frozen=True)
class StepBenchSettings:
    """Settings of `liquid-control bench step`."""

    out: Path = path(Path("doc/results"), "folder for step.json", writes="folder")
    models: tuple[str, ...] = several(
        ("lane_keeper", "lane_keeper_cfc"), "model directories, or names of installed models"
    )
    rounds: int = number(15, 1, 1000, "", "timings of each runtime; the median counts")

    def __post_init__(self) -> None:
        check(self)


def bench_step(settings: StepBenchSettings) -> dict:
    """Measures, writes step.json and returns what it holds. Raises ModelFileError, ConfigError for
    a core without C code, MissingDependencyError without a C compiler."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [
            _measured(read_model(find_model(name)), settings.rounds)
            for name in tqdm(settings.models, unit="model", leave=False, disable=None)
        ]
    finally:
        torch.set_num_threads(threads)
    return write_result(
        settings.out / "step.json",
        ("onnxruntime", "torch", "numpy"),
        {"compiler": _version(), "models": rows, "must": MUST},
    )


def _measured(info: ModelInfo, rounds: int) -> dict:
    """Microseconds of a step by each runtime, and of the circuit alone."""
    with tempfile.TemporaryDirectory(prefix="bench-step-") as folder:
        runtimes: dict[str, Runtime] = {
            "onnx": OnnxRuntime(info),
            "torch": TorchRuntime.load(info.directory),
            "native": NativeRuntime(info, folder),
            "native, any processor of its kind": NativeRuntime(info, folder, ()),
        }
        observation = _observation(info)
        calls = {name: _stepping(runtime, observation) for name, runtime in runtimes.items()}
        square = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
        calls["roofline"] = lambda: square @ square
        times = {name: 1e6 * seconds for name, seconds in take_turns(calls, rounds).items()}
        circuit = _circuit(info, Path(folder), rounds)
    parts = parts_of(info)
    work = multiply_adds(parts)
    times["roofline"] *= work / SIDE**3
    return {
        "model": info.directory.resolve().name,
        "core": info.policy.core.name,
        "multiply_adds": work,
        "us": {name: round(value, 2) for name, value in times.items()},
        "circuit_us": round(circuit, 3),
        "native": round(times["native"] / times["onnx"], 3),
        "of_roofline": round(times["native"] / times["roofline"], 2),
    }


def _observation(info: ModelInfo) -> Observation:
    spec, rng = info.spec, np.random.default_rng(0)
    image = None
    if spec.image is not None:
        image = rng.integers(0, 256, (spec.image.height, spec.image.width, 3), np.uint8)
    measurements = np.array([one.centre for one in spec.measurements], np.float32)
    return Observation(0, image, measurements, 0.04, False)


def _stepping(runtime: Runtime, observation: Observation):
    state = runtime.initial_state()

    def step() -> None:
        nonlocal state
        _, state = runtime.step(observation, state)

    return step


def _circuit(info: ModelInfo, folder: Path, rounds: int) -> float:
    """Microseconds of the circuit's C code, the median of some runs."""
    parts, name = parts_of(info), identifier(info.directory.resolve().name)
    texts = {
        f"{name}.h": header(name, "", parts, info.spec, ""),
        f"{name}.c": source(name, "", parts),
        "time.c": fill(
            "time_circuit.c",
            name=name,
            features=parts.inputs.shape[1],
            outputs=parts.outputs,
            steps=CIRCUIT_STEPS,
        ),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    program = folder / "time"
    words = [*find_compiler(), *CIRCUIT_FLAGS, NATIVE, str(folder / "time.c"), "-o", str(program)]
    subprocess.run(words, check=True, capture_output=True)
    found = [
        float(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
        for _ in range(rounds)
    ]
    return statistics.median(found) / 1000.0


def _version() -> str:
    words = [*find_compiler(), "--version"]
    first = subprocess.run(words, check=False, capture_output=True, text=True).stdout.splitlines()
    return " ".join([*first[:1], *FLAGS, NATIVE])


def show(result: Mapping) -> str:
    """A line for each model, and the machine."""
    lines = []
    for row in result["models"]:
        times = ", ".join(f"{name} {value:.1f}" for name, value in row["us"].items())
        lines.append(
            f"{row['model']}: us per step: {times}; C in ONNX Runtime's time: {row['native']:.2f} "
            f"(<= {MUST['native']:g}); circuit alone {row['circuit_us']:.2f} us "
            f"(<= {MUST['circuit_us']:g}); {row['of_roofline']:.1f} times the roofline"
        )
    host = result["machine"]
    return "\n".join(
        [*lines, f"{host['processor']}, {host['cores']} cores, load {host['load']}, {host['date']}"]
    )


def succeeded(result: Mapping) -> bool:
    """Whether every model reaches what it must."""
    return all(
        row["native"] <= MUST["native"] and row["circuit_us"] <= MUST["circuit_us"]
        for row in result["models"]
    )


VERB = Verb(StepBenchSettings, bench_step, show, succeeded)
