"""The facts of summary.json: what a replay measured, by model and recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.evaluate.replay.metrics import Comparison, compare, figures, gate_figures

CLOCKS_APART = 1.0
"""Receipt and stamp further apart than this [s] are two clocks, not a delay."""

MISSING_ROLES = {
    "imu": "the policy feels no motion, as on a robot whose IMU is silent",
    "speed": "the policy assumes one, and the gate judges at the largest",
    "steering": "commands only, nothing to compare them with",
}
"""Effect of each role that is not recorded."""


def summarize(
    logs: list[list[ReplayLog]], models: Mapping[str, OnnxRuntime]
) -> tuple[dict, dict[str, list[Comparison]]]:
    """The facts for JSON, and by model the comparisons with the driver, one for each recording with
    steering. `logs`: by recording, then by model."""
    comparisons: dict[str, list[Comparison]] = {model: [] for model in models}
    results = []
    for log in (log for of_bag in logs for log in of_bag):
        found = compare(log)
        results.append(
            {
                "model": log.model,
                "bag": log.bag,
                **_of_log(log),
                "agreement": figures([found]) if found else None,
            }
        )
        if found:
            comparisons[log.model].append(found)
    bags = [_of_bag(of_bag[0]) for of_bag in logs]
    wall, length = sum(of_bag[0].wall for of_bag in logs), sum(of_bag[0].seconds for of_bag in logs)
    frames = sum(of_bag[0].frames for of_bag in logs)
    facts = {
        "models": {
            name: {"directory": str(m.info.directory), "files": dict(m.info.files)}
            for name, m in models.items()
        },
        "bags": bags,
        "frames_used": sum(result["frames_used"] for result in results),
        "speed": {
            "seconds": wall,
            "frames_per_second": frames / max(wall, 1e-9),
            "times_real_time": length / max(wall, 1e-9),
        },
        "overall": {model: figures(parts) for model, parts in comparisons.items() if parts},
        "results": results,
        "warnings": [f"{bag['bag']}: {problem}" for bag in bags for problem in bag["problems"]],
    }
    return facts, comparisons


def _of_bag(log: ReplayLog) -> dict:
    problems = [f"damaged: {one}" for one in log.damage]
    problems += [f"{count} messages skipped, {reason}" for reason, count in log.skipped.items()]
    if "camera" not in log.roles or not log.frames:
        problems.append("no camera picture, so there is nothing to replay")
    problems += [
        f"no {role}: {effect}" for role, effect in MISSING_ROLES.items() if role not in log.roles
    ]
    if log.clock_offset is not None and abs(log.clock_offset) > CLOCKS_APART:
        problems.append(
            f"frames are stamped {log.clock_offset:.1f} s before their receipt: two clocks, and "
            "the gate takes every frame for stale or future. Replay with --stamps receive"
        )
    return {
        "bag": log.bag,
        "seconds": log.seconds,
        "frames": log.frames,
        "topics": dict(log.roles),
        "steering_samples": len(log.recorded),
        "damage": list(log.damage),
        "skipped": dict(log.skipped),
        "problems": problems,
    }


def _of_log(log: ReplayLog) -> dict:
    rejected = {
        name.removeprefix("rejected_"): count
        for name, count in log.counts.items()
        if name.startswith("rejected_") and count
    }
    if log.counts["runtime_failures"]:
        rejected["runtime"] = log.counts["runtime_failures"]
    return {
        "frames": log.frames,
        "frames_used": log.counts["frames_used"],
        "rejected": rejected,
        "inertial_rejected": log.counts["inertial_rejected"],
        "commands": len(log.issued),
        "gate": gate_figures(log),
        "decode_ms": _percentiles(log.decode_s),
        "step_ms": _percentiles(log.step_s),
    }


def _percentiles(seconds: np.ndarray) -> dict:
    """Median and 99th percentile in ms."""
    return {
        name: float(np.percentile(seconds, share)) * 1e3 if len(seconds) else None
        for name, share in (("p50", 50), ("p99", 99))
    }
