"""Learning from recordings: bags in, a model directory like any other out."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from liquid_control.config import (
    PolicyConfig,
    PreprocessConfig,
    TimelineConfig,
    check,
    choice,
    group,
    number,
    path,
    several,
    switch,
    text,
)
from liquid_control.data.episode import Episode
from liquid_control.deploy.export import export_onnx
from liquid_control.errors import ConfigError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.view import ViewSettings
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import CloneSettings, clone, scaled_network
from liquid_control.train.device import DEVICES, choose_device, device_name
from liquid_control.train.load_recordings import gather
from liquid_control.train.run_folder import commit, open_run, tensorboard
from liquid_control.train.split import Split, split_recordings

FINE_TUNING_RATE = 0.3


@dataclasses.dataclass(frozen=True)
class RecordedSettings:
    """All that decides what comes out. An interrupted run with the same settings and the same
    recordings goes on where it was."""

    bags: tuple[Path, ...] = several(
        (), "recordings to learn from: rosbag2 directories, .mcap or .db3 files"
    )
    held_out: tuple[Path, ...] = several(
        (), "recordings for validation; without any, the seed draws some of --bags"
    )
    out: Path = path(
        Path("runs/recorded"),
        "folder of the run: checkpoint, TensorBoard, and the model in model/",
        writes="folder",
    )
    cache: Path = path(
        Path("runs/cache"),
        "folder for decoded and preprocessed recordings; runs with the same --preprocess share it",
        writes="folder",
    )
    start: str = text(
        "",
        "model to fine-tune, by path or name; the run uses its sizes and scales, and its crop "
        "unless flags give another",
        flag="from",
    )
    held_out_share: float = number(
        0.2, 0.01, 0.9, "", "share of frames to hold out, by whole recordings"
    )
    block: float = number(
        30.0,
        1.0,
        3600.0,
        "s",
        "a single recording is cut into blocks of this length; every fifth is held out",
    )
    unusable: str = choice(
        "refuse",
        ("refuse", "skip", "use"),
        "what to do with recordings that fail inspection; `use` overrides warnings only",
    )
    fixed_scales: bool = switch(
        False,
        "keep the network's scales instead of fitting them to the recordings' curvature and inertial "
        "inputs",
    )
    workers: int = number(0, 0, 256, "", "processes that read recordings; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    recording: RecordingSettings = group(RecordingSettings(), flat=True)
    curvature: CurvatureSettings = group(CurvatureSettings())
    view: ViewSettings = group(ViewSettings())
    clone: CloneSettings = group(CloneSettings(), flat=True)
    policy: PolicyConfig = group(PolicyConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())

    def __post_init__(self) -> None:
        check(self)


def train_recorded(settings: RecordedSettings) -> dict:
    """From recordings to `settings.out`/model; returns how it does on the held-out ones.

    Raises ConfigError for settings that contradict each other or a run with others in the same
    folder, RefusedRecordingsError for recordings that cannot be used, TooLittleError when not
    enough is left of them.
    """
    if not settings.bags:
        raise ConfigError("bags", "none", "at least one recording: --bags DRIVE [DRIVE ...]")
    started, device = time.perf_counter(), choose_device(settings.device)
    info = read_model(find_model(settings.start)) if settings.start else None
    preprocess = starting_preprocess(settings, info)
    gathered = gather(settings, preprocess, TimelineConfig())
    split = _split(settings, gathered.episodes)
    described = _described(settings) | {
        "recordings": gathered.hashes(),
        "from_files": dict(info.files) if info else None,
    }
    open_run(settings.out, described)
    keep_freed_memory()
    torch.manual_seed(settings.clone.seed)
    network, scales = _network(settings, gathered.preprocess, info, split)
    network.to(device)
    rate = settings.clone.rate or (FINE_TUNING_RATE if info else 1.0)
    with tensorboard(settings.out) as writer:
        result = clone(
            network, split, settings.clone, settings.out, rate, writer, fine_tuning=info is not None
        )
    seconds = time.perf_counter() - started
    held_out = result["held_out"]
    provenance = {
        "method": "imitation: behaviour cloning of recorded drives",
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "device": device_name(device),
        "settings": described,
        "from": {"model": str(settings.start), "files": dict(info.files)} if info else None,
        "recordings": gathered.facts,
        "split": {
            "by": split.by,
            "learned": sorted(split.learned),
            "held_out": sorted(split.held_out),
        },
        "scales": scales,
        "frames": sum(map(len, split.learned.values())),
        "history": result["history"],
        "seconds": {"total": round(seconds, 1)},
    }
    metrics = {
        "held_out": held_out,
        "split": split.by,
        **{name: result[name] for name in ("best_step", "steps", "epochs", "memory_fit")},
    }
    model = settings.out / "model"
    save_model(model, network, provenance, metrics, export_onnx)
    totals = {name: value for name, value in held_out.items() if name != "recordings"}
    return {
        "model": str(model),
        "recordings": len(gathered.episodes),
        "left_out": gathered.left_out,
        "split": split.by,
        "learned_frames": provenance["frames"],
        "held_out": totals,
        **{name: result[name] for name in ("best_step", "steps", "epochs", "memory_fit")},
        "seconds": seconds,
    }


def starting_preprocess(settings: RecordedSettings, info: ModelInfo | None) -> PreprocessConfig:
    """The flags' preprocessing, or that of the model to start from, with its crop replaced where
    flags give one.

    Raises ConfigError for flags of another size than the model's, or of another network.
    """
    if info is None:
        return settings.preprocess
    given, known, default = settings.preprocess, info.preprocess, PreprocessConfig()
    if (given.height, given.width) not in (
        (default.height, default.width),
        (known.height, known.width),
    ):
        raise ConfigError(
            "preprocess",
            f"{given.height}x{given.width}",
            f"{known.height}x{known.width}, the size of {info.directory}",
        )
    if settings.policy not in (PolicyConfig(), info.policy):
        raise ConfigError(
            "policy",
            "flags that differ from the model's",
            f"no --policy flags with --from: {info.directory} decides",
        )
    crops = ("crop_top", "crop_bottom", "crop_left", "crop_right")
    cropped = any(getattr(given, name) for name in crops)
    return (
        dataclasses.replace(known, **{name: getattr(given, name) for name in crops})
        if cropped
        else known
    )


def _split(settings: RecordedSettings, episodes: Mapping[str, Episode]) -> Split:
    named = {str(path) for path in settings.held_out}
    if named:
        learned = {name: episode for name, episode in episodes.items() if name not in named}
        held_out = {name: episode for name, episode in episodes.items() if name in named}
        if not learned or not held_out:
            raise ConfigError(
                "held_out",
                f"{len(held_out)} of {len(episodes)} usable recordings",
                "some to learn from and some held out",
            )
        return Split(learned, held_out, "recording")
    split = split_recordings(episodes, settings.held_out_share, settings.clone.seed, settings.block)
    if split.by != "recording":
        print(
            f"WARNING: one recording only. Learned and held-out parts are {split.by}, with gaps between: same road, same light, same "
            "driver. The held-out error flatters; give a second recording to know how good the policy is.",
            file=sys.stderr,
        )
    return split


def _network(
    settings: RecordedSettings, preprocess: PreprocessConfig, info: ModelInfo | None, split: Split
) -> tuple[PolicyNetwork, dict]:
    """A fresh network scaled to the learned part, or the model to start from with this camera's
    crop."""
    if info is not None:
        known = load_network(info.directory)
        network = PolicyNetwork(info.policy, preprocess, info.wiring)
        network.load_state_dict(known.state_dict())
        return network, {"from": "the model fine-tuned"}
    if settings.fixed_scales:
        return PolicyNetwork(settings.policy, preprocess), {"from": "flags"}
    return scaled_network(settings.policy, preprocess, split)


def _described(settings: RecordedSettings) -> dict:
    """What decides the result, as JSON holds it; where the recordings lie does not."""
    places = ("bags", "held_out", "out", "cache", "workers", "device", "start")
    return json.loads(
        json.dumps(
            {
                name: value
                for name, value in dataclasses.asdict(settings).items()
                if name not in places
            },
            default=str,
        )
    )


VERB = Verb(RecordedSettings, train_recorded)
