"""Train on recordings and in the world that they make: clone the drivers and an expert whose drives
begin beside the recorded path, then correct the policy where it drives itself (DAgger), and keep
the round that drives the held-out roads best.

Amini et al., "Learning robust control policies for end-to-end autonomous driving from data-driven
simulation", RA-L 2020; Ross, Gordon, Bagnell, "A reduction of imitation learning and structured
prediction to no-regret online learning", AISTATS 2011.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.data.episode import Episode, load_episode
from liquid_control.data.sequences import Sequences
from liquid_control.model.packed import pack_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.recorded_scenario import RecordedDriving, policy_drives, recovery_drives
from liquid_control.system.jobs import processes
from liquid_control.train.cloning import CloneSettings, validated
from liquid_control.train.closed_loop_settings import ClosedLoopSettings
from liquid_control.train.fit import make_optimiser, optimise, schedule
from liquid_control.train.fit_core import fit_core
from liquid_control.train.recorded_roads import SplitRoads, with_auxiliary
from liquid_control.train.run import LOG_EVERY, Run
from liquid_control.train.split import Split, require_enough
from liquid_control.train.validation import best, should_stop, validate

ROUND_RATE = 0.5
"""Share of the learning rates in a DAgger round."""
CHOSEN = "chosen.safetensors"
"""Weights of the round that drives best so far."""
HELD_OUT_FRAMES = 4000
"""Of the expert's recovery drives on held-out roads, on which a fit is validated."""

Examine = Callable[[Path], Mapping]
"""Drives a model over the held-out roads; see `choose`."""


def learn_in_closed_loop(
    run: Run,
    network: PolicyNetwork,
    split: Split,
    roads: SplitRoads,
    settings: CloneSettings,
    loop: ClosedLoopSettings,
    examine: Examine,
    *,
    rate: float = 1.0,
    workers: int = 0,
) -> dict:
    """Fits `network` in place; it ends with the weights of the round that drove the held-out roads
    best. A resumed run ends with the same weights as one without interruption.

    Returns what `cloning.clone` does, `closed_loop`, what `examine` found of the chosen round, and
    `rounds`, that of each. Raises TooLittleError.
    """
    learned = RecordedDriving(
        roads.learned, network.preprocess, network.spec.measurements, loop.deviation, settings.seed
    )
    (run.folder / "episodes").mkdir(exist_ok=True)
    real = [
        with_auxiliary(episode, roads.of_recording.get(split.recording_of(name), ()))
        for name, episode in split.learned.items()
    ]
    require_enough(split, Sequences(real, settings.frames, settings.augmentation))
    optimiser = make_optimiser(network, settings.fit)
    start = run.resume(network, optimiser, {"round": 0, "step": 0, "history": [], "rounds": []})
    rounds, synthesised = start["rounds"], []

    # ---- the held-out part, as driven and beside the path
    held_out = dict(split.held_out)
    if roads.held_out:
        beside = dataclasses.replace(learned, roads=roads.held_out, seed=settings.seed + 1)
        drives = recovery_drives(beside, HELD_OUT_FRAMES, 2, "held_out")
        held_out |= _collected(run, drives, split, "held_out", workers)

    for dagger_round in range(loop.rounds + 1):
        if dagger_round == 0:  # the expert drives
            drives = recovery_drives(learned, loop.recovery_frames, loop.recovery_passes)
            steps, share = settings.steps, rate
        else:  # the policy drives, the expert labels
            drives = policy_drives(learned, pack_model(run.model), dagger_round, loop.round_frames)
            steps, share = loop.round_steps, rate * ROUND_RATE

        # ---- collect
        title = f"round_{dagger_round}"
        synthesised += _collected(run, drives, split, title, workers).values()
        if dagger_round < start["round"]:
            continue
        episodes = real + synthesised
        weights = _weights(real, synthesised, loop.real_share)
        sequences = Sequences(
            episodes,
            settings.frames,
            settings.augmentation,
            mirror_share=settings.mirror_share,
            blind_share=settings.blind_share,
            weights=weights,
        )

        # ---- fit the whole network
        step, history = 0, []
        if dagger_round == start["round"]:
            step, history = start["step"], start["history"]
        network.train()
        last = step if should_stop(history, settings.patience) else steps
        ahead = range(step + 1, last + 1)
        for step in run.progress(ahead, f"fit, round {dagger_round}", steps):
            if (step - 1) % settings.validate_every == 0:
                rng = np.random.default_rng([settings.seed, dagger_round, step - 1])
            batch = sequences.draw(rng, settings.fit.batch)  # image (B, T, h, w, 3)
            losses = optimise(
                network, optimiser, batch, settings.fit, share * schedule(step, steps)
            )
            if step % LOG_EVERY == 0:
                run.log(title, step, losses)
            if step % settings.validate_every == 0 or step == steps:
                epochs = step * settings.fit.batch * settings.frames / sequences.windows
                history.append(validated(run, network, held_out, step, epochs))
                if best(history) is history[-1]:
                    run.save_best(network)
                at = {"round": dagger_round, "step": step, "history": history, "rounds": rounds}
                run.checkpoint(network, optimiser, at)
                if should_stop(history, settings.patience):
                    break
        run.load_best(network)

        # ---- train the core on frozen features
        core = {"steps": settings.core_fit.steps, "kept": False, "rmse_after": None}
        core["rmse_before"] = validate(network, held_out)["rmse"]
        rng = np.random.default_rng([settings.seed, dagger_round, steps, 1])
        options = settings.augmentation, rng, settings.fit, settings.core_fit, share, weights
        core_steps = fit_core(network, episodes, *options)
        title = f"fit the core, round {dagger_round}"
        for core_step, losses in run.progress(core_steps, title, core["steps"]):
            if core_step % LOG_EVERY == 0:
                run.log(f"round_{dagger_round}", core_step, losses)
        if core["steps"]:
            core["rmse_after"] = validate(network, held_out)["rmse"]
            core["kept"] = core["rmse_after"] < core["rmse_before"]
        if not core["kept"]:
            run.load_best(network)

        # ---- drive the held-out roads; the next round drives with this model
        data = {"frames": sum(map(len, real)), "synthesised": sum(map(len, synthesised))}
        run.save_model(network, data, {})
        row = {"round": dagger_round, "held_out": validate(network, split.held_out)} | data
        row |= {"beside": validate(network, held_out)["rmse"], "core_fit": core}
        row |= {"best_step": best(history)["step"], "steps": step, "history": history}
        if roads.held_out:
            with run.timed("examine"):
                row["closed_loop"] = dict(examine(run.model))
        rounds.append(row)
        if choose(rounds) is row:
            run.save_best(network, CHOSEN)
        at = {"round": dagger_round + 1, "step": 0, "history": [], "rounds": rounds}
        run.checkpoint(network, optimiser, at)

    run.load_best(network, CHOSEN)
    chosen = choose(rounds)
    return {
        **{name: chosen[name] for name in ("held_out", "best_step", "history", "core_fit")},
        "epochs": chosen["history"][-1]["epoch"],
        "steps": sum(row["steps"] for row in rounds),
        "chosen_round": chosen["round"],
        "closed_loop": chosen.get("closed_loop"),
        "synthesised_frames": chosen["synthesised"],
        "rounds": [
            {name: value for name, value in row.items() if name != "history"} for row in rounds
        ],
    }


def choose(rounds: Sequence[Mapping]) -> Mapping:
    """The first of the rounds with the fewest departures and put-backs on the held-out roads, then
    the lowest lateral RMSE, then the lowest error on the held-out frames."""

    def key(row: Mapping) -> tuple[float, ...]:
        found = row.get("closed_loop") or {}
        errors = found.get("lateral_rmse_m", 0.0), row["held_out"]["rmse"]
        finite = (value if math.isfinite(value) else math.inf for value in errors)
        return (found.get("departures", 0) + found.get("put_backs", 0), *finite)

    return min(rounds, key=key)


def _collected(
    run: Run, drives: Mapping[str, DriveJob], split: Split, title: str, workers: int
) -> dict[str, Episode]:
    """The drives as episodes by name: collected, or found where an earlier run left them."""
    spec = next(iter(split.learned.values())).spec
    paths = {run.folder / "episodes" / f"{name}.npz": job for name, job in drives.items()}
    with run.timed("collect"):
        collect_missing(paths, processes(workers), f"collect, {title}")
    return {path.stem: dataclasses.replace(load_episode(path), spec=spec) for path in paths}


def _weights(real: Sequence[Episode], synthesised: Sequence[Episode], share: float) -> list[float]:
    """How often a sequence begins at each frame of an episode, so that `share` of all sequences are
    recorded ones."""
    shares = (share, real), (1.0 - share, synthesised)
    return [of_part / sum(map(len, part)) for of_part, part in shares for _ in part]
