"""Settings of training on recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import (
    PreprocessConfig,
    check,
    choice,
    group,
    number,
    path,
    several,
    switch,
    text,
)
from liquid_control.errors import ConfigError
from liquid_control.model.car import CarConfig, chooses_speed
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.closed_loop_settings import ClosedLoopSettings
from liquid_control.train.device import DEVICES
from liquid_control.train.simulation_settings import LEARNED, SET

PLACES = ("paths", "recordings", "held_out", "out", "cache", "workers", "device", "start")
"""Settings that say where a run is done and where its inputs lie; hashes of the inputs decide."""


@dataclasses.dataclass(frozen=True)
class RecordingsSettings:
    """All that decides the outcome. An interrupted run with the same settings and the same
    recordings is resumed."""

    recordings: tuple[Path, ...] = several(
        (), "recordings to learn from: rosbag2, .mcap or .db3 files, DonkeyCar tubs, ..."
    )
    held_out: tuple[Path, ...] = several(
        (), "recordings for validation; without any, the seed draws some of --recordings"
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
        "keep the network's scales instead of fitting them to the recordings' curvature and "
        "inertial inputs",
    )
    workers: int = number(0, 0, 256, "", "processes that read recordings; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    closed_loop: str = choice(
        "auto",
        ("auto", "on", "off"),
        "train and examine in the world that the recordings make: auto where one can be made, on "
        "or not at all; off: clone the drivers only",
    )
    speed: str = choice(
        SET,
        (SET, LEARNED),
        "who chooses the speed: set, the set speed and bends; learned, the policy, which gives it "
        "as a second output, learned from drivers who chose theirs. With --from the model decides",
    )
    recording: RecordingSettings = group(RecordingSettings(), flat=True)
    curvature: CurvatureSettings = group(CurvatureSettings())
    view: ViewSettings = group(ViewSettings())
    clone: CloneSettings = group(CloneSettings(), flat=True)
    loop: ClosedLoopSettings = group(ClosedLoopSettings(), flat=True)
    policy: PolicyConfig = group(PolicyConfig())
    car: CarConfig = group(CarConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())
    paths: tuple[Path, ...] = several((), "the same as --recordings", positional=True)

    def __post_init__(self) -> None:
        check(self)

    @property
    def named(self) -> tuple[Path, ...]:
        """All recordings but those held out."""
        return (*self.paths, *self.recordings)


def learns_speed(settings: RecordingsSettings, info: ModelInfo | None) -> bool:
    """Whether the policy chooses the speed: as the model to start from does, else as the flag says.
    Raises ConfigError where they contradict each other."""
    if info is None:
        return settings.speed == LEARNED
    chooses = chooses_speed(info.spec)
    if settings.speed == LEARNED and not chooses:
        expected = f"no --from, or a model that gives a speed: {info.directory} does not"
        raise ConfigError("speed", LEARNED, expected)
    return chooses


def starting_preprocess(settings: RecordingsSettings, info: ModelInfo | None) -> PreprocessConfig:
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
