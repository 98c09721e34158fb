"""Reinforcement learning of a liquid policy: recurrent proximal policy optimisation (PPO) in B
worlds whose steps take irregular time.

The policy acts with a state that the core carries; a critic is given what the worlds know of
themselves, and only training has it. Each iteration steps all worlds T times and then takes a few
optimiser steps on whole sequences, minibatches of worlds, unrolled from the state in which each
sequence began. A step that takes dt counts as the dt / nominal_dt steps of a regular world: gamma
and lambda stand to that power. A world that runs out of time is worth what the critic says of its
end.

Schulman et al., "Proximal policy optimization algorithms", 2017 (arXiv:1707.06347), and
"High-dimensional continuous control using generalized advantage estimation", ICLR 2016; Pardo et
al., "Time limits in reinforcement learning", ICML 2018; Pinto et al., "Asymmetric actor critic for
image-based robot learning", RSS 2018.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections import Counter

import numpy as np
import torch
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import column
from liquid_control.policy.cells.sequence_checks import State
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.batched.vector_world import Frame, VectorWorld
from liquid_control.system.verb import Verb
from liquid_control.train.device import choose_device
from liquid_control.train.ppo_settings import PLACES, PpoSettings
from liquid_control.train.run import Run, described
from liquid_control.train.scale import LARGEST, Scale

METHOD = "reinforcement: recurrent PPO with a critic that sees the state"
CRITIC_UNITS = 128
RECENT = 40
"""Episodes whose mean is the return in curves and facts."""
LONGEST_EVALUATION = 10_000
"""Steps, for worlds that never end."""


def train(settings: PpoSettings) -> dict:
    """From an empty folder to `settings.out`/model; returns what was reached.

    Raises ConfigError when the folder holds a run with other settings, for a task that does not fit
    and for a GPU that is not there.
    """
    started, device = time.perf_counter(), choose_device(settings.device)
    chosen = settings.chosen
    torch.manual_seed(settings.seed)
    world = settings.make_world(chosen.worlds, device)
    agent = Agent(world, settings).to(device)
    optimiser = torch.optim.Adam(agent.parameters(), chosen.rate, eps=1e-5)
    steps = chosen.worlds * chosen.frames  # of an iteration
    iterations = -(-settings.steps // steps)
    decisive = described(settings, PLACES) | {"numbers": dataclasses.asdict(chosen)}
    with (
        contextlib.closing(world),
        Run(settings.out, METHOD, decisive, settings.seed, device, started) as run,
    ):
        fresh = {"iteration": 0, "returns": [], "broken": {}, "cpu_s": 0.0}
        position = run.resume(agent, optimiser, fresh)
        returns, broken = position["returns"], Counter(position["broken"])
        cpu = time.process_time() - position["cpu_s"]
        if not position["iteration"]:  # scales, from actions at random
            draws = torch.Generator(device).manual_seed(_seed(settings, 0, 0))
            agent.learn_scales(collect(agent, Course(agent, world, settings, -1), draws, settings))
        agent.use_scales()
        course = Course(agent, world, settings, position["iteration"])

        for iteration in run.progress(
            range(position["iteration"] + 1, iterations + 1), "ppo", iterations
        ):
            draws = torch.Generator(device).manual_seed(_seed(settings, iteration, 0))

            # ---- act: T steps of B worlds
            with run.timed("rollout"):
                rollout = collect(agent, course, draws, settings)
                returns = (returns + course.count(rollout, chosen.gamma))[-RECENT:]
                broken.update(f"world {row}" for row in rollout.broken.nonzero()[:, 0].tolist())

            # ---- learn: a few passes over whole sequences
            with run.timed("update"):
                agent.gain.update(course.discounted)
                advantage, target = judge(agent, rollout, chosen.gamma, chosen.trace)
                for _ in range(chosen.epochs):
                    order = torch.randperm(chosen.worlds, generator=draws, device=device)
                    for rows in order.chunk(chosen.minibatches):  # (B / minibatches,)
                        batch = rollout.rows(rows), advantage[rows], target[rows]
                        found = improve(agent, optimiser, *batch, settings)
                agent.learn_scales(rollout)
                agent.use_scales()

            # ---- report, and save: then all worlds begin anew, here and where a run is resumed
            values = {"return": float(np.mean(returns))} if returns else {}
            run.log("ppo", iteration * steps, values | {k: float(v) for k, v in found.items()})
            if iteration % settings.checkpoint_every == 0 or iteration == iterations:
                position = {"iteration": iteration, "returns": returns, "broken": broken}
                position["cpu_s"] = time.process_time() - cpu
                run.checkpoint(agent, optimiser, position)
                course = Course(agent, world, settings, iteration)

        # ---- evaluate without noise, save the model
        facts = {
            "task": settings.task,
            "model": str(run.model),
            "steps": position["iteration"] * steps,
            "return": float(np.mean(returns)) if returns else None,
            "cpu_s": position["cpu_s"],
            "broken": dict(broken),
        }
        if settings.evaluation_worlds:
            facts["evaluation"] = evaluate(agent, settings, device)
        run.save_model(agent.finished_policy(), {"steps": facts["steps"]}, facts)
        return facts


class Agent(nn.Module):
    """Policy, critic, exploration, and the scales of what they are given."""

    def __init__(self, world: VectorWorld, settings: PpoSettings) -> None:
        super().__init__()
        spec = dataclasses.replace(world.spec, auxiliary=(), state=())
        bounded = [feature.name for feature in spec.actions if feature.is_bounded]
        if bounded:
            raise ConfigError("actions", bounded, "actions without bounds: the world clips them")
        network = settings.policy
        config = PolicyConfig(
            encoder=network.encoder,
            core=network.core,
            width=network.width,
            core_outputs=network.core_outputs,
            time_scale=1.0 / world.nominal_dt,
            **({"output_gain": 1.0} if network.width else {}),
        )
        self.policy = PolicyNetwork(config, spec)
        self.critic = nn.Sequential(
            nn.Linear(world.state_size, CRITIC_UNITS),
            nn.Tanh(),
            nn.Linear(CRITIC_UNITS, CRITIC_UNITS),
            nn.Tanh(),
            nn.Linear(CRITIC_UNITS, 1),
        )
        _initialise(self.critic[0], self.critic[2], self.policy.before, self.policy.behind)
        _initialise(self.critic[4], gain=1.0)
        _initialise(self.policy.head, gain=0.01)
        std = math.log(settings.chosen.std)
        self.log_std = nn.Parameter(torch.full((len(spec.actions),), std))
        self.seen, self.known = Scale(len(spec.measurements)), Scale(world.state_size)
        self.gain = Scale(1)
        unit = torch.tensor(column(spec.actions, "scale"), dtype=torch.float32)
        self.register_buffer("unit", unit, persistent=False)  # of the actions, (A,)

    def act(self, frame: Frame, state: State) -> tuple[Tensor, State]:
        """The mean action (B, A) in units of its scale, and the state behind the frame."""
        image = None if frame.image is None else frame.image[:, None]
        numbers = frame.measurements[:, None], frame.dt[:, None], frame.is_first[:, None]
        found = self.policy.unroll(image, *numbers, state)
        return found.action[:, 0] / self.unit, found.state

    def value(self, known: Tensor) -> Tensor:
        """What worlds in these states (..., S) are worth (...), in units of the return's scale."""
        return self.critic(self.known(known)).squeeze(-1)

    def learn_scales(self, rollout: Rollout) -> None:
        """Adds what was measured and known to the statistics."""
        self.seen.update(rollout.measurements)
        self.known.update(rollout.known)

    def use_scales(self) -> None:
        """Gives the policy the statistics of its measurements."""
        policy = self.policy
        policy.measurement_centre.copy_(self.seen.mean)
        policy.measurement_scale.copy_(self.seen.std)
        policy.lowest_measurement.fill_(-LARGEST)
        policy.highest_measurement.fill_(LARGEST)

    def finished_policy(self) -> PolicyNetwork:
        """The policy, with its scales in its specification, where a model keeps them."""
        policy, features = self.policy, []
        pairs = zip(
            policy.measurement_centre.tolist(), policy.measurement_scale.tolist(), strict=True
        )
        for feature, (centre, scale) in zip(policy.spec.measurements, pairs, strict=True):
            low, high = centre - LARGEST * scale, centre + LARGEST * scale
            features.append(
                dataclasses.replace(feature, centre=centre, scale=scale, low=low, high=high)
            )
        policy.spec = dataclasses.replace(policy.spec, measurements=tuple(features))
        return policy.eval()


class Course:
    """Where the worlds are: frame, state of the policy, returns so far. All worlds begin anew, from
    a seed of the run's and the iteration's."""

    def __init__(
        self, agent: Agent, world: VectorWorld, settings: PpoSettings, iteration: int
    ) -> None:
        self.world, self.frame = world, world.reset(_seed(settings, iteration + 1, 1))
        self.state = agent.policy.initial_state(world.num_worlds)
        self._returns = np.zeros(world.num_worlds)
        self._discounted = torch.zeros(world.num_worlds)
        self.discounted = torch.zeros(world.num_worlds, 0, 1)
        """(B, T, 1), discounted rewards of each episode up to each step of the last rollout."""

    def count(self, rollout: Rollout, gamma: float) -> list[float]:
        """The returns of the episodes that ended in this rollout."""
        finished, discounted = [], []
        reward, ended = rollout.reward.cpu(), rollout.ended.cpu()
        for t, decay in enumerate((gamma**rollout.held).cpu().unbind(1)):
            self._discounted = self._discounted * decay + reward[:, t]
            discounted.append(self._discounted)
            self._discounted = self._discounted * ~ended[:, t]
            self._returns += reward[:, t].numpy()
            finished += self._returns[ended[:, t].numpy()].tolist()
            self._returns[ended[:, t].numpy()] = 0.0
        self.discounted = torch.stack(discounted, 1)[..., None].to(rollout.reward.device)
        return finished


@dataclasses.dataclass(frozen=True, eq=False)
class Rollout:
    """T steps of B worlds."""

    image: Tensor | None  # (B, T, h, w, 3) uint8
    measurements: Tensor  # (B, T, M)
    dt: Tensor  # (B, T) [s], before the frame
    is_first: Tensor  # (B, T) bool
    state: State  # of the policy before the first frame
    action: Tensor  # (B, T, A), in units of its scale
    likelihood: Tensor  # (B, T), logarithm, but for a constant
    known: Tensor  # (B, T + 1, S), what the critic is given
    final: Tensor  # (B, T, S), the same at the end of an episode, zero elsewhere
    reward: Tensor  # (B, T)
    held: Tensor  # (B, T), how long the action was held, in nominal periods
    terminated: Tensor  # (B, T) bool
    truncated: Tensor  # (B, T) bool
    broken: Tensor  # (B, T) bool

    @property
    def ended(self) -> Tensor:
        """(B, T) bool."""
        return self.terminated | self.truncated | self.broken

    def rows(self, rows: Tensor) -> Rollout:
        """Those of some worlds."""
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        single = {name: part[rows] for name, part in parts.items() if isinstance(part, Tensor)}
        if isinstance(self.state, tuple):
            single["state"] = tuple(array[rows] for array in self.state)
        return dataclasses.replace(self, **single)


@torch.no_grad()
def collect(agent: Agent, course: Course, draws: torch.Generator, settings: PpoSettings) -> Rollout:
    """Acts with exploration, from where the worlds are."""
    start, std, frames, steps, actions, noises = course.state, agent.log_std.exp(), [], [], [], []
    for _ in range(settings.chosen.frames):
        mean, course.state = agent.act(course.frame, course.state)  # (B, A)
        noise = torch.randn(mean.shape, generator=draws, device=mean.device)
        action = mean + std * noise
        step = course.world.step(action * agent.unit)
        frames.append(course.frame)
        steps.append(step)
        actions.append(action)
        noises.append(noise)
        course.frame = step.frame

    def over_time(parts: list, name: str) -> Tensor:
        return torch.stack([getattr(part, name) for part in parts], 1)  # (B, T, ...)

    noise, nowhere = torch.stack(noises, 1), torch.zeros_like(course.frame.state)
    final = [nowhere if step.last is None else step.last.state for step in steps]
    return Rollout(
        None if course.frame.image is None else over_time(frames, "image"),
        *(over_time(frames, name) for name in ("measurements", "dt", "is_first")),
        start,
        torch.stack(actions, 1),
        (-0.5 * noise.square() - agent.log_std).sum(-1),
        over_time([*frames, course.frame], "state"),
        torch.stack(final, 1),
        over_time(steps, "reward"),
        over_time(steps, "dt") / course.world.nominal_dt,
        *(over_time(steps, name) for name in ("terminated", "truncated", "broken")),
    )


@torch.no_grad()
def judge(agent: Agent, rollout: Rollout, gamma: float, trace: float) -> tuple[Tensor, Tensor]:
    """Advantages of the actions and targets of the critic, (B, T) each."""
    reward = (rollout.reward / agent.gain.std.float()).clamp(-LARGEST, LARGEST)
    value = agent.value(rollout.known)  # (B, T + 1)
    final = torch.where(rollout.truncated, agent.value(rollout.final), 0.0)
    advantage = advantages(reward, value, final, rollout, gamma, trace)
    return advantage, advantage + value[:, :-1]


def advantages(
    reward: Tensor, value: Tensor, final: Tensor, rollout: Rollout, gamma: float, trace: float
) -> Tensor:
    """Generalised advantages (B, T) of rewards (B, T) for values (B, T + 1) before each step and
    behind the last, and values `final` (B, T) of the ends of episodes: with g = gamma^dt, l =
    trace^dt,

        A_t = r_t + g V_{t+1} - V_t + g l A_{t+1},

    where the episode ends with `final` for V_{t+1} and without A_{t+1}. A broken step says
    nothing."""
    discount, decay = gamma**rollout.held, (gamma * trace) ** rollout.held
    following = torch.where(rollout.ended, final, value[:, 1:])
    surprise = reward + discount * following - value[:, :-1]
    surprise = torch.where(rollout.broken, 0.0, surprise)
    goes_on, found, behind = ~rollout.ended, [], torch.zeros_like(reward[:, 0])
    for t in reversed(range(reward.shape[1])):
        behind = surprise[:, t] + decay[:, t] * goes_on[:, t] * behind
        found.append(behind)
    return torch.stack(found[::-1], 1)


def improve(
    agent: Agent,
    optimiser: torch.optim.Adam,
    rollout: Rollout,
    advantage: Tensor,
    target: Tensor,
    settings: PpoSettings,
) -> dict[str, Tensor]:
    """One optimiser step on some worlds' sequences; returns what there is to say of it."""
    inputs = rollout.image, rollout.measurements, rollout.dt, rollout.is_first, rollout.state
    mean = agent.policy.unroll(*inputs).action / agent.unit  # (B, T, A)
    noise = (rollout.action - mean) / agent.log_std.exp()
    change = (-0.5 * noise.square() - agent.log_std).sum(-1) - rollout.likelihood  # (B, T)
    ratio = change.exp()
    gain = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
    policy = -torch.min(ratio * gain, clipped * gain).mean()
    value = 0.5 * (agent.value(rollout.known[:, :-1]) - target).square().mean()
    entropy = agent.log_std.sum()
    loss = policy + settings.value_weight * value - settings.entropy_weight * entropy
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), settings.gradient)
    optimiser.step()
    divergence = (ratio - 1.0 - change).mean()
    return {
        "value": value.detach(),
        "kl": divergence.detach(),
        "std": agent.log_std.detach().exp().mean(),
    }


@torch.no_grad()
def evaluate(agent: Agent, settings: PpoSettings, device: torch.device) -> dict:
    """One episode of each of some held-out worlds, without noise."""
    count = settings.evaluation_worlds
    with contextlib.closing(settings.make_world(count, device, held_out=True)) as world:
        frame, state = world.reset(_seed(settings, 0, 2)), agent.policy.initial_state(count)
        score, length = torch.zeros(2, count, device=device)
        ends = torch.zeros(3, count, dtype=torch.bool, device=device)
        for _ in range(LONGEST_EVALUATION):
            mean, state = agent.act(frame, state)
            step = world.step(mean * agent.unit)
            frame, running = step.frame, ~ends.any(0)
            score += running * step.reward
            length += running * step.dt
            ends |= running & torch.stack([step.terminated, step.truncated, step.broken])
            if ends.any(0).all():
                break
    return {
        "episodes": count,
        "return": score.mean().item(),
        "return_std": score.std(correction=0).item(),
        "seconds": length.mean().item(),
        "terminated": int(ends[0].sum()),
        "broken": int(ends[2].sum()),
    }


def _initialise(*layers: nn.Linear | None, gain: float = math.sqrt(2.0)) -> None:
    for layer in layers:
        if layer is not None:
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)


def _seed(settings: PpoSettings, iteration: int, use: int) -> int:
    """Of the draws of an iteration, so that none depends on those before."""
    return int(np.random.SeedSequence([settings.seed, iteration, use]).generate_state(1)[0])


VERB = Verb(PpoSettings, train)
