"""Recurrent PPO: advantages by hand, sequences cut where episodes begin, the same weights after an
interruption, a task learned in seconds, and what does not fit is named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from liquid_control.cli.main import main
from liquid_control.config import PreprocessConfig
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.policy.saved import load_network
from liquid_control.signals import Observation
from liquid_control.sim.batched.vector_world import Frame, Step
from liquid_control.train import ppo
from liquid_control.train.ppo import Agent, Course, Rollout, advantages, collect, improve, judge
from liquid_control.train.ppo_settings import NetworkSettings, PpoNumbers, PpoSettings
from liquid_control.train.run import Run
from liquid_control.train.scale import Scale

NUMBERS = PpoNumbers(8, 16, 2, 2, 1e-3, 0.9, 0.8, 0.5)


class Target(gymnasium.Env):
    """Say the number that was shown a step ago. One in 50 episodes is broken where `sound` is
    false."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Box(-1.0, 1.0, (1,))
    metadata = {"render_fps": 25, "render_modes": []}

    def __init__(self, sound=True, bound=1.0, observations=None, actions=None):
        self.sound = sound
        self.action_space = actions or spaces.Box(-bound, bound, (1,))
        self.observation_space = observations or self.observation_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left, self.before = 8, 0.0
        self.shown = float(self.np_random.uniform(-1, 1))
        return np.array([self.shown], np.float32), {}

    def step(self, action):
        error = abs(float(action[0]) - self.before)
        self.before, self.shown = self.shown, float(self.np_random.uniform(-1, 1))
        self.left -= 1
        broken = not self.sound and self.np_random.random() < 0.01
        seen = np.array([np.nan if broken else self.shown], np.float32)
        return seen, 1.0 - error, False, self.left == 0, {}


@pytest.fixture(autouse=True, scope="module")
def registered():
    gymnasium.register("test/Target-v0", Target)
    yield
    del gymnasium.registry["test/Target-v0"]


def settings(out=Path("unused"), **given) -> PpoSettings:
    given = {"task": "Hopper", "observation": "irregular", "numbers": NUMBERS} | given
    return PpoSettings(out=out, workers=1, device="cpu", evaluation_worlds=2, **given)


def begin(chosen: PpoSettings):
    torch.manual_seed(chosen.seed)
    world = chosen.make_world(chosen.chosen.worlds, torch.device("cpu"))
    agent = Agent(world, chosen)
    return agent, Course(agent, world, chosen, 0), torch.Generator().manual_seed(0)


def blank(held, terminated, truncated, broken) -> Rollout:
    fields = dict.fromkeys(field.name for field in dataclasses.fields(Rollout))
    ends = {"terminated": terminated, "truncated": truncated, "broken": broken}
    ends = {name: torch.tensor([value], dtype=torch.bool) for name, value in ends.items()}
    return Rollout(**fields | ends | {"held": torch.tensor([held])})


def test_discounts_stand_to_the_power_of_the_time_that_passed():
    held, reward, value = [0.5, 2.0, 1.0], [1.0, -2.0, 3.0], [0.4, 0.6, -0.5, 0.8]
    rollout = blank(held, [0, 0, 0], [0, 0, 0], [0, 0, 0])
    tensors = torch.tensor([reward]), torch.tensor([value]), torch.zeros(1, 3)
    found = advantages(*tensors, rollout, gamma=0.9, trace=0.7)[0].tolist()
    third = 3.0 + 0.9 * 0.8 - -0.5
    second = -2.0 + 0.9**2 * -0.5 - 0.6 + (0.9 * 0.7) ** 2 * third
    first = 1.0 + 0.9**0.5 * 0.6 - 0.4 + (0.9 * 0.7) ** 0.5 * second
    assert found == pytest.approx([first, second, third], abs=1e-6)


def test_two_half_steps_are_discounted_as_one_whole_step():
    whole = blank([1.0], [0], [0], [0])
    halves = blank([0.5, 0.5], [0, 0], [0, 0], [0, 0])
    value = 0.81**0.5 * 2.0  # in the middle, where nothing is surprising
    one = advantages(
        torch.zeros(1, 1), torch.tensor([[1.0, 2.0]]), torch.zeros(1, 1), whole, 0.81, 1.0
    )
    numbers = torch.tensor([[1.0, value, 2.0]])
    two = advantages(torch.zeros(1, 2), numbers, torch.zeros(1, 2), halves, 0.81, 1.0)
    assert two[0, 0].item() == pytest.approx(one[0, 0].item(), abs=1e-6)


@pytest.mark.parametrize(
    "end, expected",
    [
        ("truncated", 1.0 + 0.9 * 5.0 - 0.4),  # what the end was worth
        ("terminated", 1.0 - 0.4),
        ("broken", 0.0),  # says nothing
    ],
)
def test_an_end_is_worth_what_it_is_by_its_kind(end, expected):
    ends = {kind: [kind == end, 0] for kind in ("terminated", "truncated", "broken")}
    rollout = blank([1.0, 1.0], *ends.values())
    final = torch.tensor([[5.0 * (end == "truncated"), 0.0]])
    numbers = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.4, 9.0, 7.0]]), final
    found = advantages(*numbers, rollout, 0.9, 0.8)[0].tolist()
    assert found == pytest.approx([expected, 2.0 + 0.9 * 7.0 - 9.0], abs=1e-6)


def test_a_time_out_is_judged_by_its_last_state_and_not_by_the_next_episode():
    agent, course, draws = begin(settings(task="test/Target-v0", observation="full"))
    rollout = collect(agent, course, draws, settings(task="test/Target-v0", observation="full"))
    assert rollout.truncated.sum() == 8 * 2 and not rollout.terminated.any()
    for part in agent.critic:  # the value of a state is its number
        torch.nn.init.zeros_(part.weight) if isinstance(part, torch.nn.Linear) else None
    ended = rollout.truncated
    assert not torch.equal(rollout.final[ended], rollout.known[:, 1:][ended])
    torch.nn.init.zeros_(agent.critic[4].bias)
    agent.value = lambda known: known.squeeze(-1)
    advantage, target = judge(agent, rollout, 0.9, 0.0)
    reward = rollout.reward / agent.gain.std.float()
    expected = reward[ended] + 0.9 * rollout.final[ended].squeeze(-1)
    assert torch.allclose(target[ended], expected, atol=1e-5)
    assert torch.allclose(advantage, target - rollout.known[:, :-1].squeeze(-1), atol=1e-5)


@pytest.mark.parametrize("core", CORES)
def test_a_sequence_is_unrolled_as_it_was_acted_with_cuts_where_episodes_begin(core):
    chosen = settings(policy=NetworkSettings(core=CORES[core](), width=12, core_outputs=7))
    agent, course, draws = begin(chosen)
    torch.nn.init.orthogonal_(agent.policy.head.weight)
    collect(agent, course, draws, chosen)
    rollout = collect(agent, course, draws, chosen)
    inner = rollout.is_first[:, 1:-1]
    assert inner.any() and not rollout.is_first[:, 0].all(), "episodes begin within the sequences"
    with torch.no_grad():
        inputs = None, rollout.measurements, rollout.dt
        seen = agent.policy.unroll(*inputs, rollout.is_first, rollout.state).action
        uncut = agent.policy.unroll(*inputs, None, rollout.state).action
        row, t = (int(each) for each in inner.nonzero()[0] + torch.tensor([0, 1]))
        tail = [part[row : row + 1, t:] for part in inputs[1:]]
        fresh = agent.policy.unroll(None, *tail, rollout.is_first[row : row + 1, t:]).action
    assert torch.allclose(seen[row, t:], fresh[0], atol=1e-5)
    if core != "feedforward":
        assert not torch.allclose(uncut[row, t:], fresh[0], atol=1e-5)
    optimiser = torch.optim.SGD(agent.parameters(), 0.0)
    advantage, target = judge(agent, rollout, 0.9, 0.8)
    found = improve(agent, optimiser, rollout, advantage, target, chosen)
    assert found["kl"].item() == pytest.approx(0.0, abs=1e-5)


class Pictures:
    """Worlds that show the target of the next action as the brightness of a picture."""

    num_worlds, state_size, nominal_dt, device = 8, 1, 0.04, torch.device("cpu")
    spec = dataclasses.replace(lane_keeping(PreprocessConfig(height=32, width=64)), measurements=())

    def reset(self, seed):
        self.draws = torch.Generator().manual_seed(seed)
        return self._show(torch.ones(8, dtype=torch.bool))

    def step(self, action):
        reward, over = -(action[:, 0] / 0.04 - self.target).abs(), torch.ones(8, dtype=torch.bool)
        frame, no = self._show(over), ~over
        return Step(frame, reward, over, no, no, torch.full((8,), 0.04), frame)

    def _show(self, is_first):
        self.target = 2 * torch.rand(8, generator=self.draws) - 1
        grey = (127 + 100 * self.target).to(torch.uint8)[:, None, None, None]
        dt = torch.full((8,), 0.04)
        return Frame(
            grey.expand(8, 32, 64, 3), torch.zeros(8, 0), dt, is_first, self.target[:, None]
        )

    def close(self):
        pass


def test_pictures_go_through_the_encoder(monkeypatch):
    monkeypatch.setattr(PpoSettings, "make_world", lambda *_, **__: Pictures())
    network = NetworkSettings(encoder="slim", width=8, core_outputs=4)
    chosen = settings(policy=network)
    agent, course, draws = begin(chosen)
    torch.nn.init.orthogonal_(agent.policy.head.weight)
    rollout = collect(agent, course, draws, chosen)
    agent.learn_scales(rollout)
    agent.use_scales()
    assert rollout.image.shape == (8, 16, 32, 64, 3) and not agent.policy.spec.auxiliary
    optimiser = torch.optim.Adam(agent.parameters(), 1e-3)
    before = [each.clone() for each in agent.policy.encoder.parameters()]
    found = improve(agent, optimiser, rollout, *judge(agent, rollout, 0.9, 0.8), chosen)
    assert found["kl"].item() == pytest.approx(0.0, abs=1e-5)
    pairs = zip(before, agent.policy.encoder.parameters(), strict=True)
    assert any(not torch.equal(*pair) for pair in pairs)


def test_a_minibatch_is_whole_worlds_with_their_states():
    chosen = settings(policy=NetworkSettings(core=CORES["lstm"](), width=12, core_outputs=7))
    agent, course, draws = begin(chosen)
    collect(agent, course, draws, chosen)
    rollout = collect(agent, course, draws, chosen)
    rows = torch.tensor([5, 2])
    part = rollout.rows(rows)
    assert part.image is None and torch.equal(part.measurements, rollout.measurements[rows])
    assert part.known.shape == (2, 17, agent.known.mean.numel())
    for array, whole in zip(part.state, rollout.state, strict=True):
        assert torch.equal(array, whole[rows])


def test_the_lane_is_learned_on_other_roads_than_it_is_judged_on():
    chosen = settings(task="lane", observation="full", numbers=PpoNumbers(), seed=4)
    assert chosen.chosen.worlds == 128
    learned, judged = (
        chosen.make_world(3, torch.device("cpu"), held_out=held_out) for held_out in (False, True)
    )
    assert not learned.settings.held_out and learned.settings.roads_seed == 4
    assert judged.settings.held_out and not judged.settings.anywhere
    assert judged.reset(0).measurements.shape == (3, 7)
    after = judged.step(torch.zeros(3, 1))
    assert (judged.station < 20.0).all() and after.frame.state.shape == (3, judged.state_size)
    agent, course, draws = begin(dataclasses.replace(chosen, numbers=NUMBERS))
    rollout = collect(agent, course, draws, dataclasses.replace(chosen, numbers=NUMBERS))
    assert rollout.held.mean().item() == pytest.approx(1.0, abs=0.15) and rollout.held.std() > 0.1


def test_the_lane_is_a_task_from_pictures_too():
    chosen = settings(task="lane_pictures", observation="full", numbers=PpoNumbers())
    world = chosen.make_world(3, torch.device("cpu"))
    agent = Agent(world, chosen)
    assert world.spec.image is not None and agent.policy.encoder is not None
    assert chosen.chosen.worlds == 64 and len(agent.seen.mean) == len(world.spec.measurements) == 3


def test_scales_are_those_of_all_numbers_so_far():
    rng, scale = np.random.default_rng(0), Scale(3)
    blocks = [rng.normal(k, 1 + k, (5, 40, 3)) for k in range(4)]
    for block in blocks:
        scale.update(torch.from_numpy(block))
    scale.update(torch.tensor([[np.nan, 0.0, 0.0]]))
    everything = np.concatenate(blocks).reshape(-1, 3)
    assert scale.mean.numpy() == pytest.approx(everything.mean(0))
    assert scale.std.numpy() == pytest.approx(everything.std(0), rel=1e-6)
    scaled = scale(torch.tensor([[1e9, -1e9, 0.0]]))
    assert scaled[0, :2].tolist() == [10.0, -10.0]


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    steps = {"steps": 5 * 8 * 16, "checkpoint_every": 2, "seed": 3}
    steps["policy"] = NetworkSettings(core=CORES["ct_rnn"](), width=8, core_outputs=4)
    whole = ppo.train(settings(tmp_path / "whole", **steps))
    log = Run.log

    def stop(run, curve, step, values):
        if step > 3 * 8 * 16:
            raise KeyboardInterrupt
        log(run, curve, step, values)

    monkeypatch.setattr(Run, "log", stop)
    with pytest.raises(KeyboardInterrupt):
        ppo.train(settings(tmp_path / "cut", **steps))
    monkeypatch.setattr(Run, "log", log)
    resumed = ppo.train(settings(tmp_path / "cut", **steps))
    files = [tmp_path / name / "model/weights.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    for name in ("return", "steps", "evaluation", "broken"):
        assert whole[name] == resumed[name]
    specs = [load_network(tmp_path / name / "model").spec for name in ("whole", "cut")]
    assert specs[0] == specs[1]
    with pytest.raises(ConfigError, match=r"other settings \(numbers.gamma\)"):
        other = dataclasses.replace(NUMBERS, gamma=0.5)
        ppo.train(settings(tmp_path / "cut", **steps | {"numbers": other}))


def test_a_task_that_needs_memory_is_learned_and_the_model_runs(tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--task", "test/Target-v0", "--out", str(out), "--worlds", "32", "--frames", "32"]
    arguments += [
        "--steps",
        "20000",
        "--rate",
        "5e-3",
        "--gamma",
        "0.5",
        "--evaluation-worlds",
        "16",
    ]
    assert main(["train", "ppo", *arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    blind = 8 - 0.5 * 7  # of a policy that says 0
    assert facts["evaluation"]["return"] > blind + 0.6 * (8 - blind) and not facts["broken"]

    runtime, network = OnnxRuntime.load(out / "model"), load_network(out / "model")
    assert runtime.info.artefact("onnx").parity < 1e-4
    assert runtime.info.provenance["settings"]["task"] == "test/Target-v0"
    state, error, rng, before = runtime.initial_state(), [], np.random.default_rng(5), 0.0
    kept = network.initial_state(1)
    for index in range(40):
        shown = float(rng.uniform(-1, 1))
        numbers = np.array([shown], np.float32)
        action, state = runtime.step(Observation(index, None, numbers, 0.04, index == 0), state)
        with torch.no_grad():
            tensors = torch.from_numpy(numbers)[None], torch.tensor([0.04])
            same, kept = network.step(None, *tensors, kept)
        assert action == pytest.approx(same[0].numpy(), abs=1e-5)
        error.append(abs(float(action[0]) - before))
        before = shown
    assert np.mean(error[1:]) < 0.2, "0.5 is the error of saying 0"


def test_a_broken_world_is_reset_counted_and_named(tmp_path):
    gymnasium.register("test/Unsound-v0", Target, kwargs={"sound": False})
    kind = {"task": "test/Unsound-v0", "observation": "full", "steps": 8 * 16 * 4}
    small = NetworkSettings(core=CORES["gru"](), width=0)
    chosen = settings(tmp_path, policy=small, **kind)
    facts = ppo.train(chosen)
    del gymnasium.registry["test/Unsound-v0"]
    assert facts["broken"] and all(name.startswith("world ") for name in facts["broken"])
    assert np.isfinite(facts["return"]) and (tmp_path / "model/policy.onnx").exists()


@pytest.mark.parametrize(
    "task, wanted",
    [
        ({"bound": np.inf}, "actions from -inf to inf', expected an environment with continuous"),
        ({"actions": spaces.Discrete(3)}, "actions Discrete', expected an environment with cont"),
        (
            {"observations": spaces.Sequence(spaces.Box(0, 1))},
            "observations of Sequence', expected one of 1 to 4096 num",
        ),
        ({"observations": spaces.Box(0, 1, (80, 80))}, "observations of 6400 numbers', expected"),
        (None, "test/None-v0', expected a registered environment (NameNotFound"),
    ],
)
def test_a_task_that_does_not_fit_is_one_line(task, wanted, tmp_path, capsys):
    name = "test/None-v0" if task is None else "test/Wrong-v0"
    if task is not None:
        gymnasium.register(name, Target, kwargs=task)
    code = main(["train", "ppo", "--task", name, "--out", str(tmp_path / "run")])
    gymnasium.registry.pop(name, None)
    errors = capsys.readouterr().err
    assert code == 2 and wanted in errors and len(errors.splitlines()) == 1


def test_a_gpu_that_is_not_there_and_other_wrong_settings_are_one_line(tmp_path, capsys):
    wrong = [(["--minibatches", "99"], "minibatches"), (["--observation", "half"], "observation")]
    wrong += [(["--task", "Pendulum-v1", "--observation", "masked"], "full for Pendulum-v1")]
    wrong += [] if torch.cuda.is_available() else [(["--device", "cuda"], "a GPU that PyTorch")]
    for arguments, named in wrong:
        assert main(["train", "ppo", "--out", str(tmp_path / "run"), *arguments]) == 2
        assert named in capsys.readouterr().err
