"""The safety gate under any input: every sample of every history within every limit, judged by
physics computed here anew."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.signals import Action, Command, Limit

MS = 1_000_000
NOW = 1_760_000_000_000_000_000

anything = st.one_of(
    st.floats(),
    st.none(),
    st.integers(),
    st.floats(-1, 1),
    st.floats(0, 30),
    st.booleans(),
    st.text(max_size=2),
)
stamps = st.one_of(st.integers(NOW - 10**9, NOW + 10**9), st.integers(), st.floats(), st.none())
configs = st.builds(
    SafetyGate,
    st.builds(
        GateConfig,
        max_steering_angle=st.floats(0.01, 1.2),
        max_steering_rate=st.floats(0.01, 5.0),
        max_lateral_acceleration=st.floats(0.1, 20.0),
        max_lateral_jerk=st.floats(0.1, 1000.0),
        max_speed=st.floats(0.0, 60.0),
        max_acceleration=st.floats(0.1, 20.0),
        max_deceleration=st.floats(5.0, 20.0),
        deceleration=st.floats(0.1, 5.0),
        safe_behaviour=st.sampled_from(["hold", "follow", "release"]),
    ),
    st.builds(
        VehicleConfig, wheelbase=st.floats(0.05, 20.0), max_steering_angle=st.floats(0.01, 1.2)
    ),
)


def assert_sound(gate: SafetyGate, command: Command) -> None:
    """What a single command can be judged by, whatever came before."""
    assert type(command.stamp_ns) is int and type(command.issued_ns) is int
    assert abs(command.steering_angle) <= min(
        gate.limits.max_steering_angle, gate.vehicle.max_steering_angle
    )
    assert 0.0 <= command.speed <= gate.limits.max_speed
    sideways = command.speed**2 * abs(math.tan(command.steering_angle)) / gate.vehicle.wheelbase
    assert sideways <= gate.limits.max_lateral_acceleration * (1 + 1e-9)


@settings(max_examples=500, deadline=None)
@given(
    configs,
    st.one_of(st.none(), st.builds(Action, stamps, anything, anything)),
    anything,
    stamps,
    st.one_of(st.none(), st.builds(Command, stamps, stamps, anything, anything)),
)
def test_no_argument_whatsoever_makes_it_raise_or_issue_an_unsound_command(
    gate, action, speed, now_ns, previous
):
    command, verdict = gate.apply(action, speed, now_ns, previous)
    assert_sound(gate, command)
    assert verdict.safe_stop == bool(
        verdict.limits & (Limit.STALE | Limit.FUTURE | Limit.NOT_FINITE)
    )
    assert verdict.released == (verdict.safe_stop and gate.limits.safe_behaviour == "release")


step = st.tuples(
    st.one_of(st.integers(-50, 300), st.integers(-(10**12), 10**12)).map(
        lambda ms: ms * MS
    ),  # time since the last call
    st.one_of(st.none(), st.floats(), st.floats(0, 25)),  # measured speed
    st.one_of(
        st.none(),
        st.tuples(st.integers(-300, 300).map(lambda ms: ms * MS), st.floats(), st.floats()),
        st.tuples(st.just(0), st.floats(-0.3, 0.3), st.floats(0, 25)),
    ),  # action: age, curvature, speed
)


def judge(gate: SafetyGate, history: list) -> int:
    """Drives the gate through a history and checks every pair of commands against the physics,
    computed here anew. How many."""
    limits, now, previous = gate.limits, NOW, None
    for wait_ns, speed, proposal in history:
        now += wait_ns
        action = proposal and Action(now - proposal[0], proposal[1], proposal[2])
        command, verdict = gate.apply(action, speed, now, previous)
        assert_sound(gate, command)
        known = speed is not None and math.isfinite(speed)
        assert known == (Limit.SPEED_UNKNOWN not in verdict.limits)
        rolling = max(speed, 0.0) if known else None

        angle_before = previous.steering_angle if previous else 0.0
        speed_before = previous.speed if previous else rolling or 0.0
        elapsed = (
            min(max(now - previous.issued_ns, 0) / 1e9, limits.stale_after) if previous else 0.0
        )
        change = abs(command.steering_angle - angle_before)
        assert change <= limits.max_steering_rate * elapsed + 1e-12

        judged = (
            abs(speed)
            if known
            else speed_before
            if verdict.safe_stop
            else max(limits.max_speed, speed_before)
        )
        bend, bend_before = (
            math.tan(angle) / gate.vehicle.wheelbase
            for angle in (command.steering_angle, angle_before)
        )
        swing = abs(bend - bend_before)
        assert swing <= limits.max_lateral_jerk * elapsed / max(judged * judged, 1e-300) + 1e-9 * (
            1 + abs(bend_before)
        )
        sideways = judged * judged * abs(bend)
        if command.steering_angle and not sideways <= limits.max_lateral_acceleration * (1 + 1e-9):
            assert verdict.limits & (Limit.ANGLE_RATE | Limit.LATERAL_JERK) and abs(
                command.steering_angle
            ) <= abs(angle_before)

        slower = speed_before if rolling is None else min(speed_before, rolling)
        # The first command may start from a speed above what this gate allows; from then on nothing
        # may jump.
        if speed_before <= limits.max_speed:
            assert command.speed <= speed_before + limits.max_acceleration * elapsed + 1e-9
            assert command.speed >= slower - limits.max_deceleration * elapsed - 1e-9 * max(
                slower, 1.0
            )
        if verdict.safe_stop and limits.safe_behaviour != "follow":
            assert command.speed <= slower and abs(command.steering_angle) <= abs(angle_before)
        previous = command
    return len(history)


@settings(max_examples=400, deadline=None)
@given(configs, st.lists(step, max_size=25))
def test_every_sample_of_any_history_keeps_every_limit(gate, history):
    judge(gate, history)
