"""The correction of the output: learnt where a person corrects what the neurons show, refused where
it would act on undisturbed driving, and always within its tube."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from adaptation_rides import VEHICLE, Winding, adapted
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.output import FLOOR, RIDGE, OutputCorrection
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.control.driving_scale import sharpest
from liquid_control.control.vehicle import curvature
from liquid_control.errors import ConfigError
from liquid_control.signals import Observation

LARGEST = 0.02
FEATURES = 8


def day(correction: OutputCorrection, rounds: int, wanted, rng, before=True, after=True) -> None:
    """Rounds of 30 s of driving and a takeover of 3 s, at 20 Hz. `wanted`: a label from its
    features, of which the first is ±1 in takeovers (`after`) and in the second before one
    (`before`), and 0 else."""
    at = correction.takeovers * 40.0
    for _ in range(rounds):
        shown = rng.choice([-1.0, 1.0])
        for frame in range(660):
            at += 0.05
            phi = rng.uniform(-1, 1, FEATURES)
            phi[0], phi[-1] = 0.0, 1.0
            if frame < 600:
                phi[0] = shown * (before and frame >= 580)
                correction.undisturbed(at, phi)
                continue
            phi[0] = shown * after
            if frame == 600:
                correction.take_over(at)
            correction.label(at, phi, wanted(phi))


def test_what_the_neurons_show_before_a_takeover_is_corrected():
    rng, correction = np.random.default_rng(0), OutputCorrection(FEATURES, LARGEST)
    day(correction, 12, lambda phi: 0.01 * phi[0] + 0.001 * rng.standard_normal(), rng)
    assert correction.used, correction.why
    shown = np.array([1.0, *np.zeros(FEATURES - 2), 1.0])
    assert correction.correction(shown) == pytest.approx(0.01, abs=0.002)
    calm = np.array([0.0, *np.zeros(FEATURES - 2), 1.0])
    assert abs(correction.correction(calm)) < 0.0007


@pytest.mark.parametrize(
    "wanted",
    [
        lambda phi, rng: 0.02,
        lambda phi, rng: 0.02 * phi[1],
        lambda phi, rng: 0.02 * rng.choice([-1.0, 1.0]),
        lambda phi, rng: 0.02 * rng.standard_normal(),
        lambda phi, rng: math.nan,
        lambda phi, rng: math.inf,
    ],
    ids=["always left", "mirrored", "left or right", "random", "nan", "infinite"],
)
def test_a_person_whom_nothing_explains_is_not_followed(wanted):
    rng, correction = np.random.default_rng(1), OutputCorrection(FEATURES, LARGEST)
    for _ in range(12):
        day(correction, 1, lambda phi: wanted(phi, rng), rng, before=False, after=False)
        assert not correction.used, correction.why


def test_a_person_who_makes_what_he_corrects_is_not_followed():
    rng, correction = np.random.default_rng(5), OutputCorrection(FEATURES, LARGEST)
    for _ in range(12):
        day(correction, 1, lambda phi: 0.015 * phi[0], rng, before=False)
        assert not correction.used, correction.why
    shown = np.array([1.0, *np.zeros(FEATURES - 1)])
    assert correction.correction(shown) > 0.01, "it is learnt, and not used"


def test_a_person_who_changes_his_mind_is_no_longer_followed():
    rng, correction = np.random.default_rng(2), OutputCorrection(FEATURES, LARGEST)
    day(correction, 12, lambda phi: 0.01 * phi[0], rng)
    assert correction.used
    day(correction, 8, lambda phi: -0.01 * phi[0], rng)
    assert not correction.used


NUMBER = st.one_of(st.floats(), st.floats(-4, 4), st.sampled_from([math.nan, math.inf, -math.inf]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(Driver), NUMBER, NUMBER, NUMBER, NUMBER), max_size=80),
    st.integers(0, 2**62),
)
def test_any_stream_of_labels_leaves_the_output_within_the_tube(stream, start):
    runtime = AdaptedRuntime(Winding(), AdaptationConfig("both"), VEHICLE)
    tube = 0.1 * curvature(0.5, VEHICLE)
    now = start
    for driver, *numbers in stream:
        with np.errstate(over="ignore"):
            yaw, speed, base, steered = map(float, np.array(numbers, np.float32))
        now += 50_000_000
        runtime.drives(driver, now)
        runtime.steered(now, steered)
        runtime.runtime.steer, runtime.runtime.neurons = base, np.array([yaw, base], np.float32)
        given = np.array([yaw, yaw, speed], np.float32)
        action, _ = runtime.step(Observation(now, None, given, 0.05, False), {})
        base = np.float32(base)
        if np.isfinite(base):
            bound = tube + 0.43 * abs(float(base)) + 1e-5
            assert abs(float(action[0]) - float(base)) <= bound
    assert runtime.failures == 0


def test_a_long_hostile_stream_keeps_output_and_covariance_bounded():
    rng, correction = np.random.default_rng(3), OutputCorrection(FEATURES, LARGEST)
    at = 0.0
    for number in range(20_000):
        at += 0.05
        phi = np.clip(4 * rng.standard_normal(FEATURES), -4, 4)
        if number % 200 == 0:
            correction.take_over(at)
        if number % 200 < 50:
            kind = number // 200 % 4
            correction.label(at, phi, (1e9, math.nan, -phi[0], phi[0])[kind])
        else:
            correction.undisturbed(at, phi)
        assert abs(correction.correction(phi)) <= LARGEST
        if number % 50:
            continue
        diagonal = np.diagonal(correction.covariance)
        assert (diagonal >= 0.999 * FLOOR / RIDGE).all() and (diagonal <= 1.0 / RIDGE).all()
    assert np.linalg.eigvalsh(correction.covariance)[0] > 0


def test_what_was_learnt_survives_a_restart_and_other_numbers_are_refused():
    rng, first = np.random.default_rng(4), OutputCorrection(FEATURES, LARGEST)
    day(first, 12, lambda phi: 0.01 * phi[0], rng)
    stored = json.loads(json.dumps(first.state()))
    second = OutputCorrection(FEATURES, LARGEST)
    second.restore(stored)
    assert second.used and second.state() == first.state()
    for name, value in (
        ("largest", 0.03),
        ("weights", [0.0]),
        ("weights", [math.nan] * FEATURES),
        ("weights", "words"),
        ("covariance", np.full((FEATURES, FEATURES), -0.01).tolist()),
        ("covariance", np.triu(np.full((FEATURES, FEATURES), 0.01)).tolist()),
        ("rows", [[9.0] * FEATURES]),
        ("labels", -1),
        ("takeovers", None),
        ("trust", {"used": 1, "weight": 0.0, "base": 0.0, "adapted": 0.0}),
        ("calm", None),
    ):
        third = OutputCorrection(FEATURES, LARGEST)
        with pytest.raises(ConfigError):
            third.restore({**stored, name: value})
        assert third.state() == OutputCorrection(FEATURES, LARGEST).state()


def test_labels_are_what_the_person_steers_after_a_takeover_and_nothing_else():
    runtime = adapted("output")
    now, base = 0, 0.01

    def frames(count: int, driver: Driver, steered: float) -> None:
        nonlocal now
        for _ in range(count):
            now += 50_000_000
            runtime.drives(driver, now)
            runtime.steered(now, steered)
            runtime.runtime.steer = base
            given = np.array([0.1, 0.0, 10.0], np.float32)
            runtime.step(Observation(now, None, given, 0.05, False), {})

    frames(100, Driver.PERSON, 0.02)  # the policy did not drive before
    assert runtime.output.labels == 0
    frames(100, Driver.POLICY, base)
    frames(40, Driver.PERSON, base + 0.004)
    assert runtime.output.takeovers == 1 and runtime.output.labels == 39
    assert math.sqrt(runtime.output._trust.base) == pytest.approx(0.004, rel=1e-3)
    frames(100, Driver.PERSON, base)  # for at most five seconds
    assert runtime.output.labels == 101
    frames(60, Driver.NONE, base)
    frames(60, Driver.PERSON, base)
    assert runtime.output.takeovers == 1


def test_a_policy_without_a_gyro_or_with_too_many_numbers_is_refused():
    with pytest.raises(ConfigError, match="yaw_rate and speed"):
        blind = Winding()
        blind.spec = dataclasses.replace(blind.spec, measurements=blind.spec.measurements[1:])
        AdaptedRuntime(blind, AdaptationConfig("gain"), VEHICLE)
    with pytest.raises(ConfigError, match="at most 256"):
        OutputCorrection(300, LARGEST)
    assert adapted("output").output.largest <= 0.1 * sharpest(VEHICLE)
