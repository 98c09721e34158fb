"""The facts of summary.json: what a replay measured, by model and recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.against_driver import against_driver
from liquid_control.evaluate.replay.chosen_speed import chosen_speed
from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.evaluate.replay.metrics import (
    Comparison,
    compare,
    figures,
    gate_figures,
    why_not_compared,
)
from liquid_control.inspection.findings import FAULT, OK
from liquid_control.perception.contribution import Contribution
from liquid_control.recordings.contributions import INSTEAD, ROLE_OF, failures

FEW_FRAMES = 0.5
"""Share of the frames below which an input is named that is known on no more."""


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
                "agreement": _judged([found]) if found else None,
                "chosen_speed": chosen_speed([log]),
                "not_compared": "" if found else why_not_compared(log),
            }
        )
        if found:
            comparisons[log.model].append(found)
    bags, of_all = [_of_bag(of_bag) for of_bag in logs], [log for one in logs for log in one]
    for bag, of_bag in zip(bags, logs, strict=True):
        reasons = {one["not_compared"] for one in results if one["bag"] == bag["bag"]}
        if "steering" in of_bag[0].roles and not of_bag[0].contributions["steering"].reason:
            bag["problems"] += [f"nothing to compare with: {one}" for one in sorted(reasons) if one]
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
        "overall": {model: _judged(parts) for model, parts in comparisons.items() if parts},
        "steering": against_driver(comparisons[next(iter(models))]),
        "chosen_speed": {
            model: found
            for model in models
            if (found := chosen_speed([log for log in of_all if log.model == model]))
        },
        "results": results,
        "unmet": [f"{bag['bag']}: {name}" for bag in bags for name in bag["unmet"]],
        "faults": [
            f"{of_bag[0].bag}: {one.role}: {one.text}"
            for of_bag in logs
            for one in of_bag[0].findings
            if one.replay == FAULT
        ],
        "warnings": [f"{bag['bag']}: {problem}" for bag in bags for problem in bag["problems"]],
    }
    return facts, comparisons


def _judged(parts: list[Comparison]) -> dict:
    return figures(parts) | {"against_driver": against_driver(parts)}


def _of_bag(logs: list[ReplayLog]) -> dict:
    log, contributed = logs[0], {}
    for of_model in logs:
        contributed |= of_model.contributions
    problems = [f"damaged: {one}" for one in log.damage]
    problems += [
        f"{count} message{'s' * (count != 1)} skipped, {reason}"
        for reason, count in log.skipped.items()
    ]
    if "camera" not in log.roles or not log.frames:
        problems.append("no camera picture, so there is nothing to replay")
    problems += [*log.remarks, *_inputs(contributed)]
    problems += [
        f"{one.role}: {one.text} ({one.remedy})" for one in log.findings if one.replay != OK
    ]
    return {
        "bag": log.bag,
        "seconds": log.seconds,
        "frames": log.frames,
        "topics": dict(log.roles),
        "steering_samples": len(log.recorded),
        "damage": list(log.damage),
        "skipped": dict(log.skipped),
        "contributions": {name: dataclasses.asdict(one) for name, one in contributed.items()},
        "unmet": failures(contributed, log.roles),
        "problems": problems,
    }


def _inputs(contributed: Mapping[str, Contribution]) -> Iterator[str]:
    """What contributes nothing, and what contributes little."""
    by_role: dict[tuple[str, str], list[str]] = {}
    for name, one in contributed.items():
        if one.reason:
            by_role.setdefault((ROLE_OF[name], one.reason), []).append(name)
        elif one.met < FEW_FRAMES * one.frames:
            known = f"{name.replace('_', ' ')} is known on {one.met} of {one.frames} frames"
            yield f"{known}; elsewhere {INSTEAD[name]}"
    for (role, reason), names in by_role.items():
        whole = len(names) == sum(ROLE_OF[name] == role for name in contributed)
        words = role if whole else " and ".join(names).replace("_", " ")
        stamped = any(contributed[name].samples and not contributed[name].met for name in names)
        remedy = " (--stamps receive takes the time of receipt)" if stamped else ""
        yield f"no {words}: {reason}{remedy}; {INSTEAD[names[0]]}"


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
