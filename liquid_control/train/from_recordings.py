"""Train a policy on recordings: clone what their drivers did and, where their pictures make a world
to drive in, correct it there in closed loop."""

from __future__ import annotations

import sys
import time
from collections import Counter

import torch

from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.model.spec import PolicySpec, names
from liquid_control.policy.network import PolicyNetwork
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import clone
from liquid_control.train.closed_loop import ClosedLoop
from liquid_control.train.device import choose_device
from liquid_control.train.load_recordings import LoadedRecordings, load_recordings
from liquid_control.train.recorded_roads import NothingToDriveError, SplitRoads, split_roads
from liquid_control.train.recordings_settings import (
    PLACES,
    RecordingsSettings,
    learns_speed,
    starting_preprocess,
)
from liquid_control.train.run import Run, described
from liquid_control.train.split import Split, split_drives
from liquid_control.train.starting_network import fine_tuned, scale_auxiliary, scaled_network

CLONING = "imitation: behaviour cloning of recorded drives"
CLOSED_LOOP = (
    "imitation: behaviour cloning of recorded drives and of an expert in the world that they make, "
    "then DAgger there"
)
FINE_TUNING_RATE = 0.3
"""Share of the learning rates when a model is fine-tuned."""


def train(settings: RecordingsSettings) -> dict:
    """From recordings to `settings.out`/model; returns its errors on the held-out ones.

    Raises ConfigError for settings that contradict each other or a run with others in the same
    folder, RefusedRecordingsError for recordings that cannot be used, TooLittleError when not
    enough is left of them.
    """
    if not settings.named:
        raise ConfigError(
            "recordings", "none", "at least one recording: train recordings DRIVE [DRIVE ...]"
        )
    started, device = time.perf_counter(), choose_device(settings.device)
    info = read_model(find_model(settings.start)) if settings.start else None

    # ---- load and split
    inputs = names(info.spec.measurements) if info else None
    speed = learns_speed(settings, info)
    loaded = load_recordings(settings, starting_preprocess(settings, info), inputs, speed)
    split = split_drives(
        loaded.episodes,
        settings.held_out,
        settings.held_out_share,
        settings.clone.seed,
        settings.block,
    )

    roads = _roads(settings, loaded, split)

    # ---- the network to start with
    keep_freed_memory()
    spec = lane_keeping(loaded.preprocess, settings.car.curvature_scale, loaded.inputs, speed)
    network, scales = _network(settings, info, spec, split)

    # ---- fit, validate, save
    decisive = described(settings, PLACES) | {
        "recordings": loaded.hashes(),
        "from_files": dict(info.files) if info else None,
    }
    method = CLOSED_LOOP if roads else CLONING
    with Run(settings.out, method, decisive, settings.clone.seed, device, started) as run:
        rate = settings.clone.rate or (FINE_TUNING_RATE if info else 1.0)
        if roads:
            loop = ClosedLoop(run, split, roads, settings.clone, settings.loop, settings.workers)
            driven = loop.recover(network)
            spec = scale_auxiliary(spec, driven, roads.learned[0].scale)
            network, scales = _network(settings, info, spec, driven)
            metrics = loop.learn(network.to(device), driven, rate)
        else:
            fine_tuning = info is not None
            metrics = clone(run, network.to(device), split, settings.clone, rate, fine_tuning)
        data = {
            "recordings": loaded.facts,
            "split": split.names,
            "scales": scales,
            "frames": sum(map(len, split.learned.values())),
            "from": {"model": str(settings.start), "files": dict(info.files)} if info else None,
        }
        if roads:
            data["closed_loop"] = roads.facts
        run.save_model(network, data, metrics | {"split": split.by})
        found = metrics.pop("held_out")
        del metrics["history"]
        return {
            "model": str(run.model),
            "recordings": len(loaded.episodes),
            "left_out": loaded.left_out,
            "inputs": list(loaded.inputs),
            "targets_from": dict(Counter(facts["source"] for facts in loaded.facts.values())),
            **({"speed_frames": _speed_frames(loaded)} if speed else {}),
            "split": split.by,
            "learned_frames": data["frames"],
            "held_out": {name: found[name] for name in found if name != "recordings"},
            **({"roads": roads.facts} if roads else {}),
            **metrics,
            "seconds": run.elapsed,
        }


def _speed_frames(loaded: LoadedRecordings) -> int:
    """Frames that teach the speed."""
    return sum(facts["speed"]["frames"] for facts in loaded.facts.values())


def _network(
    settings: RecordingsSettings, info: ModelInfo | None, spec: PolicySpec, split: Split
) -> tuple[PolicyNetwork, dict]:
    """The network before it is fitted, and where its scales are from."""
    torch.manual_seed(settings.clone.seed)
    if info:
        return fine_tuned(info, spec, split, settings.fixed_scales)
    if settings.fixed_scales:
        return PolicyNetwork(settings.policy, spec), {"from": "flags"}
    return scaled_network(settings.policy, spec, split)


def _roads(
    settings: RecordingsSettings, loaded: LoadedRecordings, split: Split
) -> SplitRoads | None:
    """The roads to drive on, or None for cloning alone, which `auto` explains. Raises
    NothingToDriveError where the closed loop is `on` and there is no road."""
    if settings.closed_loop == "off":
        return None
    try:
        return split_roads(settings, loaded, split)
    except NothingToDriveError as error:
        if settings.closed_loop == "on":
            raise
        print(f"WARNING: cloned only, without a closed loop: {error}", file=sys.stderr)
        return None


VERB = Verb(RecordingsSettings, train)
