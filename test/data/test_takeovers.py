"""What each frame of a drive with takeovers teaches, and how often training begins there."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.data.takeovers import (
    TakeoverWeights,
    frame_weights,
    lost_at_handovers,
    near_targets,
    only_by,
    without_worthless,
)
from liquid_control.errors import ShapeError
from liquid_control.model.car import lane_keeping
from liquid_control.recordings.drivers import Driver, Drivers

S = 1_000_000_000
SETTINGS = TakeoverWeights(
    before=2.0, before_weight=0.0, correction=3.0, correction_weight=5.0, rehearsal_weight=0.25
)
STAMPS = np.arange(0, 20 * S, S // 10)
DRIVERS = Drivers.of(
    [
        (0, Driver.PERSON),
        (2 * S, Driver.POLICY),
        (8 * S, Driver.PERSON),  # a takeover
        (12 * S, Driver.POLICY),
        (13 * S, Driver.PERSON),  # a takeover after one second
        (14 * S, Driver.POLICY),
        (16 * S, Driver.GATE),
        (17 * S, Driver.PERSON),  # after the gate had braked
    ]
)


def episode(stamps: np.ndarray = STAMPS) -> Episode:
    count, spec = len(stamps), lane_keeping(PreprocessConfig(height=16, width=32))
    first = np.zeros(count, bool)
    first[0] = True
    return Episode(
        spec,
        stamps,
        np.zeros((count, 16, 32, 3), np.uint8),
        np.zeros((count, len(spec.measurements)), np.float32),
        np.full(count, 0.1, np.float32),
        first,
        np.ones((count, 1), np.float32),
        np.zeros((count, len(spec.auxiliary)), np.float32),
    )


def test_weights_by_who_drove_and_where_takeovers_began():
    found = frame_weights(STAMPS, DRIVERS, SETTINGS)
    weight = dict(zip((STAMPS / S).round(1).tolist(), found, strict=True))
    expected = [
        (0.0, 2.0, 1.0),  # a person
        (2.0, 6.0, 0.25),  # the policy, undisturbed
        (6.0, 8.0, 0.0),  # before the takeover
        (8.0, 11.0, 5.0),  # the correction
        (11.0, 12.0, 1.0),
        (12.0, 13.0, 0.0),
        (13.0, 14.0, 5.0),  # a short one, of which all is a correction
        (14.0, 15.0, 0.25),
        (15.0, 16.0, 0.0),  # before the takeover at 17 s
        (16.0, 17.0, 0.0),  # the gate
        (17.0, 20.0, 5.0),
    ]
    for low, high, value in expected:
        inside = {weight[at] for at in weight if low <= at < high}
        assert inside == {value}, (low, high)


def test_a_recording_that_does_not_say_who_drove_is_a_person_s():
    assert set(frame_weights(STAMPS, None, SETTINGS)) == {1.0}
    assert only_by(episode(), None, Driver.PERSON).known.all()


def test_a_frame_of_no_weight_has_no_target_and_stays():
    weight = frame_weights(STAMPS, DRIVERS, SETTINGS)
    taught = without_worthless(episode(), weight)
    assert taught.known.tolist() == (weight > 0).tolist()
    assert len(taught) == len(STAMPS) and taught.is_first.sum() == 1
    assert episode().known.all(), "the episode itself is not changed"
    by_policy = only_by(episode(), DRIVERS, Driver.POLICY)
    assert by_policy.known.tolist() == (DRIVERS.at(STAMPS) == Driver.POLICY).tolist()


@pytest.mark.parametrize("shift", [0, 1, S // 20, S // 10 - 1])
def test_a_handover_loses_no_frame(shift):
    """Wherever between two frames the takeover is."""
    drivers = Drivers(DRIVERS.stamp_ns + shift, DRIVERS.driver)
    weight = frame_weights(STAMPS, drivers, SETTINGS)
    taught = without_worthless(episode(), weight)
    assert lost_at_handovers(taught, drivers) == [0, 0, 0]
    for takeover in drivers.takeovers:
        first = np.searchsorted(STAMPS, takeover)
        assert weight[first] == 5.0 and weight[first - 1] == 0.0


def test_frames_without_a_target_after_a_handover_are_counted():
    lacking = episode()
    lacking.action[80:83] = np.nan
    assert lost_at_handovers(lacking, DRIVERS) == [3, 0, 0]


def test_a_window_begins_as_often_as_its_frames_weigh_in_the_mean():
    length, weight = 8, frame_weights(STAMPS, DRIVERS, SETTINGS)
    plain = Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0)
    taught = without_worthless(episode(), weight)
    sequences = Sequences([taught], length, plain, weights=[weight])
    rng = np.random.default_rng(0)
    starts = np.concatenate([sequences._drawn(rng, 1000) for _ in range(200)])
    counts = np.bincount(starts, minlength=len(STAMPS)) / len(starts)
    mean = np.array([weight[i : i + length].sum() for i in range(len(STAMPS))])
    known = np.array([taught.known[i : i + length].sum() for i in range(len(STAMPS))])
    mean[(known * 2 < length) | (np.arange(len(STAMPS)) > len(STAMPS) - length)] = 0.0
    np.testing.assert_allclose(counts, mean / mean.sum(), atol=1.5e-3)
    assert counts[80 - length // 2] > 0, "some windows reach into the correction from before it"


def test_a_weight_for_all_frames_draws_as_before():
    plain = Augmentation()
    ones = Sequences([episode(), episode()], 8, plain, weights=[1.0, 3.0])
    rows = Sequences([episode(), episode()], 8, plain, weights=[np.full(200, 1.0), np.full(200, 3)])
    first, second = (one._drawn(np.random.default_rng(1), 500) for one in (ones, rows))
    assert (first == second).mean() > 0.9
    with pytest.raises(ShapeError):
        Sequences([episode()], 8, plain, weights=[np.ones(7)])


def test_undisturbed_driving_is_rehearsed_from_a_person_s_recordings_where_there_are_some():
    follows, given = TakeoverWeights(), TakeoverWeights(rehearsal_weight=0.5)
    assert follows.with_rehearsal(by_person=True).rehearsal_weight == 0.0
    assert follows.with_rehearsal(by_person=False).rehearsal_weight == 0.25
    assert given.with_rehearsal(by_person=True) is given
    with pytest.raises(ValueError, match="follows the recordings"):
        frame_weights(STAMPS, DRIVERS, follows)


def test_frames_far_from_any_target_are_left_out_and_no_window_is():
    length, margin = 8, 14
    weight = frame_weights(STAMPS, DRIVERS, TakeoverWeights(correction=1.0, rehearsal_weight=0.0))
    whole = without_worthless(episode(), weight)
    cut, kept = near_targets(whole, margin)
    known = np.flatnonzero(whole.known)
    distance = np.abs(np.arange(len(whole))[:, None] - known).min(axis=1)
    assert kept.tolist() == (distance <= margin).tolist() and not kept.all()
    assert len(cut) == kept.sum() and cut.known.sum() == whole.known.sum()
    begins = cut.stamp_ns[cut.is_first].tolist()
    behind = [STAMPS[0], *STAMPS[1:][kept[1:] & ~kept[:-1]]]
    assert begins == behind and len(begins) > 1
    plain = Augmentation(drop_share=0.4)
    of_whole, of_cut = (Sequences([one], length, plain) for one in (whole, cut))
    assert of_whole.windows == of_cut.windows > 0
    drawn = [one.draw(np.random.default_rng(5), 64) for one in (of_whole, of_cut)]
    np.testing.assert_array_equal(drawn[0].dt, drawn[1].dt)
    np.testing.assert_array_equal(drawn[0].action, drawn[1].action)
    assert near_targets(episode(), margin)[0].is_first.sum() == 1, "all frames have a target"
    nothing, none = near_targets(without_worthless(episode(), 0.0 * weight), margin)
    assert not len(nothing) and not none.any()
