"""Every memory is a policy like any other: the same encoder and scales, the same face, its size and
names in the model file."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch

from liquid_control.config import MEMORIES, WIRED, PolicyConfig, PreprocessConfig
from liquid_control.errors import ConfigError, ModelFileError, TimeError
from liquid_control.inspection.model import inspect_model
from liquid_control.model.cores import CANDIDATES, state_names
from liquid_control.model.model_file import read_model
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.feedforward import FeedForwardCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.encoder import SlimEncoder
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model

SMALL = PreprocessConfig(height=16, width=24)
BLIND = {"gru", "lstm_19", "lstm_64", "feedforward", "feedforward_stack"}
"""Candidates that are not told dt."""
MEMORYLESS = {"feedforward"}

each = pytest.mark.parametrize("name", CANDIDATES)
each_unwired = pytest.mark.parametrize(
    "memory", [memory for memory in MEMORIES if memory not in WIRED]
)


def build(config, seed=0):
    torch.manual_seed(seed)
    return PolicyNetwork(config, SMALL)


def sequence(batch, time):
    g = torch.Generator().manual_seed(1)
    image = torch.randint(
        0, 256, (batch, time, SMALL.height, SMALL.width, 3), dtype=torch.uint8, generator=g
    )
    inertial = torch.randn(batch, time, 3, generator=g) * torch.tensor(
        [0.3, 2.0, 3.0]
    ) + torch.tensor([0.0, 0.0, 10.0])
    return (
        image,
        inertial,
        torch.rand(batch, time, generator=g) * 0.1 + 0.01,
        torch.rand(batch, time, generator=g) < 0.3,
    )


def test_every_memory_is_a_candidate():
    assert {config.memory for config in CANDIDATES.values()} == set(MEMORIES)


def test_recurrent_parameters_are_the_published_ones():
    """Lechner et al. 2020, Table 2."""
    count = {name: build(config).recurrent_parameters for name, config in CANDIDATES.items()}
    assert (count["ltc"], count["ct_rnn_64"], count["lstm_64"]) == (1065, 6273, 24897)
    inputs, units = 32, 19
    assert count["ct_rnn_19"] == units * (inputs + units + 1) + units + 1
    assert count["gru_timed"] - count["gru"] == 3 * units
    assert count["cfc_mixed"] - count["cfc_full"] == 4 * units * (inputs + units + 1)
    assert count["feedforward_stack"] - count["feedforward"] == 3 * inputs * 64


def test_the_page_about_the_candidates_has_their_sizes():
    page = (Path(__file__).resolve().parents[2] / "doc" / "candidates.md").read_text(
        encoding="utf-8"
    )
    rows = re.findall(
        r"^\| (`[^|]*) \| `(\w+)` \|[^|]*\| ([\d, ]*) \| ([\d, ]*) \|$", page, re.MULTILINE
    )
    told = {}
    for names, memory, parameters, states in rows:
        for name, count, state in zip(
            re.findall(r"`(\w+)`", names), parameters.split(", "), states.split(", "), strict=True
        ):
            told[name] = memory, int(count.replace(",", "")), int(state)
    sizes = {
        name: (c.memory, build(c).recurrent_parameters, len(state_names(c)))
        for name, c in CANDIDATES.items()
    }
    assert told == sizes


def test_synapses_that_a_cfc_wiring_lacks_do_not_count():
    network = build(PolicyConfig(memory="cfc"))
    between = 12 * 12 + 6 * 6 + 1  # every layer listens to all of itself
    assert network.recurrent_parameters == 4 * (32 * 6 + 12 * 4 + 6 + between + 19)


@each
def test_unroll_equals_steps(name):
    network, (image, inertial, dt, is_first) = build(CANDIDATES[name]), sequence(3, 7)
    with torch.no_grad():
        prediction, state = network.unroll(image, inertial, dt, is_first), network.initial_state(3)
        for t in range(7):
            state = torch.where(is_first[:, t, None], network.initial_state(3), state)
            curvature, state = network.step(image[:, t], inertial[:, t], dt[:, t], state)
            assert (prediction.curvature[:, t] - curvature).abs().max() < 1e-6
    assert (prediction.state - state).abs().max() < 1e-5
    assert state.shape == (3, len(state_names(network.config)))


@each
def test_a_sequence_may_be_cut_anywhere(name):
    network, (image, inertial, dt, _) = build(CANDIDATES[name]), sequence(2, 6)
    with torch.no_grad():
        whole = network.unroll(image, inertial, dt)
        head = network.unroll(image[:, :2], inertial[:, :2], dt[:, :2])
        tail = network.unroll(image[:, 2:], inertial[:, 2:], dt[:, 2:], state=head.state)
        forgotten = network.unroll(image[:, 2:], inertial[:, 2:], dt[:, 2:])
    assert (torch.cat([head.curvature, tail.curvature], 1) - whole.curvature).abs().max() < 1e-6
    assert torch.equal(forgotten.curvature, tail.curvature) == (name in MEMORYLESS)


@each
def test_time_is_seen_by_all_but_the_blind(name):
    network, (image, inertial, dt, _) = build(CANDIDATES[name]), sequence(2, 4)
    with torch.no_grad():
        same = torch.equal(
            network.unroll(image, inertial, dt).curvature,
            network.unroll(image, inertial, 2 * dt).curvature,
        )
    assert same == (name in BLIND)
    with pytest.raises(TimeError):
        network.unroll(image, inertial, 0 * dt)


@each
def test_every_trained_parameter_learns(name):
    network, (image, inertial, dt, is_first) = build(CANDIDATES[name]), sequence(8, 6)
    prediction = network.unroll(image, inertial, dt, is_first)
    (prediction.curvature.square().sum() * 1e4 + prediction.auxiliary.square().sum()).backward()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert [
        name for name, p in trained.items() if p.grad is None or not p.grad.abs().max() > 0
    ] == []


def test_one_seed_gives_all_candidates_one_encoder():
    encoders = [build(config).encoder.state_dict() for config in CANDIDATES.values()]
    for encoder in encoders[1:]:
        assert all(torch.equal(value, encoders[0][name]) for name, value in encoder.items())


def test_a_circuit_draws_its_weights_in_the_order_that_older_models_did():
    """Encoder, circuit, auxiliary head: so that a recipe and its seed give the same network as
    before."""
    network = build(PolicyConfig(encoder="slim"), seed=7)
    torch.manual_seed(7)
    parts = {
        "encoder": SlimEncoder(SMALL.height, SMALL.width, 29),
        "cell": LtcCell(
            NcpWiring.build(seed=22222),
            3,
            sensory_mu=(-0.5, 0.5),
            recurrent_mu=(-0.25, 0.25),
            sigma=(0.9, 2.4),
        ),
        "auxiliary": torch.nn.Linear(29, 4),
    }
    for name, part in parts.items():
        for key, value in part.state_dict().items():
            assert torch.equal(value, network.state_dict()[f"{name}.{key}"]), key


@each_unwired
def test_only_circuits_have_a_wiring(memory):
    assert build(PolicyConfig(memory=memory)).wiring is None
    with pytest.raises(ConfigError, match="only ltc and cfc have a wiring"):
        PolicyNetwork(PolicyConfig(memory=memory), SMALL, NcpWiring.build())


def test_states_are_named_in_order():
    names = state_names(PolicyConfig())
    assert (names[0], names[1], names[7], names[18]) == (
        "motor_0",
        "command_0",
        "inter_0",
        "inter_11",
    )
    names = state_names(CANDIDATES["lstm_64"])
    assert (len(names), names[63], names[64]) == (128, "unit_63", "memory_0")
    network, (image, inertial, dt, _) = build(CANDIDATES["lstm_64"]), sequence(1, 2)
    cell, state = network.cell.recurrent, network.unroll(image, inertial, dt).state
    assert (
        state[:, :64].abs() < state[:, 64:].abs()
    ).all() and cell.outputs == 64  # |h| = |o tanh(c)| < |c|


def test_a_stack_sees_its_frames_and_no_others():
    torch.manual_seed(0)
    cell = FeedForwardCell(5, 7, stack=3).double()
    x, dt = torch.randn(1, 6, 5, dtype=torch.float64), torch.ones(1, 6, dtype=torch.float64)
    y, _ = cell.unroll(x, cell.initial_state(1), dt)
    for frame in range(6):
        other = x.clone()
        other[:, frame] += 1.0
        changed = (
            (cell.unroll(other, cell.initial_state(1), dt)[0] != y)
            .any(dim=2)[0]
            .nonzero()
            .flatten()
            .tolist()
        )
        assert changed == list(range(frame, min(frame + 3, 6)))


@each_unwired
def test_a_model_file_says_what_the_memory_is(tmp_path, memory):
    network = build(PolicyConfig(memory=memory, units=11))
    save_model(tmp_path, network, {}, {})
    loaded, info, facts = (
        load_network(tmp_path),
        read_model(tmp_path),
        inspect_model(str(tmp_path)),
    )
    assert (
        info.wiring is None and json.loads((tmp_path / "model.json").read_text())["wiring"] is None
    )
    assert (
        info.recurrent_parameters
        == network.recurrent_parameters
        == facts["parameters"]["recurrent"]
    )
    assert info.neurons == network.cell.state_size == facts["state"] and facts["units"] == 11
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    with pytest.raises(ConfigError, match=f"{memory} has no wiring"):
        inspect_model(str(tmp_path), tmp_path / "wiring.svg")
    assert not (tmp_path / "wiring.svg").exists()


def edit(model, change):
    values = json.loads((model / "model.json").read_text())
    change(values)
    (model / "model.json").write_text(json.dumps(values))


def test_a_model_of_before_the_candidates_is_read(tmp_path):
    network = build(PolicyConfig())
    save_model(tmp_path, network, {}, {})
    edit(
        tmp_path,
        lambda v: (
            [v["policy"].pop(name) for name in ("units", "backbone", "stack")]
            + [v.pop("recurrent_parameters")]
        ),
    )
    info = read_model(tmp_path)
    assert (
        info.policy == network.config
        and info.wiring == network.wiring
        and info.recurrent_parameters is None
    )
    assert inspect_model(str(tmp_path))["parameters"]["recurrent"] == 1065


@pytest.mark.parametrize(
    ("memory", "change", "words"),
    [
        (
            "lstm",
            lambda v: v.update(wiring=NcpWiring.build().to_dict()),
            "has a wiring, and lstm has none",
        ),
        ("ltc", lambda v: v.update(wiring=None), "NcpWiring"),
        ("ltc", lambda v: v.pop("wiring"), "NcpWiring"),
        ("lstm", lambda v: v.update(recurrent_parameters=0), "recurrent_parameters"),
        ("lstm", lambda v: v["policy"].update(memory="transformer"), "PolicyConfig.memory"),
        ("lstm", lambda v: v["policy"].update(units=0), "PolicyConfig.units"),
    ],
)
def test_a_changed_memory_is_refused(tmp_path, memory, change, words):
    save_model(tmp_path, build(PolicyConfig(memory=memory)), {}, {})
    edit(tmp_path, change)
    with pytest.raises(ModelFileError, match=words):
        read_model(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path):
    save_model(tmp_path, build(PolicyConfig(memory="lstm")), {}, {})
    edit(tmp_path, lambda v: v["policy"].update(units=20))
    with pytest.raises(ModelFileError, match="does not fit the network"):
        load_network(tmp_path)


def test_sizes_are_the_ones_asked_for():
    for memory, fields in (
        ("cfc_full", {"backbone": 0}),
        ("feedforward_stack", {"stack": 1}),
        ("ct_rnn", {"units": 1}),
    ):
        config = dataclasses.replace(PolicyConfig(), memory=memory, **fields)
        assert build(config).cell.state_size == len(state_names(config))
