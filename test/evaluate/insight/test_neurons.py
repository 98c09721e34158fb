"""The neurons' figures against numbers worked out by hand or another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.evaluate.insight import activity
from liquid_control.evaluate.insight.time_constants import time_constants


def test_a_line_has_one_component():
    t = np.linspace(-1, 1, 50)
    found = activity.principal_components(np.stack([3 * t, 4 * t, 0 * t], axis=1))
    assert found.shares == pytest.approx([1, 0, 0], abs=1e-12)
    assert np.abs(found.projected[:, 0]) == pytest.approx(5 * np.abs(t))
    equal = activity.principal_components(np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))
    assert equal.shares == pytest.approx([0.5, 0.5])
    assert not activity.principal_components(np.ones((5, 3))).shares.any()


def test_steps_into_a_new_drive_do_not_count():
    states = np.array([[0.0, 1.0], [0.5, 1.0], [9.0, 1.0], [9.1, 0.8]])
    assert activity.largest_steps(states, np.array([True, False, True, False])) == pytest.approx(
        [0.5, 0.2]
    )


def test_who_follows_which_curve():
    curvature = np.array([0, 0.01, 0.02, 0.01, 0, -0.01, -0.02, -0.01, 0] * 3)
    left, right = np.maximum(curvature, 0), np.maximum(-curvature, 0)
    states = np.stack(
        [curvature, -left, right, np.abs(curvature), np.zeros_like(curvature)], axis=1
    )
    found = activity.followed_curves(states, curvature)
    assert [row["follows"] for row in found] == [
        "both, by sign",
        "left bends",
        "right bends",
        "any bend",
        "neither",
    ]
    assert found[0]["curvature"] == pytest.approx(1.0) and found[1]["left"] == pytest.approx(-1.0)
    assert [activity.BENDS[i] for i in activity.bend_of(np.array([0.01, 0.0, -0.01]))] == [
        "left",
        "straight",
        "right",
    ]


def test_time_constants_are_those_of_the_cell(network, driven):
    net = network()
    trace = driven(net)
    found = time_constants(net, trace)
    with torch.no_grad():
        x = net.sense(torch.tensor(trace.image), torch.tensor(trace.measurements))
        expected = net.cell.time_constants(x, torch.tensor(trace.after)) / net.config.time_scale
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
    assert "conductances" in net.config.core.time_constant


def test_the_stand_in_of_a_cfc_is_the_slope_of_its_time_gate(network, driven):
    """The gate is found from outside, by how a step's result changes with dt."""
    net = network("cfc", time_scale=1.0)
    trace = driven(net)
    layer, inter = net.cell.inter, list(net.wiring.inter_neurons)
    with torch.no_grad():
        x = net.sense(torch.tensor(trace.image), torch.tensor(trace.measurements))
        one, two, _, _ = layer(x, torch.tensor(trace.before[:, inter])).chunk(4, dim=1)
        odds = []
        for dt in (1.0, 1.5):
            after = net.cell(x, torch.tensor(trace.before), torch.full((len(trace),), dt))[1][
                :, inter
            ].double()
            share = (after - one.double().tanh()) / (two.double().tanh() - one.double().tanh())
            odds.append(torch.logit(share))
    slope = ((odds[1] - odds[0]) / 0.5).abs().numpy()
    found = 1.0 / time_constants(net, trace)[:, inter]
    np.testing.assert_allclose(np.median(np.abs(found / slope - 1)), 0.0, atol=0.01)
    assert "no conductances" in net.config.core.time_constant


def test_gates_that_know_no_time_have_no_time_constant(network, driven):
    net = network("lstm")
    assert time_constants(net, driven(net)) is None
    fixed = network("ct_rnn")
    np.testing.assert_allclose(time_constants(fixed, driven(fixed)), 1.0 / fixed.config.time_scale)
