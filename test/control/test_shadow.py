"""A candidate and the policy that drives: what the candidate is given, when it steps, and what is
said of the difference. It changes nothing of the policy that drives."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, TimelineConfig, VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.disagreement import DisagreementDetector, RunningScore
from liquid_control.control.shadow import Shadow
from liquid_control.control.spare_time import SpareTime
from liquid_control.deploy.runtime import zero_state
from liquid_control.model.car import lane_keeping
from liquid_control.model.state import StateArray
from liquid_control.signals import Action, Frame, ImuSample, Reason, Rejected, SpeedSample

MS = 1_000_000
SMALL, LARGE = PreprocessConfig(height=32, width=64), PreprocessConfig(height=48, width=96)
RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (64, 64, 128, 3), np.uint8)


class Recording:
    """A policy that keeps what it is given; its curvature follows all that it has seen."""

    def __init__(self, preprocess: PreprocessConfig = SMALL, measurements: slice = slice(None)):
        spec = lane_keeping(preprocess)
        self.spec = dataclasses.replace(
            spec, state=(StateArray("sum", (1,)),), measurements=spec.measurements[measurements]
        )
        self.preprocess, self.seen, self.broken = self.spec.image, [], False

    def initial_state(self):
        return zero_state(self.spec)

    def step(self, observation, state):
        self.seen.append(observation)
        if self.broken:
            raise RuntimeError("broken")
        after = state["sum"] + np.float32(observation.dt + observation.image.mean() / 1e4)
        return 0.01 * after, {"sum": after}


@pytest.fixture
def beside():
    """`beside(runtime, skip)`: a drive of 12 frames at irregular times, with a gap; the candidate
    gets all frames that are not in `skip`. Returns its answers by frame and the driver's actions;
    without a runtime, the driver alone."""

    def run(runtime=None, skip=()):
        driving = Controller(Recording())
        shadow = runtime and Shadow(runtime, driving, TimelineConfig(), VehicleConfig())
        answers, actions = {}, []
        for i, at in enumerate((0, 33, 71, 99, 140, 163, 200, 1300, 1340, 1371, 1400, 1441)):
            for sample in (
                ImuSample((at - 5) * MS, (0.0, 0.0, 0.01 * i), (0.0, 0.1 * i, 9.81)),
                SpeedSample((at - 3) * MS, 5.0 + i),
            ):
                driving.push(sample)
                if shadow:
                    shadow.hear(sample)
            actions.append(driving.push(Frame(at * MS, PICTURES[i])))
            if shadow and i not in skip:
                answers[i] = shadow.step(PICTURES[i], at * MS)
        return shadow, answers, actions

    return run


def alone(runtime, skip=()) -> Controller:
    """The same drive with a controller of the candidate's own."""
    controller, answers = Controller(runtime), {}
    for i, at in enumerate((0, 33, 71, 99, 140, 163, 200, 1300, 1340, 1371, 1400, 1441)):
        controller.push(ImuSample((at - 5) * MS, (0.0, 0.0, 0.01 * i), (0.0, 0.1 * i, 9.81)))
        controller.push(SpeedSample((at - 3) * MS, 5.0 + i))
        if i not in skip:
            answers[i] = controller.push(Frame(at * MS, PICTURES[i]))
    return answers


CANDIDATES = {
    "observation": lambda: Recording(),
    "picture": lambda: Recording(measurements=slice(0, 1)),
    "nothing": lambda: Recording(LARGE),
}


@pytest.mark.parametrize("shares", CANDIDATES)
def test_a_candidate_proposes_what_it_would_propose_alone(beside, shares):
    _, _, driver = beside()
    shadow, answers, actions = beside(CANDIDATES[shares]())
    assert shadow.shares == shares
    assert answers == alone(CANDIDATES[shares]())
    assert actions == driver, "the policy that drives is as without it"


@pytest.mark.parametrize("shares", CANDIDATES)
@pytest.mark.parametrize("skip", [(0,), (3, 4), (6, 7), (7,), (1, 3, 5, 7, 9, 11)])
def test_frames_that_are_left_out_are_time_that_passes(beside, shares, skip):
    candidate, reference = CANDIDATES[shares](), CANDIDATES[shares]()
    beside(candidate, skip)
    alone(reference, skip)
    assert [(seen.dt, seen.is_first) for seen in candidate.seen] == [
        (seen.dt, seen.is_first) for seen in reference.seen
    ]


def test_what_both_policies_take_is_not_made_twice(beside):
    shared = CANDIDATES["observation"]()
    shadow, _, _ = beside(shared)
    assert all(
        mine.image is theirs.image
        for mine, theirs in zip(shared.seen, shadow._driving.runtime.seen, strict=True)
    )
    assert not shadow._samples


def test_a_candidate_that_raises_or_is_broken_is_refused_and_comes_back(beside):
    runtime = Recording()
    runtime.broken = True
    _, answers, actions = beside(runtime)
    assert all(answer == Rejected(answer.stamp_ns, Reason.RUNTIME) for answer in answers.values())
    assert all(isinstance(action, Action) for action in actions)


def test_samples_between_two_frames_are_bounded():
    driving = Controller(Recording())
    shadow = Shadow(Recording(LARGE), driving, TimelineConfig(), VehicleConfig())
    for i in range(20_000):
        shadow.hear(SpeedSample(i * MS, 1.0))
    assert len(shadow._samples) <= 4096


def stream(spare: SpareTime, cost: float, frames: int, period: float = 33.0, late=lambda i: 0.0):
    """Drives the work at a camera's rate; returns how often it ran, and how often that ended after
    the next frame's arrival. Times in ms."""
    ran = made_late = 0
    for i in range(frames):
        stamp, arrival = i * period, i * period + 8.0 + late(i)
        spare.frame(round(stamp * MS), round(arrival * MS))
        now = arrival + 2.0  # the policy that drives
        if spare.allows(round(now * MS)):
            spare.took(cost / 1e3)
            ran += 1
            made_late += now + cost > (i + 1) * period + 8.0 + late(i + 1)
    return ran, made_late


def test_work_that_fits_runs_on_every_frame():
    assert stream(SpareTime(), cost=20.0, frames=300) == (300, 0)


def test_work_that_does_not_fit_is_left_out_but_for_rare_tries():
    ran, late = stream(SpareTime(), cost=50.0, frames=30 * 60 * 10)  # ten minutes
    assert ran == late <= 1 + 6, "tries after 10, 20, 40, ... s"


def test_work_is_left_out_before_a_frame_that_is_due_because_the_last_was_late():
    ran, late = stream(
        SpareTime(), cost=10.0, frames=330, late=lambda i: 25.0 if i % 11 == 5 else 0.0
    )
    assert (ran, late) == (300, 0)


def test_work_that_became_quick_again_runs_again():
    spare = SpareTime()
    assert stream(spare, 50.0, 300)[0] <= 2
    ran, _ = stream(spare, 5.0, 3000)
    assert ran > 2500


def test_a_clock_that_is_set_back_begins_anew():
    spare = SpareTime()
    stream(spare, 5.0, 100)
    assert stream(spare, 5.0, 100) == (99, 0), "all but the first, whose interval is not known"


def push(detector: DisagreementDetector, differences, period: int = 33):
    return [detector.push(i * period * MS, value) for i, value in enumerate(differences)]


def test_a_difference_that_lasts_is_one_event_with_its_largest_value():
    detector = DisagreementDetector(0.03, 0.5)
    said = push(detector, [0.0] * 5 + [0.04] * 10 + [0.09] + [0.05] * 30 + [0.0] * 5)
    (at,) = [i for i, one in enumerate(said) if one]
    assert at == 5 + math.ceil(0.5 / 0.033)
    found = said[at]
    assert (found.since_ns, found.largest) == (5 * 33 * MS, 0.09)
    assert found.seconds == pytest.approx(0.528)
    assert detector.count == 1


@pytest.mark.parametrize(
    "differences",
    [
        [0.029] * 100,
        ([0.5] * 15 + [0.0]) * 10,
        [0.1 * (-1) ** (i // 10) for i in range(100)],
        [math.nan] * 100,
    ],
)
def test_a_difference_that_is_small_short_or_changes_its_sign_is_none(differences):
    detector = DisagreementDetector(0.03, 0.5)
    assert not any(push(detector, differences)) and detector.count == 0


def test_each_difference_that_lasts_is_an_event_of_its_own():
    detector = DisagreementDetector(0.03, 0.5)
    push(detector, ([0.1] * 30 + [0.0]) * 4)
    assert detector.count == 4


def test_the_running_score_is_of_the_frames_on_which_the_vehicle_turns():
    vehicle, driving = VehicleConfig(), Controller(Recording())
    score = RunningScore(vehicle, moving=1.0)
    for i, speed in enumerate((0.0, 0.5, 10.0, 10.0, 10.0)):
        at = 33 * i * MS
        driving.push(SpeedSample(at, speed))
        driving.push(ImuSample(at, (0.0, 0.0, 0.2), (0.0, 0.0, 9.81)))
        driving.push(Frame(at, PICTURES[i]))
        driven = score.driven(driving)
        assert driven == (pytest.approx(0.02) if speed > 1.0 else None)
        score.push(Action(at, 0.03, 10.0), Action(at, 0.02, 10.0), driven)
    figures = score.figures
    apart = math.atan(2.6 * 0.03) - math.atan(2.6 * 0.02)
    assert figures["shadow to policy rms [rad]"] == pytest.approx(apart)
    assert figures["shadow to driven rms [rad]"] == pytest.approx(apart, rel=1e-5)
    assert figures["policy to driven rms [rad]"] == pytest.approx(0.0, abs=1e-6)
