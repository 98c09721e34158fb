"""Train a policy on the takeovers of its drives: what a person did when he took over is learned,
what the policy did just before is not, and what it did undisturbed is rehearsed."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import torch

from liquid_control.data.episode import Episode
from liquid_control.data.takeovers import (
    frame_weights,
    lost_at_handovers,
    near_targets,
    only_by,
    without_worthless,
)
from liquid_control.errors import ConfigError
from liquid_control.model.car import chooses_speed, lane_keeping
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.model.spec import names
from liquid_control.recordings.drivers import Driver, Drivers
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import clone
from liquid_control.train.device import choose_device
from liquid_control.train.from_recordings import FINE_TUNING_RATE
from liquid_control.train.load_recordings import LoadedRecordings, load_recordings
from liquid_control.train.recordings_settings import starting_preprocess
from liquid_control.train.run import Run, described
from liquid_control.train.split import Split, TooLittleError, split_drives, split_recordings
from liquid_control.train.starting_network import fine_tuned
from liquid_control.train.takeovers_settings import PLACES, TakeoversSettings
from liquid_control.train.validation import validate

METHOD = "imitation: behaviour cloning of a person who takes over from the policy (HG-DAgger)"


def train(settings: TakeoversSettings) -> dict:
    """From recordings and the model that drove to `settings.out`/model; returns its errors on what
    a person drove in the held-out recordings, before and after.

    Raises ConfigError for settings that contradict each other, a run with others in the same
    folder, and recordings without any takeover; RefusedRecordingsError for recordings that cannot
    be used, TooLittleError when not enough is left of them.
    """
    started, device = time.perf_counter(), choose_device(settings.device)
    info = read_model(find_model(settings.start))

    # ---- load, weigh and split
    drives = load_takeovers(settings, info)
    loaded, split, found = drives.loaded, drives.split, drives.found

    # ---- the network that drove
    keep_freed_memory()
    torch.manual_seed(settings.clone.seed)
    inputs, speed = names(info.spec.measurements), chooses_speed(info.spec)
    spec = lane_keeping(loaded.preprocess, inputs=inputs, speed=speed)
    network, scales = fine_tuned(info, spec, split)

    # ---- fit, validate, save
    decisive = described(settings, PLACES) | {
        "recordings": loaded.hashes(),
        "from_files": dict(info.files),
    }
    with Run(settings.out, METHOD, decisive, settings.clone.seed, device, started) as run:
        rate = settings.clone.rate or FINE_TUNING_RATE
        network = network.to(device)
        before = validate(network, split.held_out)
        metrics = clone(run, network, split, settings.clone, rate, weights=drives.weights)
        data = {
            "recordings": loaded.facts,
            "split": split.names,
            "scales": scales,
            "frames": sum(map(len, split.learned.values())),
            "from": {"model": str(settings.start), "files": dict(info.files)},
            "takeovers": found,
        }
        run.save_model(network, data, metrics | {"split": split.by})
        held_out = metrics["held_out"]
        return {
            "model": str(run.model),
            "recordings": len(loaded.episodes),
            "left_out": loaded.left_out,
            **found,
            "split": split.by,
            "learned_frames": data["frames"],
            "before": {name: before[name] for name in ("rmse", "mae")},
            "held_out": {name: held_out[name] for name in held_out if name != "recordings"},
            "best_step": metrics["best_step"],
            "core_fit": metrics["core_fit"],
            "seconds": run.elapsed,
        }


@dataclasses.dataclass(frozen=True, eq=False)
class TakeoverDrives:
    """Recordings, of which the `split` has targets where a frame teaches, in the held-out part
    where a person drove; `weights` of the learned frames, see `Sequences`; `found`: what
    `takeovers_of` says."""

    loaded: LoadedRecordings
    split: Split
    weights: list[np.ndarray]
    found: dict


def load_takeovers(settings: TakeoversSettings, info: ModelInfo) -> TakeoverDrives:
    """The recordings that the settings name, for the model `info`; raises as `train`."""
    if not settings.bags:
        raise ConfigError("bags", "none", "at least one recording: train takeovers --bags DRIVE")
    reading = settings.reading
    inputs = names(info.spec.measurements)
    speed = chooses_speed(info.spec)
    loaded = load_recordings(reading, starting_preprocess(reading, info), inputs, speed)
    found = takeovers_of(loaded)
    if not found["takeovers"]:
        raise ConfigError(
            "bags",
            "recordings without a takeover (no state of the gate says that a person drove after "
            "the policy)",
            "at least one takeover; what people drove is for train recordings",
        )
    split = split_drives(
        loaded.episodes,
        settings.held_out or _to_hold_out(settings, loaded, info),
        settings.held_out_share,
        settings.clone.seed,
        settings.block,
    )
    return TakeoverDrives(loaded, *_weighed(settings, loaded, split), found)


def _to_hold_out(
    settings: TakeoversSettings, loaded: LoadedRecordings, info: ModelInfo
) -> tuple[Path, ...]:
    """Recordings to hold out, drawn by the seed from those in which a person drove and which the
    model to begin with has not learned: on what it has learned its own error is too low. Where
    there are no two of them, from all in which a person drove; none where there are no two."""
    data = info.provenance.get("data", {})
    named = set(data.get("split", {}).get("learned", ()))
    known = {
        tuple(sorted(facts["files"].values()))
        for name, facts in data.get("recordings", {}).items()
        if name in named
    }
    by_person = {
        name: episode
        for name, episode in loaded.episodes.items()
        if only_by(episode, loaded.drivers.get(name), Driver.PERSON).known.any()
    }
    fresh = {
        name: episode
        for name, episode in by_person.items()
        if tuple(sorted(loaded.facts[name]["files"].values())) not in known
    }
    pool = fresh if len(fresh) > 1 else by_person
    if len(pool) < 2:
        return ()
    drawn = split_recordings(pool, settings.held_out_share, settings.clone.seed, settings.block)
    return tuple(map(Path, drawn.held_out))


def takeovers_of(loaded: LoadedRecordings) -> dict:
    """`takeovers`; frames that each drove, by name; `handover_frames_lost`: of all takeovers the
    most frames of a person without a target before the first that has one."""
    frames = dict.fromkeys((driver.name.lower() for driver in Driver), 0)
    takeovers, lost = 0, [0]
    for name, episode in loaded.episodes.items():
        drivers = loaded.drivers.get(name)
        if drivers is None:
            frames["person"] += len(episode)
            continue
        takeovers += len(drivers.takeovers)
        lost += lost_at_handovers(episode, drivers)
        for driver in Driver:
            frames[driver.name.lower()] += int(
                np.count_nonzero(drivers.at(episode.stamp_ns) == driver)
            )
    return {"takeovers": takeovers, "frames_by": frames, "handover_frames_lost": max(lost)}


def _weighed(
    settings: TakeoversSettings, loaded: LoadedRecordings, split: Split
) -> tuple[Split, list[np.ndarray]]:
    """The split with targets where a frame teaches, in the held-out part where a person drove; and
    the weights of the learned frames. Frames far from any target are left out, and recordings
    without one. Raises TooLittleError where no frame teaches."""
    drivers = {name: _drivers(loaded, split, name) for name in (*split.learned, *split.held_out)}
    by_person = any(
        drivers[name] is None or set(drivers[name].driver.tolist()) == {Driver.PERSON}
        for name in split.learned
    )
    weights = settings.weights.with_rehearsal(by_person)
    margin = settings.clone.longest_window
    learned: dict[str, Episode] = {}
    held_out: dict[str, Episode] = {}
    weight_of = []
    for name, episode in split.learned.items():
        weight = frame_weights(episode.stamp_ns, drivers[name], weights)
        taught, kept = near_targets(without_worthless(episode, weight), margin)
        if len(taught):
            learned[name] = taught
            weight_of.append(weight[kept])
    for name, episode in split.held_out.items():
        by_hand, _ = near_targets(only_by(episode, drivers[name], Driver.PERSON), margin)
        if len(by_hand):
            held_out[name] = by_hand
    for part, rest in (("learned", learned), ("held-out", held_out)):
        if not rest:
            raise TooLittleError(part, 0, "none that teaches", "some that a person drove")
    return dataclasses.replace(split, learned=learned, held_out=held_out), weight_of


def _drivers(loaded: LoadedRecordings, split: Split, name: str) -> Drivers | None:
    return loaded.drivers.get(split.recording_of(name))


VERB = Verb(TakeoversSettings, train)
