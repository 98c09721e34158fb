"""A robot of 0.1 m on a small course: its camera, its motion, and a person who drives it.

The picture is drawn by tracing each pixel's ray to the floor or a wall. `SmallWorld` has what
`sim.drive.drive` needs of a world.
"""

from __future__ import annotations

import collections
import dataclasses
import math

import cv2
import numpy as np

from liquid_control.config import VehicleConfig, WorldConfig
from liquid_control.control.vehicle import curvature
from liquid_control.experiments.recorded_world.small_course import (
    PIXEL,
    ROOM,
    WALL_ROWS,
    Course,
    Look,
    draw_course,
    draw_look,
    floor_picture,
    wall_picture,
)
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.signals import Frame, SpeedSample
from liquid_control.sim.sensors import CameraClock
from liquid_control.sim.truth import Truth

PERIOD_NS = 10_000_000
"""Of one `advance`: that of `sim.drive.drive`."""

CLOCK = WorldConfig(frame_rate_low=18.0, frame_rate_high=22.0)
"""The camera's rate, jitter and lost frames."""

SPEED_EVERY = 5
"""Periods between two measured speeds."""

SPEED_NOISE = 0.004
"""Standard deviation of a measured speed [m/s]."""

SUPERSAMPLED = 2
"""Rays in a pixel, along rows and along columns."""


@dataclasses.dataclass(frozen=True)
class Robot:
    """Its lens, a camera `height` above the floor [m], `pitch` downward and field of view `angle`
    [rad], `forward` of the rear axle [m]; a curvature follows its command after `delay` [s] with
    the time constant `lag` [s]."""

    vehicle: VehicleConfig = VehicleConfig(0.1, 0.8)
    rows: int = 120
    columns: int = 160
    height: float = 0.09
    pitch: float = 0.4
    angle: float = 1.7
    forward: float = 0.05
    delay: float = 0.05
    lag: float = 0.09
    speed: float = 0.3

    @property
    def camera(self) -> GroundCamera:
        return GroundCamera.of_lens(
            self.rows, self.columns, self.angle, self.height, self.pitch, self.forward
        )


def draw_robot(seed: int) -> Robot:
    """A robot whose camera, response and speed are drawn."""
    rng = np.random.default_rng([seed, 0x20B07])
    return Robot(
        height=float(rng.uniform(0.06, 0.12)),
        pitch=float(rng.uniform(0.3, 0.5)),
        angle=float(rng.uniform(1.4, 1.9)),
        forward=float(rng.uniform(0.03, 0.08)),
        delay=float(rng.uniform(0.03, 0.07)),
        lag=float(rng.uniform(0.06, 0.12)),
    )


class Painter:
    """Pictures of a room from a robot's camera."""

    def __init__(self, robot: Robot, course: Course, look: Look, seed: int) -> None:
        self._robot, self._look = robot, look
        floor, wall = floor_picture(course, look, seed), wall_picture(look, seed)
        height, width = max(floor.shape[0], 1), max(floor.shape[1], wall.shape[1])
        self._walls_from = height
        self._atlas = np.zeros((height + WALL_ROWS + 8, width, 3), np.uint8)
        self._atlas[:height, : floor.shape[1]] = floor
        self._atlas[height : height + WALL_ROWS, : wall.shape[1]] = wall
        self._atlas[height + WALL_ROWS :] = np.clip(np.array(look.wall) * 1.1, 0, 255)
        large = GroundCamera.of_lens(
            robot.rows * SUPERSAMPLED,
            robot.columns * SUPERSAMPLED,
            robot.angle,
            robot.height,
            robot.pitch,
            robot.forward,
        )
        rows, columns = np.mgrid[: large.height, : large.width].astype(float)
        pixels = np.stack([columns, rows], -1)
        self._pixels = large.ground(pixels).astype(np.float32)
        scaled = (pixels - large.centre) / large.focal
        rays = np.concatenate([scaled, np.ones((*scaled.shape[:-1], 1))], -1) @ large.axes
        level = np.hypot(rays[..., 0], rays[..., 1])
        self._bearing = np.arctan2(rays[..., 1], rays[..., 0]).astype(np.float32)
        self._slope = (rays[..., 2] / level).astype(np.float32)
        radius = np.hypot(*scaled.transpose(2, 0, 1)) / np.hypot(*scaled[0, 0])
        self._vignette = (1.0 - 0.35 * radius**2).astype(np.float32)[..., None]

    def draw(self, x: float, y: float, yaw: float, rng: np.random.Generator) -> np.ndarray:
        """(rows, columns, 3) uint8 RGB from the rear axle's pose, with the camera's noise."""
        across, down = self._on_floor(x, y, yaw)
        self._on_walls(across, down, x, y, yaw)
        seen = cv2.remap(self._atlas, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        robot, look = self._robot, self._look
        gain = np.array([1.0 + look.warmth, 1.0, 1.0 - look.warmth]) * look.light
        light = seen * self._vignette * gain.astype(np.float32)
        picture = cv2.resize(light, (robot.columns, robot.rows), interpolation=cv2.INTER_AREA)
        picture += rng.normal(0.0, 3.0, picture.shape).astype(np.float32)
        return np.clip(picture, 0, 255).astype(np.uint8)

    def _on_floor(self, x: float, y: float, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of the atlas for each ray, as if there were no walls."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        ahead, left = self._pixels[..., 0], self._pixels[..., 1]
        across = (ahead * cos - left * sin + (x + ROOM)) / PIXEL - 0.5
        down = (ahead * sin + left * cos + (y + ROOM)) / PIXEL - 0.5
        return across.astype(np.float32), down.astype(np.float32)

    def _on_walls(
        self, across: np.ndarray, down: np.ndarray, x: float, y: float, yaw: float
    ) -> None:
        """Replaces what lies beyond the walls."""
        side = 2 * ROOM / PIXEL
        beyond = ~((across >= 0) & (across < side - 1) & (down >= 0) & (down < side - 1))
        eye_x = x + self._robot.forward * math.cos(yaw)
        eye_y = y + self._robot.forward * math.sin(yaw)
        bearing = self._bearing[beyond] + yaw
        cos, sin = np.cos(bearing), np.sin(bearing)
        with np.errstate(divide="ignore"):
            to_x = (np.copysign(ROOM, cos) - eye_x) / cos
            to_y = (np.copysign(ROOM, sin) - eye_y) / sin
        on_x = to_x < to_y
        far = np.where(on_x, to_x, to_y)
        hit_x, hit_y = eye_x + far * cos, eye_y + far * sin
        # The walls in turn: east, north, west, south.
        along = np.where(on_x, hit_y * np.sign(cos), -hit_x * np.sign(sin)) + ROOM
        wall = np.where(on_x, np.where(cos > 0, 0, 2), np.where(sin > 0, 1, 3))
        up = self._robot.height + far * self._slope[beyond]
        across[beyond] = np.clip(along / PIXEL, 0, side - 1) + wall * side
        row = self._walls_from + np.clip(WALL_ROWS - 1 - up / PIXEL, 0, WALL_ROWS - 1)
        ceiling = up > WALL_ROWS * PIXEL
        down[beyond] = np.where(ceiling, self._walls_from + WALL_ROWS + 4, row)


class SmallWorld:
    """The robot on a course. `look` and `course` are drawn from their own seeds, noise and camera
    from `seed`; it ends after `distance` metres. As `sim.world.World`, the world controls the speed
    itself; a commanded one is an upper limit."""

    def __init__(
        self, robot: Robot, course_seed: int, look_seed: int, seed: int, distance: float
    ) -> None:
        self.robot, self.road = robot, draw_course(course_seed)
        self.painter = Painter(robot, self.road, draw_look(look_seed), look_seed)
        self._rng = np.random.default_rng([seed, 0x5311])
        self._camera = CameraClock(CLOCK, self._rng)
        self._distance, self.time_ns, self._periods = distance, 0, 0
        self._commands: collections.deque[float] = collections.deque()
        self.place(0.0)

    def place(self, station: float, lane_offset: float = 0.0, heading_error: float = 0.0) -> None:
        """Puts the robot's rear axle on the course, moving."""
        x, y, heading, curvature_there = self.road.at(station)
        self._x, self._y = x - lane_offset * math.sin(heading), y + lane_offset * math.cos(heading)
        self._yaw, self._station = heading + heading_error, station
        self._curvature, self._speed = curvature_there, self.robot.speed
        self._commands.clear()
        self._truth: Truth | None = None

    def advance(self, steering_angle: float, speed: float = math.inf) -> list[Frame | SpeedSample]:
        """One period of 10 ms with a commanded angle [rad] and an upper limit of the speed
        [m/s]."""
        robot, dt = self.robot, PERIOD_NS * 1e-9
        self._commands.append(curvature(steering_angle, robot.vehicle))
        if len(self._commands) > round(robot.delay / dt):
            due = self._commands.popleft()
            self._curvature += (due - self._curvature) * dt / robot.lag
        wanted = min(robot.speed, max(speed, 0.0))
        self._speed += (wanted - self._speed) * dt / 0.2
        turn = self._speed * self._curvature * dt
        self._x += self._speed * dt * math.cos(self._yaw + turn / 2)
        self._y += self._speed * dt * math.sin(self._yaw + turn / 2)
        self._yaw += turn
        self.time_ns, self._periods, self._truth = self.time_ns + PERIOD_NS, self._periods + 1, None
        events: list[Frame | SpeedSample] = []
        due_frame = self._camera.due(self.time_ns * 1e-9)
        if due_frame is not None and not due_frame[1]:
            picture = self.painter.draw(self._x, self._y, self._yaw, self._rng)
            events.append(Frame(round(due_frame[0] * 1e9), picture))
        if self._periods % SPEED_EVERY == 0:
            measured = self._speed + SPEED_NOISE * self._rng.standard_normal()
            events.append(SpeedSample(self.time_ns, measured))
        return events

    @property
    def truth(self) -> Truth:
        """Of the rear axle."""
        if self._truth is None:
            self._station, offset = self.road.project(self._x, self._y, self._station)
            _, _, heading, there = self.road.at(self._station)
            self._truth = Truth(
                self.time_ns,
                self._x,
                self._y,
                self._yaw,
                self._speed,
                math.atan(self.robot.vehicle.wheelbase * self._curvature),
                self._station,
                offset,
                math.remainder(self._yaw - heading, 2 * math.pi),
                there,
                self.robot.speed,
                finished=self._station > self._distance,
            )
        return self._truth


class Driver:
    """A person who steers for a point ahead on the lane's centre, sees with a `reaction` delay [s]
    and expects the robot to go on as commanded meanwhile. `hand`: standard deviation of the hand
    [1/m]."""

    def __init__(
        self,
        world: SmallWorld,
        seed: int,
        reaction: float = 0.15,
        look_ahead: float = 0.17,
        hand: float = 0.25,
    ) -> None:
        self._world, self._rng = world, np.random.default_rng([seed, 0xD21])
        self._look_ahead, self._hand, self._tremble = look_ahead, hand, 0.0
        self._seen: collections.deque[Truth] = collections.deque(
            maxlen=max(round(reaction / (PERIOD_NS * 1e-9)), 1)
        )
        self._reaction = reaction

    def curvature(self) -> float:
        """The commanded curvature [1/m] now; called once per period."""
        truth, robot, road = self._world.truth, self._world.robot, self._world.road
        self._seen.append(truth)
        then = self._seen[0]
        ahead = (truth.stamp_ns - then.stamp_ns) * 1e-9 + robot.delay + 0.7 * robot.lag
        # Errors are seen late; the course itself is seen before it is reached.
        station = then.station + then.speed * ahead
        offset, heading = then.lane_offset, then.heading_error
        error = -2.0 * (offset + self._look_ahead * heading) / self._look_ahead**2
        few = np.linspace(-0.5, 0.5, 5) * self._look_ahead / 3
        there = float(np.mean([road.at(station + part)[3] for part in few]))
        step = PERIOD_NS * 1e-9 / 0.4
        self._tremble += -self._tremble * step + self._hand * math.sqrt(2 * step) * float(
            self._rng.standard_normal()
        )
        largest = math.tan(robot.vehicle.max_steering_angle) / robot.vehicle.wheelbase
        return min(max(there + 0.6 * error + self._tremble, -largest), largest)
