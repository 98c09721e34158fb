"""Closed indoor courses for a small robot, and how they look from above: geometry and appearance,
each drawn from its own seed.

This world shares no code with `sim`: it is the world of another vehicle, which policies have not
met before.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

SPACING = 0.005
"""Distance between samples of a course [m]."""

SHARPEST, GENTLEST = 9.0, 2.0
"""Range of the bends' curvature [1/m]."""

CORNERS = (5, 9)
CORNER_RADII = (0.55, 1.35)
"""Number of corners of a course, and their distances from the room's centre [m]."""

SMOOTHING = 0.02
"""Standard deviation of the transition between straight and bend [m]."""

CLEARANCE = 0.55
"""Least distance between two parts of a course [m]."""

ROOM = 1.9
"""Half the side of the room [m]."""

PIXEL = 0.003
"""Side of a pixel of the view from above [m]."""

DASHES = (0.05, 0.09), (0.03, 0.06)
"""Lengths of a dashed line's strokes and gaps [m]."""

WALL_ROWS = 200
"""Rows of a wall's texture, from its top to the floor."""


@dataclasses.dataclass(frozen=True, eq=False)
class Course:
    """The centre of a lane of `width` [m] that closes on itself: arrays (N,) every `step` metres,
    `x`, `y` [m], `heading` [rad], unwrapped, `curvature` [1/m]; the last sample is followed by the
    first."""

    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    curvature: np.ndarray
    width: float
    step: float

    length = math.inf
    """Laps go on."""

    @property
    def lap(self) -> float:
        """Length of a lap [m]."""
        return len(self.x) * self.step

    def at(self, station: float) -> tuple[float, float, float, float]:
        """x, y, heading, curvature at any station [m]; laps are counted by the heading."""
        lap, position = divmod(station / self.step, len(self.x))
        i = int(position)
        j, weight = (i + 1) % len(self.x), position - i
        turn = self.heading[-1] - self.heading[0] + self.step * self.curvature[-1]
        turn = 2 * math.pi * round(turn / (2 * math.pi))
        heading = self.heading[i] + weight * self.step * self.curvature[i] + lap * turn
        return (
            float((1 - weight) * self.x[i] + weight * self.x[j]),
            float((1 - weight) * self.y[i] + weight * self.y[j]),
            float(heading),
            float((1 - weight) * self.curvature[i] + weight * self.curvature[j]),
        )

    def project(self, x: float, y: float, near: float) -> tuple[float, float]:
        """Station of the course's nearest point within 0.25 m along it from the station `near`, and
        the offset from it, positive to the left [m]."""
        reach = round(0.25 / self.step)
        steps = round(near / self.step) + np.arange(-reach, reach + 1)
        i = steps % len(self.x)
        nearest = int(np.argmin((self.x[i] - x) ** 2 + (self.y[i] - y) ** 2))
        i, station = int(i[nearest]), float(steps[nearest]) * self.step
        cos, sin = math.cos(self.heading[i]), math.sin(self.heading[i])
        along = (x - self.x[i]) * cos + (y - self.y[i]) * sin
        left = (y - self.y[i]) * cos - (x - self.x[i]) * sin
        return station + min(max(along, -self.step), self.step), float(left)


@dataclasses.dataclass(frozen=True)
class Look:
    """Colours are RGB in 0..255. `tape`: of both borders, `tape_width` [m]; `dashed`: the left
    border is a dashed line of the colour `second`. `lane`: colour of the lane, None as the floor.
    `light`: gain of the picture, `warmth` of red against blue, `glare` of a lamp's spot on the
    floor."""

    floor: str
    floor_colour: tuple[int, int, int]
    tape: tuple[int, int, int]
    second: tuple[int, int, int]
    tape_width: float
    dashed: bool
    lane: tuple[int, int, int] | None
    wall: tuple[int, int, int]
    light: float
    warmth: float
    glare: float


FLOORS = {
    "carpet": ((92, 94, 98), (70, 80, 96), (110, 98, 88)),
    "planks": ((150, 112, 74), (118, 84, 56), (176, 146, 108)),
    "tiles": ((164, 160, 150), (120, 124, 130), (86, 92, 84)),
    "concrete": ((128, 128, 124), (104, 106, 110), (150, 148, 142)),
}
TAPES = ((236, 234, 226), (226, 190, 48), (196, 46, 42), (44, 90, 176), (30, 30, 32), (40, 140, 80))
LEAST_CONTRAST = 70.0
"""Least distance of tape and floor in RGB."""


def draw_course(seed: int, width: float = 0.0) -> Course:
    """A course with bends to both sides whose curvatures are within `GENTLEST` and `SHARPEST`.

    Corners around the room's centre are joined by straights and rounded by arcs. `width` of the
    lane [m]; 0 draws one of 0.20 to 0.23 m.
    """
    rng = np.random.default_rng([seed, 0xC0])
    width = width or rng.uniform(0.20, 0.23)
    while True:
        line = _rounded(rng)
        if line is None:
            continue
        course = _course(line, width)
        sharpest = np.abs(course.curvature).max()
        both = min(course.curvature.max(), -course.curvature.min())
        if sharpest <= SHARPEST and sharpest > 4.0 and both > GENTLEST and _is_clear(course):
            return course


def draw_look(seed: int) -> Look:
    rng = np.random.default_rng([seed, 0x100C])
    floor = str(rng.choice(list(FLOORS)))
    colour = _varied(FLOORS[floor][rng.integers(3)], rng, 14)
    lane = _varied((52, 52, 56), rng, 12) if rng.random() < 0.3 else None
    ground = np.array(lane or colour, float)
    tapes = [tape for tape in TAPES if np.linalg.norm(ground - tape) > LEAST_CONTRAST]
    tape, second = (tapes[i] for i in rng.choice(len(tapes), 2, replace=False))
    return Look(
        floor,
        colour,
        _varied(tape, rng, 8),
        _varied(second, rng, 8),
        float(rng.uniform(0.012, 0.025)),
        bool(rng.random() < 0.3),
        lane,
        _varied((rng.integers(110, 220),) * 3, rng, 25),
        float(rng.uniform(0.7, 1.15)),
        float(rng.uniform(-0.08, 0.12)),
        float(rng.uniform(0.0, 0.35)),
    )


def floor_picture(course: Course, look: Look, seed: int) -> np.ndarray:
    """The room's floor from above, (S, S, 3) uint8 RGB: x to the right, y down, the room's centre
    in the middle, `PIXEL` metres each."""
    rng = np.random.default_rng([seed, 0xF1])
    side = round(2 * ROOM / PIXEL)
    picture = np.empty((side, side, 3), np.float32)
    picture[:] = look.floor_colour
    picture *= _texture(look.floor, side, rng)[..., None]
    for _ in range(rng.integers(0, 9)):  # stains, cables and paper
        at = rng.integers(0, side, 2)
        colour = tuple(int(value) for value in rng.integers(20, 235, 3))
        size = tuple(int(value) for value in rng.integers(8, 60, 2))
        angle = float(rng.uniform(0, 180))
        cv2.ellipse(picture, tuple(map(int, at)), size, angle, 0, 360, colour, -1, cv2.LINE_AA)
    _draw_lane(picture, course, look, rng)
    spot = _blob(side, rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0.15, 0.4) * side)
    picture *= (1.0 + look.glare * spot)[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def wall_picture(look: Look, seed: int) -> np.ndarray:
    """The four walls side by side, (WALL_ROWS, 4 S, 3) uint8 RGB, with doors and posters."""
    rng = np.random.default_rng([seed, 0x3A])
    columns = round(8 * ROOM / PIXEL) // 2
    picture = np.empty((WALL_ROWS, columns, 3), np.float32)
    picture[:] = look.wall
    for _ in range(rng.integers(8, 30)):
        x, y = int(rng.integers(columns)), int(rng.integers(-40, WALL_ROWS - 20))
        across, down = int(rng.integers(20, 220)), int(rng.integers(20, 220))
        colour = tuple(int(value) for value in rng.integers(20, 240, 3))
        cv2.rectangle(picture, (x, y), (x + across, y + down), colour, -1)
    picture *= _smooth_noise(rng, WALL_ROWS, columns, 60, 0.08)[..., None]
    picture[-12:] *= 0.6  # the skirting board
    return cv2.resize(np.clip(picture, 0, 255).astype(np.uint8), (2 * columns, WALL_ROWS))


def _rounded(rng: np.random.Generator) -> np.ndarray | None:
    """(P, 2) points every `SPACING` / 4 metres of a polygon with rounded corners; None where a
    corner has no room for its arc."""
    count = int(rng.integers(*CORNERS, endpoint=True))
    angle = 2 * np.pi * (np.arange(count) + rng.uniform(-0.32, 0.32, count)) / count
    radius = rng.uniform(*CORNER_RADII, count)
    corners = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    if rng.random() < 0.5:
        corners = corners[::-1]
    points = []
    for before, corner, after in zip(
        np.roll(corners, 1, 0), corners, np.roll(corners, -1, 0), strict=True
    ):
        into, out = corner - before, after - corner
        length = min(np.linalg.norm(into), np.linalg.norm(out))
        into, out = into / np.linalg.norm(into), out / np.linalg.norm(out)
        turn = math.atan2(into[0] * out[1] - into[1] * out[0], into @ out)
        widest = 0.47 * length / max(math.tan(abs(turn) / 2), 1e-3)
        if abs(turn) > 2.6 or widest < 1.15 / SHARPEST:
            return None
        bend = float(
            np.exp(rng.uniform(np.log(1.12 / SHARPEST), np.log(min(widest, 1 / GENTLEST))))
        )
        begin = corner - into * bend * math.tan(abs(turn) / 2)
        side = math.copysign(1.0, turn)
        centre = begin + side * bend * np.array([-into[1], into[0]])
        arc = np.linspace(0.0, turn, max(int(abs(turn) * bend / SPACING * 4), 2))
        spoke = begin - centre
        points.append(
            centre
            + np.stack(
                [
                    spoke[0] * np.cos(arc) - spoke[1] * np.sin(arc),
                    spoke[0] * np.sin(arc) + spoke[1] * np.cos(arc),
                ],
                -1,
            )
        )
    return np.concatenate([*points, points[0][:1]])


def _course(line: np.ndarray, width: float) -> Course:
    """A polyline that ends where it begins, smoothed and sampled evenly."""
    for deviation in (SMOOTHING, 0.0):  # sampled evenly before and after the smoothing
        station = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        count = round(station[-1] / SPACING)
        even = np.arange(count) * station[-1] / count
        line = np.stack([np.interp(even, station, line[:, axis]) for axis in (0, 1)], -1)
        if deviation:
            line = _blurred(line, deviation / SPACING)
            line = np.concatenate([line, line[:1]])
    step = float(np.mean(np.linalg.norm(np.roll(line, -1, 0) - line, axis=1)))
    ahead, behind = np.roll(line, -1, 0) - line, line - np.roll(line, 1, 0)
    turn = ahead[:, 1] * behind[:, 0] - ahead[:, 0] * behind[:, 1]
    turn = np.arctan2(turn, (ahead * behind).sum(1))
    middle = (ahead + behind) / 2
    first = math.atan2(middle[0, 1], middle[0, 0])
    heading = first + np.concatenate([[0.0], np.cumsum((turn[1:] + turn[:-1]) / 2)])
    return Course(line[:, 0], line[:, 1], heading, turn / step, width, step)


def _blurred(line: np.ndarray, deviation: float) -> np.ndarray:
    """Circular Gaussian filter along axis 0; `deviation` in samples."""
    frequency = np.fft.rfftfreq(len(line))[:, None]
    response = np.exp(-2 * (np.pi * frequency * deviation) ** 2)
    return np.fft.irfft(np.fft.rfft(line, axis=0) * response, len(line), axis=0)


def _is_clear(course: Course) -> bool:
    """Whether parts that are far apart along the course are so in the room, too."""
    few = slice(None, None, 8)
    x, y, n = course.x[few], course.y[few], len(course.x[few])
    apart = np.hypot(x[:, None] - x, y[:, None] - y)
    along = np.abs(np.arange(n)[:, None] - np.arange(n))
    along = np.minimum(along, n - along) * 8 * course.step
    return bool(apart[along > 1.7 * CLEARANCE].min(initial=np.inf) > CLEARANCE)


def _draw_lane(picture: np.ndarray, course: Course, look: Look, rng: np.random.Generator) -> None:
    normal = np.stack([-np.sin(course.heading), np.cos(course.heading)], -1)
    centre = np.stack([course.x, course.y], -1)

    def pixels(offset: float) -> np.ndarray:
        return np.round(((centre + offset * normal + ROOM) / PIXEL - 0.5) * 16).astype(np.int32)

    def line(points: np.ndarray, colour: tuple[int, int, int], closed: bool) -> None:
        thick = max(round(look.tape_width / PIXEL), 2)
        cv2.polylines(picture, [points], closed, colour, thick, cv2.LINE_AA, 4)

    half = course.width / 2
    if look.lane is not None:
        thick = round((course.width + 0.06) / PIXEL)
        cv2.polylines(picture, [pixels(0.0)], True, look.lane, thick, cv2.LINE_AA, 4)
    line(pixels(-half), look.tape, True)
    left = pixels(half)
    if not look.dashed:
        return line(left, look.tape, True)
    dash, gap = (round(rng.uniform(*bounds) / course.step) for bounds in DASHES)
    for begin in range(0, len(left) - dash, dash + gap):
        line(left[begin : begin + dash], look.second, False)


def _texture(floor: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """Gain (side, side) of a floor's colour."""
    gain = _smooth_noise(rng, side, side, 300, 0.06) * _smooth_noise(rng, side, side, 40, 0.03)
    if floor == "carpet":
        gain *= _smooth_noise(rng, side, side, 3, 0.12)
    elif floor == "concrete":
        gain *= _smooth_noise(rng, side, side, 12, 0.06)
    else:
        across, along = (24, 330) if floor == "planks" else (100, 100)
        rows, columns = np.ogrid[:side, :side]
        shades = rng.normal(1.0, 0.08, (side // across + 1, side // along + 2)).astype(np.float32)
        shift = (
            rng.integers(0, along, side // across + 1) if floor == "planks" else np.zeros(99, int)
        )
        columns = columns + shift[rows // across]
        gain = gain * shades[rows // across, columns // along]
        gain[(rows % across < 1) | (columns % along < 1)] *= 0.72
        if rng.random() < 0.5:
            gain = gain.T
    return np.ascontiguousarray(gain)


def _smooth_noise(
    rng: np.random.Generator, rows: int, columns: int, size: float, deviation: float
) -> np.ndarray:
    """(rows, columns) float32 around 1, correlated over `size` pixels."""
    few = rng.normal(1.0, deviation, (int(rows / size) + 2, int(columns / size) + 2))
    return cv2.resize(few.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)


def _blob(side: int, centre: np.ndarray, size: float) -> np.ndarray:
    rows, columns = np.ogrid[:side, :side]
    square = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return np.exp(-square / (2 * size**2)).astype(np.float32)


def _varied(colour, rng: np.random.Generator, by: int) -> tuple[int, int, int]:
    return tuple(
        int(value) for value in np.clip(np.array(colour) + rng.integers(-by, by, 3), 0, 255)
    )
