"""The command that lets a replayed policy drive in the recordings, in closed loop."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from liquid_control.recordings.settings import RecordingSettings


def closed_loop(
    model: str, paths: Sequence[Path], bags: Sequence[Mapping], settings: RecordingSettings
) -> str:
    """With the settings that were given; empty where no recording has pictures and steering.
    `bags`: facts of each recording in `paths`."""
    driven = [
        f"recording:{path}"
        for path, bag in zip(paths, bags, strict=True)
        if bag["frames"] and bag["steering_samples"]
    ]
    if not driven:
        return ""
    return shlex.join(["liquid-control", "evaluate", model, "--world", *driven, *_given(settings)])


def _given(settings: object, prefix: str = "") -> Iterator[str]:
    """Flags of what is not at its default."""
    for field in dataclasses.fields(settings):
        value, name = getattr(settings, field.name), field.metadata.get("flag") or field.name
        flag = prefix + name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from _given(value, f"{flag}.")
        elif value != field.default:
            yield from (f"--{flag}", str(value))
