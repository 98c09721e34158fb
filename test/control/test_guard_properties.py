"""The gate with its states under any history of proposals, speeds, clocks and request."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import COMMANDING, EngagementConfig, State
from liquid_control.control.guard import Guard, OperatorRequest
from liquid_control.signals import Action, SpeedSample, SteeringSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000

anything = st.one_of(st.floats(), st.floats(-0.3, 0.3), st.floats(0, 25))
angles = st.one_of(st.floats(-0.55, 0.55), st.sampled_from([math.nan, math.inf]))
events = st.lists(
    st.tuples(
        st.integers(0, 400).map(lambda ms: ms * MS),  # steady time passed
        st.one_of(
            st.integers(0, 400).map(lambda ms: ms * MS), st.integers(-(10**11), 10**11)
        ),  # what the other clock did
        st.one_of(
            st.none(), st.tuples(st.integers(-500, 500), anything, anything)
        ),  # proposal: age [ms], curvature, speed
        st.one_of(st.none(), st.tuples(st.integers(-900, 900), anything)),  # speed
        st.one_of(st.none(), st.tuples(st.integers(-50, 300), angles)),  # steering angle
        st.builds(
            OperatorRequest,
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from([(), (), ("fault",)]),
        ),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(events, st.booleans(), st.sampled_from(["hold", "follow", "release"]))
def test_no_history_whatsoever_breaks_a_limit_or_a_promise(history, dead_man, behaviour):
    config = EngagementConfig(
        dead_man=dead_man, healthy_for=0.0, lowest_rate=0.0, needs_speed=False
    )
    limits = GateConfig(safe_behaviour=behaviour)
    guard = Guard(limits, VehicleConfig(), config)
    now, steady, last = EPOCH, 0, None
    for passed, moved, proposal, speed, angle, request in history:
        now, steady = now + moved, steady + passed
        if proposal:
            guard.push_proposal(
                Action(now - proposal[0] * MS, proposal[1], proposal[2]), now, steady
            )
        if speed:
            guard.push_speed(SpeedSample(now - speed[0] * MS, speed[1]), now, steady)
        for later in (0, 1) if angle else ():  # twice: one reading alone is not believed
            sample = SteeringSample(now - angle[0] * MS - later, angle[1], None)
            guard.push_steering_angle(sample, now, steady)
        decision = guard.tick(now, steady, request)
        command, known = decision.command, guard.known_angle(steady)
        starts = last is None and command is not None
        if starts and known is not None and abs(known) <= limits.max_steering_angle:
            step = limits.max_steering_rate * min(passed / 1e9, limits.stale_after)
            assert abs(command.steering_angle - known) <= step + 1e-12, "from where the wheels are"
        ceased = request.takeover or decision.state not in COMMANDING
        assert (decision.closing is not None) == (last is not None and ceased)
        if decision.closing is not None:
            assert decision.closing.speed == 0.0
            assert decision.closing.steering_angle == last[0].steering_angle
        if request.takeover or (
            dead_man and not request.enabled and decision.state is not State.FAULT
        ):
            assert command is None
        if decision.state not in COMMANDING:
            assert command is None
        if request.faults:
            assert decision.state is State.FAULT
        if command is not None:
            assert (
                abs(command.steering_angle) <= limits.max_steering_angle
                and 0.0 <= command.speed <= limits.max_speed
            )
            sideways = (
                command.speed**2 * abs(math.tan(command.steering_angle)) / guard.vehicle.wheelbase
            )
            assert sideways <= limits.max_lateral_acceleration * (1 + 1e-9)
            if last is not None:
                elapsed = min((steady - last[1]) / 1e9, limits.stale_after)
                assert (
                    abs(command.steering_angle - last[0].steering_angle)
                    <= limits.max_steering_rate * elapsed + 1e-12
                )
        last = None if command is None else (command, steady)
