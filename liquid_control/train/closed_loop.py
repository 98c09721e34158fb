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
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.data.episode import Episode, load_episode
from liquid_control.data.sequences import Sequences
from liquid_control.evaluate.closed_loop.recorded import drive_all
from liquid_control.evaluate.closed_loop.recorded_rows import totals
from liquid_control.model.car import chooses_speed
from liquid_control.model.packed import pack_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.recorded.loader import RecordedRoads
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
DRAWN_PASSES = 20
"""Drives with drawn looks over the same stretch of a recording, at most."""
CHOSEN = "chosen.safetensors"
"""Weights of the round that drives best so far."""
HELD_OUT_FRAMES = 4000
"""Of the held-out recordings, and as many of the expert's drives on their roads, on which a fit is
validated again and again; a round is judged by all of them."""
CORE_FRAMES = 25_000
"""That the core is fitted to in a round: the encoder makes the features of all of them anew."""


@dataclasses.dataclass(frozen=True, eq=False)
class ClosedLoop:
    """Training in the world of `roads`, which the recordings of `split` make. A resumed run ends
    with the same weights as one without interruption."""

    run: Run
    split: Split
    roads: SplitRoads
    settings: CloneSettings
    loop: ClosedLoopSettings
    workers: int = 0

    def recover(self, network: PolicyNetwork) -> Split:
        """The split with the auxiliary targets that the roads give, and with the recovery drives of
        an expert on learned and held-out roads. Raises TooLittleError."""
        roads, loop = self.roads, self.loop
        learned = {
            name: with_auxiliary(episode, roads.of_recording.get(self.split.recording_of(name), ()))
            for name, episode in self.split.learned.items()
        }
        length, augmentation = self.settings.frames, self.settings.augmentation
        require_enough(self.split, Sequences(list(learned.values()), length, augmentation))
        held_out = _shortened(self.split.held_out, HELD_OUT_FRAMES)
        (self.run.folder / "episodes").mkdir(exist_ok=True)
        driving = self._driving(network, roads.learned)
        drives = recovery_drives(driving, loop.recovery_frames, loop.recovery_passes)
        learned |= self._collected(drives, "recovery")
        if loop.drawn_share:
            driving = dataclasses.replace(driving, drawn=True)
            drives = recovery_drives(driving, loop.drawn_frames, DRAWN_PASSES, "drawn")
            learned |= self._collected(drives, "drawn looks")
        if roads.held_out:
            seed = self.settings.seed + 1
            driving = dataclasses.replace(driving, roads=roads.held_out, seed=seed, drawn=False)
            drives = recovery_drives(driving, HELD_OUT_FRAMES, 2, "held_out")
            held_out |= self._collected(drives, "held-out roads")
            if loop.drawn_share:
                driving = dataclasses.replace(driving, drawn=True)
                drives = recovery_drives(driving, HELD_OUT_FRAMES, DRAWN_PASSES, "held_out_drawn")
                held_out |= self._collected(drives, "held-out roads, drawn looks")
        return Split(learned, held_out, self.split.by)

    def learn(self, network: PolicyNetwork, driven: Split, rate: float = 1.0) -> dict:
        """Fits `network` in place to what `recover` gave and to its own drives; it ends with the
        weights of the round that drove the held-out roads best.

        Returns what `cloning.clone` does; `closed_loop`, how the chosen round drives the held-out
        roads; `rounds`, each round's figures.
        """
        run, split, settings, loop = self.run, self.split, self.settings, self.loop
        real = [driven.learned[name] for name in split.learned]
        synthesised, drawn = (
            [
                each
                for name, each in driven.learned.items()
                if name not in split.learned and name.startswith("drawn") is of_drawn
            ]
            for of_drawn in (False, True)
        )
        optimiser = make_optimiser(network, settings.fit)
        begin = {"round": 0, "step": 0, "history": [], "rounds": []}
        start = run.resume(network, optimiser, begin)
        rounds = start["rounds"]

        for dagger_round in range(loop.rounds + 1):
            curves, steps, share = f"round_{dagger_round}", settings.steps, rate
            if dagger_round:  # the policy drives, the expert labels
                steps, share = loop.round_steps, rate * ROUND_RATE
                driving, policy = self._driving(network, self.roads.learned), pack_model(run.model)
                drives = policy_drives(driving, policy, dagger_round, loop.round_frames)
                synthesised += self._collected(drives, f"round {dagger_round}").values()
                if loop.drawn_share:
                    driving = dataclasses.replace(driving, drawn=True)
                    frames = round(loop.round_frames * loop.drawn_frames / loop.recovery_frames)
                    drives = policy_drives(driving, policy, dagger_round, frames)
                    drawn += self._collected(drives, f"drawn looks, round {dagger_round}").values()
            if dagger_round < start["round"]:
                continue

            # ---- fit the whole network
            episodes = real + synthesised + drawn
            recorded = 1.0 - loop.drawn_share
            shares = (
                (recorded * loop.real_share, real),
                (recorded * (1.0 - loop.real_share), synthesised),
                (loop.drawn_share, drawn),
            )
            weights = _weights(shares)
            sequences = Sequences(
                episodes,
                settings.frames,
                settings.augmentation,
                mirror_share=settings.mirror_share,
                blind_share=settings.blind_share,
                weights=weights,
                recoloured=[False] * len(real + synthesised) + [True] * len(drawn),
            )
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
                at_step = share * schedule(step, steps)
                losses = optimise(network, optimiser, batch, settings.fit, at_step)
                if step % LOG_EVERY == 0:
                    run.log(curves, step, losses)
                if step % settings.validate_every == 0 or step == steps:
                    epochs = step * settings.fit.batch * settings.frames / sequences.windows
                    history.append(validated(run, network, driven.held_out, step, epochs))
                    if best(history) is history[-1]:
                        run.save_best(network)
                    at = {"round": dagger_round, "step": step, "history": history, "rounds": rounds}
                    run.checkpoint(network, optimiser, at)
                    if should_stop(history, settings.patience):
                        break
            run.load_best(network)

            # ---- train the core on frozen features
            before = validate(network, driven.held_out)["rmse"]
            core = {"steps": settings.core_fit.steps, "rmse_before": before, "kept": False}
            rng = np.random.default_rng([settings.seed, dagger_round, steps, 1])
            most = min(settings.core_fit.max_frames, CORE_FRAMES)
            if not all(each["core_fit"]["kept"] for each in rounds):
                core["steps"] = 0  # it did not help before, either
            fitting = dataclasses.replace(settings.core_fit, steps=core["steps"], max_frames=most)
            core_steps = fit_core(
                network, episodes, settings.augmentation, rng, settings.fit, fitting, share, weights
            )
            title = f"fit the core, round {dagger_round}"
            for core_step, losses in run.progress(core_steps, title, core["steps"]):
                if core_step % LOG_EVERY == 0:
                    run.log(curves, core_step, losses)
            core["rmse_after"] = validate(network, driven.held_out)["rmse"]
            core["kept"] = core["rmse_after"] < before
            if not core["kept"]:
                run.load_best(network)

            # ---- drive the held-out roads; the next round drives with this model
            row = {
                "round": dagger_round,
                "frames": sum(map(len, real)),
                "synthesised_frames": sum(map(len, synthesised)),
                "drawn_frames": sum(map(len, drawn)),
                "held_out": validate(network, split.held_out),
                "rmse_beside": min(before, core["rmse_after"]),
                "best_step": best(history)["step"],
                "steps": step,
                "epochs": history[-1]["epoch"],
                "core_fit": core,
                "history": history,
            }
            run.save_model(network, {}, {})
            if self.roads.held_out:
                with run.timed("examine"):
                    row["closed_loop"] = self._examined()
            rounds.append(row)
            if choose(rounds) is row:
                run.save_best(network, CHOSEN)
            at = {"round": dagger_round + 1, "step": 0, "history": [], "rounds": rounds}
            run.checkpoint(network, optimiser, at)

        run.load_best(network, CHOSEN)
        row = dict(choose(rounds))
        return row | {
            "closed_loop": row.get("closed_loop"),
            "chosen_round": row.pop("round"),
            "rounds": [_short(each) for each in rounds],
        }

    def _examined(self) -> dict:
        """How the model drives the held-out roads."""
        roads = {"held_out": RecordedRoads(tuple(self.roads.held_out), {}, {})}
        model, seed = pack_model(self.run.model), self.settings.seed
        return totals(drive_all(model, roads, [CLEAN], seed, self.workers, progress=True))

    def _driving(self, network: PolicyNetwork, roads: Sequence) -> RecordedDriving:
        return RecordedDriving(
            roads,
            network.preprocess,
            network.spec.measurements,
            self.loop.deviation,
            self.settings.seed,
            chooses_speed=chooses_speed(network.spec),
        )

    def _collected(self, drives: Mapping[str, DriveJob], title: str) -> dict[str, Episode]:
        """The drives as episodes by name: collected, or found where an earlier run left them."""
        spec = next(iter(self.split.learned.values())).spec
        paths = {self.run.folder / "episodes" / f"{name}.npz": job for name, job in drives.items()}
        with self.run.timed("collect"):
            collect_missing(paths, processes(self.workers), f"drive, {title}")
        return {path.stem: dataclasses.replace(load_episode(path), spec=spec) for path in paths}


def choose(rounds: Sequence[Mapping]) -> Mapping:
    """The first of the rounds with the fewest departures and put-backs on the held-out roads, then
    the lowest lateral RMSE, then the lowest error on the held-out frames."""

    def key(row: Mapping) -> tuple[float, ...]:
        found = row.get("closed_loop") or {}
        errors = found.get("lateral_rmse_m", 0.0), row["held_out"]["rmse"]
        finite = (value if math.isfinite(value) else math.inf for value in errors)
        return (found.get("departures", 0) + found.get("put_backs", 0), *finite)

    return min(rounds, key=key)


def _shortened(episodes: Mapping[str, Episode], frames: int) -> dict[str, Episode]:
    """A part of each episode from its first known target on, the same share of all, so that they
    have about `frames`."""
    share = min(1.0, frames / max(sum(map(len, episodes.values())), 1))
    if share == 1.0:
        return dict(episodes)
    short = {}
    for name, each in episodes.items():
        first, count = int(np.argmax(each.known)), math.ceil(share * len(each))
        short[name] = each.part(first, min(first + count, len(each)))
    return short


def _weights(shares: Sequence[tuple[float, Sequence[Episode]]]) -> list[float]:
    """How often a sequence begins at each frame of an episode, so that all sequences are of the
    parts by these shares."""
    return [of_part / sum(map(len, part)) for of_part, part in shares for _ in part]


def _short(row: Mapping) -> dict:
    """A round without its curves and single recordings."""
    held_out = {name: value for name, value in row["held_out"].items() if name != "recordings"}
    return {name: value for name, value in row.items() if name != "history"} | {
        "held_out": held_out
    }
