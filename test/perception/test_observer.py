"""The observer: one order of preprocessing, repeated pictures and time line, for any sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.errors import ImageError
from liquid_control.perception.observer import (
    MOST_REPEATS,
    MOVING_SPEED,
    Observer,
    prepare,
    preprocess,
)
from liquid_control.perception.timeline import Timeline
from liquid_control.signals import (
    Action,
    Frame,
    ImuSample,
    Observation,
    Reason,
    Rejected,
    SpeedSample,
    SteeringSample,
)

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
SMALL = PreprocessConfig(height=8, width=8, crop_top=0.25)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 24, 16, 3), np.uint8)
"""Of the camera's size."""


def frame(ms: int, picture: int = 0) -> Frame:
    return Frame(EPOCH + ms * MS, PICTURES[picture])


def imu(ms: int, yaw_rate: float = 0.0) -> ImuSample:
    return ImuSample(EPOCH + ms * MS, (0.0, 0.0, yaw_rate), (0.0, 0.0, 9.81))


def speed(ms: int, value: float) -> SpeedSample:
    return SpeedSample(EPOCH + ms * MS, value)


def equal(one: Observation | Rejected | None, other: Observation | Rejected | None) -> bool:
    """Bit for bit."""
    if not isinstance(one, Observation) or not isinstance(other, Observation):
        return one == other
    return (
        (one.stamp_ns, one.dt, one.is_first) == (other.stamp_ns, other.dt, other.is_first)
        and np.array_equal(one.image, other.image)
        and np.array_equal(one.measurements, other.measurements)
    )


def test_a_frame_gives_the_preprocessed_picture_with_the_motion_since_the_last_one():
    observer = Observer(SMALL)
    assert observer.push(speed(0, 6.0)) is None and observer.latest_speed == 6.0
    first = observer.push(frame(0))
    assert observer.push(imu(20, 0.3)) is None
    second = observer.push(frame(47, 1))
    assert (first.is_first, second.is_first, second.dt) == (True, False, 0.047)
    assert np.array_equal(second.image, preprocess(PICTURES[1], SMALL))
    assert second.measurements == pytest.approx([0.3, 0.0, 6.0])


@pytest.mark.parametrize(
    "other", [SteeringSample(EPOCH, 0.1, 8.0), Action(EPOCH, 0.01, 8.0), None, "frame", 3]
)
def test_other_samples_are_ignored(other):
    observer = Observer(SMALL)
    assert observer.push(other) is None
    assert not any(observer.rejected.values()) and observer.measurements_rejected == 0


def test_measurements_that_are_dropped_are_rejected_and_counted_apart_from_frames():
    observer = Observer(SMALL)
    observer.push(imu(0))
    assert observer.push(imu(0)) == Rejected(EPOCH, Reason.DUPLICATE)
    assert observer.push(speed(0, np.nan)) == Rejected(EPOCH, Reason.MALFORMED)
    assert observer.measurements_rejected == 2 and not any(observer.rejected.values())


@pytest.mark.parametrize("moving, refused", [(8.0, 7), (-8.0, 7), (MOVING_SPEED, 0), (None, 0)])
def test_a_repeated_picture_is_refused_only_while_the_vehicle_moves(moving, refused):
    observer = Observer(SMALL)
    outcomes = []
    for index in range(10):
        if moving is not None:
            observer.push(speed(40 * index, moving))
        outcomes.append(observer.push(frame(40 * index)))
    used = [isinstance(outcome, Observation) for outcome in outcomes]
    assert used == [index <= MOST_REPEATS or not refused for index in range(10)]
    assert observer.rejected[Reason.REPEATED] == refused == sum(not each for each in used)
    assert isinstance(observer.push(frame(400, 1)), Observation), "the first new picture is used"


def test_pictures_count_as_equal_by_what_the_policy_sees_of_them():
    observer = Observer(SMALL)
    observer.push(speed(0, 8.0))
    picture = PICTURES[0].copy()
    for index in range(6):
        picture[0] = index  # cut off by the crop
        observer.push(Frame(EPOCH + 40 * index * MS, picture.copy()))
    assert observer.rejected[Reason.REPEATED] == 3


def test_a_repeated_picture_is_recognised_before_its_stamp_is_judged():
    observer = Observer(SMALL)
    observer.push(speed(0, 8.0))
    outcomes = [observer.push(frame(0)) for _ in range(5)]
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [
        None,
        Reason.DUPLICATE,
        Reason.DUPLICATE,
        Reason.REPEATED,
        Reason.REPEATED,
    ]
    assert observer.rejected == {
        Reason.DUPLICATE: 2,
        Reason.OLDER: 0,
        Reason.FUTURE: 0,
        Reason.MALFORMED: 0,
        Reason.REPEATED: 2,
    }


def test_a_malformed_picture_ends_a_run_of_repeated_ones():
    observer = Observer(SMALL)
    observer.push(speed(0, 8.0))
    for ms, image in enumerate([PICTURES[0]] * 3 + [None] + [PICTURES[0]] * 3):
        observer.push(Frame(EPOCH + 40 * ms * MS, image))
    assert observer.rejected[Reason.REPEATED] == 0 and observer.rejected[Reason.MALFORMED] == 1


@pytest.mark.parametrize(
    "image, problem",
    [
        (PICTURES[0, :3], "size"),
        (PICTURES[0].astype(float), "type"),
        (PICTURES[0, :, :, 0], "shape"),
    ],
)
def test_a_picture_that_cannot_be_preprocessed_is_malformed_and_says_why(image, problem):
    for make in (lambda bad: bad, lambda bad: prepare(bad, SMALL)):
        observer = Observer(SMALL)
        assert observer.image_error is None
        assert observer.push(make(Frame(EPOCH, image))) == Rejected(EPOCH, Reason.MALFORMED)
        assert observer.push(frame(40)).is_first
        assert isinstance(observer.image_error, ImageError)
        assert observer.image_error.problem.startswith(problem)


def test_the_receivers_clock_refuses_the_far_future_and_reset_forgets_all_but_the_counts():
    observer = Observer(SMALL, TimelineConfig(max_future=0.25))
    assert observer.push(frame(251), EPOCH).reason is Reason.FUTURE
    observer.push(speed(0, 8.0))
    for ms in range(0, 120, 40):
        observer.push(frame(ms), EPOCH)
    observer.reset()
    again = observer.push(frame(80))
    assert again.is_first and again.measurements[2] == 10.0 and observer.latest_speed is None
    assert observer.rejected[Reason.FUTURE] == 1


SAMPLES = st.lists(
    st.one_of(
        st.builds(frame, st.integers(-1200, 1500), st.integers(0, 2)),
        st.builds(lambda ms: Frame(EPOCH + ms * MS, None), st.integers(0, 1500)),
        st.builds(imu, st.integers(-1200, 1500), st.floats(-1, 1)),
        st.builds(speed, st.integers(-1200, 1500), st.sampled_from([0.0, 1.0, 1.1, 9.0, np.nan])),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(SAMPLES, st.one_of(st.none(), st.integers(0, 1500).map(lambda ms: EPOCH + ms * MS)))
def test_any_history_gives_what_the_order_says_and_every_frame_is_counted_once(samples, now_ns):
    """Against the three steps written out; frames that other threads prepared give the same."""
    observer, ahead, timeline = Observer(SMALL), Observer(SMALL), Timeline()
    last, run, frames, used = None, 0, 0, 0
    for sample in samples:
        outcome = observer.push(sample, now_ns)
        is_frame = isinstance(sample, Frame)
        early = ahead.push(prepare(sample, SMALL) if is_frame else sample, now_ns)
        assert equal(outcome, early)
        if not is_frame:
            push = timeline.push_imu if isinstance(sample, ImuSample) else timeline.push_speed
            assert outcome == push(sample)
            continue
        image = None if sample.image is None else preprocess(sample.image, SMALL)
        same = image is not None and last is not None and np.array_equal(image, last)
        last, run = image, run + 1 if same else 0
        if run >= 3 and abs(timeline.latest_speed or 0.0) > 1.0:
            expected = Rejected(sample.stamp_ns, Reason.REPEATED)
        else:
            expected = timeline.push_frame(Frame(sample.stamp_ns, image), now_ns)
        assert equal(outcome, expected)
        frames, used = frames + 1, used + isinstance(outcome, Observation)
    assert sum(observer.rejected.values()) == frames - used
    assert observer.rejected == ahead.rejected
    assert observer.measurements_rejected == timeline.measurements_rejected
