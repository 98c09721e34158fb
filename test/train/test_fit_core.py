"""Training the core on frozen features of real drives: it helps, only core and scales change, and
the features are the encoder's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Augmentation, normal_numbers
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.collect import CollectionSettings, collect_expert
from liquid_control.train.fit import FitSettings
from liquid_control.train.fit_core import CoreFitSettings, _enough, encode, fit_core

SIZE = PreprocessConfig(height=32, width=64)
PLAIN, NOISY = (
    Augmentation(noise_share=0.0, shadow_share=0.0),
    Augmentation(noise_share=1.0, noise_variance=0.3),
)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drives")
    collect_expert(
        CollectionSettings(
            folder,
            roads=4,
            seed=3,
            world=WorldConfig(length=100.0, trees=5),
            preprocess=SIZE,
            workers=1,
        )
    )
    return [load_episode(path) for path in sorted(folder.glob("*.npz"))]


def network(core: str = "ltc") -> PolicyNetwork:
    torch.manual_seed(0)
    return PolicyNetwork(PolicyConfig(encoder="slim", core=CORES[core]()), lane_keeping(SIZE))


def run(
    episodes, core: str = "ltc", steps: int = 60, augmentation: Augmentation = NOISY
) -> tuple[PolicyNetwork, list[float]]:
    trained = network(core)
    rng, settings = np.random.default_rng(0), CoreFitSettings(steps, 24, 2)
    found = list(fit_core(trained, episodes, augmentation, rng, FitSettings(batch=8), settings))
    assert [step for step, _ in found] == list(range(1, steps + 1))
    return trained, [losses["core"] for _, losses in found]


@pytest.mark.parametrize("core", ["ltc", "cfc", "lstm"])
def test_it_learns_and_only_core_and_scales_move(episodes, core):
    trained, losses = run(episodes, core)
    assert len(losses) == 60 and np.mean(losses[-15:]) < 0.7 * np.mean(losses[:5])
    before = dict(network(core).named_parameters())
    moved = {
        name for name, value in trained.named_parameters() if not torch.equal(value, before[name])
    }
    assert moved and not any(name.startswith(("encoder", "auxiliary")) for name in moved)
    assert {"input_scale", "output_scale"} <= moved


def test_the_same_generator_gives_the_same_weights(episodes):
    (one, _), (two, _) = run(episodes, steps=5), run(episodes, steps=5)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_no_steps_change_nothing(episodes):
    trained, losses = run(episodes, steps=0)
    assert not losses and all(
        torch.equal(a, b) for a, b in zip(trained.parameters(), network().parameters(), strict=True)
    )


def test_of_many_drives_as_many_are_drawn_as_it_takes(episodes):
    rng, frames = np.random.default_rng(0), [len(episode) for episode in episodes]
    untouched = rng.bit_generator.state
    assert _enough(episodes, sum(frames), rng) is episodes and rng.bit_generator.state == untouched
    for most in (1, frames[0] + 1, sum(frames) - 1):
        drawn = _enough(episodes, most, rng)
        reached = [len(episode) for episode in drawn]
        assert sum(reached[:-1]) < most <= sum(reached) and len(
            {id(episode) for episode in drawn}
        ) == len(drawn)
    firsts = {id(_enough(episodes, 1, rng)[0]) for _ in range(50)}
    assert len(firsts) == len(episodes)


def test_features_are_the_encoders_and_noise_shows_in_them(episodes):
    policy, episode, normal = network(), episodes[0], normal_numbers(0)
    with torch.no_grad():
        wanted = policy.encoder(torch.from_numpy(np.array(episode.image))).numpy()
    plain = encode(policy, episode, PLAIN, 24, np.random.default_rng(0), normal)
    assert np.allclose(plain.image, wanted, atol=1e-5) and plain.image.shape == (len(episode), 29)
    kept = episode.image.copy()
    noisy = encode(policy, episode, NOISY, 24, np.random.default_rng(0), normal)
    assert np.abs(noisy.image - wanted).mean() > 0.02 and np.array_equal(episode.image, kept)
