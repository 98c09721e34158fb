"""Saliency and its similarity against numbers worked out by hand or another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.saliency import VisualBackProp, enlarge, propagate_back, scaled
from liquid_control.errors import ModelFileError, ShapeError
from liquid_control.evaluate.insight.gradient import gradient_saliency
from liquid_control.evaluate.insight.similarity import C1, C2, WINDOW, structural_similarity
from liquid_control.model.car import lane_keeping
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.report.heat_overlay import lay_over


def test_a_tiny_network_by_hand():
    """Two 1x1 convolutions of stride 1 and 2 on a picture of four pixels: every number can be
    followed."""
    first, second = (
        np.array([[[[1.0]]], [[[-1.0]]]], np.float32).repeat(3, axis=1),
        np.array([[[[2.0]], [[0.0]]]], np.float32),
    )
    seer = VisualBackProp(
        [(first, np.zeros(2, np.float32)), (second, np.array([1.0], np.float32))], [(1, 1), (1, 2)]
    )
    image = np.array([[0, 0, 200, 200]], np.uint8)[..., None].repeat(3, axis=2)
    # standardised: -1 -1 1 1, three channels alike; first maps: relu(±3 x) = 0 0 3 3 and 3 3 0 0;
    # second: 2 * the first map's 0 and 3, + 1
    maps = seer.maps(image)
    assert maps[0][0].tolist() == [[0, 3], [0, 3], [3, 0], [3, 0]] and maps[1][0].tolist() == [
        [1],
        [7],
    ]
    # the means are 1.5 everywhere and 1 7; 1 7 at places 0 and 2 is 1 4 7 7 in between, times 1.5
    back = propagate_back([layer.mean(axis=2) for layer in maps], [(1, 1), (1, 2)], (1, 4))
    np.testing.assert_allclose(back, [[1.5, 6.0, 10.5, 10.5]])
    np.testing.assert_allclose(seer.saliency(image), [[0.0, 0.5, 1.0, 1.0]], atol=1e-6)


def test_enlarging_keeps_what_a_kernel_saw_in_its_place():
    spot = np.zeros((4, 8), np.float32)
    spot[2, 5] = 1.0
    row, column = np.unravel_index(np.argmax(enlarge(spot, (2, 2), (8, 16))), (8, 16))
    assert (row, column) == (4, 10)
    assert not scaled(np.full((3, 3), 5.0)).any()


@pytest.mark.parametrize("encoder", ["slim", "strided", "published"])
def test_maps_are_those_of_the_encoder(tmp_path, encoder):
    preprocess = PreprocessConfig(height=31, width=50)  # odd sizes: the strides round up
    torch.manual_seed(1)
    features = 32 if encoder == "published" else 29
    net = PolicyNetwork(
        PolicyConfig(encoder=encoder, image_features=features), lane_keeping(preprocess)
    )
    save_model(tmp_path, net, {}, {})
    image = np.random.default_rng(7).integers(0, 256, (31, 50, 3), dtype=np.uint8)
    theirs = []
    for layer in net.encoder.convolutions:
        if isinstance(layer, torch.nn.ReLU):
            layer.register_forward_hook(
                lambda _, __, out: theirs.append(out[0].permute(1, 2, 0).detach().numpy())
            )
    net.encoder(torch.tensor(image[None]))
    ours = VisualBackProp.load(tmp_path).maps(image)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_a_damaged_model_is_refused(network, tmp_path):
    save_model(tmp_path, network(), {}, {})
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(ModelFileError):
        VisualBackProp.load(tmp_path)


def test_the_gradient_is_the_slope_of_the_answer(network, driven):
    net = network("feedforward", scale=10.0)
    trace = driven(net)
    found = gradient_saliency(net, trace, np.array([5]))[0]
    row, column = np.unravel_index(np.argmax(found), found.shape)
    slopes = []
    for channel in range(3):
        answers = []
        for sign in (1.0, -1.0):
            image = torch.tensor(trace.image[5:6], dtype=torch.float32)
            image[0, row, column, channel] += sign
            rest = (
                torch.tensor(part[5:6], dtype=torch.float32)
                for part in (trace.measurements, trace.dt, trace.before)
            )
            with torch.no_grad():
                answers.append(float(net(image, *rest)[0]))
        slopes.append(abs(answers[0] - answers[1]) / 2)
    assert max(slopes) == pytest.approx(float(found[row, column]), rel=0.05)


def test_the_overlay_glows_where_the_policy_sees_and_leaves_the_rest_grey():
    picture = np.full((40, 80, 3), (120, 60, 200), np.uint8)
    painted = lay_over(picture, np.ones((32, 64)), PreprocessConfig(crop_top=0.5), 80)
    assert (painted[:20] == painted[:20, :, :1]).all()
    assert (painted[20:].max(axis=2) > painted[20:].min(axis=2)).all()


def test_ssim_of_known_pictures():
    rng = np.random.default_rng(2)
    noise = rng.uniform(0, 255, (32, 64))
    assert structural_similarity(noise, noise) == pytest.approx(1.0)
    flat, other = np.full((32, 64), 100.0), np.full((32, 64), 150.0)
    assert structural_similarity(flat, other) == pytest.approx(
        (2 * 100 * 150 + C1) / (100**2 + 150**2 + C1)
    )
    assert structural_similarity(noise, 255 - noise) < -0.5
    assert structural_similarity(noise, rng.uniform(0, 255, (32, 64))) == pytest.approx(
        0.0, abs=0.2
    )


def test_ssim_of_one_window_from_its_definition():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 255, (2, WINDOW, WINDOW))
    along = np.exp(-0.5 * (np.arange(WINDOW) - 5) ** 2 / 1.5**2)
    weight = np.outer(along, along) / along.sum() ** 2
    mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
    var_x, var_y, cov = (
        (weight * (a - p) * (b - q)).sum()
        for a, p, b, q in ((x, mean_x, x, mean_x), (y, mean_y, y, mean_y), (x, mean_x, y, mean_y))
    )
    expected = (
        (2 * mean_x * mean_y + C1)
        * (2 * cov + C2)
        / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    )
    assert structural_similarity(x, y) == pytest.approx(expected)


def test_ssim_refuses_pictures_of_two_sizes():
    with pytest.raises(ShapeError):
        structural_similarity(np.zeros((4, 4)), np.zeros((4, 5)))
