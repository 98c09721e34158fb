"""The time line against every order of stamps, and against sensors that lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import TimelineConfig
from liquid_control.errors import ConfigError
from liquid_control.perception.timeline import MEASURABLE, SAMPLES_KEPT, Timeline
from liquid_control.signals import Frame, ImuSample, Observation, Reason, Rejected, SpeedSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000  # today; float64 seconds step by 0.2 µs, float32 by 128 s
IMAGE = np.zeros((4, 6, 3), np.uint8)


def frame(stamp_ns: int) -> Frame:
    return Frame(stamp_ns, IMAGE)


def imu(stamp_ns: int, yaw_rate: float = 0.0, lateral: float = 0.0) -> ImuSample:
    return ImuSample(stamp_ns, (0.0, 0.0, yaw_rate), (0.0, lateral, 9.81))


def test_a_drive_of_irregular_frames_has_the_dt_of_its_stamps():
    timeline = Timeline()
    first, second, third = (timeline.push_frame(frame(EPOCH + ms * MS)) for ms in (0, 33, 80))
    assert (first.is_first, second.is_first, third.is_first) == (True, False, False)
    assert (first.dt, second.dt, third.dt) == (timeline.config.nominal_dt, 0.033, 0.047)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(-(2**63), 2**63 - 1), st.integers(0, 2_000).map(lambda ms: EPOCH + ms * MS)
        ),
        max_size=40,
    )
)
def test_any_stamps_give_positive_dt_that_adds_up_within_each_sequence(stamps):
    timeline = Timeline()
    start = last = None
    elapsed_ns = 0
    for stamp in stamps:
        seen = timeline.push_frame(frame(stamp))
        if isinstance(seen, Rejected):
            assert seen.reason in (Reason.DUPLICATE, Reason.OLDER) and 0 <= last - stamp <= 10**9
            assert (seen.reason is Reason.DUPLICATE) == (stamp == last)
            continue
        assert math.isfinite(seen.dt) and seen.dt > 0 and seen.stamp_ns == stamp
        if seen.is_first:
            assert last is None or stamp - last > 0.6e9 or last - stamp > 1e9
            start, elapsed_ns = stamp, 0
            assert seen.dt == timeline.config.nominal_dt
        else:
            assert seen.dt == (stamp - last) / 1e9
            elapsed_ns += round(seen.dt * 1e9)
            assert elapsed_ns == stamp - start
        last = stamp
    assert sum(timeline.rejected.values()) + (0 if last is None else 1) <= max(len(stamps), 1)


def test_duplicate_and_late_frames_are_refused_and_leave_the_sequence_alone():
    timeline = Timeline()
    timeline.push_frame(frame(EPOCH))
    timeline.push_frame(frame(EPOCH + 40 * MS))
    assert timeline.push_frame(frame(EPOCH + 40 * MS)) == Rejected(
        EPOCH + 40 * MS, Reason.DUPLICATE
    )
    assert timeline.push_frame(frame(EPOCH)) == Rejected(EPOCH, Reason.OLDER)
    assert timeline.push_frame(frame(EPOCH - 960 * MS)).reason is Reason.OLDER
    after = timeline.push_frame(frame(EPOCH + 80 * MS))
    assert after.dt == 0.04 and not after.is_first
    assert (timeline.rejected[Reason.DUPLICATE], timeline.rejected[Reason.OLDER]) == (1, 2)


@pytest.mark.parametrize("jump_ms, anew", [(600, False), (601, True), (-1001, True), (10**9, True)])
def test_a_gap_or_a_clock_reset_starts_anew(jump_ms, anew):
    timeline = Timeline()
    timeline.push_frame(frame(EPOCH))
    assert timeline.push_frame(frame(EPOCH + jump_ms * MS)).is_first is anew


def test_a_far_future_stamp_is_refused_when_the_clock_is_known():
    timeline = Timeline(TimelineConfig(max_future=0.25))
    assert isinstance(timeline.push_frame(frame(EPOCH + 250 * MS), now_ns=EPOCH), Observation)
    assert timeline.push_frame(frame(EPOCH + 251 * MS), now_ns=EPOCH).reason is Reason.FUTURE
    assert timeline.rejected[Reason.FUTURE] == 1


def test_a_far_future_stamp_costs_one_reset_when_the_clock_is_not_known():
    timeline = Timeline()
    for ms in (0, 40):
        timeline.push_frame(frame(EPOCH + ms * MS))
    timeline.push_imu(imu(EPOCH + 10**15, yaw_rate=9.0))
    timeline.push_speed(SpeedSample(EPOCH + 10**15, 9.0))
    assert timeline.push_frame(frame(EPOCH + 10**15)).is_first
    for ms, rate in ((60, 0.1), (70, 0.3)):
        assert timeline.push_imu(imu(EPOCH + ms * MS, rate)) is None
        assert timeline.push_speed(SpeedSample(EPOCH + ms * MS, 10 * rate)) is None
    back = timeline.push_frame(frame(EPOCH + 80 * MS))
    assert back.is_first and back.measurements == pytest.approx([0.2, 0.0, 3.0])
    assert timeline.push_frame(frame(EPOCH + 120 * MS)).dt == 0.04


def test_a_backward_jump_of_all_clocks_loses_no_sensor():
    """The camera has gone back by just more than the threshold, the IMU (stamped later) by just
    less."""
    timeline = Timeline()
    timeline.push_imu(imu(EPOCH, yaw_rate=1.0))
    timeline.push_frame(frame(EPOCH))
    assert timeline.push_frame(frame(EPOCH - 1001 * MS)).is_first
    assert timeline.push_imu(imu(EPOCH - 990 * MS, yaw_rate=-1.0)) is None
    assert timeline.push_frame(frame(EPOCH - 961 * MS)).measurements[0] == -1.0


def test_samples_of_an_undone_future_do_not_come_back_when_the_clock_gets_there_again():
    timeline = Timeline()
    for ms, rate in ((0, 9.0), (-2000, 1.0), (-10, 1.0)):
        timeline.push_imu(imu(EPOCH + ms * MS, rate))
    assert timeline.push_frame(frame(EPOCH + 20 * MS)).measurements[0] == 1.0


def test_inertial_features_average_the_samples_between_two_frames_and_never_the_future():
    timeline = Timeline()
    timeline.push_frame(frame(EPOCH))
    for ms, rate in ((0, 40.0), (10, 1.0), (20, 2.0), (40, 6.0), (41, 50.0)):
        timeline.push_imu(imu(EPOCH + ms * MS, rate, 2 * rate))
    assert timeline.push_frame(frame(EPOCH + 40 * MS)).measurements == pytest.approx(
        [3.0, 6.0, 10.0]
    )  # 10 m/s: the assumed speed


def test_without_a_sample_since_the_last_frame_the_latest_within_the_window_serves_then_zero():
    timeline = Timeline(TimelineConfig(imu_window=0.1))
    timeline.push_imu(imu(EPOCH, 1.5, -2.0))
    for ms, expected in ((0, 1.5), (50, 1.5), (100, 1.5), (101, 0.0)):
        assert timeline.push_frame(frame(EPOCH + ms * MS)).measurements[0] == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 500), st.floats(-10, 10)), max_size=60))
def test_inertial_features_equal_their_definition(events):
    """Any interleaving of frames and samples: compare with the definition, written out over the
    whole history."""
    timeline, samples, last = Timeline(TimelineConfig(imu_window=0.1)), [], None
    for is_frame, ms, rate in events:
        stamp = EPOCH + ms * MS
        if not is_frame:
            if timeline.push_imu(imu(stamp, rate)) is None:
                samples.append((stamp, rate))
            continue
        seen = timeline.push_frame(frame(stamp))
        if isinstance(seen, Rejected):
            continue
        window = [sample for sample in samples if stamp - 100 * MS <= sample[0] <= stamp]
        recent = [sample for sample in window if last is None or sample[0] > last]
        recent = recent or [sample for sample in window if sample[0] == window[-1][0]]
        expected = sum(sample[1] for sample in recent) / len(recent) if recent else 0.0
        assert seen.measurements[0] == pytest.approx(expected, abs=1e-5)
        last = stamp


def test_speed_is_the_latest_that_is_neither_newer_than_the_frame_nor_older_than_a_second():
    timeline = Timeline(TimelineConfig(assumed_speed=7.0, max_gap=10.0))
    for ms, speed in ((0, 3.0), (30, 4.0), (60, 5.0)):
        assert timeline.push_speed(SpeedSample(EPOCH + ms * MS, speed)) is None
    assert timeline.push_frame(frame(EPOCH + 40 * MS)).measurements[2] == 4.0
    assert timeline.push_frame(frame(EPOCH + 1060 * MS)).measurements[2] == 5.0
    assert timeline.push_frame(frame(EPOCH + 1061 * MS)).measurements[2] == 7.0


BAD_NUMBERS = (math.nan, math.inf, -math.inf, 1e9, None, "fast", 10**400)


@pytest.mark.parametrize("bad", BAD_NUMBERS)
@pytest.mark.parametrize("axis", range(3))
def test_impossible_inertial_samples_are_counted_and_dropped(bad, axis):
    timeline = Timeline()
    values = [0.0, 0.0, 0.0]
    values[axis] = bad
    malformed = Rejected(EPOCH, Reason.MALFORMED)
    assert timeline.push_imu(ImuSample(EPOCH, tuple(values), (0.0, 0.0, 9.81))) == malformed
    assert timeline.push_imu(ImuSample(EPOCH, (0.0, 0.0, 0.0), tuple(values))) == malformed
    assert timeline.push_speed(SpeedSample(EPOCH, bad)) == malformed
    assert timeline.measurements_rejected == 3
    assert np.array_equal(
        timeline.push_frame(frame(EPOCH)).measurements, np.float32([0.0, 0.0, 10.0])
    )


def test_samples_in_batches_of_one_stamp_are_all_used_and_a_repeated_message_is_not():
    """Ten samples have the stamp of their batch, every 50 ms; frames come between."""
    rng, timeline = np.random.default_rng(0), Timeline()
    batches = [rng.normal(size=(10, 2)) for _ in range(8)]
    for number, batch in enumerate(batches):
        stamp = EPOCH + 50 * number * MS
        for rate, acceleration in batch:
            one = ImuSample(stamp, (0.0, 0.0, rate), (0.0, acceleration, 9.81))
            assert timeline.push_imu(one) is None
            assert timeline.push_imu(one) == Rejected(stamp, Reason.DUPLICATE)
        for at in (stamp + 10 * MS, stamp + 35 * MS):  # of the second the batch lies before
            measured = timeline.push_frame(frame(at)).measurements
            assert measured[:2] == pytest.approx(batch.mean(0), rel=1e-6)
    assert timeline.measurements_rejected == 80
    late = Timeline()
    for number, batch in enumerate(batches[:4]):
        for rate, acceleration in batch:
            sample = ImuSample(EPOCH + 50 * number * MS, (0, 0, rate), (0, acceleration, 9.81))
            late.push_imu(sample)
    late.push_frame(frame(EPOCH + MS))
    measured = late.push_frame(frame(EPOCH + 160 * MS)).measurements
    assert measured[:2] == pytest.approx(np.concatenate(batches[1:4]).mean(0), rel=1e-6)


@pytest.mark.parametrize(
    "stamp, reason",
    [(EPOCH, Reason.DUPLICATE), (EPOCH - 1, Reason.OLDER), (EPOCH - 10**9, Reason.OLDER)]
    + [(bad, Reason.MALFORMED) for bad in (1.5, None, True, 2**63)],
)
def test_inertial_samples_that_do_not_go_forward_are_counted_and_dropped(stamp, reason):
    timeline = Timeline()
    timeline.push_imu(imu(EPOCH))
    timeline.push_speed(SpeedSample(EPOCH, 1.0))
    rejected = Rejected(0 if reason is Reason.MALFORMED else stamp, reason)
    assert timeline.push_imu(imu(stamp)) == rejected
    assert timeline.push_speed(SpeedSample(stamp, 1.0)) == rejected
    assert timeline.measurements_rejected == 2


@pytest.mark.parametrize(
    "axes",
    [
        ((0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.0,) * 4, (0.0,) * 3),
        (None, (0.0,) * 3),
        (1.0, (0.0,) * 3),
    ],
)
def test_inertial_samples_without_three_axes_are_dropped(axes):
    assert Timeline().push_imu(ImuSample(EPOCH, *axes)) == Rejected(EPOCH, Reason.MALFORMED)


BAD_IMAGES = (
    None,
    "picture",
    [[0]],
    np.zeros((4, 6, 3)),
    np.zeros((4, 6), np.uint8),
    np.zeros((4, 6, 4), np.uint8),
    np.zeros((0, 6, 3), np.uint8),
    np.zeros((4, 0, 3), np.uint8),
    np.zeros((1, 4, 6, 3), np.uint8),
)


@pytest.mark.parametrize("image", BAD_IMAGES, ids=lambda image: str(getattr(image, "shape", image)))
def test_malformed_pictures_are_refused(image):
    timeline = Timeline()
    assert timeline.push_frame(Frame(EPOCH, image)) == Rejected(EPOCH, Reason.MALFORMED)
    assert timeline.rejected[Reason.MALFORMED] == 1
    assert timeline.push_frame(frame(EPOCH)).is_first


@pytest.mark.parametrize("stamp", [None, 1.0, math.nan, "0", True, 2**63, -(2**63) - 1, 10**400])
def test_stamps_that_are_not_whole_nanoseconds_are_refused(stamp):
    assert Timeline().push_frame(Frame(stamp, IMAGE)) == Rejected(0, Reason.MALFORMED)


def test_numpy_stamps_are_stamps():
    timeline = Timeline()
    timeline.push_imu(imu(np.int64(EPOCH)))
    assert (
        type(timeline.push_frame(frame(np.int64(EPOCH))).stamp_ns) is int
        and timeline.measurements_rejected == 0
    )


def test_memory_is_bounded_when_no_frame_ever_comes():
    timeline = Timeline()
    for index in range(SAMPLES_KEPT + 1000):
        timeline.push_imu(imu(EPOCH + index * 100_000, yaw_rate=1.0))  # 10 kHz
        timeline.push_speed(SpeedSample(EPOCH + index * 100_000, 2.0))
    assert len(timeline._gyro) == len(timeline._speed) == SAMPLES_KEPT
    assert timeline.push_frame(
        frame(EPOCH + (SAMPLES_KEPT + 999) * 100_000)
    ).measurements == pytest.approx([1.0, 0.0, 2.0])


def test_reset_forgets_the_sequence_but_not_the_counts():
    timeline = Timeline()
    timeline.push_imu(imu(EPOCH, yaw_rate=1.0))
    timeline.push_frame(frame(EPOCH))
    timeline.push_frame(frame(EPOCH))
    timeline.reset()
    again = timeline.push_frame(frame(EPOCH))
    assert (
        again.is_first and again.measurements[0] == 0.0 and timeline.rejected[Reason.DUPLICATE] == 1
    )


def test_an_observation_has_the_measurements_that_were_named_in_that_order():
    every, two, none = (Timeline(None, names) for names in (MEASURABLE, ("speed", "yaw_rate"), ()))
    for timeline in (every, two, none):
        timeline.push_imu(imu(EPOCH - MS, 0.3))
        timeline.push_speed(SpeedSample(EPOCH - MS, 6.0))
    assert every.push_frame(frame(EPOCH)).measurements[[2, 0]] == pytest.approx([6.0, 0.3])
    assert two.push_frame(frame(EPOCH)).measurements == pytest.approx([6.0, 0.3])
    assert none.push_frame(frame(EPOCH)).measurements.shape == (0,)
    with pytest.raises(ConfigError, match="altitude"):
        Timeline(None, ("speed", "altitude"))
