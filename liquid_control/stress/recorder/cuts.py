"""Recordings that end at any byte, recorders that are killed, and disks that take no more."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.stress.recorder.numbered import IMU_RATE, items, missing, numbers, record

LOSS_NS = 1_000_000_000
"""The most that may be lost."""
CUT_SECONDS = 6.0
SMALLEST, LARGEST = 1_500_000, 6_000_000
"""Bytes of a file that a disk takes before it is full: more than one chunk."""
FULL_SECONDS = 4.0
PATIENCE = 60.0
"""A recorder gets so long to write its first chunk, and to end [s]; a loaded machine needs some."""
FORK = multiprocessing.get_context("fork")


def check_cuts(folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    """Cuts a recording at `count` places; yields what is wrong with each, empty where all whole
    chunks before the cut were read, in order."""
    wrote: list[tuple[int, int]] = []  # size of the file, messages in it
    with BagWriter(folder / "whole", durable=True) as writer:
        for number, item in enumerate(items(10**18, 0), 1):
            writer.write(item.topic, item.kind, item.data, item.receive_ns)
            if writer.size != (wrote[-1][0] if wrote else 0):
                wrote.append((writer.size, number - 1))
            if item.at_ns > CUT_SECONDS * 1e9:
                break
    [whole] = (folder / "whole").glob("*.mcap")
    with BagReader(whole) as reader:
        expected = [(message.topic, message.receive_ns) for message in reader.messages()]
    cut = shutil.copy(whole, folder / "cut.mcap")
    size = whole.stat().st_size
    for place in sorted((rng.randrange(8, size) for _ in range(count)), reverse=True):
        with open(cut, "r+b") as file:
            file.truncate(place)
        least = max((messages for end, messages in wrote if end <= place), default=0)
        try:
            with BagReader(cut) as reader:
                read = [(message.topic, message.receive_ns) for message in reader.messages()]
        except RecordingError as error:
            yield f"cut at {place}: {error}" if least else ""
            continue
        right = read == expected[: len(read)] and len(read) >= least
        yield "" if right else f"cut at {place}: {len(read)} messages, expected {least} or more"


def check_kill(folder: Path, seed: int) -> str:
    """Kills a recorder with SIGKILL; what is wrong with what it leaves, empty if nothing."""
    rng = random.Random(seed)
    mode = rng.choice(("continuous", "events"))
    settings = RecordSettings(scope=mode, after=600.0, keep_free=0.0)
    handed = FORK.Array("q", 2, lock=False)
    process = _start(folder, settings, 600.0, handed)
    deadline = time.monotonic() + PATIENCE
    while not any(one.stat().st_size > 10_000 for one in folder.glob("*/*.mcap")):
        if time.monotonic() > deadline:
            process.kill()
            return f"{seed}: nothing is written after {PATIENCE:g} s"
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 1.5))
    process.kill()
    process.join()
    [path] = folder.iterdir()
    try:
        found, last_ns = numbers(path)
    except RecordingError:  # killed within its first chunk
        found, last_ns = [0], handed[0]
    lost_ns = handed[1] - last_ns
    if lost_ns > LOSS_NS:
        return f"{seed}: {mode}: the last {lost_ns / 1e9:.2f} s are lost"
    return "" if missing(found) == 0 and found[0] == 0 else f"{seed}: {mode}: samples are missing"


def check_full(folder: Path, seed: int) -> str:
    """Lets a recorder run into a disk that takes no more of each file; what is wrong with what it
    leaves, empty if nothing."""
    limit = random.Random(seed).randrange(SMALLEST, LARGEST)
    settings = RecordSettings(scope="continuous", keep_free=0.0)
    process = _start(folder, settings, FULL_SECONDS, FORK.Array("q", 2, lock=False), limit)
    process.join(PATIENCE)
    if process.exitcode != 0:
        process.kill()
        return f"{seed}: the recorder ended with {process.exitcode}"
    read = []
    for path in folder.iterdir():
        with contextlib.suppress(RecordingError):  # the last may have no chunk
            read.append(numbers(path)[0])
    together = [number for one in read for number in one]
    if not together or any(missing(one) for one in read):
        return f"{seed}: samples are missing within a recording"
    gap = missing(together) / IMU_RATE
    return f"{seed}: {gap:.2f} s are missing" if gap > LOSS_NS / 1e9 else ""


def _start(*arguments: object) -> multiprocessing.Process:
    """By fork, which loads nothing again."""
    process = FORK.Process(target=_record, args=arguments)
    process.start()
    return process


def _record(folder: Path, settings: RecordSettings, seconds: float, handed, limit: int = 0) -> None:
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # Python ignores the signal
    record(folder, settings, seconds, handed)
    os._exit(0)  # Python would wait for threads that a fork does not have
