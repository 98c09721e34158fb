"""Episodes on disk and training sequences: time adds up, runs are not crossed, nothing damaged is
read."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest

from liquid_control.data.episode import Episode, EpisodeFileError, load_episode
from liquid_control.data.sequences import Augmentation, Sequences, augment, normal_numbers
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import Feature, PolicySpec

CAR = lane_keeping()
PLAIN = Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0)


def episode(frames: int, seed: int = 0, starts: tuple[int, ...] = (0,)) -> Episode:
    """An episode whose picture, IMU and target all carry the frame's number, so that alignment can
    be seen."""
    rng = np.random.default_rng(seed)
    number = np.arange(frames)
    dt = rng.uniform(0.02, 0.08, frames).astype(np.float32)
    return Episode(
        CAR,
        stamp_ns=10**18 + np.cumsum((dt * 1e9).astype(np.int64)),
        image=np.broadcast_to(
            (number % 251).astype(np.uint8)[:, None, None, None], (frames, 8, 8, 3)
        ).copy(),
        measurements=np.repeat(number[:, None], 3, 1).astype(np.float32),
        dt=dt,
        is_first=np.isin(number, starts),
        action=number[:, None].astype(np.float32),
        auxiliary=np.repeat(number[:, None], 4, 1).astype(np.float32),
    )


def test_windows_keep_all_columns_aligned_and_dt_is_the_stamps_difference_at_epoch_times():
    one = episode(200)
    batch = Sequences([one], 16, PLAIN).draw(np.random.default_rng(0), 64)
    number = batch.action[..., 0].astype(int)
    assert (np.diff(number, axis=1) == 1).all()
    assert (batch.image[..., 0, 0, 0] == number % 251).all() and (
        batch.measurements[..., 2] == number
    ).all()
    assert (batch.auxiliary[..., 3] == number).all()
    assert (
        np.allclose(batch.dt[:, 1:], one.dt[number[:, 1:]], atol=1e-6)
        and (batch.dt[:, 0] == np.float32(0.04)).all()
    )


def test_no_window_goes_across_episodes_of_which_none_says_that_it_begins():
    ones = [episode(20, seed, starts=()) for seed in range(8)]
    batch = Sequences(ones, 16, PLAIN).draw(np.random.default_rng(0), 64)
    assert (np.diff(batch.action[..., 0], axis=1) == 1).all()


def test_removed_frames_give_their_time_to_the_next_one():
    one = episode(400)
    batch = Sequences([one], 16, Augmentation(noise_share=0, shadow_share=0, drop_share=0.5)).draw(
        np.random.default_rng(1), 64
    )
    number = batch.action[..., 0].astype(int)
    gaps = np.diff(number, axis=1)
    assert gaps.min() >= 1 and gaps.max() > 2
    elapsed = (one.stamp_ns[number[:, -1]] - one.stamp_ns[number[:, 0]]) * 1e-9
    assert np.allclose(batch.dt[:, 1:].sum(1), elapsed, rtol=1e-5)


def test_windows_never_cross_episodes_or_restarts():
    second = episode(30, 2)
    parts = [
        episode(40, 1, starts=(0, 19)),
        dataclasses.replace(second, action=second.action + 100),
    ]
    sequences = Sequences(parts, 16, Augmentation(drop_share=0.4))
    number = sequences.draw(np.random.default_rng(2), 256).action[..., 0]
    run = np.digitize(number, (19, 100))
    assert len(sequences) == 70 and set(run.ravel()) == {0, 1, 2}
    assert (run == run[:, :1]).all() and (np.diff(number, axis=1) > 0).all()


def test_only_pictures_whose_colours_have_no_meaning_are_recoloured():
    """A window keeps its colours from frame to frame; the caller's pictures stay as they are."""
    colours = np.array([10, 100, 240], np.uint8)
    plain, coloured = (
        dataclasses.replace(one, image=np.broadcast_to(colours, one.image.shape).copy())
        for one in (episode(100), episode(100, seed=1))
    )
    either = itertools.product(*((value, 255 - value) for value in colours.tolist()))
    allowed, found = {tuple(sorted(colour)) for colour in either}, {}
    for name, flags in (("none", (False, False)), ("all", (True, True)), ("one", (False, True))):
        sequences = Sequences([plain, coloured], 8, PLAIN, recoloured=flags)
        image = sequences.draw(np.random.default_rng(2), 200).image
        assert (image == image[:, :1, :1, :1]).all()
        found[name] = {tuple(each) for each in image[:, 0, 0, 0].tolist()}
        assert {tuple(sorted(colour)) for colour in found[name]} <= allowed
    assert found["none"] == {tuple(colours.tolist())}
    assert len(found["all"]) > 20 and tuple(colours.tolist()) in found["one"]
    assert np.array_equal(coloured.image[0, 0, 0], colours)


def test_noise_has_the_requested_variance_and_the_source_stays_as_it_was():
    grey = dataclasses.replace(episode(64), image=np.full((64, 32, 64, 3), 128, np.uint8))
    sequences = Sequences(
        [grey], 16, Augmentation(noise_share=1.0, noise_variance=0.02, drop_share=0, shadow_share=0)
    )
    deviations = [sequences.draw(np.random.default_rng(i), 1).image.std() / 255 for i in range(40)]
    assert max(deviations) < 0.02**0.5 * 1.05 and max(deviations) > 0.1 and min(deviations) < 0.08
    assert (grey.image == 128).all()


def test_noise_reaches_every_picture_of_a_sequence_larger_than_its_supply():
    grey = np.full((30, 64, 128, 3), 128, np.uint8)
    supply = np.random.default_rng(0).standard_normal(1000, np.float32)
    for normal in (supply, normal_numbers(0)):
        noisy = grey.copy()
        augment(
            np.random.default_rng(3),
            noisy,
            Augmentation(noise_share=1.0, noise_variance=0.01, shadow_share=0),
            normal,
        )
        assert (noisy.std((1, 2, 3)) > 1).all()


def test_batches_repeat_with_the_generator():
    sequences = Sequences([episode(100)], 16, Augmentation())
    one, two = (sequences.draw(np.random.default_rng(7), 8) for _ in range(2))
    assert np.array_equal(one.image, two.image) and np.array_equal(one.dt, two.dt)


def test_episode_round_trip_and_refusal_of_damage(tmp_path):
    path = tmp_path / "one.npz"
    episode(20).save(path)
    again = load_episode(path)
    assert again.spec == CAR
    assert all(
        np.array_equal(array, episode(20).columns[name]) for name, array in again.columns.items()
    )
    assert isinstance(again.image, np.memmap) and not again.image.flags.writeable, (
        "pictures stay on disk"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["one.npz"]
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:3000])
    np.savez(tmp_path / "other.npz", stamp_ns=np.zeros(3))
    arrays = again.columns | {"spec": np.array(json.dumps(CAR.to_dict()))}
    np.savez(tmp_path / "pickled.npz", **{name: np.array([{}], dtype=object) for name in arrays})
    np.savez(tmp_path / "objects.npz", **{**arrays, "image": np.array([{}] * 20)})
    np.savez(tmp_path / "other_spec.npz", **{**arrays, "spec": np.array("{}")})
    np.savez(tmp_path / "no_json.npz", **{**arrays, "spec": np.array("{")})
    np.savez(tmp_path / "two_actions.npz", **{**arrays, "action": np.zeros((20, 2))})
    np.savez(tmp_path / "short.npz", **{**arrays, "dt": arrays["dt"][:-1]})
    np.savez_compressed(tmp_path / "compressed.npz", **arrays)
    for name in (
        "cut.npz",
        "other.npz",
        "pickled.npz",
        "objects.npz",
        "other_spec.npz",
        "no_json.npz",
        "two_actions.npz",
        "short.npz",
        "compressed.npz",
        "absent.npz",
    ):
        with pytest.raises(EpisodeFileError, match=name):
            load_episode(tmp_path / name)


def test_an_episode_without_pictures_comes_back_and_is_drawn(tmp_path):
    features = Feature("side", "m", mirror=-1), Feature("height", "m")
    spec = PolicySpec(None, features, features)
    number = np.repeat(np.arange(40.0, dtype=np.float32)[:, None], 2, 1) + 1
    one = dataclasses.replace(
        episode(40),
        spec=spec,
        image=None,
        measurements=number,
        action=np.where(number < 11, np.nan, number) * [1, -1],
        auxiliary=np.zeros((40, 0), np.float32),
    )
    one.save(tmp_path / "one.npz")
    again = load_episode(tmp_path / "one.npz")
    assert again.image is None and again.spec == spec and again.known.sum() == 30
    sequences = Sequences([again], 10, PLAIN, mirror_share=1.0)
    assert sequences.windows == 26, "from five frames before the first known one"
    batch = sequences.draw(np.random.default_rng(0), 50)
    assert batch.image is None and batch.auxiliary.shape == (50, 10, 0)
    assert (batch.measurements[..., 0] == -batch.measurements[..., 1]).all()
    known = np.isfinite(batch.action)
    assert (batch.action[known] == (batch.measurements * [1, -1])[known]).all()
    blinded = Sequences([again], 10, PLAIN, blind_share=1.0).draw(np.random.default_rng(0), 5)
    assert (blinded.measurements[..., 0] == 0).all() and (blinded.measurements[..., 1] > 0).all()
    with pytest.raises(ConfigError, match="different specs"):
        Sequences([again, episode(40)], 10, PLAIN)
