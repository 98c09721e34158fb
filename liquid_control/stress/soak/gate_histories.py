"""`liquid-control soak gate`: random histories of commands through the safety gate, each limit
recomputed from its output.

Half of the inputs are plausible, which keeps the gate at its limits; the rest is anything: other
types, NaN, infinities, floats of random bits, clocks that jump, commands before that were never
issued.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import random
import struct
import time

from liquid_control.config import GateConfig, VehicleConfig, check, number
from liquid_control.control.safety import SafetyGate
from liquid_control.signals import Action, Command
from liquid_control.stress.soak.gate_judge import Step, broken_alone, broken_between
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb

LENGTH, JOB = 500, 50_000
"""Commands of a history, which has one gate and vehicle, and of one piece of work."""
EPOCH = 1_760_000_000_000_000_000
ODD = (
    None,
    math.nan,
    math.inf,
    -math.inf,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    True,
    "1",
    "x",
    b"",
    (),
    10**400,
    -(2**63),
    2**64,
    object(),
)


@dataclasses.dataclass(frozen=True)
class GateSoakSettings:
    """Send random histories of commands through the safety gate and check every limit between every
    two of them."""

    commands: int = number(
        10_000_000, 1, 10**10, "", "commands to send, rounded up to a multiple of 50,000"
    )
    seed: int = number(0, 0, 2**31 - 1, "", "seed of the histories")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def soak_gate(settings: GateSoakSettings) -> dict:
    """Facts; `violations` counts by limit, `examples` holds the first of each with the history that
    gives it."""
    started = time.perf_counter()
    jobs = [settings.seed * 10**6 + index for index in range(math.ceil(settings.commands / JOB))]
    found = run_jobs(_job, jobs, processes(settings.workers), "commands, 50,000 each")
    violations, examples = collections.Counter(), {}
    for counts, firsts in found:
        violations.update(counts)
        examples = firsts | examples
    seconds = time.perf_counter() - started
    return {
        "commands": len(jobs) * JOB,
        "histories": len(jobs) * JOB // LENGTH,
        "seed": settings.seed,
        "violations": sum(violations.values()),
        "violations_by_limit": dict(violations),
        "examples": examples,
        "wall_s": round(seconds, 1),
        "commands_a_second": round(len(jobs) * JOB / seconds),
    }


def _job(seed: int) -> tuple[collections.Counter, dict[str, str]]:
    counts, examples = collections.Counter(), {}
    for index in range(JOB // LENGTH):
        for at, name in run_history(random.Random(f"{seed} {index}"), LENGTH):
            counts[name] += 1
            examples.setdefault(name, f"seed {seed}, history {index}, command {at}")
    return counts, examples


def run_history(
    rng: random.Random,
    length: int,
    judged_by: GateConfig | None = None,
    gate: SafetyGate | None = None,
) -> list[tuple[int, str]]:
    """Index and name of every limit broken in one history. `judged_by`: limits other than the
    gate's, to see that the judge sees."""
    gate = gate or random_gate(rng)
    limits = judged_by or gate.limits
    found: list[tuple[int, str]] = []
    now, previous, last_speed = EPOCH, None, None
    plausible = rng.uniform(0.3, 1.0)
    for index in range(length):
        now += rng.randrange(60_000_000) if rng.random() < 0.9 else rng.randrange(-(10**9), 10**10)
        speed, action = _speed(rng, plausible), _action(rng, plausible, now)
        forged = rng.random() < 0.004
        if forged:
            previous = Command(*(anything(rng) for _ in range(4)))
        stamp = now if rng.random() < 0.999 else anything(rng)
        try:
            command, verdict = gate.apply(action, speed, stamp, previous, last_speed)
        except Exception as error:  # noqa: BLE001  the gate promises that there is none
            found.append((index, f"raised {type(error).__name__}"))
            continue
        step = Step(command, verdict, speed, last_speed)
        found += [(index, name) for name in broken_alone(step, limits, gate.vehicle)]
        # Neither a command that was not the gate's nor a time that is none can be judged as a pair.
        if not forged and stamp is now:
            found += [
                (index, name) for name in broken_between(previous, now, step, limits, gate.vehicle)
            ]
        previous = command if stamp is now else dataclasses.replace(command, issued_ns=now)
        last_speed = speed if step.known_speed is not None else last_speed
    return found


def random_gate(rng: random.Random) -> SafetyGate:
    """Limits and vehicle from anywhere in their allowed ranges, but each other time those of a
    full-size car."""
    if rng.random() < 0.5:
        return SafetyGate(GateConfig(safe_behaviour=rng.choice(("hold", "follow", "release"))))
    hardest = rng.uniform(0.1, 20.0)
    limits = GateConfig(
        max_steering_angle=rng.uniform(0.01, 1.2),
        max_steering_rate=rng.uniform(0.01, 5.0),
        max_lateral_acceleration=rng.uniform(0.1, 20.0),
        max_lateral_jerk=10 ** rng.uniform(-1.0, 3.0),
        max_speed=rng.uniform(0.0, 60.0),
        max_acceleration=rng.uniform(0.1, 20.0),
        max_deceleration=hardest,
        deceleration=rng.uniform(0.1, min(hardest, 15.0)),
        stale_after=rng.uniform(0.01, 5.0),
        max_future=rng.uniform(0.0, 5.0),
        safe_behaviour=rng.choice(("hold", "follow", "release")),
    )
    return SafetyGate(
        limits,
        VehicleConfig(wheelbase=rng.uniform(0.05, 20.0), max_steering_angle=rng.uniform(0.01, 1.2)),
    )


def anything(rng: random.Random) -> object:
    """Any float by its bits, any whole number, or what is no number at all."""
    kind = rng.random()
    if kind < 0.5:
        return struct.unpack("d", rng.randbytes(8))[0]
    return rng.choice(ODD) if kind < 0.8 else rng.getrandbits(80) - 2**79


def _speed(rng: random.Random, plausible: float) -> object:
    if rng.random() < plausible:
        return rng.uniform(0.0, 25.0)
    return None if rng.random() < 0.5 else anything(rng)


def _action(rng: random.Random, plausible: float, now: int) -> Action | None:
    if rng.random() < plausible:
        return Action(
            now - rng.randrange(150_000_000), rng.uniform(-0.3, 0.3), rng.uniform(-1.0, 25.0)
        )
    if rng.random() < 0.3:
        return None
    stamp = now - rng.randrange(-(10**9), 10**9) if rng.random() < 0.7 else anything(rng)
    return Action(stamp, anything(rng), anything(rng))


VERB = Verb(GateSoakSettings, soak_gate, succeeded=lambda facts: not facts["violations"])
