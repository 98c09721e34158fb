"""Settings of training on recordings in which a person took over from a policy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import check, choice, group, number, path, several, text
from liquid_control.data.takeovers import TakeoverWeights
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.device import DEVICES
from liquid_control.train.recordings_settings import RecordingsSettings

PLACES = ("bags", "held_out", "out", "cache", "workers", "device", "start")
"""Settings that say where a run is done and where its inputs lie; hashes of the inputs decide."""


@dataclasses.dataclass(frozen=True)
class TakeoversSettings:
    """All that decides the outcome. An interrupted run with the same settings and the same
    recordings is resumed."""

    bags: tuple[Path, ...] = several(
        (),
        "recordings in which the policy drove and a person took over; others, which a person drove "
        "from begin to end, may be among them",
    )
    held_out: tuple[Path, ...] = several(
        (), "recordings for validation; without any, the seed draws some of --bags"
    )
    start: str = text(
        "lane_keeper", "model to begin with, by path or name: the one that drove", flag="from"
    )
    out: Path = path(
        Path("runs/takeovers"),
        "folder of the run: checkpoint, TensorBoard, and the model in model/",
        writes="folder",
    )
    cache: Path = path(
        Path("runs/cache"),
        "folder for decoded and preprocessed recordings; runs with the same picture size share it",
        writes="folder",
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
    workers: int = number(0, 0, 256, "", "processes that read recordings; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    weights: TakeoverWeights = group(TakeoverWeights())
    recording: RecordingSettings = group(RecordingSettings(), flat=True)
    curvature: CurvatureSettings = group(CurvatureSettings())
    view: ViewSettings = group(ViewSettings())
    clone: CloneSettings = group(CloneSettings(validate_every=1200, rate=1.0), flat=True)

    def __post_init__(self) -> None:
        check(self)

    @property
    def reading(self) -> RecordingsSettings:
        """As `train recordings` reads the same recordings."""
        shared = ("held_out", "start", "out", "cache", "held_out_share", "block", "unusable")
        shared += ("workers", "device", "recording", "curvature", "view", "clone")
        given = {name: getattr(self, name) for name in shared}
        return RecordingsSettings(recordings=self.bags, closed_loop="off", **given)
