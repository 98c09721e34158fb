"""A silenced part has no effect on others, and nothing else changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from liquid_control.deploy.runtime import from_vector, to_vector
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError
from liquid_control.evaluate.insight.lesions import (
    WAYS,
    Lesion,
    silenced,
    synapse_signs,
    synapse_strengths,
)
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.signals import Observation


def answers(
    runtime, trace: Trace, shake: int | None = None, by: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (T,) and next state (T, U) of a step from each state of the trace, with neuron
    `shake` displaced by `by` before it."""
    out = []
    for t in range(len(trace)):
        state = trace.before[t].copy()
        if shake is not None:
            state[shake] += by
        seen = Observation(0, trace.image[t], trace.measurements[t], float(trace.dt[t]), False)
        action, after = runtime.step(seen, from_vector(state, runtime.spec))
        out.append((float(action[0]), to_vector(after)))
    return np.array([curvature for curvature, _ in out]), np.array([state for _, state in out])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("core", ["ltc", "cfc", "gru", "cfc_full"])
def test_a_silenced_neuron_has_no_effect_on_others(network, driven, core, way):
    net = network(core)
    trace = driven(net)
    neuron = net.wiring.command_neurons[2] if net.wiring else 4
    intact = answers(silenced(net, Lesion(neuron, way=way), trace.after), trace)
    shaken = answers(silenced(net, Lesion(neuron, way=way), trace.after), trace, neuron, 0.7)
    others = np.arange(trace.after.shape[1]) != neuron
    np.testing.assert_allclose(shaken[0], intact[0], atol=1e-5)
    np.testing.assert_allclose(shaken[1][:, others], intact[1][:, others], atol=1e-4)
    whole, heard = (
        answers(TorchRuntime(net), trace, neuron, by)[1][:, others] for by in (0.0, 0.7)
    )
    assert np.abs(heard - whole).max() > 1e-3, "without the lesion they do"


@pytest.mark.parametrize("core", ["ltc", "cfc"])
def test_one_synapse_cut_changes_its_target_first(network, driven, core):
    net = network(core, {"unfolds": 1} if core == "ltc" else {})
    trace = driven(net)
    command = net.wiring.command_neurons[1]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    _, whole = answers(TorchRuntime(net), trace)
    _, cut = answers(silenced(net, Lesion(command, 0), trace.after), trace)
    changed = np.abs(cut - whole).max(axis=0)
    assert changed[0] > 1e-4 and changed[1:].max() < 1e-5
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items()), (
        "the model itself is never changed"
    )


@pytest.mark.parametrize("core", ["ltc", "cfc"])
def test_a_held_neuron_keeps_sending_its_mean(network, driven, core):
    """Held at the very state that it is in, it sends what it would have sent; cut, it does not."""
    net = network(core, {"unfolds": 1} if core == "ltc" else {})
    trace = driven(net)
    trace = dataclasses.replace(trace, before=np.repeat(trace.before[5:6], len(trace), axis=0))
    neuron = net.wiring.command_neurons[2]
    # one step later: of a CfC only the same layer has heard the state before
    hearers = [
        n for n in (net.wiring.command_neurons if core == "cfc" else range(19)) if n != neuron
    ]
    intact = answers(TorchRuntime(net), trace)[1][:, hearers]
    held, cut = (
        answers(silenced(net, Lesion(neuron, way=way), trace.before), trace)[1][:, hearers]
        for way in ("hold", "cut")
    )
    np.testing.assert_allclose(held, intact, atol=1e-4)
    assert np.abs(cut - intact).max() > 20 * np.abs(held - intact).max()


@pytest.mark.parametrize("core", ["ltc", "cfc"])
def test_a_silenced_motor_neuron_steers_nowhere(network, driven, core):
    net = network(core)
    trace = driven(net)
    for way, expected in (
        ("cut", 0.0),
        ("hold", trace.after[:, 0].mean() * net.spec.actions[0].scale * net.config.output_gain),
    ):
        found, _ = answers(silenced(net, Lesion(0, way=way), trace.after), trace)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_strengths_and_signs_name_every_synapse(network, driven):
    for core in ("ltc", "cfc"):
        net = network(core)
        strengths = synapse_strengths(net, driven(net).after)
        wired = {(source, target) for source, target, _ in net.wiring.synapses}
        assert wired == set(strengths) if core == "ltc" else wired < set(strengths)
        assert min(strengths.values()) > 0
    fresh = network("ltc")
    assert synapse_signs(fresh) == {
        (source, target): polarity for source, target, polarity in fresh.wiring.synapses
    }
    assert (
        synapse_strengths(network("gru"), np.zeros((3, 19))) == synapse_signs(network("gru")) == {}
    )


def test_the_strength_of_a_cfc_synapse_is_what_its_target_loses(network, driven):
    """Against the surgery itself: each target driven on from the same states, with the one synapse
    held at its mean and without."""
    net = network("cfc")
    trace = driven(net)
    trace = dataclasses.replace(trace, dt=np.full_like(trace.dt, 0.04))
    strengths = synapse_strengths(net, trace.before)
    pairs = [(source, 0) for source in net.wiring.command_neurons if (source, 0) in strengths]
    assert len(pairs) > 3
    whole, lost = answers(TorchRuntime(net), trace)[1], []
    for pair in pairs:
        lost.append(
            np.sqrt(
                np.mean(
                    (
                        answers(silenced(net, Lesion(*pair, "hold"), trace.before), trace)[1][:, 0]
                        - whole[:, 0]
                    )
                    ** 2
                )
            )
        )
    # The motor neuron hears the commands' new states, a frame later than those that the strengths
    # are taken from.
    assert np.corrcoef(lost, [strengths[pair] for pair in pairs])[0, 1] > 0.95


def test_lesions_of_what_is_not_there_are_refused(network):
    net = network()
    states = np.zeros((4, 19), np.float32)
    motor, inter = 0, net.wiring.inter_neurons[0]
    for lesion in (Lesion(19), Lesion(-1), Lesion(motor, inter), Lesion(inter, way="burn")):
        with pytest.raises(ConfigError):
            silenced(net, lesion, states)
    with pytest.raises(ConfigError):
        silenced(network("gru"), Lesion(1, 2), states)
