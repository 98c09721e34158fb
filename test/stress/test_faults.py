"""The fault matrix: faults are what they are called, the judge sees what is wrong, and one of each
source in closed loop."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import GateConfig
from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.control.loop import PERIOD
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.signals import Action, Command, Frame, SpeedSample
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.stress.faults.course import Tick, run_course
from liquid_control.stress.faults.expectations import EXPECTED, Expectation
from liquid_control.stress.faults.injection import (
    BURST,
    DELAY,
    KINDS,
    SLOW_PERIOD,
    SOURCES,
    Fault,
    Tap,
)
from liquid_control.stress.faults.limit_check import violations
from liquid_control.stress.faults.matrix import judge, run_cell
from liquid_control.stress.faults.picture import draw_matrix

LIMITS = GateConfig()


def pass_through(kind: str, make=lambda ns: SpeedSample(ns, 8.0 + ns * 1e-9)) -> dict[float, list]:
    """What comes out of a tap with a fault from 1 to 3 s when a sample goes in every 20 ms for 4
    s."""
    tap = Tap(Fault("speed", kind, 1.0, 3.0))
    return {tick * 0.02: tap.pass_on([make(tick * 20_000_000)], tick * 0.02) for tick in range(200)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_nothing_before_and_after(kind):
    out = pass_through(kind)
    assert all(
        len(samples) == 1 and samples[0].speed == pytest.approx(8.0 + at)
        for at, samples in out.items()
        if at < 0.99 or at > 3.03
    )


def test_each_kind_is_what_it_is_called():
    during = {
        kind: {at: samples for at, samples in pass_through(kind).items() if 1.0 <= at < 2.99}
        for kind in KINDS
    }
    counts = {kind: sum(map(len, out.values())) for kind, out in during.items()}
    assert counts["off"] == 0 and counts["slow"] == math.ceil(2.0 / SLOW_PERIOD)
    assert (
        counts["intermittent"] == pytest.approx(50, abs=5)
        and not during["intermittent"][52 * 0.02]
        and BURST > 0.05
    )
    assert [
        sample.speed for samples in during["stuck"].values() for sample in samples
    ] == pytest.approx([8.98] * 100, abs=0.021)
    assert all(math.isnan(samples[0].speed) for samples in during["nan"].values())
    assert all(
        samples[0].speed == pytest.approx(-8.0 - at) for at, samples in during["wrong"].items()
    )
    late = [
        at - sample.stamp_ns * 1e-9
        for at, samples in during["delayed"].items()
        for sample in samples
    ]
    assert late == pytest.approx([DELAY] * len(late), abs=0.021) and late
    spread = [abs(samples[0].speed) for samples in during["garbage"].values()]
    assert max(spread) > 500 and np.median(spread) > 200


def test_pictures_and_proposals_are_corrupted_too():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    wrong = pass_through("wrong", lambda ns: Frame(ns, image))[1.5][0]
    assert np.array_equal(wrong.image, image[:, ::-1])
    assert np.isnan(pass_through("nan", lambda ns: Frame(ns, image))[2.0][0].image).all()
    assert pass_through("wrong", lambda ns: Action(ns, 0.02, 9.0))[2.0][0].curvature == -0.02


def tick(
    seconds: float,
    angle: float,
    speed: float,
    state: State = State.ENGAGED,
    measured: float | None = 8.0,
    **more,
) -> Tick:
    ns = round(seconds * 1e9)
    values = {"lane_offset": 0.0, "speed": measured or 0.0, "departed": False}
    return Tick(
        seconds, state, "", Command(ns, ns, angle, speed), ns, measured, measured, **(values | more)
    )


@pytest.mark.parametrize(
    "after, name",
    [
        (tick(0.05, 0.6, 0.0), "steering angle"),
        (tick(0.05, 0.045, 8.0), "steering step"),
        (tick(0.05, 0.035, 8.0), "lateral jerk"),
        (tick(0.05, 0.0, 8.2), "rise of speed"),
        (tick(0.05, 0.0, 7.5), "fall of speed"),
        (tick(0.05, 0.0, 21.0), "speed"),
        (tick(0.05, 0.3, 8.0), "lateral acceleration"),
        (dataclasses.replace(tick(0.05, 0.0, 8.0), command=Command(0, 0, 0.0, math.nan)), "speed"),
    ],
)
def test_the_check_finds_every_limit_that_is_broken(after, name):
    found = violations([tick(0.0, 0.0, 8.0), after], LIMITS, VEHICLE)
    assert any(name in line for line in found)


def test_the_check_is_content_with_what_is_allowed():
    assert (
        violations(
            [tick(0.0, 0.0, 8.0), tick(0.05, 0.009, 8.1), tick(0.1, 0.012, 7.81)], LIMITS, VEHICLE
        )
        == []
    )


def test_the_judge_sees_what_must_not_be():
    fault = Fault("camera", "off", 1.0, 2.0)
    blind = [tick(t * 0.05, 0.0, 8.0) for t in range(80)]
    assert any(
        "noticed after None" in line for line in judge(blind, fault, Expectation("", 0.3))["broken"]
    )
    stopped = [
        tick(t * 0.05, 0.0, 8.0, State.DEGRADED if 1.2 < t * 0.05 else State.ENGAGED)
        for t in range(80)
    ]
    verdict = judge(stopped, fault, Expectation("", 0.3, brakes=True))
    assert {"did not brake", "driving again never"} == set(verdict["broken"]) and verdict[
        "noticed_s"
    ] == pytest.approx(0.2)
    assert any(
        "left driving" in line
        for line in judge(stopped, fault, Expectation("", drives_on=True))["broken"]
    )


def test_every_cell_has_an_expectation_and_none_contradicts_itself():
    assert set(EXPECTED) == {(source, kind) for source in SOURCES for kind in KINDS}
    assert not any(
        expected.drives_on and expected.degrades_within for expected in EXPECTED.values()
    )


CLOSED_LOOP = [
    ("camera", "stuck"),
    ("imu", "nan"),
    ("speed", "garbage"),
    ("command", "off"),
    ("command", "garbage"),
]


@pytest.mark.parametrize("source, kind", CLOSED_LOOP)
def test_in_closed_loop_what_must_happen_happens(source, kind):
    outcome = run_cell((pack_model(find_model("lane_keeper")), source, kind, 11))
    assert (
        outcome["broken"] == [] and outcome["limit_violations"] == 0 and outcome["commands"] > 150
    )


def test_silence_is_noticed_when_the_last_proposal_becomes_stale_and_not_at_the_next_tick():
    """The world has steps of 10 ms; the gate's timer alone would notice after 0.2 s."""
    fault = Fault("command", "off", 5.0, 7.0)
    ticks = run_course(OnnxRuntime.load(find_model("lane_keeper")), 11, 5.5, fault)
    index = next(
        i for i, tick in enumerate(ticks) if tick.seconds >= 5.0 and tick.state is State.DEGRADED
    )
    assert ticks[index].reason == "proposal stale"
    proposed = max(tick.command.stamp_ns for tick in ticks if tick.command)
    arrived = next(tick for tick in ticks if tick.command and tick.command.stamp_ns == proposed)
    noticed = EngagementConfig().proposal_stale_after + 0.01
    gaps = [tick.seconds - arrived.seconds for tick in ticks[index - 3 : index + 2]]
    assert gaps == pytest.approx([PERIOD, 2 * PERIOD, 3 * PERIOD, noticed, 4 * PERIOD])


def test_the_picture_is_drawn(tmp_path):
    row = {
        "must_stay_on_road": True,
        "must_notice_within_s": 0.3,
        "noticed_s": 0.2,
        "back_s": 0.1,
        "departed": 0,
        "drives": 3,
        "largest_offset_m": 0.1,
        "broken": [],
    }
    draw_matrix(
        [{"source": s, "kind": k, **row} for s in SOURCES for k in KINDS], tmp_path / "faults.png"
    )
    assert (tmp_path / "faults.png").stat().st_size > 20_000 and list(tmp_path.iterdir()) == [
        tmp_path / "faults.png"
    ]
