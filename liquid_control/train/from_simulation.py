"""Train a policy in simulation: clone an expert whose steering is disturbed, then correct the
policy on the roads that it drives itself (DAgger).

Ross, Gordon, Bagnell, "A reduction of imitation learning and structured prediction to no-regret
online learning", AISTATS 2011.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from liquid_control.config import WorldConfig
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Sequences
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.model.car import lane_keeping
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.collect import check_camera, collect_missing
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.jobs import processes
from liquid_control.system.verb import Verb
from liquid_control.train.device import choose_device
from liquid_control.train.fit import make_optimiser, optimise, schedule
from liquid_control.train.fit_core import fit_core
from liquid_control.train.run import LOG_EVERY, Run, described
from liquid_control.train.simulation_settings import (
    LEARNED,
    PLACES,
    SimulationSettings,
    expert_drives,
    policy_drives,
)
from liquid_control.train.starting_network import copy_encoder

METHOD = "imitation: behaviour cloning of a privileged expert in MuJoCo, then DAgger"
CHECKPOINT_EVERY = 200
ROUND_RATE = 0.5
"""Share of the learning rates in a DAgger round."""


def train(settings: SimulationSettings) -> dict:
    """From an empty folder to `settings.out`/model; returns the evaluation (empty without one).

    Raises ConfigError when the folder holds a run with other settings, ImageError for pictures
    larger than the simulated camera's.
    """
    started, device = time.perf_counter(), choose_device(settings.device)
    check_camera(settings.preprocess, WorldConfig())
    keep_freed_memory()
    torch.manual_seed(settings.seed)
    learned = settings.speed == LEARNED
    spec = lane_keeping(settings.preprocess, settings.car.curvature_scale, speed=learned)
    network = PolicyNetwork(settings.policy, spec)
    if settings.encoder:
        copy_encoder(settings.encoder, network)
    network.to(device)
    optimiser = make_optimiser(network, settings.fit)
    decisive = described(settings, PLACES)
    with Run(settings.out, METHOD, decisive, settings.seed, device, started) as run:
        start = run.resume(network, optimiser, {"round": 0, "step": 0, "random": None})
        (settings.out / "episodes").mkdir(exist_ok=True)
        episodes = []

        for dagger_round in range(settings.rounds + 1):
            curves, first = f"round_{dagger_round}", 1
            if dagger_round == 0:  # the expert drives
                drives, steps, rate = expert_drives(settings), settings.steps, 1.0
            else:  # the policy drives, the expert labels
                drives = policy_drives(settings, dagger_round, run.model)
                steps, rate = settings.round_steps, ROUND_RATE

            # ---- collect
            with run.timed("collect"):
                engine, title = processes(settings.workers), f"collect, round {dagger_round}"
                collect_missing(drives, engine, title)
            episodes += [load_episode(path) for path in drives]  # (N, h, w, 3) pictures each
            data = {"episodes": len(episodes), "frames": sum(map(len, episodes))}
            if dagger_round < start["round"]:
                continue

            # ---- fit the whole network
            sequences = Sequences(episodes, settings.frames, settings.augmentation)
            rng = np.random.default_rng([settings.seed, dagger_round, 0])
            if dagger_round == start["round"] and start["step"]:
                first, rng.bit_generator.state = start["step"] + 1, start["random"]
            network.train()
            title = f"fit, round {dagger_round}"
            for step in run.progress(range(first, steps + 1), title, steps):
                batch = sequences.draw(rng, settings.fit.batch)  # B sequences of T frames
                share = rate * schedule(step, steps)
                losses = optimise(network, optimiser, batch, settings.fit, share)
                if step % LOG_EVERY == 0:
                    run.log(curves, step, losses)
                if step % CHECKPOINT_EVERY == 0 or step == steps:
                    at = {"round": dagger_round, "step": step, "random": rng.bit_generator.state}
                    run.checkpoint(network, optimiser, at)

            # ---- train the core on frozen features
            rng = np.random.default_rng([settings.seed, dagger_round, steps, 1])
            options = settings.augmentation, rng, settings.fit, settings.core_fit, rate
            title = f"fit the core, round {dagger_round}"
            core_steps = fit_core(network, episodes, *options)
            for step, losses in run.progress(core_steps, title, settings.core_fit.steps):
                if step % LOG_EVERY == 0:
                    run.log(curves, step, losses)

            # ---- save; the next round drives with this model
            run.save_model(network, data, {})
            at = {"round": dagger_round + 1, "step": 0, "random": None}
            run.checkpoint(network, optimiser, at)

        # ---- evaluate on held-out roads
        if not settings.evaluation_roads:
            return {}
        roads, workers = settings.evaluation_roads, settings.workers
        found = evaluate(EvaluationSettings(run.model, roads, settings.seed, workers=workers))
        found["from_nothing_s"] = run.elapsed
        metrics = {name: found[name] for name in found if name not in ("per_road", "model")}
        run.save_model(network, data, metrics)
        return found


VERB = Verb(SimulationSettings, train)
