from __future__ import annotations

import dataclasses

import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError, ImageError, ShapeError, TimeError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CfcConfig, GruConfig, LtcConfig, WiringConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model

LTC, CFC = PolicyConfig(encoder="slim"), PolicyConfig(encoder="slim", core=CfcConfig())
SIZE = PreprocessConfig(height=32, width=64)


def build(config=LTC, preprocess=None, wiring=None):
    torch.manual_seed(0)
    return PolicyNetwork(config, lane_keeping(preprocess or SIZE), wiring)


def sequence(batch, time, height=32, width=64):
    g = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (batch, time, height, width, 3), dtype=torch.uint8, generator=g)
    measurements = torch.randn(batch, time, 3, generator=g) * torch.tensor(
        [0.3, 2.0, 3.0]
    ) + torch.tensor([0.0, 0.0, 10.0])
    dt = torch.rand(batch, time, generator=g) * 0.1 + 0.01
    return image, measurements, dt, torch.rand(batch, time, generator=g) < 0.2


@pytest.mark.parametrize(
    "config",
    [LTC, CFC, PolicyConfig(encoder="published", image_features=24)],
    ids=["ltc", "cfc", "published"],
)
def test_unroll_equals_steps(config):
    network, (image, measurements, dt, is_first) = build(config), sequence(3, 5)
    with torch.no_grad():
        prediction, state = (
            network.unroll(image, measurements, dt, is_first),
            network.initial_state(3),
        )
        for t in range(5):
            state = torch.where(is_first[:, t, None], network.initial_state(3), state)
            action, state = network.step(image[:, t], measurements[:, t], dt[:, t], state)
            assert (prediction.action[:, t] - action).abs().max() < 1e-6
    assert (prediction.state - state).abs().max() < 1e-5
    assert (
        prediction.action.shape == (3, 5, 1)
        and prediction.auxiliary.shape == (3, 5, 4)
        and state.shape == (3, 19)
    )


@pytest.mark.parametrize("core", [LtcConfig(), CfcConfig(), GruConfig(units=7)])
def test_a_core_may_stand_between_two_layers(core, tmp_path):
    config = dataclasses.replace(LTC, core=core, width=16, core_outputs=5)
    network, (image, measurements, dt, is_first) = build(config), sequence(3, 5)
    with torch.no_grad():
        prediction = network.unroll(image, measurements, dt, is_first)
        state = network.initial_state(3)
        for t in range(5):
            state = torch.where(is_first[:, t, None], network.initial_state(3), state)
            inputs = network.sense(image[:, t], measurements[:, t])
            motor, _ = network.cell(inputs, state, dt[:, t] * config.time_scale)
            action, state = network.step(image[:, t], measurements[:, t], dt[:, t], state)
            assert (prediction.action[:, t] - action).abs().max() < 1e-6
            both = torch.tanh(network.behind(torch.cat([motor, inputs], 1)))
            expected = network.head(both) * network.action_unit
            assert (expected - action).abs().max() < 1e-6
    assert inputs.shape == (3, 16) and motor.shape == (3, 5) and inputs.abs().max() < 1.0
    save_model(tmp_path, network, {}, {})
    loaded, info = load_network(tmp_path), read_model(tmp_path)
    assert info.policy == config and len(info.state_names) == network.cell.state_size
    with torch.no_grad():
        again = loaded.unroll(image, measurements, dt, is_first)
    assert torch.equal(again.action, prediction.action)
    assert not any(name.startswith(("before", "behind", "head")) for name in build().state_dict())


def test_a_sequence_may_be_cut_anywhere():
    network, (image, measurements, dt, _) = build(), sequence(2, 6)
    with torch.no_grad():
        whole = network.unroll(image, measurements, dt)
        head = network.unroll(image[:, :2], measurements[:, :2], dt[:, :2])
        tail = network.unroll(image[:, 2:], measurements[:, 2:], dt[:, 2:], state=head.state)
    assert (torch.cat([head.action, tail.action], 1) - whole.action).abs().max() < 1e-6


@pytest.mark.parametrize("config", [LTC, CFC], ids=["ltc", "cfc"])
def test_every_parameter_learns(config):
    network, (image, measurements, dt, is_first) = build(config), sequence(8, 6)
    prediction = network.unroll(image, measurements, dt, is_first)
    (prediction.action.square().sum() * 1e4 + prediction.auxiliary.square().sum()).backward()
    idle = [
        name
        for name, p in network.named_parameters()
        if p.grad is None or not p.grad.abs().max() > 0
    ]
    assert idle == []


def test_the_image_reaches_the_steering():
    network, (image, measurements, dt, _) = build(), sequence(4, 3)
    with torch.no_grad():
        seen, other = (
            network.unroll(image, measurements, dt),
            network.unroll(255 - image, measurements, dt),
        )
    assert (
        seen.action - other.action
    ).abs().max() > 1e-6  # untrained, through three layers of gentle synapses


def test_an_action_is_the_motor_neuron_times_the_scales():
    network, (image, measurements, dt, _) = (
        PolicyNetwork(
            dataclasses.replace(LTC, output_gain=2.0), lane_keeping(SIZE, curvature_scale=0.1)
        ),
        sequence(2, 3),
    )
    prediction = network.unroll(image, measurements, dt)
    assert torch.allclose(prediction.action[:, -1], 0.2 * prediction.state[:, :1])


def test_time_scale_multiplies_dt():
    (image, measurements, dt, _), slow, fast = (
        sequence(2, 4),
        build(dataclasses.replace(LTC, time_scale=10.0)),
        build(),
    )
    with torch.no_grad():
        wanted = fast.unroll(image, measurements, dt)
        assert torch.allclose(
            slow.unroll(image, measurements, 2 * dt).action, wanted.action, atol=1e-6
        )


@pytest.mark.parametrize("wild", [1e6, -1e30, float("inf"), -float("inf")])
def test_a_wild_imu_counts_no_more_than_a_large_one(wild):
    network, (image, measurements, dt, _) = build(), sequence(1, 2)
    edge = torch.tensor([1.5, 12.0, 22.0]) if wild > 0 else torch.tensor([-1.5, -12.0, -2.0])
    with torch.no_grad():
        assert torch.allclose(
            network.unroll(image, torch.full_like(measurements, wild), dt).action,
            network.unroll(image, edge.expand(1, 2, 3), dt).action,
        )


def test_bad_arguments_are_refused():
    network, (image, measurements, dt, is_first) = build(), sequence(2, 3)
    for arguments, error in (
        ((image.float(), measurements, dt), ImageError),
        ((image[:, :, :30], measurements, dt), ShapeError),
        ((image[0], measurements[0], dt[0]), ShapeError),
        ((image, measurements[..., :2], dt), ShapeError),
        ((image, measurements, dt[:, :2]), ShapeError),
        ((image, measurements, dt, is_first[:1]), ShapeError),
        ((image, measurements, dt, None, torch.zeros(2, 18)), ShapeError),
        ((image, measurements, -dt), TimeError),
    ):
        with pytest.raises(error):
            network.unroll(*arguments)
    with pytest.raises(ShapeError):
        network.step(image, measurements, dt, network.initial_state(2))
    with pytest.raises(TimeError):
        network.step(image[:, 0], measurements[:, 0], 0 * dt[:, 0], network.initial_state(2))


@pytest.mark.parametrize(
    ("config", "wiring"),
    [
        (PolicyConfig(encoder="published"), None),  # 29 features do not share out over 8 maps
        (PolicyConfig(image_features=1), None),
        (PolicyConfig(core=LtcConfig(wiring=WiringConfig(sensory_fanout=13))), None),
        # six of them alone would reach the motor neuron
        (PolicyConfig(core=LtcConfig(wiring=WiringConfig(command=8))), None),
        (PolicyConfig(), NcpWiring.build(inputs=20)),
        (PolicyConfig(), NcpWiring.build(motor=2)),
        (PolicyConfig(), NcpWiring.build(inter=10)),
    ],
)
def test_sizes_that_do_not_fit_are_refused(config, wiring):
    with pytest.raises(ConfigError):
        build(config, wiring=wiring)


def test_the_default_policy_is_small_and_has_the_published_cell():
    network = build(PolicyConfig(), PreprocessConfig())
    assert sum(p.numel() for p in network.cell.parameters()) == 1065
    assert network.wiring.inputs == 32 and sum(p.numel() for p in network.parameters()) < 40_000
