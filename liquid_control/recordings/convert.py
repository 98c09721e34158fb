"""`liquid-control convert`: a recording of any format as a rosbag2 (mcap).

Times stay as recorded; steering, speed and IMU are in SI units and body axes, as the settings make
them. JPEG pictures are copied as they are. The vehicle that these hold for is described beside
them, so that the rosbag2 is read as its original was.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from liquid_control import config
from liquid_control.config import REQUIRED, check, group
from liquid_control.errors import ConfigError, ImageError, RecordingError
from liquid_control.recordings.formats import format_of, open_recording
from liquid_control.recordings.rosbag import messages
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import ACCELEROMETER, ROLES, Entry, StoredPicture
from liquid_control.recordings.vehicle_file import NAME, write_vehicle
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.system.verb import Verb

JPEG = b"\xff\xd8"
ACCELERATIONS = "/imu/accelerometer"
"""Topic of accelerations that have stamps of their own."""


@dataclasses.dataclass(frozen=True)
class ConvertSettings:
    """Settings of `liquid-control convert RECORDING OUT`."""

    recording_path: Path = config.path(REQUIRED, "recording of any known format")
    out: Path = config.path(REQUIRED, "rosbag2 directory to write; it must not exist")
    bag: BagSettings = group(BagSettings(steering="ackermann"))
    recording: RecordingSettings = group(RecordingSettings(), flat=True)

    def __post_init__(self) -> None:
        check(self)


def convert(settings: ConvertSettings) -> dict:
    """Messages by topic, and what was left out, by reason. Raises RecordingError as
    `open_recording` does, for a place that is not free, and where nothing could be written;
    ConfigError for a steering without any speed: the messages need one."""
    left_out: Counter[str] = Counter()
    with open_recording(settings.recording_path, settings.recording) as source:
        kind = format_of(settings.recording_path).name
        facts = {"converted_from": source.path.name, "format": kind}
        left_out.update(source.skipped)
        _need_speed(source)
        bar = tqdm(unit="message", desc="convert", file=sys.stderr, leave=False, disable=None)
        with BagWriter(settings.out, settings.bag, facts, source.settings.vehicle) as writer, bar:
            speed = source.settings.constant_speed or None
            for record in source.as_recorded((*ROLES, ACCELEROMETER)):
                entry = record() if callable(record) else record
                if isinstance(entry.sample, SpeedSample):
                    speed = entry.sample.speed
                problem = entry.problem or _write(writer, entry, speed)
                if problem:
                    left_out[problem] += 1
                bar.update()
            if not writer.counts:
                raise RecordingError(
                    source.path, f"nothing could be converted ({dict(left_out)})", "Inspect it."
                )
            counts = dict(writer.counts)
        write_vehicle(settings.out / NAME, source.settings)
    return {
        "out": str(settings.out),
        "messages": counts,
        "left_out": dict(left_out),
        "damage": [str(one) for one in source.damage],
        "remarks": list(source.remarks),
    }


NO_SPEED = "steering before any speed is known"
SAY_SPEED = (
    f"a constant speed for the steering's messages: `speed: 2.0` in {NAME} next to the recording, "
    "or --constant-speed"
)


def _need_speed(source: Source) -> None:
    """Raises ConfigError where steering is recorded and no speed is."""
    if "speed" in source.roles or source.settings.constant_speed:
        return
    for record in source.as_recorded(["steering"]):
        if not callable(record) and isinstance(record.sample, SteeringSample):
            if record.sample.speed is None:
                raise ConfigError("speed", "none is recorded", SAY_SPEED)
            return


def _write(writer: BagWriter, entry: Entry, speed: float | None) -> str:
    """Writes an entry that is in order; why not, where it cannot be."""
    sample = entry.sample
    if isinstance(sample, StoredPicture):
        return _write_picture(writer, entry, sample)
    if isinstance(sample, ImuSample) and entry.role == ACCELEROMETER:
        writer.write(ACCELERATIONS, messages.IMU, messages.imu_message(sample), entry.received_ns)
    elif isinstance(sample, ImuSample):
        writer.write_imu(sample, entry.received_ns)
    elif isinstance(sample, SpeedSample):
        writer.write_speed(sample, entry.received_ns)
    elif isinstance(sample, SteeringSample):
        speed = speed if sample.speed is None else sample.speed
        if speed is None:
            return NO_SPEED
        writer.write_steering(dataclasses.replace(sample, speed=speed), entry.received_ns)
    return ""


def _write_picture(writer: BagWriter, entry: Entry, picture: StoredPicture) -> str:
    try:
        image = picture.decode()
    except (ImageError, AttributeError, TypeError, ValueError) as error:
        return f"picture: {error}"
    as_it_is = not picture.raw and bytes(memoryview(picture.data)[:2]) == JPEG
    if as_it_is and writer.settings.pictures == "jpeg":
        data = np.frombuffer(picture.data, np.uint8)
        writer.write_jpeg(entry.stamp_ns, data, entry.received_ns)
    else:
        writer.write_frame(Frame(entry.stamp_ns, image), entry.received_ns)
    return ""


VERB = Verb(ConvertSettings, convert)
