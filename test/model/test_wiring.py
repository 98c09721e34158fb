from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ncps.wirings import NCP, AutoNCP, FullyConnected

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring

SHIPPED = "afda421f7951d3eeaa255e6236bd92256f994430cab8c0334e6e022fdf9ed50e"


def test_the_shipped_wiring_is_this_graph_on_every_platform():
    wiring = NcpWiring.build()
    assert wiring.sha256 == SHIPPED
    assert (wiring.neurons, wiring.synapse_count, len(wiring.sensory)) == (19, 252, 192)


def test_synapses_are_counted_as_ncps_counts_them():
    """ncps' `synapse_count` leaves the synapses from the inputs out; ours includes them. (Its NCP
    draws recurrent synapses with replacement, so that it has fewer than it was given.)"""
    ncp, full = NCP(12, 6, 1, 6, 4, 6, 6), FullyConnected(9)
    ncp.build(32)
    full.build(32)
    assert NcpWiring.build().sensory_synapse_count == ncp.sensory_synapse_count == 192
    ours = FreeWiring.fully_connected(32, 9)
    assert ours.sensory_synapse_count == full.sensory_synapse_count == 288
    assert ours.synapse_count == full.synapse_count + full.sensory_synapse_count


def test_layers_are_the_neurons_in_the_order_of_computation_and_their_sources():
    w = NcpWiring.build()
    inter, command, motor = w.layers()
    assert [layer.name for layer in w.layers()] == ["inter", "command", "motor"]
    assert (inter.neurons, command.neurons, motor.neurons) == (range(7, 19), range(1, 7), range(1))
    shapes = [layer.sources.shape for layer in w.layers()]
    assert shapes == [(12, 32 + 12), (6, 12 + 6), (1, 6 + 1)]
    drives = {(source, target) for source, target, _ in w.synapses}
    for row, target in enumerate(command.neurons):
        for column, source in enumerate(inter.neurons):
            assert command.sources[row, column] == ((source, target) in drives)
        assert command.sources[row, 12:].all()  # every layer is fully connected to itself
    assert inter.sources[:, :32].sum() == w.sensory_synapse_count
    (free,) = FreeWiring.sparse(5, 12, 3, sparsity=0.6).layers()
    assert free.neurons == range(12) and free.sources.shape == (12, 5 + 12)


@given(st.integers(0, 2**63))
def test_default_sizes_have_252_synapses_whatever_the_seed(seed):
    assert NcpWiring.build(seed=seed).synapse_count == 252


@st.composite
def sizes(draw):
    inputs, inter, command, motor = (draw(st.integers(1, n)) for n in (20, 12, 8, 4))
    return {
        "inputs": inputs,
        "inter": inter,
        "command": command,
        "motor": motor,
        "sensory_fanout": draw(st.integers(-(-inter // inputs), inter)),
        "inter_fanout": draw(st.integers(-(-command // inter), command)),
        "recurrent_command": draw(st.integers(0, command * command)),
        "motor_fanin": draw(st.integers(-(-command // motor), command)),
        "seed": draw(st.integers(0, 1000)),
    }


@given(sizes())
def test_every_neuron_has_partners_and_every_fan_is_exact(size):
    w = NcpWiring.build(**size)
    to_command = [s for s in w.synapses if s[0] in w.inter_neurons]
    to_motor = [s for s in w.synapses if s[1] in w.motor_neurons]
    recurrent = [s for s in w.synapses if s[0] in w.command_neurons and s[1] in w.command_neurons]
    assert [sum(s[0] == i for s in w.sensory) for i in range(w.inputs)] == [
        size["sensory_fanout"]
    ] * w.inputs
    assert [sum(s[0] == i for s in to_command) for i in w.inter_neurons] == [
        size["inter_fanout"]
    ] * w.inter
    assert [sum(s[1] == i for s in to_motor) for i in w.motor_neurons] == [
        size["motor_fanin"]
    ] * w.motor
    assert len(recurrent) == size["recurrent_command"]
    assert len(to_command) + len(to_motor) + len(recurrent) == len(w.synapses)
    assert {s[1] for s in w.sensory} == set(w.inter_neurons)
    assert {s[1] for s in to_command} == set(w.command_neurons)
    assert {s[0] for s in to_motor} == set(w.command_neurons)
    for synapses in (w.sensory, w.synapses):
        assert len({s[:2] for s in synapses}) == len(synapses)


def test_an_orphan_takes_over_the_mean_fan_in():
    for seed in range(50):
        w = NcpWiring.build(inputs=24, inter=12, sensory_fanout=1, seed=seed)
        fan_in = [sum(s[1] == i for s in w.sensory) for i in w.inter_neurons]
        assert min(fan_in) >= 1 and sum(fan_in) == 24


def test_polarity_is_a_fair_coin():
    wirings = [NcpWiring.build(seed=seed) for seed in range(40)]
    polarities = [s[2] for w in wirings for s in (*w.sensory, *w.synapses)]
    assert len(polarities) == 40 * 252 and abs(sum(polarities)) < 4 * len(polarities) ** 0.5


def test_recurrent_pairs_are_never_drawn_twice():
    w = NcpWiring.build(recurrent_command=36)
    assert w.synapse_count == 252 + 30


def test_json_brings_the_same_wiring_back():
    wiring = NcpWiring.build(seed=7)
    assert NcpWiring.from_dict(json.loads(json.dumps(wiring.to_dict()))) == wiring
    assert NcpWiring.build(seed=7) == wiring != NcpWiring.build(seed=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        wiring.inputs = 3


@given(
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(2, 60),
    st.floats(0, 0.99),
    st.integers(0, 1000),
)
def test_automatic_sizes_are_those_of_ncps_where_they_leave_no_orphans(
    inputs, motor, rest, sparsity, seed
):
    w = NcpWiring.automatic(inputs, motor + rest, motor, sparsity, seed)
    assert (w.inputs, w.neurons, w.motor) == (inputs, motor + rest, motor)
    if 0.1 <= sparsity <= 1 and motor < w.neurons - 2:
        peer = AutoNCP(w.neurons, motor, sparsity, seed)
        assert (w.inter, w.command) == (peer._num_inter_neurons, peer._num_command_neurons)
        fans = {
            "sensory": max(peer._sensory_fanout, -(-w.inter // inputs)),
            "inter": max(peer._inter_fanout, -(-w.command // w.inter)),
            "motor": max(peer._motor_fanin, -(-w.command // motor)),
        }
        recurrent = min(peer._recurrent_command_synapses, w.command**2)
        assert len(w.sensory) == inputs * fans["sensory"]
        assert len(w.synapses) == w.inter * fans["inter"] + recurrent + motor * fans["motor"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("neurons", 2),
        ("motor", 0),
        ("inputs", 0),
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", None),
        ("seed", -1),
    ],
)
def test_impossible_automatic_sizes_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"NcpWiring.{name}"):
        NcpWiring.automatic(**{"inputs": 4, "neurons": 12, "motor": 1, name: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("sensory"),
        lambda d: d.update(extra=1),
        lambda d: d["sensory"].pop(),
        lambda d: d["sensory"][0].__setitem__(2, 1 - 2 * (d["sensory"][0][2] > 0)),
        lambda d: d["sensory"].append(d["sensory"][0]),
        lambda d: d["sensory"][0].__setitem__(1, 3),
        lambda d: d["synapses"][0].__setitem__(2, 0),
        lambda d: d["synapses"][0].__setitem__(1, 99),
        lambda d: d.update(synapses="none"),
        lambda d: d.update(synapses=[[1, 2]]),
        lambda d: d.update(sensory=[["a", "b", "c"]]),
        lambda d: d.update(inter=2.5),
        lambda d: d.update(sha256="0" * 64),
    ],
)
def test_a_changed_wiring_is_refused(change):
    values = NcpWiring.build().to_dict()
    change(values)
    with pytest.raises(ConfigError):
        NcpWiring.from_dict(values)


@pytest.mark.parametrize("values", [None, [], "wiring", {}])
def test_what_is_no_wiring_at_all_is_refused(values):
    with pytest.raises(ConfigError):
        NcpWiring.from_dict(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sensory_fanout", 13),
        ("sensory_fanout", 0),
        ("inter_fanout", 7),
        ("motor_fanin", 7),
        ("motor_fanin", 5),  # a command neuron would drive nothing
        ("recurrent_command", 37),
        ("recurrent_command", -1),
        ("inputs", 0),
        ("inputs", 1.5),
        ("inter", float("nan")),
        ("command", True),
        ("inter", 193),  # more than there are synapses from the sensory neurons
        ("seed", -1),
    ],
)
def test_impossible_sizes_are_refused_by_name(name, value):
    with pytest.raises(ConfigError) as error:
        NcpWiring.build(**{name: value})
    assert "NcpWiring." in str(error.value) and "expected" in str(error.value)
