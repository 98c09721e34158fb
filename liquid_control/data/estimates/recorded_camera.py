"""The camera and the visual motion of a cached recording, estimated once and stored next to it; and
estimates in words."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Collection
from pathlib import Path

import numpy as np

from liquid_control.data.estimates.camera_estimate import (
    ESTIMATED,
    CameraEstimate,
    Estimated,
    camera_vector,
    estimate_camera,
)
from liquid_control.data.estimates.frame_motion import FrameMotion, frame_motion
from liquid_control.data.estimates.response_estimate import ResponseEstimate
from liquid_control.data.estimates.visual_motion import steady, visual_motion
from liquid_control.data.from_recording import RecordedDrive
from liquid_control.data.npz import NpzError, read_npz
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import Motion, Track
from liquid_control.system.files import write_atomically
from liquid_control.system.plain_json import plain

FORMAT = 3
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
    moved = _moved(drive, motion)
    if moved is None:
        return None
    place = _place(drive, f"camera-{_digest(start, given, lens)}.json")
    try:
        return _from_facts(json.loads(place.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        estimate = estimate_camera(drive.image, moved, start, given, lens)
    with write_atomically(place) as partial:
        partial.write_text(json.dumps(plain(dataclasses.asdict(estimate)), indent=1))
    return estimate


def recorded_motion(
    drive: RecordedDrive, motion: Motion, start: GroundCamera, found: CameraEstimate
) -> tuple[Track, Track]:
    """Yaw rate [rad/s] and speed [m/s] by the pictures of a drive: see `visual_motion`; `start` and
    `found` of `recorded_camera`. Stored next to the cached drive."""
    place = _place(drive, f"motion-{_digest(start, camera_vector(found))}.npz")
    names = ("stamp_ns", "yaw_rate", "speed")
    try:
        arrays = read_npz(place, names)
    except (NpzError, FileNotFoundError):
        moved, stamp_ns = _moved(drive, motion), drive.columns["stamp_ns"]
        seen = visual_motion(drive.image, moved, start, found, progress=drive.path.name)
        before, after = stamp_ns[seen.pairs[:, 0]], stamp_ns[seen.pairs[:, 1]]
        seconds = (after - before) * 1e-9
        arrays = {
            "stamp_ns": before + (after - before) // 2,
            "yaw_rate": seen.turn / seconds,
            "speed": steady(before, seen.distance / seconds),
        }
        with write_atomically(place) as partial, partial.open("wb") as sink:
            np.savez(sink, **arrays)
    return tuple(Track(arrays["stamp_ns"], arrays[name]) for name in names[1:])


def _moved(drive: RecordedDrive, motion: Motion) -> FrameMotion | None:
    return frame_motion(drive.columns["stamp_ns"], drive.columns["is_first"], motion)


def _place(drive: RecordedDrive, ending: str) -> Path:
    return Path(drive.image.filename).with_suffix(f".{ending}")


def _digest(*described: object) -> str:
    return hashlib.sha256(json.dumps(plain([FORMAT, described])).encode()).hexdigest()[:12]


def in_words(estimate: CameraEstimate, name: str, unit: str) -> str:
    """One of its values with its uncertainty."""
    one = estimate.values[name]
    if one.source != ESTIMATED:
        return f"{one.value:.3g} {unit}, cannot be told from the pictures"
    digits = max(0, 1 - math.floor(math.log10(max(one.spread, 1e-6))))
    assumed = ASSUMED if name in ("height", "forward") and estimate.assumed_speed else ""
    return f"{one.value:.{digits}f} ± {one.spread:.{digits}f} {unit}{assumed}"


def response_in_words(response: ResponseEstimate) -> dict[str, str]:
    """Delay and gain with their uncertainty, by name."""
    delay, gain = response.delay, response.gain
    by = f" by the {response.by}"
    why = "; ".join(response.remarks)
    return {
        "response_delay": f"{delay.value:.3f} ± {delay.spread:.3f} s{by}"
        if delay.source == ESTIMATED
        else f"{delay.value:g} s, cannot be told: {why}",
        "curvature_per_command": f"{gain.value:.2f} ± {gain.spread:.2f}{by}"
        if gain.source == ESTIMATED
        else f"{gain.value:g}, cannot be told: {why}",
    }


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
