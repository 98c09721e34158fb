"""The contact sheet of all visual conditions: `python -m liquid_control.sim.condition_sheet
OUT.jpg` draws doc/images/conditions.jpg.

Each tile shows one road of each condition as the camera sees it (drawn larger than the policy's),
and below it what a network of the default size is given.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.perception.observer import preprocess
from liquid_control.signals import Frame, Observation
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.network_input import CorruptedInput
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.lane_keeping import expert_curvature
from liquid_control.sim.world import World

VISUAL = tuple(
    c
    for c in CONDITIONS.values()
    if c.family in ("clean", "picture", "weather") or c.name.startswith("camera")
)
WIDTH, HEIGHT, COLUMNS, CAPTION = 288, 144, 6, 22
PAPER, INK = (250, 250, 250), (40, 34, 30)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Draws the contact sheet of all visual conditions."
    )
    parser.add_argument("out", type=Path, help="picture to write (.jpg or .png)")
    parser.add_argument("--seed", type=int, default=9, help=f"road, 0 to {LARGEST_SEED}")
    parser.add_argument("--seconds", type=float, default=5.0, help="how far into the drive")
    options = parser.parse_args(arguments)
    tiles = [tile(condition, options.seed, options.seconds) for condition in VISUAL]
    blank = np.full_like(tiles[0], 250)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    sheet = np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])
    cv2.imwrite(str(options.out), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 78])


def tile(condition: Condition, seed: int, seconds: float) -> np.ndarray:
    """One condition, (rows, columns, 3) uint8 RGB: caption, camera picture, network's picture."""
    frame = expert_frame(condition, seed, seconds)
    wanted = PreprocessConfig()
    seen = Observation(
        frame.stamp_ns, preprocess(frame.image, wanted), np.zeros(3, np.float32), 0.04, False
    )
    corrupted = CorruptedInput(ExpertRuntime(None, wanted), seed, **condition.input_corruption)
    given = corrupted.corrupt(seen).image
    caption = np.full((CAPTION, WIDTH, 3), PAPER, np.uint8)
    cv2.putText(
        caption, condition.name, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA
    )
    given = cv2.resize(given, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return cv2.copyMakeBorder(
        np.vstack([caption, frame.image, given]), 0, 8, 3, 3, cv2.BORDER_CONSTANT, value=PAPER
    )


def expert_frame(condition: Condition, seed: int, seconds: float) -> Frame:
    """The first frame `seconds` into the expert's drive over a held-out road."""
    world = World(
        WorldConfig(image_width=WIDTH, image_height=HEIGHT, stratum=4), seed, True, condition
    )
    frame = None
    while frame is None or frame.stamp_ns < seconds * 1e9:
        for event in world.advance(math.atan(VEHICLE.wheelbase * expert_curvature(world))):
            frame = event if isinstance(event, Frame) else frame
    world.close()
    return frame


if __name__ == "__main__":
    main()
