"""Recordings as episodes: decoded once, observed by the robot's `Observer`, then cached on disk.

A cached recording is one .npz named by a hash of the recording's bytes and of all settings that
affect it. Pictures go to disk as they are decoded and come back as a memory map, so neither reading
nor training holds a recording in memory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.data.episode import Episode
from liquid_control.data.npz import NpzError, read_npz, write_npz
from liquid_control.errors import ConfigError, ImageError, LiquidControlError
from liquid_control.model.spec import PolicySpec, names
from liquid_control.perception.contribution import Contribution
from liquid_control.perception.observer import Observer, PreparedFrame, prepare
from liquid_control.perception.timeline import MEASURABLE
from liquid_control.recordings.contributions import contributions, steering_contribution
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.motion import Motion, Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.stretches import Stretches
from liquid_control.signals import ImuSample, Observation, Rejected, SpeedSample, SteeringSample
from liquid_control.system.files import write_atomically
from liquid_control.system.sha256 import sha256_of

FORMAT = 4
"""Increased when the same recording and settings give other arrays than before."""
LEAST_FRAMES = 32
"""A recording with fewer usable frames is too short to train on."""
MOST_FILES = 64
"""Of one folder that are hashed each by itself; a folder of more has one hash, under its name."""
LONGEST_GAP = 0.5
"""Steering angles further apart than this [s] are not known in between."""
COLUMNS = ("stamp_ns", "measurements", "dt", "is_first")
NOT_READ = ("response_delay", "lane_width", "mount")
"""Recording settings that change nothing in what is read."""
TRACKS = tuple(field.name for field in dataclasses.fields(Motion))


class UnusableRecordingError(LiquidControlError):
    """A recording cannot be trained on."""

    def __init__(self, path: object, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: cannot be trained on: {problem}. {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


@dataclasses.dataclass(frozen=True)
class Reading:
    """All settings that affect what is read from a recording."""

    recording: RecordingSettings
    preprocess: PreprocessConfig
    timeline: TimelineConfig


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedDrive:
    """One recording of N frames: image (N, h, w, 3) uint8 RGB mapped from disk, columns as in
    `Episode` with all of `MEASURABLE` as measurements, and the vehicle's motion.

    `facts`: the bag's files with their SHA-256, what was skipped, rejected or damaged in it, what
    was taken in place of what is recorded (`remarks`). `contributions`: of each input.
    """

    path: Path
    image: np.ndarray
    columns: Mapping[str, np.ndarray]
    motion: Motion
    facts: Mapping
    contributions: Mapping[str, Contribution]

    def __len__(self) -> int:
        return len(self.image)

    def episode(self, spec: PolicySpec, action: np.ndarray) -> Episode:
        """The episode of a policy with this spec. `action` (N, A): the driver's, NaN where unknown.
        Auxiliary targets, which no sensor measures, are NaN. Raises ConfigError for a measurement
        that a recording does not give."""
        given = names(spec.measurements)
        missing = [name for name in given if name not in MEASURABLE]
        if missing:
            raise ConfigError("spec.measurements", missing, f"some of {', '.join(MEASURABLE)}")
        measured = self.columns["measurements"][:, [MEASURABLE.index(name) for name in given]]
        return Episode(
            spec,
            image=self.image,
            action=action.astype(np.float32),
            auxiliary=np.full((len(self), len(spec.auxiliary)), np.nan, np.float32),
            **(dict(self.columns) | {"measurements": measured}),
        )


class _Samples:
    """A growing track; hours of inertial samples as Python objects would be gigabytes."""

    def __init__(self) -> None:
        self.stamp_ns, self.value = array("q"), array("d")

    def add(self, stamp_ns: int, value: float) -> None:
        self.stamp_ns.append(stamp_ns)
        self.value.append(value)


def read_drive(path: Path, reading: Reading, cache: Path, progress: bool = False) -> RecordedDrive:
    """The drive in recording `path`: from folder `cache`, or read and cached there.

    Raises RecordingError and the topics' errors as `open_recording` does, UnusableRecordingError
    with too few usable frames.
    """
    files = file_hashes(path, cache)
    place = cached_at(path, files, reading, cache)
    try:
        return _open(path, place)
    except (NpzError, FileNotFoundError):
        _read(path, reading, place, files, progress)
    return _open(path, place)


def cached_at(path: Path, files: Mapping[str, str], reading: Reading, cache: Path) -> Path:
    """The file in which a recording is cached, named by its own name, its bytes and all settings
    that affect what is read."""
    settings = dataclasses.asdict(reading)
    for name in NOT_READ:
        del settings["recording"][name]
    described = json.dumps([FORMAT, sorted(files.values()), settings], default=str, sort_keys=True)
    return cache / f"{path.stem}-{hashlib.sha256(described.encode()).hexdigest()[:20]}.npz"


def file_hashes(path: Path, cache: Path) -> dict[str, str]:
    """SHA-256 of each file of a recording (of all in a large folder) by name, cached in `cache` by
    size and time of change.
    Raises RecordingError for a path that is not a recording, before it reads all of it."""
    with open_recording(path, guess=True) as source:
        path = source.root
    cache.mkdir(parents=True, exist_ok=True)
    files = (
        sorted(file for file in path.rglob("*") if file.is_file())
        if path.is_dir()
        else [path]
        if path.is_file()
        else []
    )
    memory = cache / "hashes.json"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    found, named = {}, {}
    for folder, group in by_folder.items():
        parts = [group] if len(group) > MOST_FILES else [[file] for file in group]
        for part in parts:
            key, name = _key(part), folder if len(part) > 1 else part[0]
            found[key] = known.get(key) or _digest(part)
            named[str(name.relative_to(path)) if path.is_dir() else name.name] = found[key]
    if set(found) - set(known):
        with write_atomically(memory) as partial:
            partial.write_text(json.dumps(known | found, indent=1))
    return named


def _key(files: list[Path]) -> str:
    """Names, sizes and times of change of files in one folder, as a key."""
    keys = []
    for file in files:
        status = file.stat()
        keys.append(f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}")
    if len(keys) == 1:
        return keys[0]
    return f"{files[0].parent.resolve()}|{hashlib.sha256(' '.join(keys).encode()).hexdigest()}"


def _digest(files: list[Path]) -> str:
    """SHA-256 of one file; of several, of their names and hashes."""
    if len(files) == 1:
        return sha256_of(files[0])
    lines = [f"{file.name} {sha256_of(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read(
    path: Path, reading: Reading, place: Path, files: Mapping[str, str], progress: bool
) -> None:
    """One pass over the bag through the robot's `Observer`; writes the cached drive."""
    moving = driving_scale(reading.recording.vehicle).moving
    observer = Observer(reading.preprocess, reading.timeline, moving=moving)
    stamp_ns, measurements, dt, is_first = array("q"), array("f"), array("f"), array("b")
    tracks = {name: _Samples() for name in (*TRACKS, "command_speed")}
    pixels = place.with_name(f"{place.stem}.{os.getpid()}.pixels")  # others may read it, too
    try:
        with open_recording(path, reading.recording) as recording, pixels.open("wb") as sink:
            if "camera" not in recording.roles:
                raise UnusableRecordingError(
                    path,
                    "it has no camera",
                    "Record Image or CompressedImage; --topics.camera names the topic",
                )
            bar = tqdm(
                desc=f"read {path.name}",
                unit="frame",
                disable=None if progress else True,
                leave=False,
            )
            stretches = Stretches()
            for received_ns, sample in recording.samples(
                prepare=lambda frame: prepare(frame, reading.preprocess)
            ):
                if stretches.begins(received_ns):
                    observer.reset()
                seen = observer.push(sample)
                if isinstance(sample, PreparedFrame):
                    bar.update()
                if isinstance(seen, Rejected):
                    continue
                if isinstance(seen, Observation):
                    sink.write(seen.image)
                    stamp_ns.append(seen.stamp_ns)
                    measurements.extend(seen.measurements)
                    dt.append(seen.dt)
                    is_first.append(seen.is_first)
                elif isinstance(sample, ImuSample):
                    tracks["yaw_rate"].add(sample.stamp_ns, sample.angular_velocity[2])
                elif isinstance(sample, SpeedSample):
                    tracks["speed"].add(sample.stamp_ns, sample.speed)
                elif isinstance(sample, SteeringSample):
                    tracks["steering_angle"].add(sample.stamp_ns, sample.steering_angle)
                    if sample.speed is not None:
                        tracks["command_speed"].add(sample.stamp_ns, sample.speed)
            bar.close()
            damage = [dataclasses.asdict(item) for item in recording.damage]
            skipped = {str(reason): count for reason, count in recording.skipped.items()}
        rejected = {reason.value: count for reason, count in observer.rejected.items() if count}
        frames = len(stamp_ns)
        if frames < LEAST_FRAMES:
            raise _too_short(path, frames, observer.image_error, rejected, skipped, damage)
        commanded, angles = tracks.pop("command_speed"), tracks["steering_angle"]
        tracks["speed"] = tracks["speed"] if tracks["speed"].value else commanded
        arrays = {
            "stamp_ns": np.array(stamp_ns, np.int64),
            "measurements": np.array(measurements, np.float32).reshape(frames, -1),
            "dt": np.array(dt, np.float32),
            "is_first": np.array(is_first, bool),
        }
        for name, samples in tracks.items():
            arrays |= {
                f"{name}_ns": np.array(samples.stamp_ns, np.int64),
                name: np.array(samples.value, np.float64),
            }
        steering = Track(np.array(angles.stamp_ns, np.int64), np.array(angles.value))
        contributed = contributions(
            recording,
            observer.contributions,
            steering_contribution(arrays["stamp_ns"], steering, LONGEST_GAP),
        )
        facts = {
            "files": dict(files),
            "contributions": {name: dataclasses.asdict(one) for name, one in contributed.items()},
            "remarks": recording.remarks,
            "frames": frames,
            "rejected": rejected,
            "skipped": skipped,
            "damage": damage,
        }
        arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        size = (reading.preprocess.height, reading.preprocess.width, 3)
        write_npz(place, arrays, "image", pixels, (frames, *size))
    finally:
        pixels.unlink(missing_ok=True)


def _too_short(
    path: Path,
    frames: int,
    too_small: ImageError | None,
    rejected: dict,
    skipped: dict,
    damage: list,
) -> UnusableRecordingError:
    problem = f"{frames} usable frames, and {LEAST_FRAMES} are the least"
    if too_small is not None and not frames:
        return UnusableRecordingError(
            path, str(too_small), "Lower --preprocess.height, --preprocess.width or the crop"
        )
    reasons = {f"rejected as {name}": count for name, count in rejected.items()}
    reasons |= {f"skipped: {name}": count for name, count in skipped.items()}
    if damage:
        reasons["damaged places"] = len(damage)
    listed = "; ".join(f"{name} {count}" for name, count in reasons.items())
    stamps = rejected.get("duplicate", 0) + rejected.get("older", 0) > frames
    remedy = (
        "Header stamps stand still: try --stamps receive"
        if stamps
        else "Record for longer, or leave it out"
    )
    return UnusableRecordingError(path, problem + (f" ({listed})" if listed else ""), remedy)


def _open(path: Path, place: Path) -> RecordedDrive:
    arrays = read_npz(
        place,
        (*COLUMNS, *TRACKS, *(f"{name}_ns" for name in TRACKS), "facts", "image"),
        mapped=("image",),
    )
    motion = Motion(**{name: Track(arrays[f"{name}_ns"], arrays[name]) for name in TRACKS})
    facts = json.loads(arrays["facts"].tobytes())
    return RecordedDrive(
        path,
        arrays["image"],
        {name: arrays[name] for name in COLUMNS},
        motion,
        facts,
        {name: Contribution(**one) for name, one in facts["contributions"].items()},
    )
