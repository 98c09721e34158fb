"""Pieces drawn into a video frame: text, the path that a curvature means, steering wheel, lane
gauge. Pictures are uint8 BGR."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path

import cv2
import numpy as np

BACKGROUND, PANEL, RULE = (26, 18, 13), (38, 27, 20), (66, 50, 40)
INK, MUTED = (245, 238, 232), (170, 152, 140)
ALLOWED, PROPOSED, STOPPED = (191, 212, 45), (54, 186, 250), (113, 113, 248)
PATH_NEAREST, PATH_FARTHEST, PATH_HALF_WIDTH = (
    1.2,
    36.0,
    0.85,
)  # m; ahead of the camera, and to each side
SHOWN_OFFSET = 1.25  # half lanes
FINE = 4  # bits of sub-pixel positions in OpenCV's drawing calls


@dataclasses.dataclass(frozen=True)
class CameraView:
    """Pinhole camera on the vehicle's centre line, to draw paths into its picture; the defaults are
    the simulated one."""

    vertical_view: float = 0.733  # rad
    height: float = 1.35  # m above the road
    pitch: float = 0.14  # rad, downward
    ahead: float = 3.0  # m ahead of the rear axle
    size: float = 1.0  # of the vehicle; a car's is 1


def text(
    canvas: np.ndarray,
    place: tuple,
    words: str,
    size: int,
    colour: tuple = INK,
    bold: bool = False,
    to_left: bool = False,
) -> int:
    """Writes `words` from `place` (x, y of the base line), or up to it when `to_left`; returns the
    x where they end."""
    mask, rise = _letters(words, size, bold)
    height, width = mask.shape[:2]
    x = place[0] - (width if to_left else 0)
    area = canvas[place[1] - rise : place[1] - rise + height, x : x + width]
    area[...] = (area * (256 - mask) + np.array(colour, np.uint16) * mask) >> 8
    return x + width


def draw_path(
    picture: np.ndarray, view: CameraView, curvature: float, colour: tuple, filled: bool
) -> None:
    """Draws the road that the vehicle would cover at a curvature [1/m], positive left: a fading
    ribbon, or only its middle."""
    along = view.ahead + view.size * np.geomspace(PATH_NEAREST, PATH_FARTHEST, 24)
    bend = curvature * along
    small = np.abs(bend) < 1e-4
    ahead = np.where(small, along, np.sin(bend) / np.where(small, 1.0, curvature))
    left = np.where(small, bend * along / 2, (1 - np.cos(bend)) / np.where(small, 1.0, curvature))
    normal = np.stack([-np.sin(bend), np.cos(bend)])
    if not filled:
        middle = project(view, picture.shape, ahead, left)
        cv2.polylines(
            picture,
            [np.round(middle * 2**FINE).astype(np.int32)],
            False,
            colour,
            2,
            cv2.LINE_AA,
            FINE,
        )
        return
    half = PATH_HALF_WIDTH * view.size
    sides = [
        project(view, picture.shape, *(np.stack([ahead, left]) + side * half * normal))
        for side in (1, -1)
    ]
    mask = np.zeros(picture.shape[:2], np.uint8)
    for i in range(len(along) - 1):
        quad = np.array([sides[0][i], sides[0][i + 1], sides[1][i + 1], sides[1][i]])
        cv2.fillConvexPoly(
            mask,
            np.round(quad * 2**FINE).astype(np.int32),
            int(140 * (1 - i / len(along)) + 12),
            cv2.LINE_AA,
            FINE,
        )
    x, y, width, height = cv2.boundingRect(mask)
    if width and height:
        area, weight = (
            picture[y : y + height, x : x + width],
            cv2.cvtColor(mask[y : y + height, x : x + width], cv2.COLOR_GRAY2BGR),
        )
        paint = cv2.multiply(weight, (*map(float, colour), 0.0), scale=1 / 255)
        cv2.add(cv2.multiply(area, cv2.bitwise_not(weight), scale=1 / 255), paint, dst=area)
    for side in sides:
        cv2.polylines(
            picture,
            [np.round(side * 2**FINE).astype(np.int32)],
            False,
            colour,
            1,
            cv2.LINE_AA,
            FINE,
        )


def project(view: CameraView, shape: tuple, ahead: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of points on the road, `ahead` of the rear axle and to its `left` [m]; a
    pinhole without distortion."""
    focal = shape[0] / 2 / math.tan(view.vertical_view / 2)
    distance = np.asarray(ahead) - view.ahead
    depth = distance * math.cos(view.pitch) + view.height * math.sin(view.pitch)
    depth = np.maximum(depth, 0.1 * view.size)
    down = view.height * math.cos(view.pitch) - distance * math.sin(view.pitch)
    pixels = np.stack(
        [shape[1] / 2 - focal * np.asarray(left) / depth, shape[0] / 2 + focal * down / depth], 1
    )
    return np.clip(pixels, -10 * shape[1], 10 * shape[1])


def draw_wheel(
    canvas: np.ndarray,
    centre: tuple[int, int],
    radius: int,
    allowed: float,
    proposed: float,
    colour: tuple,
) -> None:
    """A steering wheel turned by `allowed`, with a mark on its rim where `proposed` would turn it
    [rad, positive left]; NaN is unknown."""
    allowed = allowed if math.isfinite(allowed) else 0.0
    cv2.circle(canvas, centre, radius, RULE, 9, cv2.LINE_AA)
    sweep = math.degrees(allowed)
    cv2.ellipse(
        canvas,
        centre,
        (radius, radius),
        -90,
        -max(sweep, 0),
        -min(sweep, 0),
        colour,
        9,
        cv2.LINE_AA,
    )
    for spoke in (0.0, 0.5 * math.pi, -0.5 * math.pi):
        cv2.line(
            canvas,
            _on_rim(centre, 0.3 * radius, math.pi + spoke + allowed),
            _on_rim(centre, radius - 5, math.pi + spoke + allowed),
            MUTED,
            6,
            cv2.LINE_AA,
        )
    cv2.circle(canvas, centre, int(0.3 * radius), MUTED, -1, cv2.LINE_AA)
    cv2.line(
        canvas,
        _on_rim(centre, radius - 6, allowed),
        _on_rim(centre, radius + 6, allowed),
        INK,
        4,
        cv2.LINE_AA,
    )
    if math.isfinite(proposed):
        cv2.line(
            canvas,
            _on_rim(centre, radius + 3, proposed),
            _on_rim(centre, radius + 13, proposed),
            PROPOSED,
            4,
            cv2.LINE_AA,
        )


def draw_lane_gauge(
    canvas: np.ndarray,
    centre: tuple[int, int],
    pixels_per_metre: float,
    offset: float,
    half_width: float,
    departure: float,
) -> None:
    """The lane from behind: its edges at `half_width` [m] from its centre, marks at `departure` [m]
    and the vehicle at its `offset` [m], positive left; NaN draws no vehicle."""
    x, y = centre
    half = round(half_width * pixels_per_metre)
    cv2.rectangle(canvas, (x - half, y - 12), (x + half, y + 12), PANEL, -1)
    for edge in (-half, half):
        cv2.rectangle(canvas, (x + edge - 2, y - 14), (x + edge + 1, y + 14), INK, -1)
    cv2.line(canvas, (x, y - 12), (x, y + 12), RULE, 1)
    for mark in (-departure, departure):
        cv2.line(
            canvas,
            (x + round(mark * pixels_per_metre), y - 12),
            (x + round(mark * pixels_per_metre), y + 12),
            STOPPED,
            1,
        )
    if not math.isfinite(offset):
        return
    farthest = SHOWN_OFFSET * half_width
    place = x - min(max(offset, -farthest), farthest) * pixels_per_metre
    colour = STOPPED if abs(offset) > departure else ALLOWED
    cv2.circle(
        canvas, (round(place * 2**FINE), y << FINE), 8 << FINE, colour, -1, cv2.LINE_AA, FINE
    )
    cv2.circle(
        canvas, (round(place * 2**FINE), y << FINE), 8 << FINE, BACKGROUND, 2, cv2.LINE_AA, FINE
    )


def _on_rim(centre: tuple[int, int], radius: float, angle: float) -> tuple[int, int]:
    return round(centre[0] - radius * math.sin(angle)), round(centre[1] - radius * math.cos(angle))


@functools.lru_cache(maxsize=4096)
def _letters(words: str, size: int, bold: bool) -> tuple[np.ndarray, int]:
    """Coverage of `words` 0..256, (h, w, 1) uint16, and how far the base line lies below its
    top."""
    from PIL import Image, ImageDraw

    font = _font(size, bold)
    left, top, right, bottom = font.getbbox(words, anchor="ls")
    picture = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(picture).text((-left, -top), words, 255, font, anchor="ls")
    coverage = np.asarray(picture, np.uint16)[..., None]
    return coverage + (coverage >> 7), -top


@functools.lru_cache(maxsize=16)
def _font(size: int, bold: bool):
    """DejaVu Sans, which matplotlib brings along."""
    import matplotlib
    from PIL import ImageFont

    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(str(fonts / f"DejaVuSans{'-Bold' * bold}.ttf"), size)
