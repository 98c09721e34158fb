"""Checks that a change does not alter behaviour: writes the results of a checkout as hashes and
numbers, and compares two of them.

    python tools/behaviour.py write before.json      # some 3 minutes on two cores
    (change the code)
    python tools/behaviour.py write after.json
    python tools/behaviour.py compare before.json after.json

All results come from the command line, so modules may be moved. Weights, episodes and replayed
commands must be bit-equal, outputs of an exported graph equal within 1e-6, verdicts and closed-loop
metrics equal. Run both sides on one machine: processors round differently.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CORES = (
    "ltc",
    "cfc",
    "cfc_full",
    "cfc_mixed",
    "ct_rnn",
    "gru",
    "gru_timed",
    "lstm",
    "feedforward",
    "feedforward_stack",
)
SMALL = [
    "--steps",
    "30",
    "--fit.batch",
    "8",
    "--preprocess.height",
    "32",
    "--preprocess.width",
    "64",
    "--policy.encoder",
    "slim",
    "--device",
    "cpu",
    "--workers",
    "2",
]
TIMES = ("wall_s", "cpu_s", "speed_up", "seconds", "commands_a_second", "created")


def command(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"}
    return subprocess.run(
        [sys.executable, "-m", "liquid_control.cli", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )


def answer(*arguments: str) -> dict:
    done = command(*arguments, "--json")
    if done.returncode not in (0, 1):
        sys.exit(f"liquid-control {' '.join(map(str, arguments))}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def spelled(shown: str, *spellings: str) -> str:
    """The first of the spellings of a flag that occurs in a verb's help: the present one, then
    those of 0.1.0, so that this file runs on both sides."""
    return next(flag for flag in spellings if f"{flag} " in shown)


def hash_arrays(arrays) -> str:
    """Hash of the bytes of all arrays, independent of their names and order."""
    parts = sorted(
        hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays
    )
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:20]


def weights(model: Path) -> str:
    from safetensors.numpy import load_file

    return hash_arrays(load_file(model / "weights.safetensors").values())


def numbers(value: object, name: str = "") -> dict[str, float]:
    """Every number in an answer by its path, except times."""
    if isinstance(value, dict):
        return {
            k: v
            for key, item in value.items()
            if not key.startswith(TIMES)
            for k, v in numbers(item, f"{name}.{key}").items()
        }
    if isinstance(value, list):
        return {
            k: v
            for index, item in enumerate(value)
            for k, v in numbers(item, f"{name}[{index}]").items()
        }
    return {name: value} if isinstance(value, (bool, int, float)) else {}


def graph(path: Path) -> list[float]:
    """Outputs of 40 irregular steps of an exported policy, with its state fed back."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image, measured, dt, *states = session.get_inputs()
    rng, outputs = np.random.default_rng(7), []
    state = [np.zeros((1, *each.shape[1:]), np.float32) for each in states]
    for _ in range(40):
        feed = {
            image.name: rng.integers(0, 256, (1, *image.shape[1:]), np.uint8),
            measured.name: (
                rng.standard_normal((1, measured.shape[1])) * [0.3, 2.0, 4.0] + [0.0, 0.0, 10.0]
            ).astype(np.float32),
            dt.name: rng.uniform(0.01, 0.2, 1).astype(np.float32),
        }
        action, *state = session.run(
            None, feed | {each.name: value for each, value in zip(states, state, strict=True)}
        )
        outputs.append(float(np.ravel(action)[0]))
    return outputs


def columns(
    folder: Path,
    keep: tuple[str, ...] = ("stamp_ns", "issued_ns", "curvature", "steering_angle", "speed"),
) -> str:
    """Number and hash of the replayed commands in commands.csv."""
    with (folder / "commands.csv").open() as source:
        rows = [tuple(row.get(name) for name in keep) for row in csv.DictReader(source)]
    return f"{len(rows)} {hashlib.sha256(repr(rows).encode()).hexdigest()[:20]}"


def measure(work: Path) -> dict:
    new = command("train", "simulation", "--help").returncode == 0
    simulation = ["train", "simulation" if new else "imitation"]
    shown = command(*simulation, "--help").stdout
    core = spelled(shown, "--policy.core", "--policy.memory")
    core_steps = spelled(shown, "--core-fit.steps", "--memory-fit.steps")
    passes = spelled(shown, "--core-fit.passes", "--core-fit.looks", "--memory-fit.looks")
    roads = spelled(shown, "--evaluation-roads", "--exam-roads")
    found: dict = {"weights": {}, "graphs": {}}
    for name in CORES:
        run = work / name
        answer(
            *simulation,
            "--out",
            run,
            "--seed",
            1,
            "--long-roads",
            0,
            "--short-roads",
            4,
            "--rounds",
            1,
            "--round-roads",
            2,
            "--round-steps",
            10,
            roads,
            0,
            core,
            name,
            core_steps,
            20,
            passes,
            1,
            *SMALL,
        )
        found["weights"][f"simulation {name}"] = weights(run / "model")
        found["graphs"][name] = graph(run / "model" / "policy.onnx")
        print(f"trained {name}", file=sys.stderr)
    episodes = sorted((work / "ltc" / "episodes").glob("*.npz"))
    found["episodes"] = hash_arrays(
        array
        for path in episodes
        for array in np.load(path).values()
        if array.dtype.kind != "U"  # the names of the columns, which 0.1.0 does not write
    )
    bags = work / "bags"
    answer("collect", bags, "--format", "bag", "--roads", 3, "--world.length", 150, "--workers", 2)
    recordings = sorted(path for path in bags.iterdir() if path.is_dir())
    shown = command("train", "recordings", "--help")
    recorded = ["train", "imitation" if shown.returncode else "recordings"]
    recorded += ["--closed-loop", "off"] if "--closed-loop" in shown.stdout else []
    recorded += ["--recordings" if "--recordings" in shown.stdout else "--bags"]
    for name in ("ltc", "lstm"):
        run = work / f"recorded_{name}"
        answer(
            *recorded,
            *recordings,
            "--out",
            run,
            "--cache",
            work / "cache",
            "--seed",
            2,
            "--validate-every",
            10,
            core_steps,
            20,
            core,
            name,
            *SMALL,
        )
        found["weights"][f"recordings {name}"] = weights(run / "model")
    for model in ("lane_keeper", "lane_keeper_cfc"):
        found["graphs"][model] = graph(ROOT / "models" / model / "policy.onnx")
    found["replay"] = {}
    for bag in (recordings[0], ROOT / "test" / "golden" / "bags" / "s_bend"):
        answer("replay", "lane_keeper", bag, "--out", work / "replay", "--video", 0)
        found["replay"][bag.name] = columns(work / "replay")
    golden = answer("replay", "--golden", ROOT / "test" / "golden")
    found["golden"] = {
        "passed": golden["passed"],
        "identical": [row["identical"] for row in golden["results"]],
    }
    found["evaluate"] = numbers(
        answer(
            "evaluate",
            "lane_keeper",
            "--roads",
            2,
            "--conditions",
            "clean",
            "noise_0.1",
            "dropped_30",
            "night",
        )
    )
    rows = answer("faults", "--roads", 1)
    table = next(
        value
        for value in rows.values()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    )
    found["faults"] = {
        f"{row['source']} {row['kind']}": [
            row["noticed"],
            row["departed"],
            row["limit_violations"],
            bool(row["broken"]),
        ]
        for row in table
    }
    found["gate"] = numbers(answer("soak", "gate", "--commands", 100000))
    found["inspect"] = sorted(map(repr, numbers(answer("inspect", recordings[1])).values()))
    return found


def compare(before: dict, after: dict) -> list[str]:
    """The differences, one per line."""
    lines = []
    for name, values in before["graphs"].items():
        gap = np.abs(np.array(values) - np.array(after["graphs"].get(name, np.nan))).max()
        if not gap <= 1e-6:
            lines.append(f"graph {name}: differs by {gap}")
    for part in sorted(before.keys() | after.keys()):
        old, new = before.get(part), after.get(part)
        if part == "graphs" or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            lines += [
                f"{part} {key}: {old.get(key)} before, {new.get(key)} after"
                for key in sorted(old.keys() | new.keys())
                if old.get(key) != new.get(key)
            ]
        else:
            lines.append(f"{part}: {old} before, {new} after")
    return lines


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["write"] and len(arguments) == 2:
        with tempfile.TemporaryDirectory() as work:
            found = measure(Path(work))
        Path(arguments[1]).write_text(json.dumps(found, indent=1))
        return 0
    if arguments[:1] == ["compare"] and len(arguments) == 3:
        lines = compare(*(json.loads(Path(path).read_text()) for path in arguments[1:]))
        print("\n".join(lines) or "nothing moved")
        return 1 if lines else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
