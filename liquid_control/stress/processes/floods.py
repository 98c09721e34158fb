"""Another node on the same network sends at the highest rate, while the policy drives."""

from __future__ import annotations

import signal
import time

from liquid_control.control.engagement import State
from liquid_control.ros.node_processes import Child
from liquid_control.stress.processes import deaths
from liquid_control.stress.processes.expectations import FLOODS
from liquid_control.stress.processes.rig import Rig
from liquid_control.stress.processes.rogue import SENDS
from liquid_control.system.memory_use import status_bytes

WRONG_TYPES_RATE = 500.0
"""Rate of messages without a reader; a higher one would test the scheduler [Hz]."""
FORGOTTEN = 30.0
"""Largest time until the fault clears: DDS keeps a writer that ended silently for 20 s [s]."""


def flood(rig: Rig, name: str, seconds: float) -> dict:
    """Facts of one flood, from a driving vehicle to a driving vehicle. `fault`: the reason for the
    fault that it ended in, if any."""
    rig.engaged()
    kind, node = (
        (name.removesuffix("_as_policy"), "policy_node")
        if name.endswith("_as_policy")
        else (name, "rogue")
    )
    before, began = memory_mb(rig), time.monotonic_ns()
    states = len(rig.observer.states)
    rate = WRONG_TYPES_RATE if kind.startswith("wrong_type") else 0.0
    rig.start(
        "rogue",
        Child(
            "rogue",
            "liquid_control.stress.processes.rogue",
            {"kind": kind, "name": node, "rate": rate},
        ),
    )
    rig.until(lambda: SENDS in rig.children.last_words("rogue"), "the rogue to send")
    sending = time.monotonic_ns()
    time.sleep(seconds)

    def faults() -> list[str]:
        return [reason for state, reason in rig.observer.states[states:] if state == "fault"]

    if FLOODS[name].fault:  # the gate finds a conflict as soon as DDS reports that writer
        rig.measure(lambda: faults() or None, FORGOTTEN)
    during = memory_mb(rig)
    ended = rig.kill("rogue", signal.SIGINT)
    facts = rig.observer.judge(began)
    if found := faults():
        first = next(
            (
                d.steady_ns
                for d in rig.observer.decided
                if d.steady_ns >= sending and d.state is State.FAULT
            ),
            sending,
        )
        facts["fault_after_s"] = round((first - sending) / 1e9, 3)
        rig.until(lambda: _acknowledged(rig), "the fault to be acknowledged", FORGOTTEN)
        ended = time.monotonic_ns()
        rig.ask_gate("engage")
    at_end = time.time_ns() - (time.monotonic_ns() - ended)
    facts["control_s"] = rig.measure(
        lambda: rig.observer.control_after(ended, at_end), deaths.RETURNED
    )
    facts["fault"] = found[-1] if found else ""
    facts["growth_mb"] = {node: round(during[node] - before[node], 1) for node in during}
    facts["violations"] = rig.observer.judge(began)["violations"]
    return facts


def _acknowledged(rig: Rig) -> bool:
    """One request; the gate checks for conflicts twice a second."""
    rig.ask_gate("acknowledge")
    return bool(rig.measure(lambda: rig.observer.state != "fault" or None, 0.7))


def memory_mb(rig: Rig) -> dict[str, float]:
    """Resident memory [MB] of gate and policy now."""
    return {
        node: status_bytes(pid)["VmRSS"] / 2**20
        for node, pid in rig.children.pids.items()
        if node in ("safety_node", "policy_node")
    }
