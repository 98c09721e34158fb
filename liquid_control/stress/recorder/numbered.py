"""A drive of numbered IMU samples and pictures, as it comes to the recorder, and what of it can be
read back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from liquid_control.recordings.onboard.backlog import Item
from liquid_control.recordings.onboard.recorder import OnboardRecorder
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.recordings.rosbag import messages
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.signals import ImuSample

IMU_RATE, SHARE = 200, 7
"""Samples a second, and samples between two pictures: 29 a second."""
PICTURE_BYTES = 60_000
"""As a JPEG of 640x480 has them."""
INERTIAL, CAMERA = "/imu/data", "/camera/image_raw/compressed"
HANDED_OVER_EVERY = 0.02


def items(begin_ns: int, begin_at_ns: int) -> Iterator[Item]:
    """Sample n is received n / `IMU_RATE` s after the begin; its yaw rate is n. Endless."""
    noise = np.random.default_rng(0).integers(0, 256, 2**22, np.uint8)  # nothing compresses it
    number = 0
    while True:
        passed_ns = round(number * 1e9 / IMU_RATE)
        receive_ns, at_ns = begin_ns + passed_ns, begin_at_ns + passed_ns
        sample = ImuSample(receive_ns, (0.0, 0.0, float(number)), (0.0, 0.0, 9.81))
        data = messages.imu_message(sample)
        yield Item(at_ns, receive_ns, INERTIAL, messages.IMU, data)
        if number % SHARE == 0:
            begin = number * 9973 % (len(noise) - PICTURE_BYTES)
            data = messages.compressed_message(receive_ns, noise[begin : begin + PICTURE_BYTES])
            yield Item(at_ns, receive_ns, CAMERA, messages.COMPRESSED_IMAGE, data)
        number += 1


def record(folder: Path, settings: RecordSettings, seconds: float, handed) -> None:
    """Records the drive for so long, in real time, with a mark at its begin. `handed` (2,): when
    the first and the last message were received that were handed to the recorder [ns]."""
    recorder = OnboardRecorder(settings, folder)
    writing = threading.Thread(target=recorder.run, daemon=True)
    writing.start()
    recorder.mark("button", "begin")
    began = time.monotonic_ns()
    waiting = items(time.time_ns(), began)
    item = next(waiting)
    while (now := time.monotonic_ns()) < began + seconds * 1e9:
        ready = []
        while item.at_ns <= now:
            ready.append(item)
            item = next(waiting)
        recorder.put(ready)
        if ready:
            handed[:] = handed[0] or ready[0].receive_ns, ready[-1].receive_ns
        time.sleep(HANDED_OVER_EVERY)
    recorder.end()
    writing.join()


def numbers(path: Path) -> tuple[list[int], int]:
    """The numbers of all IMU samples in a recording, and when its last message was received [ns];
    0 without one."""
    with BagReader(path) as reader:
        last_ns, found = 0, []
        for message in reader.messages((INERTIAL, CAMERA)):
            last_ns = message.receive_ns
            if message.topic == INERTIAL:
                found.append(round(reader.decode(message).angular_velocity.z))
    return found, last_ns


def missing(found: list[int]) -> int:
    """The most samples in a row that are not there between two that are."""
    ordered = np.unique(found)
    return int(np.diff(ordered).max() - 1) if len(ordered) > 1 else 0
