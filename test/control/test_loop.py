"""The gate's rhythm: which instants it acts at, and that simulation, replay and the loop alone give
the same commands for the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.loop import LONGEST_SILENCE, PERIOD, Loop
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.model.installed import find_model
from liquid_control.recordings.rosbag.recording import RecordingSettings
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.signals import Action, Frame, ImuSample, Limit, SpeedSample
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.drive import drive
from liquid_control.sim.world import World

MS = 1_000_000
STEADY = 5_000_000_000
PERIOD_MS = round(PERIOD * 1e3)


def run(loop: Loop, proposals: list[int], until: int) -> list[int]:
    """The instants [ns since the start] at which the gate acts when the caller wakes at each
    proposal [ms] and at `next_ns`."""
    acted = []
    for proposal in [*proposals, None]:
        end = STEADY + (until if proposal is None else proposal) * MS
        while loop.next_ns is not None and loop.next_ns < end:
            now = loop.next_ns
            assert loop.wake(now) and loop.next_ns > now
            acted.append(now - STEADY)
        if proposal is not None:
            assert loop.wake(end, proposed=True)
            acted.append(proposal * MS)
    return acted


def test_the_gate_acts_on_proposals_its_timer_and_once_on_silence():
    acted = run(Loop(0.05, silence=0.17), [0, 40, 95], 400)
    assert [ns // MS for ns in acted] == [
        *(0, 40, 90, 95, 145, 195, 245),
        *(265, 295, 345, 395),  # silence behind 95 + 170, and it leaves the timer alone
    ]
    assert acted[7] == 265 * MS + 1, "the first nanosecond at which the proposal is older"
    acted = run(Loop(0.05), [0, 40], 250)
    assert acted == [ms * MS for ms in (0, 40, 90, 140, 190, 240)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 2000), min_size=1, max_size=30, unique=True).map(sorted),
    st.integers(2, 300),
    st.one_of(st.none(), st.integers(1, 300)),
)
def test_any_proposals_give_the_instants_of_the_definition(proposals, period, silence):
    expected = {proposal * MS for proposal in proposals}
    for begin, end in zip(proposals, [*proposals[1:], 2500], strict=True):
        expected |= {ms * MS for ms in range(begin + period, end, period)}
        if silence is not None and begin + silence < end:
            expected.add((begin + silence) * MS + 1)
    loop = Loop(period * 1e-3, None if silence is None else silence * 1e-3)
    acted = run(loop, proposals, 2500)
    assert acted == sorted(expected)
    assert np.diff(acted).max(initial=0) <= period * MS


def test_the_first_call_acts_and_an_early_one_does_not():
    loop = Loop()
    assert loop.next_ns is None and list(loop.due_before(STEADY)) == []
    assert loop.wake(STEADY) and loop.next_ns == STEADY + PERIOD_MS * MS
    for early in range(0, PERIOD_MS, 7):
        assert not loop.wake(STEADY + early * MS)
    assert loop.wake(STEADY + PERIOD_MS * MS)
    assert not loop.wake(STEADY + PERIOD_MS * MS), "one instant acts once"


def test_a_late_caller_acts_once_and_keeps_the_timers_phase():
    loop = Loop(0.05, silence=0.17)
    loop.wake(STEADY, proposed=True)
    assert loop.wake(STEADY + 1234 * MS)
    assert loop.next_ns == STEADY + 1250 * MS
    assert loop.wake(STEADY + 10**9 * MS + 1) and loop.next_ns == STEADY + (10**9 + 50) * MS


def test_a_replayed_clock_gets_every_instant_before_the_next_sample():
    loop = Loop(0.05, silence=0.17)
    loop.wake(STEADY, proposed=True)
    due = [(at - STEADY) // MS for at in loop.due_before(STEADY + 250 * MS)]
    assert due == [50, 100, 150, 170, 200] and loop.next_ns == STEADY + 250 * MS


@pytest.mark.parametrize("silence", [None, 0.17])
def test_a_silence_of_years_costs_no_more_than_one_of_seconds(silence):
    loop, year = Loop(silence=silence), 365 * 86_400 * 10**9
    loop.wake(STEADY, proposed=True)
    due = list(loop.due_before(STEADY + 55 * year + 7 * MS))
    steps = round(LONGEST_SILENCE / PERIOD)
    expected = {STEADY + step * PERIOD_MS * MS for step in range(1, steps + 1)}
    if silence is not None:
        expected.add(STEADY + 170 * MS + 1)
    assert due == sorted(expected)
    later = STEADY + 55 * year + PERIOD_MS * MS
    assert loop.next_ns == later and (later - STEADY) % (PERIOD_MS * MS) == 0
    assert list(loop.due_before(later)) == [] and list(loop.due_before(later + 1)) == [later]


def test_reset_forgets_proposals_and_timer():
    loop = Loop(0.05, silence=0.17)
    loop.wake(STEADY, proposed=True)
    loop.reset()
    assert loop.next_ns is None and loop.wake(0) and loop.next_ns == 50 * MS
    assert list(loop.due_before(200 * MS)) == [50 * MS, 100 * MS, 150 * MS], "no silence is left"


HOLE = (1.0, 1.6)
"""Seconds without frames: the timer goes on, and the last action becomes stale."""


class FramesLast:
    """A world without frames in HOLE, whose frames arrive behind the measurements of their period.
    `samples`: all that arrived, with the time [ns]."""

    def __init__(self, world: World) -> None:
        self._world, self.samples = world, []

    def __getattr__(self, name: str):
        return getattr(self._world, name)

    def advance(self, angle: float, cap: float) -> list:
        events = [
            event
            for event in self._world.advance(angle, cap)
            if not (isinstance(event, Frame) and HOLE[0] <= event.stamp_ns * 1e-9 < HOLE[1])
        ]
        events.sort(key=lambda event: isinstance(event, Frame))
        self.samples += [(self.time_ns, event) for event in events]
        return events


@pytest.fixture(scope="module")
def policy():
    return OnnxRuntime.load(find_model("lane_keeper"))


@pytest.fixture(scope="module")
def driven(policy):
    """Samples of a simulated drive, and its commands with their verdicts from the first action
    on."""
    world = FramesLast(World(WorldConfig(length=200.0, trees=5), seed=4))
    controller, commands = Controller(policy, speed=20.0), []
    for moment in drive(world, controller, SafetyGate(vehicle=VEHICLE), period=PERIOD):
        if controller.action is not None and moment.command.issued_ns == world.time_ns:
            commands.append((moment.command, moment.verdict))
        if world.time_ns >= 3e9:
            break
    world.close()
    return world.samples, commands


def test_in_simulation_the_gate_acts_on_actions_and_by_its_timer(driven):
    _, commands = driven
    issued = np.array([command.issued_ns for command, _ in commands])
    frames = np.array([command.stamp_ns for command, _ in commands])
    gaps = np.diff(issued)
    assert gaps.max() == PERIOD_MS * MS and gaps.min() < PERIOD_MS * MS
    safe_stop = [verdict.safe_stop for _, verdict in commands]
    stale = [Limit.STALE in verdict.limits for _, verdict in commands]
    late = issued - np.maximum.accumulate(frames) > 200 * MS
    assert 5 < sum(stale) < 20 and stale == safe_stop == late.tolist()


def test_the_loop_alone_gives_the_commands_of_the_simulation(driven, policy):
    samples, commands = driven
    controller, gate, loop = Controller(policy, speed=20.0), SafetyGate(vehicle=VEHICLE), Loop()
    speed, command, issued = None, None, []
    for now_ns, sample in samples:
        instants = list(loop.due_before(now_ns))
        for due_ns in instants:
            command, verdict = gate.apply(controller.action, speed, due_ns, command)
            issued.append((command, verdict))
        action = controller.push(sample, now_ns)
        speed = sample.speed if isinstance(sample, SpeedSample) else speed
        if isinstance(action, Action) and loop.wake(now_ns, proposed=True):
            command, verdict = gate.apply(action, speed, now_ns, command)
            issued.append((command, verdict))
    assert 60 < len(issued) <= len(commands) <= len(issued) + 1
    assert issued == commands[: len(issued)]


def test_replay_gives_the_commands_of_the_simulation(driven, policy, tmp_path):
    samples, commands = driven
    with BagWriter(tmp_path / "bag", BagSettings(pictures="raw")) as writer:
        for now_ns, sample in samples:
            write = {
                Frame: writer.write_frame,
                ImuSample: writer.write_imu,
                SpeedSample: writer.write_speed,
            }[type(sample)]
            write(sample, now_ns)
    settings = OpenLoopSettings(recording=RecordingSettings(vehicle=VEHICLE), set_speed=20.0)
    (log,) = replay({"lane_keeper": policy}, tmp_path / "bag", settings)
    expected = [command for command, _ in commands][: len(log.issued)]
    assert not log.skipped and 60 < len(expected) and len(commands) <= len(log.issued) + 1
    for name in ("stamp_ns", "issued_ns", "steering_angle", "speed"):
        values = [getattr(command, name) for command in expected]
        assert np.array_equal(getattr(log.issued, name), values), name
