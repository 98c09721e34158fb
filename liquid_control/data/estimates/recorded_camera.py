"""The camera of a cached recording, estimated once and stored next to it; and in words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection
from pathlib import Path

from liquid_control.data.estimates.camera_estimate import (
    ESTIMATED,
    CameraEstimate,
    Estimated,
    estimate_camera,
)
from liquid_control.data.estimates.frame_motion import frame_motion
from liquid_control.data.from_recording import RecordedDrive
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import Motion
from liquid_control.system.files import write_atomically
from liquid_control.system.plain_json import plain

FORMAT = 1
"""Increased when the same pictures give another estimate than before."""
ASSUMED = ", in proportion to the assumed speed"


def recorded_camera(
    drive: RecordedDrive,
    motion: Motion,
    start: GroundCamera,
    given: Collection[str],
    lens: bool = True,
) -> CameraEstimate | None:
    """See `estimate_camera`: of a drive that moved by `motion`, whose yaw rate is free of bias.
    Stored next to the cached drive. None without a speed."""
    columns = drive.columns
    moved = frame_motion(columns["stamp_ns"], columns["is_first"], motion)
    if moved is None:
        return None
    described = [FORMAT, dataclasses.asdict(start), sorted(given), lens]
    digest = hashlib.sha256(json.dumps(plain(described)).encode()).hexdigest()[:12]
    place = Path(drive.image.filename).with_suffix(f".camera-{digest}.json")
    try:
        return _from_facts(json.loads(place.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        estimate = estimate_camera(drive.image, moved, start, given, lens)
    with write_atomically(place) as partial:
        partial.write_text(json.dumps(plain(dataclasses.asdict(estimate)), indent=1))
    return estimate


def in_words(estimate: CameraEstimate, name: str, unit: str) -> str:
    """One of its values with its uncertainty."""
    one = estimate.values[name]
    if one.source != ESTIMATED:
        return f"{one.value:.3g} {unit}, cannot be told from the pictures"
    digits = max(0, 1 - math.floor(math.log10(max(one.spread, 1e-6))))
    assumed = ASSUMED if name in ("height", "forward") and estimate.assumed_speed else ""
    return f"{one.value:.{digits}f} ± {one.spread:.{digits}f} {unit}{assumed}"


def _from_facts(facts: dict) -> CameraEstimate:
    camera = facts["camera"] | {name: tuple(facts["camera"][name]) for name in ("focal", "centre")}
    return CameraEstimate(
        **(
            facts
            | {
                "camera": GroundCamera(**camera),
                "values": {name: _one(one) for name, one in facts["values"].items()},
                "horizon": _one(facts["horizon"]),
                "remarks": tuple(facts["remarks"]),
            }
            | {
                name: math.nan if facts[name] is None else facts[name]
                for name in ("before", "after")
            }
        )
    )


def _one(facts: dict) -> Estimated:
    return Estimated(
        **(facts | {"spread": math.inf if facts["spread"] is None else facts["spread"]})
    )
