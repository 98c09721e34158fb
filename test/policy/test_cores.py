"""Every core in `CORES` and `PRESETS` is a policy: the same encoder and scales, the same interface,
its size and names in the model file."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError, ModelFileError, TimeError
from liquid_control.inspection.model import inspect_model
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import (
    CORES,
    PRESETS,
    CfcConfig,
    LstmConfig,
    LtcConfig,
    WiringConfig,
)
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import join_state, split_state
from liquid_control.policy.cells.feedforward import FeedForwardCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.encoder import SlimEncoder
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model

SMALL = PreprocessConfig(height=16, width=24)
WITHOUT_STATE = {"feedforward"}
"""Presets whose step does not depend on the state."""
INPUTS, OUTPUTS = 32, 1

each = pytest.mark.parametrize("name", PRESETS)
each_unwired = pytest.mark.parametrize("name", [name for name in CORES if not CORES[name].wired])


def build(core, seed=0):
    torch.manual_seed(seed)
    return PolicyNetwork(PolicyConfig(core=core), lane_keeping(SMALL))


def size(core):
    return len(core.state_names(INPUTS, OUTPUTS))


def sequence(batch, time):
    g = torch.Generator().manual_seed(1)
    image = torch.randint(
        0, 256, (batch, time, SMALL.height, SMALL.width, 3), dtype=torch.uint8, generator=g
    )
    measurements = torch.randn(batch, time, 3, generator=g) * torch.tensor(
        [0.3, 2.0, 3.0]
    ) + torch.tensor([0.0, 0.0, 10.0])
    return (
        image,
        measurements,
        torch.rand(batch, time, generator=g) * 0.1 + 0.01,
        torch.rand(batch, time, generator=g) < 0.3,
    )


def test_every_core_has_a_preset():
    assert {core.name for core in PRESETS.values()} == set(CORES)


@each
def test_the_state_has_a_name_for_each_number_of_its_arrays(name):
    core = PRESETS[name]
    arrays = core.state(INPUTS, OUTPUTS)
    assert size(core) == len(set(core.state_names(INPUTS, OUTPUTS)))
    assert size(core) == sum(array.size for array in arrays)
    assert build(core).cell.state == arrays


@each
def test_settings_survive_the_way_through_json(name):
    config = PolicyConfig(core=PRESETS[name], time_scale=11.0)
    assert PolicyConfig.from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_settings_of_another_name_and_unknown_cores_are_refused():
    with pytest.raises(ConfigError, match="LstmConfig.name"):
        LstmConfig(name="gru")
    with pytest.raises(ConfigError, match="PolicyConfig.core"):
        PolicyConfig(core="lstm")
    for values in ({"core": {"name": "transformer"}}, {"core": "lstm"}, {"core": {"units": 3}}, 5):
        with pytest.raises(ConfigError):
            PolicyConfig.from_dict(values)


def test_settings_of_version_0_1_0_are_read():
    """Flat, with the settings of all cores, of which only the core's own count."""
    others = {"units": 5, "backbone": 6, "stack": 7, "motor": 1, "unfolds": 2, "inter": 13}
    former = others | {"wiring_seed": 3, "time_scale": 11.0}
    read = {name: PolicyConfig.from_dict(former | {"memory": name}) for name in CORES}
    wiring = WiringConfig(inter=13, seed=3)
    assert read["ltc"] == PolicyConfig(core=LtcConfig(wiring=wiring, unfolds=2), time_scale=11.0)
    assert read["cfc"].core == CfcConfig(wiring=wiring)
    assert read["lstm"].core == LstmConfig(units=5)
    assert read["feedforward_stack"].core == CORES["feedforward_stack"](units=5, stack=7)
    for name in CORES:
        assert read[name].core.name == name
        for wrong in ({"units": 0}, {"motor": 2}, {"inter": 10**9}, {"neurons": 3}):
            with pytest.raises(ConfigError, match=next(iter(wrong))):
                PolicyConfig.from_dict(former | {"memory": name} | wrong)


def test_recurrent_parameters_are_the_published_ones():
    """Lechner et al. 2020, Table 2."""
    count = {name: build(core).recurrent_parameters for name, core in PRESETS.items()}
    assert (count["ltc"], count["ct_rnn_64"], count["lstm_64"]) == (1065, 6273, 24897)
    inputs, units = 32, 19
    assert count["ct_rnn_19"] == units * (inputs + units + 1) + units + 1
    assert count["gru_timed"] - count["gru"] == 3 * units
    assert count["cfc_mixed"] - count["cfc_full"] == 4 * units * (inputs + units + 1)
    assert count["feedforward_stack"] - count["feedforward"] == 3 * inputs * 64


def test_the_page_about_the_cores_has_their_sizes():
    page = (Path(__file__).resolve().parents[2] / "doc" / "cores.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`[^|]*) \| `(\w+)` \|[^|]*\| ([\d, ]*) \| ([\d, ]*) \|$", page, re.MULTILINE
    )
    listed = {}
    for names, core, parameters, states in rows:
        for name, count, state in zip(
            re.findall(r"`(\w+)`", names), parameters.split(", "), states.split(", "), strict=True
        ):
            listed[name] = core, int(count.replace(",", "")), int(state)
    sizes = {
        name: (core.name, build(core).recurrent_parameters, size(core))
        for name, core in PRESETS.items()
    }
    assert listed == sizes


def test_synapses_that_a_cfc_wiring_lacks_do_not_count():
    network = build(CfcConfig())
    between = 12 * 12 + 6 * 6 + 1  # every layer listens to all of itself
    assert network.recurrent_parameters == 4 * (32 * 6 + 12 * 4 + 6 + between + 19)


@each
def test_unroll_equals_steps(name):
    network, (image, measurements, dt, is_first) = build(PRESETS[name]), sequence(3, 7)
    layout = network.spec.state
    with torch.no_grad():
        prediction = network.unroll(image, measurements, dt, is_first)
        start = join_state(network.initial_state(3))
        state = start
        for t in range(7):
            state = split_state(torch.where(is_first[:, t, None], start, state), layout)
            action, state = network.step(image[:, t], measurements[:, t], dt[:, t], state)
            assert (prediction.action[:, t] - action).abs().max() < 1e-6
            state = join_state(state)
    assert (join_state(prediction.state) - state).abs().max() < 1e-5
    assert state.shape == (3, size(PRESETS[name])) and layout == network.cell.state


@each
def test_a_sequence_may_be_cut_anywhere(name):
    network, (image, measurements, dt, _) = build(PRESETS[name]), sequence(2, 6)
    with torch.no_grad():
        whole = network.unroll(image, measurements, dt)
        head = network.unroll(image[:, :2], measurements[:, :2], dt[:, :2])
        tail = network.unroll(image[:, 2:], measurements[:, 2:], dt[:, 2:], state=head.state)
        forgotten = network.unroll(image[:, 2:], measurements[:, 2:], dt[:, 2:])
    assert (torch.cat([head.action, tail.action], 1) - whole.action).abs().max() < 1e-6
    assert torch.equal(forgotten.action, tail.action) == (name in WITHOUT_STATE)


@each
def test_time_is_seen_by_the_cores_that_say_so(name):
    network, (image, measurements, dt, _) = build(PRESETS[name]), sequence(2, 4)
    with torch.no_grad():
        same = torch.equal(
            network.unroll(image, measurements, dt).action,
            network.unroll(image, measurements, 2 * dt).action,
        )
    assert same != PRESETS[name].uses_time
    with pytest.raises(TimeError):
        network.unroll(image, measurements, 0 * dt)


@each
def test_every_trained_parameter_learns(name):
    network, (image, measurements, dt, is_first) = build(PRESETS[name]), sequence(8, 6)
    prediction = network.unroll(image, measurements, dt, is_first)
    (prediction.action.square().sum() * 1e4 + prediction.auxiliary.square().sum()).backward()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert [
        name for name, p in trained.items() if p.grad is None or not p.grad.abs().max() > 0
    ] == []


def test_one_seed_gives_all_presets_one_encoder():
    encoders = [build(core).encoder.state_dict() for core in PRESETS.values()]
    for encoder in encoders[1:]:
        assert all(torch.equal(value, encoders[0][name]) for name, value in encoder.items())


def test_a_circuit_draws_its_weights_in_the_order_that_older_models_did():
    """Encoder, circuit, auxiliary head: so that a recipe and its seed give the same network as
    before."""
    torch.manual_seed(7)
    network = PolicyNetwork(PolicyConfig(encoder="slim"), lane_keeping(SMALL))
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
def test_only_circuits_have_a_wiring(name):
    assert build(CORES[name]()).wiring is None
    with pytest.raises(ConfigError, match=f"{name}', expected none: the core has no wiring"):
        PolicyNetwork(PolicyConfig(core=CORES[name]()), lane_keeping(SMALL), NcpWiring.build())


def test_states_are_named_in_order():
    names = LtcConfig().state_names(INPUTS, OUTPUTS)
    assert (names[0], names[1], names[7], names[18]) == (
        "motor_0",
        "command_0",
        "inter_0",
        "inter_11",
    )
    names = PRESETS["lstm_64"].state_names(INPUTS, OUTPUTS)
    assert (len(names), names[63], names[64]) == (128, "unit_63", "memory_0")
    network, (image, measurements, dt, _) = build(PRESETS["lstm_64"]), sequence(1, 2)
    cell, state = network.cell.recurrent, network.unroll(image, measurements, dt).state
    hidden, memory = state
    assert (hidden.abs() < memory.abs()).all() and cell.outputs == 64  # |h| = |o tanh(c)| < |c|


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
def test_a_model_file_says_what_the_core_is(tmp_path, name):
    network = build(CORES[name](units=11))
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
    assert (
        info.spec.state_size == network.cell.state_size == facts["state"] and facts["units"] == 11
    )
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    with pytest.raises(ConfigError, match=f"{name} has no wiring"):
        inspect_model(str(tmp_path), tmp_path / "wiring.svg")
    assert not (tmp_path / "wiring.svg").exists()


def edit(model, change):
    values = json.loads((model / "model.json").read_text())
    change(values)
    (model / "model.json").write_text(json.dumps(values))


def test_a_model_of_before_the_cores_is_read(tmp_path):
    network = build(LtcConfig())
    save_model(tmp_path, network, {}, {})
    edit(
        tmp_path,
        lambda v: (
            v["policy"].update(memory=v["policy"].pop("core")["name"]),
            v.pop("recurrent_parameters"),
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
    ("core", "change", "words"),
    [
        (
            "lstm",
            lambda v: v.update(wiring=NcpWiring.build().to_dict()),
            "has a wiring, and lstm has none",
        ),
        ("ltc", lambda v: v.update(wiring=None), "NcpWiring"),
        ("ltc", lambda v: v.pop("wiring"), "NcpWiring"),
        ("lstm", lambda v: v.update(recurrent_parameters=0), "recurrent_parameters"),
        ("lstm", lambda v: v["policy"]["core"].update(name="transformer"), "one of ltc, cfc"),
        ("lstm", lambda v: v["policy"]["core"].update(units=0), "LstmConfig.units"),
    ],
)
def test_a_changed_core_is_refused(tmp_path, core, change, words):
    save_model(tmp_path, build(CORES[core]()), {}, {})
    edit(tmp_path, change)
    with pytest.raises(ModelFileError, match=words):
        read_model(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path):
    save_model(tmp_path, build(LstmConfig()), {}, {})
    edit(tmp_path, lambda v: v["policy"]["core"].update(units=20))
    with pytest.raises(ModelFileError, match="the state does not fit a core 'lstm'"):
        load_network(tmp_path)
    edit(tmp_path, lambda v: [one.update(shape=[20]) for one in v["spec"]["state"]])
    with pytest.raises(ModelFileError, match="does not fit the network"):
        load_network(tmp_path)


def test_a_state_of_other_arrays_than_the_cores_is_refused(tmp_path):
    save_model(tmp_path, build(LstmConfig()), {}, {})
    edit(tmp_path, lambda v: v["spec"]["state"][0].update(name="other"))
    with pytest.raises(ModelFileError, match="its state is not that of a core 'lstm'"):
        load_network(tmp_path)


def test_sizes_are_those_of_the_settings():
    for name, settings in (
        ("cfc_full", {"backbone": 0}),
        ("feedforward_stack", {"stack": 1}),
        ("ct_rnn", {"units": 1}),
    ):
        core = CORES[name](**settings)
        assert build(core).cell.state_size == size(core)
