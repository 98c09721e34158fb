"""Who drove in a rosbag2, by the states that the safety gate publishes, and what a person asked the
gate for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.errors import LiquidControlError
from liquid_control.recordings.drivers import Driver, Drivers, driver_of
from liquid_control.recordings.motion import Track
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.readings import ANGLES, TWISTS, own_stamp_ns, steering_reader
from liquid_control.recordings.settings import RecordingSettings

STATE_TOPIC = "safety_node/state"
"""The gate's topic, behind its namespace."""
STATE_KIND = "DiagnosticStatus"
MANUAL_TOPIC = "manual"
"""The topic of the proposals of a person who drives through the gate, behind a namespace."""
ASKED_BY = (*TWISTS, *ANGLES)
"""Types of proposals."""


def read_drivers(path: str | Path) -> Drivers | None:
    """Of a rosbag2, by the times of receipt of the gate's states. None for a recording without any,
    or of another format. Where the recorder's clock was set during the recording, the times behind
    that are not those of the frames."""
    try:
        with BagReader(path) as reader:
            names = {
                topic.name
                for topic in reader.topics
                if topic.name.endswith(STATE_TOPIC) and topic.kind.endswith(STATE_KIND)
            }
            changes = [
                (message.receive_ns, _driver(reader.decode(message)))
                for message in (reader.messages(names) if names else ())
            ]
    except LiquidControlError:
        return None
    return Drivers.of(changes) if changes else None


def read_asked(path: str | Path, vehicle: VehicleConfig) -> Track | None:
    """The curvature [1/m] that a person who drove through the gate asked for, of a rosbag2; None
    for a recording without his proposals, or of another format."""
    stamps, values = [], []
    try:
        with BagReader(path) as reader:
            readers = {
                topic.name: steering_reader(topic.kind, RecordingSettings(vehicle=vehicle))
                for topic in reader.topics
                if topic.name.rpartition("/")[2] == MANUAL_TOPIC and topic.kind in ASKED_BY
            }
            for message in reader.messages(set(readers)) if readers else ():
                asked = reader.decode(message)
                stamp = own_stamp_ns(asked)
                stamps.append(message.receive_ns if stamp is None else stamp)
                values.append(math.tan(readers[message.topic](asked)[0]) / vehicle.wheelbase)
    except LiquidControlError:
        return None
    return Track(np.array(stamps, np.int64), np.array(values)).tidy() if stamps else None


def _driver(message) -> Driver:
    values = {pair.key: pair.value for pair in message.values}
    return driver_of(message.message, values.get("driver", ""))
