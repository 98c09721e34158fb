"""A strip chart of all neurons that scrolls under the camera picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from liquid_control.report.overlay import BACKGROUND, MUTED, PANEL, text

LAYERS = {
    "inter": (250, 165, 96),
    "command": (252, 132, 192),
    "motor": (191, 212, 45),
    "unit": (250, 165, 96),
}
"""Colour of each layer's traces, in the order that signals pass them; the units are those of a
core without layers."""

LABELS = 92
GAP = 5
PIXELS_PER_SECOND = 80
MOST = 24
"""Largest number of rows that stay distinct; of more neurons this many are drawn, spread evenly."""


def by_layer(names: Sequence[str]) -> list[int]:
    """Indices of the neurons from inter over command to motor, the order in which they are drawn,
    or of the units of an unwired core. Its other states (an LSTM's cell state, earlier
    frames) is not drawn."""
    return [
        i for layer in LAYERS for i, name in enumerate(names) if name.partition(" ")[0] == layer
    ]


def display_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of states as shown, counted from one: command_0 becomes "command 1"; a single motor
    neuron has no number."""
    parts = [(name, *name.rpartition("_")[::2]) for name in names]
    numbered = [
        f"{layer} {int(index) + 1}" if index.isdecimal() else name for name, layer, index in parts
    ]
    return tuple("motor" if name == "motor 1" else name for name in numbered)


def circuit_names(count: int) -> tuple[str, ...]:
    """Display names of a wired circuit's `count` states in their order: one motor neuron, a third
    of the others command, the rest inter (1, 6, 12 of 19)."""
    command = (count - 1) // 3
    layers = [("command", i + 1) for i in range(command)]
    layers += [("inter", i + 1) for i in range(count - 1 - command)]
    return ("motor",)[:count] + tuple(f"{layer} {number}" for layer, number in layers)


def normalised(state: np.ndarray) -> np.ndarray:
    """States (N, U) about their median, in units that differ from neuron to neuron, squeezed into
    -1..1 so that a burst hides no detail."""
    if not len(state):
        return state
    known = np.nan_to_num(state, posinf=0.0, neginf=0.0)
    centred = known - np.median(known, axis=0)
    return np.tanh(centred / np.maximum(np.percentile(np.abs(centred), 80, axis=0), 1e-6))


class Strip:
    """Draws the newest states at the right edge of `canvas` (H, W, 3) and moves the older ones to
    the left."""

    def __init__(self, canvas: np.ndarray, names: Sequence[str]) -> None:
        canvas[...] = BACKGROUND
        self._order = by_layer(names)
        if len(self._order) > MOST:
            self._order = [
                self._order[i] for i in np.linspace(0, len(self._order) - 1, MOST).astype(int)
            ]
        count = len(self._order)
        layers = [names[i].split()[0] for i in self._order]
        self._colours = [LAYERS[layer] for layer in layers]
        gaps = np.cumsum(
            [0]
            + [GAP * (before != after) for before, after in zip(layers, layers[1:], strict=False)]
        )
        self._pitch = (canvas.shape[0] - (gaps[-1] if count else 0)) / max(count, 1)
        self._middle = (np.arange(count) + 0.5) * self._pitch + gaps[:count]
        for i, middle, layer in zip(self._order, self._middle, layers, strict=True):
            row = max(round(middle + 3), 11)  # the first words stay inside the canvas
            number = names[i].removeprefix(layer).strip()
            if number in ("", "1"):
                text(canvas, (18, row), layer, 11, LAYERS[layer])
            text(canvas, (LABELS - 8, row), number, 9, MUTED, to_left=True)
        self._area = canvas[:, LABELS:]
        for middle in self._middle:
            self._area[round(middle - 0.45 * self._pitch) : round(middle + 0.45 * self._pitch)] = (
                PANEL
            )
        self._blank = self._area[:, :1].copy()
        self._last: tuple[int, np.ndarray] | None = None

    def push(self, seconds: float, values: np.ndarray) -> None:
        """Appends one instant: values (U,), one for each name, as from `normalised`, at a time that
        grows from call to call."""
        column, width = int(seconds * PIXELS_PER_SECOND), self._area.shape[1]
        height = self._middle - values[self._order] * 0.45 * self._pitch
        before, previous = self._last or (column - 1, height)
        step = min(column - before, width)
        if step <= 0:
            return
        self._area[:, : width - step] = self._area[:, step:].copy()
        self._area[:, width - step :] = self._blank
        left, right = width - 1 - step, width - 1
        for middle, y0, y1, colour in zip(
            self._middle, previous, height, self._colours, strict=True
        ):
            strength = (0.9 if y1 < middle else 0.4) * min(
                abs(middle - y1) / (0.45 * self._pitch), 1.0
            )
            shade = tuple(
                int(strength * c + (1 - strength) * p) for c, p in zip(colour, PANEL, strict=True)
            )
            points = np.array([[left + 1, middle], [left + 1, y0], [right, y1], [right, middle]])
            cv2.fillConvexPoly(
                self._area, np.round(points * 16).astype(np.int32), shade, cv2.LINE_8, 4
            )
            cv2.line(
                self._area,
                (left * 16, round(y0 * 16)),
                (right * 16, round(y1 * 16)),
                colour,
                1,
                cv2.LINE_AA,
                4,
            )
        self._last = (column, height)
