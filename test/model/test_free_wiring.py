from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.policy.cells.ltc import LtcCell

FULL, SPARSE = FreeWiring.fully_connected(3, 5), FreeWiring.sparse(8, 16, 2, sparsity=0.75)


def test_these_graphs_are_the_same_on_every_platform():
    assert FULL.sha256 == "e755f389a05e484ed2687de2b8b083ce5ab8bd833911003bcde43c5a3f323322"
    assert SPARSE.sha256 == "c93e728b5a78797a8828d5b805a7c657ee158e2d32b7d615541a6d013a4c6669"


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2**63))
def test_fully_connected_has_every_synapse_once(inputs, neurons, self_connections, seed):
    w = FreeWiring.fully_connected(inputs, neurons, 1, self_connections, seed)
    pairs = {(s, t) for s in range(neurons) for t in range(neurons) if self_connections or s != t}
    assert {synapse[:2] for synapse in w.synapses} == pairs and len(w.synapses) == len(pairs)
    assert {synapse[:2] for synapse in w.sensory} == {
        (s, t) for s in range(inputs) for t in range(neurons)
    }
    assert w.synapse_count == len(pairs) + inputs * neurons and len(w.sensory) == inputs * neurons


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0, 0.99), st.integers(0, 1000))
def test_sparse_has_its_exact_share_of_distinct_synapses_and_no_orphans(
    inputs, neurons, sparsity, seed
):
    sizes = round(inputs * neurons * (1 - sparsity)), round(neurons * neurons * (1 - sparsity))
    if sizes[0] < max(inputs, neurons) or sizes[1] < neurons:
        with pytest.raises(ConfigError, match="FreeWiring.sparsity.*at most"):
            FreeWiring.sparse(inputs, neurons, sparsity=sparsity, seed=seed)
        return
    w = FreeWiring.sparse(inputs, neurons, sparsity=sparsity, seed=seed)
    assert (
        (len({s[:2] for s in w.sensory}), len({s[:2] for s in w.synapses}))
        == (len(w.sensory), len(w.synapses))
        == sizes
    )
    assert {s for s, _, _ in w.sensory} == set(range(inputs)) and {
        t for _, t, _ in w.sensory
    } == set(range(neurons))
    assert {s for s, _, _ in w.synapses} == {t for _, t, _ in w.synapses} == set(range(neurons))


def test_the_sparsest_wiring_that_the_message_offers_exists():
    with pytest.raises(ConfigError) as error:
        FreeWiring.sparse(4, 20, sparsity=0.99)
    offered = float(str(error.value).split("at most ")[1].split()[0])
    assert len(FreeWiring.sparse(4, 20, sparsity=offered).sensory) == 20


def test_synapses_are_drawn_from_everywhere():
    """Each pair of 6 x 6 is drawn about as often as any other."""
    times = dict.fromkeys([(s, t) for s in range(6) for t in range(6)], 0)
    for seed in range(400):
        for synapse in FreeWiring.sparse(6, 6, sparsity=0.5, seed=seed).synapses:
            times[synapse[:2]] += 1
    assert (
        sum(times.values()) == 400 * 18 and 150 < min(times.values()) and max(times.values()) < 250
    )


def test_polarity_is_a_fair_coin():
    wirings = [FreeWiring.fully_connected(5, 10, seed=seed) for seed in range(20)]
    polarities = [p for w in wirings for _, _, p in (*w.sensory, *w.synapses)]
    assert abs(sum(polarities)) < 4 * len(polarities) ** 0.5


def test_all_neurons_are_outputs_unless_fewer_are_requested():
    assert FULL.motor == 5 and SPARSE.motor == 2 and list(SPARSE.motor_neurons) == [0, 1]
    assert sum(p.numel() for p in LtcCell(SPARSE).parameters()) == 3 * 16 + 4 * (32 + 64)


def test_json_brings_the_same_wiring_back():
    assert FreeWiring.from_dict(json.loads(json.dumps(SPARSE.to_dict()))) == SPARSE
    assert (
        FreeWiring.sparse(8, 16, 2, sparsity=0.75)
        == SPARSE
        != FreeWiring.sparse(8, 16, 2, sparsity=0.75, seed=3)
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPARSE.inputs = 3


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("motor"),
        lambda d: d.update(inter=1),
        lambda d: d["sensory"].pop(),
        lambda d: d["synapses"].append(d["synapses"][0]),
        lambda d: d["synapses"][0].__setitem__(1, 16),
        lambda d: d["sensory"][0].__setitem__(0, -1),
        lambda d: d["sensory"][0].__setitem__(2, 2),
        lambda d: d.update(motor=17),
        lambda d: d.update(sensory=[["a"]]),
    ],
)
def test_a_changed_wiring_is_refused(change):
    values = SPARSE.to_dict()
    change(values)
    with pytest.raises(ConfigError, match="FreeWiring"):
        FreeWiring.from_dict(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inputs", 0),
        ("neurons", 0),
        ("neurons", 2.5),
        ("motor", 0),
        ("motor", 9),
        ("seed", -1),
        ("sparsity", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("sparsity", "half"),
    ],
)
def test_impossible_sizes_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"FreeWiring.{name}"):
        FreeWiring.sparse(**{"inputs": 4, "neurons": 8, name: value})
    if name != "sparsity":
        with pytest.raises(ConfigError, match=f"FreeWiring.{name}"):
            FreeWiring.fully_connected(**{"inputs": 4, "neurons": 8, name: value})
