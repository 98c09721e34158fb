"""explain.mp4: the camera, both kinds of saliency, the effect of noise on it, and every neuron."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.evaluate.insight.trace import Trace
from liquid_control.report.heat_overlay import lay_over
from liquid_control.report.overlay import BACKGROUND, INK, MUTED, text
from liquid_control.report.strip import Strip, normalised
from liquid_control.report.video import VideoWriter

TITLES = (
    "camera",
    "saliency of the encoder (VisualBackProp)",
    "saliency of the curvature (gradient)",
    "of the encoder, noise variance 0.1",
)
PANEL_WIDTH, PANEL_HEIGHT, CAPTION, STRIP_HEIGHT = 480, 240, 26, 230
WIDTH, HEIGHT = 2 * PANEL_WIDTH, 2 * (PANEL_HEIGHT + CAPTION) + CAPTION + STRIP_HEIGHT + 8


def write_film(
    trace: Trace,
    names: Sequence[str],
    maps: dict[str, np.ndarray],
    config: PreprocessConfig,
    noisy: np.ndarray,
    ssim: np.ndarray,
    path: str | Path,
) -> int:
    """Writes H.264 of the trace's pictures at their own times; returns the number of frames.

    `names` (N,) of the neurons; `maps`: `encoder`, `gradient` and `encoder, noisy` (T, h, w) in
    0..1; `noisy` (T, h, w, 3) the pictures of the last; `ssim` (T,) of the maps with and without
    noise.
    """
    with VideoWriter(path) as video:
        for seconds, canvas in frames(trace, names, maps, config, noisy, ssim):
            video.write(seconds, canvas)
    return video.frames


def frames(
    trace: Trace,
    names: Sequence[str],
    maps: dict[str, np.ndarray],
    config: PreprocessConfig,
    noisy: np.ndarray,
    ssim: np.ndarray,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (seconds since the first picture, frame (HEIGHT, WIDTH, 3) uint8 BGR); the array is
    used again for the next frame."""
    canvas = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    activity = normalised(trace.after[: len(trace.pictures), : len(names)])
    top = 2 * (PANEL_HEIGHT + CAPTION)
    strip = Strip(canvas[top + CAPTION : top + CAPTION + STRIP_HEIGHT], names)
    text(canvas, (18, top + 18), f"{len(names)} neurons", 12, INK, bold=True)
    text(canvas, (WIDTH - 18, top + 18), "now", 12, MUTED, to_left=True)
    for index, title in enumerate(TITLES):
        row, column = divmod(index, 2)
        text(
            canvas,
            (column * PANEL_WIDTH + 18, row * (PANEL_HEIGHT + CAPTION) + 18),
            title,
            12,
            INK,
            bold=True,
        )
    note = canvas[PANEL_HEIGHT + CAPTION : PANEL_HEIGHT + 2 * CAPTION, WIDTH - 130 :]
    blank = note.copy()
    for index, picture in enumerate(trace.pictures):
        panels = (
            picture,
            lay_over(picture, maps["encoder"][index], config, PANEL_WIDTH),
            lay_over(picture, maps["gradient"][index], config, PANEL_WIDTH),
            lay_over(noisy[index], maps["encoder, noisy"][index], PreprocessConfig(), PANEL_WIDTH),
        )
        for place, panel in enumerate(panels):
            row, column = divmod(place, 2)
            y, x = row * (PANEL_HEIGHT + CAPTION) + CAPTION, column * PANEL_WIDTH
            canvas[y : y + PANEL_HEIGHT, x : x + PANEL_WIDTH] = cv2.resize(
                panel, (PANEL_WIDTH, PANEL_HEIGHT)
            )[..., ::-1]
        note[...] = blank
        text(note, (112, 18), f"SSIM {ssim[index]:.2f}", 12, MUTED, to_left=True)
        seconds = float(trace.seconds[index] - trace.seconds[0])
        strip.push(seconds, activity[index])
        yield seconds, canvas
