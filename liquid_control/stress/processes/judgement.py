"""What is wrong with a case, and all cases in one table."""

from __future__ import annotations

import platform

from liquid_control.stress.processes.expectations import ALL, Expectation


def wrong(facts: dict, expected: Expectation) -> list[str]:
    """One line for everything that was not as it must be."""
    if "error" in facts:
        return [facts["error"]]
    found = list(facts["violations"])
    if not facts["commands"]:
        found.append("the gate decided nothing")
    for name, limit in (("ramp_s", expected.ramp_within), ("control_s", expected.control_within)):
        if limit is not None and (facts.get(name) is None or facts[name] > limit):
            found.append(f"{name}: {facts.get(name)}, must be within {limit} s")
    if expected.drives_on and facts["safe_stops"]:
        found.append(f"{facts['safe_stops']} commands of a safe stop")
    if expected.longest_gap is not None and facts["longest_gap_s"] > expected.longest_gap:
        found.append(
            f"longest_gap_s: {facts['longest_gap_s']}, must be within {expected.longest_gap} s"
        )
    if expected.fault not in facts.get("fault", "") or (facts.get("fault") and not expected.fault):
        found.append(f"fault: {facts.get('fault')!r}, must be {expected.fault!r}")
    for node, limit in zip(("safety_node", "policy_node"), expected.growth_mb, strict=True):
        if facts.get("growth_mb", {}).get(node, 0.0) > limit:
            found.append(f"{node} grew by {facts['growth_mb'][node]} MB, must be within {limit}")
    return found


def summary(rows: list[dict], skipped: dict[str, str], command: list[str]) -> dict:
    """All cases: what must happen and what did, the killed tries as a distribution."""
    cases = {}
    for name in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == name]
        rests = (
            "case",
            "load",
            "took_s",
            "violations",
            "wrong",
            "ramp_s",
            "control_s",
            "restart_s",
        )
        cases[name] = {
            "does": ALL[name].does,
            "must": must(ALL[name]),
            "tries": len(own),
            "as_it_must": sum(not row["wrong"] for row in own),
            **{
                key: _spread(own, key)
                for key in ("ramp_s", "control_s", "restart_s")
                if any(row.get(key) is not None for row in own)
            },
            "commands": sum(row.get("commands", 0) for row in own),
            "violations": sum(len(row.get("violations", ())) for row in own),
            **(
                {key: value for key, value in own[0].items() if key not in (*rests, "commands")}
                if len(own) == 1
                else {}
            ),
            "longest_gap_s": max(row.get("longest_gap_s", 0.0) for row in own),
            "machine_load": _spread(own, "load"),
            "wrong": [line for row in own for line in row["wrong"]][:10],
        }
    return {
        "command": "liquid-control " + " ".join(command),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "tries": len(rows),
        "as_they_must": sum(not row["wrong"] for row in rows),
        "wrong": sum(bool(row["wrong"]) for row in rows),
        "skipped": skipped,
        "cases": cases,
    }


def must(expected: Expectation) -> str:
    """The expectation in words."""
    said = [f"safe ramp within {expected.ramp_within:g} s"] if expected.ramp_within else []
    said += ["drives on"] if expected.drives_on else []
    said += [f"fault: {expected.fault}"] if expected.fault else []
    said += (
        [f"the gate decides at least every {expected.longest_gap:g} s"]
        if expected.longest_gap
        else []
    )
    said += [f"control within {expected.control_within:g} s"] if expected.control_within else []
    return f"{'; '.join(said)}; no limit broken ({expected.why})"


def table(facts: dict) -> str:
    """For people."""
    lines = [
        f"{name:28} {case['as_it_must']}/{case['tries']}  {_figures(case)}"
        for name, case in facts["cases"].items()
    ]
    lines += [f"{name:28} skipped: {reason}" for name, reason in facts["skipped"].items()]
    lines += [
        f"  {name}: {line}" for name, case in facts["cases"].items() for line in case["wrong"]
    ]
    return "\n".join([*lines, f"{facts['as_they_must']} of {facts['tries']} as they must"])


def _figures(case: dict) -> str:
    keys = [key for key in ("ramp_s", "control_s") if key in case]
    times = [
        f"{key.removesuffix('_s')} {case[key]['p50']:.3f} (max {case[key]['max']:.3f}) s"
        for key in keys
    ]
    return ", ".join(
        [
            *times,
            f"{case['commands']} commands, {case['violations']} broken limits",
            f"gap {case['longest_gap_s']:.3f} s",
        ]
    )


def _spread(rows: list[dict], key: str) -> dict[str, float]:
    values = sorted(row[key] for row in rows if row.get(key) is not None)
    at = {"min": 0.0, "p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(values[round(share * (len(values) - 1))], 4) for name, share in at.items()}
