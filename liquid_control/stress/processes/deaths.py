"""Processes that are killed, frozen, slowed down and started again: one function a case, from a
driving vehicle to a driving vehicle."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from liquid_control.stress.processes.rig import Rig

NOTICED, RETURNED = 2.0, 12.0
"""How long is waited for the safe ramp and for control [s]; what takes longer did not come."""


def policy_killed(rig: Rig, rng: random.Random) -> dict:
    """One try. `restart_s`: from the new process's start to its first proposal; `control_s` counts
    from that proposal."""
    rig.engaged()
    time.sleep(rng.uniform(0.0, 0.2))  # at any time between two pictures
    died = rig.kill("policy_node")
    return _back(
        rig, died, rig.measure(lambda: rig.observer.ramp_after(died), NOTICED), "policy_node"
    )


def policy_restarted(rig: Rig, rng: random.Random) -> dict:
    rig.engaged()
    died = rig.kill("policy_node", signal.SIGINT)
    last = max(at for at, _ in rig.observer.proposals)
    return _back(
        rig, died, rig.measure(lambda: rig.observer.ramp_after(last), NOTICED), "policy_node"
    )


def frozen(name: str, seconds: float) -> Callable[[Rig, random.Random], dict]:
    """Freezes a process for some seconds, counted from the ramp on."""

    def run(rig: Rig, rng: random.Random) -> dict:
        rig.engaged()
        time.sleep(rng.uniform(0.0, 0.2))
        began = rig.freeze(name)
        ramp = rig.measure(lambda: rig.observer.ramp_after(began), NOTICED)
        time.sleep(max(seconds - (time.monotonic_ns() - began) / 1e9, 0.0))
        return control(rig, began, ramp, rig.thaw(name))

    return run


def policy_frozen_to_standstill(rig: Rig, rng: random.Random) -> dict:
    rig.engaged()
    began = rig.freeze("policy_node")
    ramp = rig.measure(lambda: rig.observer.ramp_after(began), NOTICED)
    rig.until(lambda: rig.observer.state == "stopped", "the vehicle to stand")
    return control(rig, began, ramp, rig.thaw("policy_node"))


def slowed(
    frozen_s: float, period_s: float, seconds: float
) -> Callable[[Rig, random.Random], dict]:
    """Freezes the policy again and again."""

    def run(rig: Rig, rng: random.Random) -> dict:
        rig.engaged()
        began, ramp = time.monotonic_ns(), None
        while time.monotonic_ns() - began < seconds * 1e9:
            rig.freeze("policy_node")
            time.sleep(frozen_s)
            back = rig.thaw("policy_node")
            time.sleep(period_s - frozen_s)
        if frozen_s > 0.2:
            ramp = rig.observer.ramp_after(began)
        return control(rig, began, ramp, back)

    return run


def killed(name: str) -> Callable[[Rig, random.Random], dict]:
    """Kills a part of the robot. Control is counted from the policy's first proposal after it is
    back."""

    def run(rig: Rig, rng: random.Random) -> dict:
        rig.engaged()
        time.sleep(rng.uniform(0.0, 0.2))
        died = rig.kill(name)
        ramp = rig.measure(lambda: rig.observer.ramp_after(died), NOTICED)
        if name != "motion":
            return _back(rig, died, ramp, name)
        started = rig.start(name)
        rig.until(lambda: _speed_known(rig, started), "a speed")
        return control(rig, died, ramp, _speed_known(rig, started))

    return run


def _speed_known(rig: Rig, since: int) -> int | None:
    """When [steady ns] the gate first decided by a measured speed after an instant, at which it
    knew none."""
    return next(
        (
            d.steady_ns
            for d in rig.observer.decided[:]
            if d.steady_ns >= since and d.known_speed is not None
        ),
        None,
    )


def _back(rig: Rig, died: int, ramp: float | None, name: str) -> dict:
    """Starts what died, and waits for control from the first proposal on."""
    started = rig.start(name)
    rig.until(
        lambda: rig.observer.proposals and rig.observer.proposals[-1][0] > started,
        "the first proposal",
    )
    returned = next(at for at, _ in rig.observer.proposals[:] if at > started)
    return control(rig, died, ramp, returned) | {"restart_s": (returned - started) / 1e9}


def control(rig: Rig, began: int, ramp: float | None, returned: int) -> dict:
    """Facts of a case that began, was noticed after `ramp` [s], and ended when the process returned
    [steady ns]."""
    at_return = time.time_ns() - (time.monotonic_ns() - returned)
    control = rig.measure(
        lambda: rig.observer.control_after(returned, at_return - 60_000_000), RETURNED
    )
    return {
        "ramp_s": ramp,
        "control_s": control,
        "commanded_speed": rig.observer.decided[-1].command.speed,
        **rig.observer.judge(began),
    }


CASES: dict[str, tuple[str, Callable[[Rig, random.Random], dict]]] = {
    "policy_killed": ("sensors", policy_killed),
    "policy_restarted": ("sensors", policy_restarted),
    "policy_frozen": ("sensors", frozen("policy_node", 1.0)),
    "policy_frozen_to_standstill": ("sensors", policy_frozen_to_standstill),
    "policy_slowed": ("sensors", slowed(0.02, 0.06, 3.0)),
    "policy_crawls": ("sensors", slowed(0.3, 0.4, 4.0)),
    "camera_killed": ("apart", killed("camera")),
    "camera_frozen": ("apart", frozen("camera", 1.0)),
    "motion_killed": ("apart", killed("motion")),
    "sim_killed": ("sim", killed("sim_node")),
    "sim_frozen": ("sim", frozen("sim_node", 1.0)),
}
"""Which robot a case wants, and what it does."""
