"""A short drive on a bend, made up, with a gate that acts in its middle and a policy that falls
silent near its end."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from liquid_control.evaluate.drive.log import (
    Commands,
    DriveLog,
    Neurons,
    Pictures,
    Proposals,
    Track,
    table,
)
from liquid_control.signals import Limit

MS = 1_000_000
NOW = 1_760_000_000_000_000_000
FRAMES = 60


@pytest.fixture(scope="session")
def log() -> DriveLog:
    rng = np.random.default_rng(0)
    stamps = NOW + np.cumsum(rng.integers(35, 60, FRAMES)) * MS  # irregular, as cameras are
    pictures, proposals, commands, neurons = [], [], [], []
    for i, stamp in enumerate(stamps.tolist()):
        image = np.full((64, 128, 3), (120, 110, 90 + 2 * i), np.uint8)
        pictures.append((stamp, cv2.imencode(".jpg", image)[1].tobytes()))
        neurons.append((stamp, np.sin(0.1 * i + np.arange(19))))
        if i < FRAMES - 8:
            proposals.append((stamp, stamp + 3 * MS, 0.03, 9.0))
        limit = (
            Limit.STALE
            if i >= FRAMES - 8
            else Limit.LATERAL_ACCELERATION
            if 20 <= i < 30
            else Limit.NONE
        )
        source = stamp if i < FRAMES - 8 else int(stamps[FRAMES - 9])
        commands.append(
            (
                source,
                stamp + 4 * MS,
                0.05 if 20 <= i < 30 else 0.078,
                9.0,
                stamp + 5 * MS,
                limit.value,
            )
        )
    at = np.arange(NOW, int(stamps[-1]), 20 * MS)
    angle = (at - NOW) / 1e9 * 9.0 * 0.03
    columns = [
        at,
        at + MS,
        np.sin(angle) / 0.03,
        (1 - np.cos(angle)) / 0.03,
        angle,
        np.full(len(at), 9.0),
        angle / 0.03,
    ]
    track = Track(*columns, 0.2 * np.sin(5 * angle), np.full(len(at), 0.03))
    return DriveLog(
        table(Pictures, pictures),
        table(Proposals, proposals),
        table(Commands, commands),
        table(Neurons, neurons),
        track,
        counters={
            "frames_sent": FRAMES,
            "frames_received": FRAMES,
            "frames_used": FRAMES - 8,
            "rejected_older": 2,
        },
        exit_codes={"policy_node": 0, "safety_node": 0, "sim_node": 0},
        facts={"model": "<none>", "seed": "7"},
    )
