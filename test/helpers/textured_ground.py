"""Pictures of ground with texture under a wall far away, drawn for a known camera and path."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from liquid_control.data.estimates.frame_motion import (
    ASSUMED_DISTANCE,
    MEASURED_DISTANCE,
    MEASURED_TURN,
    UNKNOWN_TURN,
    FrameMotion,
)
from liquid_control.perception.ground_camera import GroundCamera

PERIOD = 0.05  # s
FINER = 2  # pixels drawn for each of the picture's, in a row
TEXTURE = 1024
FARTHEST = 60.0  # of the ground, in heights of the camera


def drive(
    camera: GroundCamera,
    speed: float,
    curvature: float,
    frames: int = 60,
    distortion: float = 0.0,
    known: bool = True,
) -> tuple[np.ndarray, FrameMotion]:
    """Pictures (N, H, W, 3) at 20 Hz along a path that swings between bends of `curvature` to both
    sides, and the motion as a recording says it: measured, or (not `known`) an assumed speed
    alone."""
    time = np.arange(frames) * PERIOD
    step = curvature * np.sin(np.pi * (time + PERIOD / 2.0)) * speed * PERIOD
    heading = np.concatenate([[0.0], np.cumsum(step)[:-1]])
    middle = heading + step / 2.0
    x, y = (
        np.concatenate([[0.0], np.cumsum(of * speed * PERIOD)[:-1]])
        for of in (np.cos(middle), np.sin(middle))
    )
    motion = FrameMotion(
        time,
        time * speed,
        heading if known else np.zeros(frames),
        np.zeros(frames, int),
        MEASURED_DISTANCE if known else ASSUMED_DISTANCE,
        MEASURED_TURN if known else UNKNOWN_TURN,
    )
    return draw(camera, np.stack([x, y, heading], 1), distortion), motion


def draw(camera: GroundCamera, poses: np.ndarray, distortion: float = 0.0) -> np.ndarray:
    """Pictures (N, H, W, 3) uint8 at poses (N, 3) x, y, heading. `distortion`: k of
    r_pinhole = r / (1 + k r²), r in half widths."""
    width, height = camera.width * FINER, camera.height * FINER
    fine = dataclasses.replace(
        camera,
        width=width,
        height=height,
        focal=(camera.focal[0] * FINER, camera.focal[1] * FINER),
        centre=tuple((one + 0.5) * FINER - 0.5 for one in camera.centre),
    )
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(float)
    from_centre = (pixels - fine.centre) / (width / 2.0)
    radius2 = (from_centre**2).sum(-1, keepdims=True)
    pixels = from_centre / (1.0 + distortion * radius2) * (width / 2.0) + fine.centre
    ground = fine.ground(pixels)
    ahead = np.linalg.norm(ground - [camera.forward, 0.0], axis=-1)
    far = ~(ahead < FARTHEST * camera.above)
    flat = np.concatenate([(pixels - fine.centre) / fine.focal, np.ones((height, width, 1))], -1)
    ray = flat @ fine.axes
    azimuth = np.arctan2(ray[..., 1], ray[..., 0])
    elevation = ray[..., 2] / np.hypot(ray[..., 0], ray[..., 1])
    floor, wall = _texture(1), _texture(2)
    scale = camera.above / 30.0  # metres of one texel
    pictures = []
    for x, y, heading in poses:
        cos, sin = np.cos(heading), np.sin(heading)
        east = x + cos * ground[..., 0] - sin * ground[..., 1]
        north = y + sin * ground[..., 0] + cos * ground[..., 1]
        below = _sampled(floor, east / scale, north / scale)
        above = _sampled(wall, (azimuth + heading) * 400.0, elevation * 400.0 + 300.0)
        grey = cv2.resize(
            np.where(far, above, below), (camera.width, camera.height), interpolation=cv2.INTER_AREA
        )
        pictures.append(np.repeat(np.rint(np.clip(grey, 0, 255))[..., None], 3, -1))
    return np.array(pictures, np.uint8)


def _texture(seed: int) -> np.ndarray:
    rng, total = np.random.default_rng(seed), np.zeros((TEXTURE, TEXTURE), np.float32)
    for grain in (2, 5, 12):
        noise = rng.standard_normal((TEXTURE, TEXTURE)).astype(np.float32)
        blurred = cv2.GaussianBlur(noise, None, grain)
        total += 20.0 * blurred / blurred.std()
    return total + 110.0


def _sampled(texture: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The texture, mirrored without end."""
    places = [
        (TEXTURE - 1 - np.abs(np.mod(np.nan_to_num(one), 2 * TEXTURE - 2) - TEXTURE + 1))
        for one in (across, down)
    ]
    return cv2.remap(texture, *(one.astype(np.float32) for one in places), cv2.INTER_LINEAR)
