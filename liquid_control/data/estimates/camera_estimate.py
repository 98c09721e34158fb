"""Where the camera of a recording is and what lens it has, from its pictures and the vehicle's
motion.

Points of the ground are followed from picture to picture (`tracked_points`); camera and motion that
explain them best are the start (`adjustment`). Then whole pictures are compared (`shades`), which
is more exact. Heights are in proportion to the speed: where that is assumed, so is the height.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping

import numpy as np

from liquid_control.data.estimates.adjustment import Problem, Solution, adjust
from liquid_control.data.estimates.frame_motion import FrameMotion
from liquid_control.data.estimates.ground_motion import CAMERA, Raster
from liquid_control.data.estimates.pairs import LEAST_PAIRS, grey_pictures, moving_pairs
from liquid_control.data.estimates.shades import shades
from liquid_control.perception.ground_camera import GroundCamera

GIVEN, ESTIMATED, UNKNOWN = "given", "estimated", "unknown"
NAMES = ("pitch", "field_of_view", "height", "forward", "yaw", "roll", "distortion")
"""Of the values, in the order of `ground_motion.CAMERA`: field of view horizontal [rad]."""
STARTS = (0.0, 0.25, 0.5)
"""Pitches [rad] from which the search begins, where it is not given."""
NARROWER = 0.5
"""A second start of an unknown focal length is this much longer, as a logarithm."""
PAIRS_OF_STARTS, STEPS_OF_STARTS, SCALES_OF_STARTS = 50, 6, (6.0, 2.0)
STEPS = 8
BLURS = (1.0, 0.7, 0.7)
"""Of the comparisons, one after the other, on a picture 160 px wide [px]."""
LEAST_BLUR = 0.6
COMPARED = 2.0
"""Scale of Cauchy's weights of compared pictures [standard deviations]."""
SLIP, NOD = 0.02, 0.004
"""Standard deviations of a pair's slip and change of pitch [rad]."""
BEFORE = {"pitch": 0.4, "focal": 0.5, "height": 1.0, "yaw": 0.03, "roll": 0.02, "distortion": 0.1}
"""Standard deviations of what is expected before it is estimated; of the place ahead of the rear
axle it is the expected height."""
SURE = {
    "distortion": 0.03,
    "roll": 0.015,
    "yaw": 0.015,
    "forward": 0.5,
    "focal": 0.1,
    "pitch": 0.05,
    "height": 0.2,
}
"""Larger standard deviations are not told, in the order in which they are given up; of the place
ahead, as a share of the height."""
BLOCKS, RESAMPLES = 20, 200
EXPLAINED = 0.9
"""Share of the difference between pictures that is left at most where a camera explains them."""
NO_MOTION = "the pictures show no ground that moves: the vehicle stands, or it has no texture"
NOT_EXPLAINED = "no camera above flat ground explains how the pictures change"
LOOKS_UP = 0.9
"""Share of the picture's rows above the horizon from which on a camera looks up."""


@dataclasses.dataclass(frozen=True)
class Estimated:
    """`spread`: one standard deviation; 0 of what is given, infinite of what cannot be told.
    `source`: given, estimated or unknown."""

    value: float
    spread: float
    source: str


@dataclasses.dataclass(frozen=True, eq=False)
class CameraEstimate:
    """`camera` of the pictures, without the roll. `values`: by `NAMES`.

    `horizon`: row [px]. `before`, `after`: median difference of shades between pictures and those
    next to them, warped, with the camera to start with and the estimated one; NaN where none were
    compared. `pairs`: of pictures that were used. `remarks`: what cannot be told and why, and what
    is unusual. `assumed_speed`: heights and lengths are in proportion to it."""

    camera: GroundCamera
    values: Mapping[str, Estimated]
    horizon: Estimated
    before: float
    after: float
    pairs: int
    remarks: tuple[str, ...]
    assumed_speed: bool


def estimate_camera(
    pictures: np.ndarray,
    motion: FrameMotion,
    start: GroundCamera,
    given: Collection[str] = (),
    lens: bool = True,
) -> CameraEstimate:
    """From pictures (N, H, W, 3) uint8 RGB of N frames that moved by `motion`. `start`: what is
    known or usual, with the pixels' sides as the ratio of focal lengths; `given`: which of `NAMES`
    are known. `lens`: whether a distortion is estimated; without, it is taken to be none.

    What the pictures cannot tell has its start, and an infinite spread.
    """
    raster = Raster.of(start)
    known, spread = _before(start, given, lens)
    pairs, points = moving_pairs(pictures, motion, raster)
    if len(pairs) < LEAST_PAIRS:
        return _not_told(start, given, motion, len(pairs), NO_MOTION)
    expected = np.zeros((len(pairs), 4))
    expected[:, 1] = motion.heading[pairs[:, 1]] - motion.heading[pairs[:, 0]]
    deviations = (motion.distance_spread, motion.turn_spread, SLIP, NOD)
    problem = Problem(
        points,
        motion.distance[pairs[:, 1]] - motion.distance[pairs[:, 0]],
        known,
        spread,
        expected,
        np.tile(deviations, (len(pairs), 1)),
    )
    solution = _from_starts(problem)
    problem = _what_is_told(problem, solution)
    camera = np.where(problem.camera_spread > 0.0, solution.camera, problem.camera)
    solution = adjust(problem, camera, solution.motion, STEPS)
    grey, position = grey_pictures(pictures, pairs)
    grey, distance = grey.astype(np.float32), problem.distance
    blurs = [max(blur * start.width / 160.0, LEAST_BLUR) for blur in BLURS]
    before = shades(grey, position, known, expected, distance, blurs[-1], raster).noise
    for blur in blurs:
        seen = shades(grey, position, solution.camera, solution.motion, distance, blur, raster)
        problem = dataclasses.replace(problem, evidence=seen)
        solution = adjust(problem, solution.camera, solution.motion, STEPS, (COMPARED,))
    after = shades(grey, position, solution.camera, solution.motion, distance, blurs[-1], raster)
    if not after.noise < EXPLAINED * before:
        return _not_told(start, given, motion, len(pairs), NOT_EXPLAINED)
    doubt = _doubt(problem, solution)
    return _result(start, given, problem, solution, doubt, (before, after.noise), motion)


def camera_vector(found: CameraEstimate) -> np.ndarray:
    """(7,) its values as in `ground_motion.CAMERA`."""
    own = {name: one.value for name, one in found.values.items()}
    own["field_of_view"] = -math.log(math.tan(own["field_of_view"] / 2.0))
    own["height"] = math.log(own["height"])
    return np.array([own[name] for name in NAMES])


def _before(
    start: GroundCamera, given: Collection[str], lens: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Values (7,) before the estimation and their standard deviations; 0: given."""
    focal = 2.0 * start.focal[0] / start.width
    known = [start.pitch, math.log(focal), math.log(start.above), start.forward, 0.0, 0.0, 0.0]
    spread = BEFORE | {"forward": max(start.above, 0.5 * abs(start.forward))}
    if not lens:
        spread = spread | {"distortion": 0.0}
    deviations = [
        0.0 if name in given else spread[own] for name, own in zip(NAMES, CAMERA, strict=True)
    ]
    return np.array(known), np.array(deviations)


def _from_starts(problem: Problem) -> Solution:
    """The best solution of some pairs from several starts, then of all pairs."""
    count = len(problem.distance)
    some = np.unique(np.linspace(0, count - 1, PAIRS_OF_STARTS).astype(int))
    part, best = problem.of(some), None
    pitch_free, focal_free = problem.camera_spread[:2] > 0.0
    for pitch in STARTS if pitch_free else problem.camera[:1]:
        for longer in (0.0, NARROWER) if focal_free else (0.0,):
            camera = problem.camera.copy()
            camera[0], camera[1] = pitch, camera[1] + longer
            found = adjust(part, camera, part.motion, STEPS_OF_STARTS, SCALES_OF_STARTS)
            if best is None or found.cost < best.cost:
                best = found
    return adjust(problem, best.camera, problem.motion, STEPS)


def _deviations(solution: Solution, free: np.ndarray) -> np.ndarray:
    """(7,) by the pictures alone; 0 of what is not free."""
    found = np.zeros(len(CAMERA))
    normal = solution.normal.sum(0)[np.ix_(free, free)]
    found[free] = np.sqrt(np.diag(np.linalg.inv(normal + 1e-9 * np.eye(len(normal)))))
    return found


def _what_is_told(problem: Problem, solution: Solution) -> Problem:
    """The problem without the values that its pictures do not tell: they have their start."""
    spread = problem.camera_spread.copy()
    for name, limit in SURE.items():
        index = CAMERA.index(name)
        limit = limit * math.exp(solution.camera[2]) if name == "forward" else limit
        if spread[index] > 0.0 and _deviations(solution, spread > 0.0)[index] > limit:
            spread[index] = 0.0
    return dataclasses.replace(problem, camera_spread=spread)


def _doubt(problem: Problem, solution: Solution) -> np.ndarray:
    """(7,) standard deviations by a bootstrap over blocks of consecutive pairs, at least those of
    independent pictures."""
    free = problem.camera_spread > 0.0
    found, count = _deviations(solution, free), len(solution.normal)
    block = np.arange(count) * min(BLOCKS, count) // count
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    normal = np.add.reduceat(solution.normal, starts)[:, free][:, :, free]
    gradient = np.add.reduceat(solution.gradient, starts)[:, free]
    rng, blocks = np.random.default_rng(0), len(starts)
    drawn = rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), RESAMPLES).astype(float)
    # The start counts little, but keeps a resample that tells nothing from going anywhere.
    before = np.diag(problem.camera_spread[free] ** -2.0)
    steps = np.linalg.solve(
        np.tensordot(drawn, normal, 1) + before, -(drawn @ gradient)[..., None]
    )[..., 0]
    found[free] = np.hypot(found[free], steps.std(0))
    return found


def _result(
    start: GroundCamera,
    given: Collection[str],
    problem: Problem,
    solution: Solution,
    doubt: np.ndarray,
    differences: tuple[float, float],
    motion: FrameMotion,
) -> CameraEstimate:
    free = problem.camera_spread > 0.0
    pitch, focal, height, forward, yaw, roll, distortion = solution.camera
    view = 2.0 * math.atan(math.exp(-focal))
    own = (pitch, view, math.exp(height), forward, yaw, roll, distortion)
    by_own = np.array([1.0, math.sin(view), math.exp(height), 1.0, 1.0, 1.0, 1.0])
    values = {
        name: Estimated(float(value), float(spread), ESTIMATED)
        if told
        else Estimated(float(value), 0.0 if name in given else math.inf, _source(name, given))
        for name, value, spread, told in zip(NAMES, own, doubt * by_own, free, strict=True)
    }
    longer = math.exp(focal) * start.width / 2.0 / start.focal[0]
    focal_x, focal_y = longer * start.focal[0], longer * start.focal[1]
    camera = dataclasses.replace(
        start,
        focal=(focal_x, focal_y),
        above=math.exp(height),
        pitch=float(pitch),
        forward=float(forward),
        yaw=float(yaw),
        distortion=float(distortion),
    )
    doubt_of_row = focal_y * math.hypot(doubt[0] / math.cos(pitch) ** 2, math.tan(pitch) * doubt[1])
    told = bool(free[0]) or "pitch" in given
    horizon = Estimated(
        camera.horizon,
        doubt_of_row if told else math.inf,
        ESTIMATED if free[0] else _source("pitch", given),
    )
    return CameraEstimate(
        camera,
        values,
        horizon,
        *differences,
        pairs=len(problem.distance),
        remarks=tuple(_remarks(camera, values, motion)),
        assumed_speed=not motion.measured_distance,
    )


def _source(name: str, given: Collection[str]) -> str:
    return GIVEN if name in given else UNKNOWN


def _not_told(
    start: GroundCamera, given: Collection[str], motion: FrameMotion, pairs: int, remark: str
) -> CameraEstimate:
    view = 2.0 * math.atan(start.width / 2.0 / start.focal[0])
    own = (start.pitch, view, start.above, start.forward, 0.0, 0.0, 0.0)
    values = {
        name: Estimated(value, 0.0 if name in given else math.inf, _source(name, given))
        for name, value in zip(NAMES, own, strict=True)
    }
    horizon = Estimated(start.horizon, values["pitch"].spread, values["pitch"].source)
    return CameraEstimate(
        start, values, horizon, math.nan, math.nan, pairs, (remark,), not motion.measured_distance
    )


def _remarks(camera: GroundCamera, values: Mapping[str, Estimated], motion: FrameMotion):
    unknown = {name for name, one in values.items() if one.source == UNKNOWN}
    if "field_of_view" in unknown:
        yield "the field of view cannot be told: that needs bends"
    if "height" in unknown:
        yield "the height cannot be told: the pictures show too little of the ground"
    if "pitch" in unknown:
        yield "the pitch cannot be told: the pictures show too little of the ground"
    if "forward" in unknown:
        yield "the place ahead of the rear axle cannot be told: that needs bends"
    if camera.horizon > LOOKS_UP * camera.height:
        yield f"the camera looks up: the horizon is at row {camera.horizon:.0f} of {camera.height}"
