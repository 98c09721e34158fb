"""Train a policy on recordings: clone what their drivers did."""

from __future__ import annotations

import time
from collections import Counter

import torch

from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.spec import names
from liquid_control.policy.network import PolicyNetwork
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import clone
from liquid_control.train.device import choose_device
from liquid_control.train.load_recordings import load_recordings
from liquid_control.train.recordings_settings import PLACES, RecordingsSettings, starting_preprocess
from liquid_control.train.run import Run, described
from liquid_control.train.split import split_drives
from liquid_control.train.starting_network import fine_tuned, scaled_network

METHOD = "imitation: behaviour cloning of recorded drives"
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
    loaded = load_recordings(settings, starting_preprocess(settings, info), inputs)
    split = split_drives(
        loaded.episodes,
        settings.held_out,
        settings.held_out_share,
        settings.clone.seed,
        settings.block,
    )

    # ---- the network to start with
    keep_freed_memory()
    torch.manual_seed(settings.clone.seed)
    spec = lane_keeping(loaded.preprocess, settings.car.curvature_scale, loaded.inputs)
    if info:
        network, scales = fine_tuned(info, loaded.preprocess), {"from": "the model fine-tuned"}
    elif settings.fixed_scales:
        network, scales = PolicyNetwork(settings.policy, spec), {"from": "flags"}
    else:
        network, scales = scaled_network(settings.policy, spec, split)
    network.to(device)

    # ---- fit, validate, save
    decisive = described(settings, PLACES) | {
        "recordings": loaded.hashes(),
        "from_files": dict(info.files) if info else None,
    }
    with Run(settings.out, METHOD, decisive, settings.clone.seed, device, started) as run:
        rate = settings.clone.rate or (FINE_TUNING_RATE if info else 1.0)
        metrics = clone(run, network, split, settings.clone, rate, fine_tuning=info is not None)
        data = {
            "recordings": loaded.facts,
            "split": split.names,
            "scales": scales,
            "frames": sum(map(len, split.learned.values())),
            "from": {"model": str(settings.start), "files": dict(info.files)} if info else None,
        }
        run.save_model(network, data, metrics | {"split": split.by})
        found = metrics.pop("held_out")
        del metrics["history"]
        return {
            "model": str(run.model),
            "recordings": len(loaded.episodes),
            "left_out": loaded.left_out,
            "inputs": list(loaded.inputs),
            "targets_from": dict(Counter(facts["source"] for facts in loaded.facts.values())),
            "split": split.by,
            "learned_frames": data["frames"],
            "held_out": {name: found[name] for name in found if name != "recordings"},
            **metrics,
            "seconds": run.elapsed,
        }


VERB = Verb(RecordingsSettings, train)
