"""Saliency, similarity, neurons' figures and lesions against numbers worked out by hand or another way."""

from __future__ import annotations

import dataclasses
import json

import av
import numpy as np
import pytest
import torch

from liquid_control.config import PolicyConfig, PreprocessConfig, WorldConfig
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError, ModelFileError, ShapeError
from liquid_control.evaluate.insight import activity
from liquid_control.evaluate.insight.explain import ExplainSettings, explain
from liquid_control.evaluate.insight.gradient import gradient_saliency
from liquid_control.evaluate.insight.lesions import WAYS, Lesion, silenced, synapse_signs, synapse_strengths
from liquid_control.evaluate.insight.paint import lay_over
from liquid_control.evaluate.insight.similarity import C1, C2, WINDOW, structural_similarity
from liquid_control.evaluate.insight.time_constants import meaning, time_constants
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.evaluate.insight.visual_backprop import VisualBackProp, enlarge, propagate_back, scaled
from liquid_control.policy.model_file import save_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.signals import Observation

STEPS = 12
GENERATOR = np.random.default_rng(7)


def network(memory: str = "ltc", **changes) -> PolicyNetwork:
    torch.manual_seed(3)
    return PolicyNetwork(PolicyConfig(memory=memory, **changes), PreprocessConfig()).eval()


def driven(net: PolicyNetwork) -> Trace:
    """A trace of random pictures, as the network's own steps make it."""
    image = GENERATOR.integers(0, 256, (STEPS, 32, 64, 3), dtype=np.uint8)
    inertial, dt = GENERATOR.normal(size=(STEPS, 3)).astype(np.float32), GENERATOR.uniform(0.02, 0.08, STEPS)
    state, rows = net.initial_state(1), []
    with torch.no_grad():
        for t in range(STEPS):
            before = state
            seen = (torch.tensor(part[t : t + 1]) for part in (image, inertial, dt.astype(np.float32)))
            answer, state = net.step(*seen, state)
            rows.append((before[0].numpy(), state[0].numpy(), float(answer)))
    before, after, answers = (np.array(column) for column in zip(*rows, strict=True))
    zeros = np.zeros(STEPS)
    return Trace(zeros, np.cumsum(dt), image, inertial, dt, np.arange(STEPS) == 0, before, after, answers, zeros, zeros, zeros)


# VisualBackProp


def test_a_tiny_network_by_hand():
    """Two 1x1 convolutions of stride 1 and 2 on a picture of four pixels: every number can be followed."""
    first, second = np.array([[[[1.0]]], [[[-1.0]]]], np.float32).repeat(3, axis=1), np.array([[[[2.0]], [[0.0]]]], np.float32)
    seer = VisualBackProp([(first, np.zeros(2, np.float32)), (second, np.array([1.0], np.float32))], [(1, 1), (1, 2)])
    image = np.array([[0, 0, 200, 200]], np.uint8)[..., None].repeat(3, axis=2)
    # standardised: -1 -1 1 1, three channels alike; first maps: relu(±3 x) = 0 0 3 3 and 3 3 0 0; second: 2 * the first map's 0 and 3, + 1
    maps = seer.maps(image)
    assert maps[0][0].tolist() == [[0, 3], [0, 3], [3, 0], [3, 0]] and maps[1][0].tolist() == [[1], [7]]
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


@pytest.mark.parametrize("encoder", ["slim", "published"])
def test_maps_are_those_of_the_encoder(tmp_path, encoder):
    preprocess = PreprocessConfig(height=31, width=50)  # odd sizes: the strides round up
    torch.manual_seed(1)
    features = 29 if encoder == "slim" else 32
    net = PolicyNetwork(PolicyConfig(encoder=encoder, image_features=features), preprocess)
    save_model(tmp_path, net, {}, {})
    image = GENERATOR.integers(0, 256, (31, 50, 3), dtype=np.uint8)
    theirs = []
    for layer in net.encoder.convolutions:
        if isinstance(layer, torch.nn.ReLU):
            layer.register_forward_hook(lambda _, __, out: theirs.append(out[0].permute(1, 2, 0).detach().numpy()))
    net.encoder(torch.tensor(image[None]))
    ours = VisualBackProp.load(tmp_path).maps(image)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_a_damaged_model_is_refused(tmp_path):
    save_model(tmp_path, network(), {}, {})
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40])
    with pytest.raises(ModelFileError):
        VisualBackProp.load(tmp_path)


def test_the_gradient_is_the_slope_of_the_answer():
    net = network()
    trace = driven(net)
    found = gradient_saliency(net, trace, np.array([5]))[0]
    row, column = np.unravel_index(np.argmax(found), found.shape)
    slopes = []
    for channel in range(3):
        answers = []
        for sign in (0.5, -0.5):
            image = torch.tensor(trace.image[5:6], dtype=torch.float32)
            image[0, row, column, channel] += sign
            rest = (torch.tensor(part[5:6], dtype=torch.float32) for part in (trace.inertial, trace.dt, trace.before))
            with torch.no_grad():
                answers.append(float(net(image, *rest)[0]))
        slopes.append(abs(answers[0] - answers[1]))
    assert max(slopes) == pytest.approx(float(found[row, column]), rel=0.05)


def test_the_overlay_glows_where_the_policy_sees_and_leaves_the_rest_grey():
    picture = np.full((40, 80, 3), (120, 60, 200), np.uint8)
    painted = lay_over(picture, np.ones((32, 64)), PreprocessConfig(crop_top=0.5), 80)
    assert (painted[:20] == painted[:20, :, :1]).all()
    assert (painted[20:].max(axis=2) > painted[20:].min(axis=2)).all()


# similarity


def test_ssim_of_known_pictures():
    rng = np.random.default_rng(2)
    noise = rng.uniform(0, 255, (32, 64))
    assert structural_similarity(noise, noise) == pytest.approx(1.0)
    flat, other = np.full((32, 64), 100.0), np.full((32, 64), 150.0)
    assert structural_similarity(flat, other) == pytest.approx((2 * 100 * 150 + C1) / (100**2 + 150**2 + C1))
    assert structural_similarity(noise, 255 - noise) < -0.5
    assert structural_similarity(noise, rng.uniform(0, 255, (32, 64))) == pytest.approx(0.0, abs=0.2)


def test_ssim_of_one_window_from_its_definition():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 255, (2, WINDOW, WINDOW))
    along = np.exp(-0.5 * (np.arange(WINDOW) - 5) ** 2 / 1.5**2)
    weight = np.outer(along, along) / along.sum() ** 2
    mean_x, mean_y = (weight * x).sum(), (weight * y).sum()
    var_x, var_y, cov = ((weight * (a - p) * (b - q)).sum() for a, p, b, q in
                         ((x, mean_x, x, mean_x), (y, mean_y, y, mean_y), (x, mean_x, y, mean_y)))
    expected = (2 * mean_x * mean_y + C1) * (2 * cov + C2) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
    assert structural_similarity(x, y) == pytest.approx(expected)


def test_ssim_refuses_pictures_of_two_sizes():
    with pytest.raises(ShapeError):
        structural_similarity(np.zeros((4, 4)), np.zeros((4, 5)))


# neurons


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
    assert activity.largest_steps(states, np.array([True, False, True, False])) == pytest.approx([0.5, 0.2])


def test_who_follows_which_curve():
    curvature = np.array([0, 0.01, 0.02, 0.01, 0, -0.01, -0.02, -0.01, 0] * 3)
    left, right = np.maximum(curvature, 0), np.maximum(-curvature, 0)
    states = np.stack([curvature, -left, right, np.abs(curvature), np.zeros_like(curvature)], axis=1)
    found = activity.followed_curves(states, curvature)
    assert [row["follows"] for row in found] == ["both, by sign", "left bends", "right bends", "any bend", "neither"]
    assert found[0]["curvature"] == pytest.approx(1.0) and found[1]["left"] == pytest.approx(-1.0)
    assert [activity.BENDS[i] for i in activity.bend_of(np.array([0.01, 0.0, -0.01]))] == ["left", "straight", "right"]


def test_time_constants_are_those_of_the_cell():
    net = network()
    trace = driven(net)
    found = time_constants(net, trace)
    with torch.no_grad():
        x = net.sense(torch.tensor(trace.image), torch.tensor(trace.inertial))
        expected = net.cell.time_constants(x, torch.tensor(trace.after)) / net.config.time_scale
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
    assert "conductances" in meaning(net)


def test_the_stand_in_of_a_cfc_is_the_slope_of_its_time_gate():
    """The gate is found from outside, by how a step's result changes with dt."""
    net = network("cfc", time_scale=1.0)
    trace = driven(net)
    layer, inter = net.cell.inter, list(net.wiring.inter_neurons)
    with torch.no_grad():
        x = net.sense(torch.tensor(trace.image), torch.tensor(trace.inertial))
        one, two, _, _ = layer(x, torch.tensor(trace.before[:, inter])).chunk(4, dim=1)
        odds = []
        for dt in (1.0, 1.5):
            after = net.cell(x, torch.tensor(trace.before), torch.full((STEPS,), dt))[1][:, inter].double()
            share = (after - one.double().tanh()) / (two.double().tanh() - one.double().tanh())
            odds.append(torch.logit(share))
    slope = ((odds[1] - odds[0]) / 0.5).abs().numpy()
    found = 1.0 / time_constants(net, trace)[:, inter]
    np.testing.assert_allclose(np.median(np.abs(found / slope - 1)), 0.0, atol=0.01)
    assert "no conductances" in meaning(net)


def test_gates_that_know_no_time_have_no_time_constant():
    net = network("lstm")
    assert time_constants(net, driven(net)) is None
    fixed = network("ct_rnn")
    np.testing.assert_allclose(time_constants(fixed, driven(fixed)), 1.0 / fixed.config.time_scale)


# lesions


def answers(runtime, trace: Trace, shake: int | None = None, by: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (T,) and next state (T, U) of a step from each state of the trace, with neuron `shake` displaced by `by` before it."""
    out = []
    for t in range(len(trace)):
        state = trace.before[t].copy()
        if shake is not None:
            state[shake] += by
        seen = Observation(0, trace.image[t], trace.inertial[t], float(trace.dt[t]), False)
        out.append(runtime.step(seen, state))
    return np.array([curvature for curvature, _ in out]), np.array([state for _, state in out])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("memory", ["ltc", "cfc", "gru", "cfc_full"])
def test_nobody_hears_a_silenced_neuron(memory, way):
    net = network(memory)
    trace = driven(net)
    neuron = net.wiring.command_neurons[2] if net.wiring else 4
    intact = answers(silenced(net, Lesion(neuron, way=way), trace.after), trace)
    shaken = answers(silenced(net, Lesion(neuron, way=way), trace.after), trace, neuron, 0.7)
    others = np.arange(trace.after.shape[1]) != neuron
    np.testing.assert_allclose(shaken[0], intact[0], atol=1e-5)
    np.testing.assert_allclose(shaken[1][:, others], intact[1][:, others], atol=1e-4)
    whole, heard = (answers(TorchRuntime(net), trace, neuron, by)[1][:, others] for by in (0.0, 0.7))
    assert np.abs(heard - whole).max() > 1e-3, "without the lesion they do"


@pytest.mark.parametrize("memory", ["ltc", "cfc"])
def test_one_synapse_cut_changes_its_target_first(memory):
    net = network(memory, unfolds=1)
    trace = driven(net)
    command = net.wiring.command_neurons[1]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    _, whole = answers(TorchRuntime(net), trace)
    _, cut = answers(silenced(net, Lesion(command, 0), trace.after), trace)
    changed = np.abs(cut - whole).max(axis=0)
    assert changed[0] > 1e-4 and changed[1:].max() < 1e-5
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items()), "the model itself is never changed"


@pytest.mark.parametrize("memory", ["ltc", "cfc"])
def test_a_held_neuron_keeps_sending_its_mean(memory):
    """Held at the very state that it is in, it sends what it would have sent; cut, it does not."""
    net = network(memory, unfolds=1)
    trace = driven(net)
    trace = dataclasses.replace(trace, before=np.repeat(trace.before[5:6], STEPS, axis=0))
    neuron = net.wiring.command_neurons[2]
    # one step later: of a CfC only the same layer has heard the state before
    hearers = [n for n in (net.wiring.command_neurons if memory == "cfc" else range(19)) if n != neuron]
    intact = answers(TorchRuntime(net), trace)[1][:, hearers]
    held, cut = (answers(silenced(net, Lesion(neuron, way=way), trace.before), trace)[1][:, hearers] for way in ("hold", "cut"))
    np.testing.assert_allclose(held, intact, atol=1e-4)
    assert np.abs(cut - intact).max() > 20 * np.abs(held - intact).max()


@pytest.mark.parametrize("memory", ["ltc", "cfc"])
def test_a_silenced_motor_neuron_steers_nowhere(memory):
    net = network(memory)
    trace = driven(net)
    for way, expected in (("cut", 0.0), ("hold", trace.after[:, 0].mean() * net.config.curvature_scale * net.config.output_gain)):
        found, _ = answers(silenced(net, Lesion(0, way=way), trace.after), trace)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_strengths_and_signs_name_every_synapse():
    for memory in ("ltc", "cfc"):
        net = network(memory)
        strengths = synapse_strengths(net, driven(net).after)
        assert set(strengths) == {(source, target) for source, target, _ in net.wiring.synapses}
        assert min(strengths.values()) > 0
    fresh = network("ltc")
    assert synapse_signs(fresh) == {(source, target): polarity for source, target, polarity in fresh.wiring.synapses}
    assert synapse_strengths(network("gru"), np.zeros((3, 19))) == synapse_signs(network("gru")) == {}


def test_lesions_of_what_is_not_there_are_refused():
    net = network()
    states = np.zeros((4, 19), np.float32)
    motor, inter = 0, net.wiring.inter_neurons[0]
    for lesion in (Lesion(19), Lesion(-1), Lesion(motor, inter), Lesion(inter, way="burn")):
        with pytest.raises(ConfigError):
            silenced(net, lesion, states)
    with pytest.raises(ConfigError):
        silenced(network("gru"), Lesion(1, 2), states)


# the whole


@pytest.mark.parametrize("memory, lesion_roads", [("cfc", 1), ("lstm", 0)])
def test_a_page_a_video_and_figures_of_any_memory(tmp_path, memory, lesion_roads):
    """Untrained: it leaves the road early, and all of that is told."""
    net = network(memory, inter=2, command=2, motor_fanin=2, sensory_fanout=2, inter_fanout=2, recurrent_command=1, units=5)
    save_model(tmp_path / "model", net, {}, {})
    settings = ExplainSettings(
        tmp_path / "model", tmp_path / "out", roads=2, world=WorldConfig(length=60.0, trees=0), lesion_roads=lesion_roads,
        lesion_length=50.0, synapses=1, workers=1,
    )
    facts = explain(settings, progress=False)
    assert json.loads((tmp_path / "out/explain.json").read_text()) == facts
    assert sum(one["way"] == "hold" and one["target"] is None for one in facts["interventions"]) == 5 * lesion_roads
    assert len(facts["neurons"]) == 5 and (facts["neurons"][0]["time_constant_s"] is None) == (memory == "lstm")
    assert [row["variance"] for row in facts["saliency_under_noise"]] == [0.1, 0.2, 0.3]
    page = (tmp_path / "out/explain.html").read_text()
    assert "data:video/mp4;base64," in page and "http" not in page.replace("http://www.w3.org", "")
    assert ("class=\"chart circuit\"" in page) == bool(lesion_roads)
    with av.open(str(tmp_path / "out/explain.mp4")) as film:
        frames = list(film.decode(video=0))
    assert 2 <= len(frames) <= facts["steps"] and np.std(frames[-1].to_ndarray(format="gray")) > 10
