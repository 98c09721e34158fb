"""A robot of 0.1 m that drives on a small course, and a person who drives it.

`SmallWorld` is a world as `sim.driven_world` has it, so that policies drive, and are examined, by
the code of all other worlds.
"""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np

from liquid_control.config import PreprocessConfig, VehicleConfig, WorldConfig
from liquid_control.control.driving_scale import DrivingScale, driving_scale
from liquid_control.control.vehicle import curvature
from liquid_control.deploy.runtime import State
from liquid_control.experiments.recorded_world.small_camera import Painter, Robot
from liquid_control.experiments.recorded_world.small_course import draw_course, draw_look
from liquid_control.model.car import lane_keeping
from liquid_control.signals import Frame, Observation, SpeedSample
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

THROTTLE_TIME, SPEED_TIME = 1.0, 0.2
"""Time constants of a person's throttle and of the motor [s]."""

TURNED_AROUND = 0.3
"""Cosine of the heading error below which the robot is put back."""


@dataclasses.dataclass
class SmallBody:
    """See `DrivenBody`."""

    vehicle: VehicleConfig
    to_rear_axle: float = 0.0
    steering_angle: float = 0.0


@dataclasses.dataclass(frozen=True)
class InLane:
    """The part of a `Task` that examinations read."""

    scale: DrivingScale

    def is_terminated(self, truth: Truth) -> bool:
        """The robot has left the lane, or has turned around."""
        turned = math.cos(truth.heading_error) < TURNED_AROUND
        return turned or abs(truth.lane_offset) > self.scale.off_road


class SmallWorld:
    """See `DrivenWorld`. Course and look are drawn from their own seeds, noise and camera from
    `seed`. It ends after `distance` metres. `throttle`: relative standard deviation of the speed,
    which the world controls; a commanded one is an upper limit."""

    def __init__(
        self,
        robot: Robot,
        course_seed: int,
        look_seed: int,
        seed: int,
        distance: float,
        throttle: float = 0.0,
    ) -> None:
        self.robot, self.road, self.body = robot, draw_course(course_seed), SmallBody(robot.vehicle)
        self.scale = driving_scale(robot.vehicle, self.road.width)
        self.task, self.frames_dropped = InLane(self.scale), 0
        self.painter = Painter(robot, self.road, draw_look(look_seed), look_seed)
        self._rng = np.random.default_rng([seed, 0x5311])
        self._camera = CameraClock(CLOCK, self._rng)
        self._distance, self.time_ns, self._periods = distance, 0, 0
        self._throttle, self._throttle_now = throttle, 0.0
        self._commands: collections.deque[float] = collections.deque()
        self.place(0.0)

    def place(self, station: float, lane_offset: float = 0.0, heading_error: float = 0.0) -> None:
        """Puts the robot's rear axle on the course, moving."""
        x, y, heading, there = self.road.at(station)
        self._x, self._y = x - lane_offset * math.sin(heading), y + lane_offset * math.cos(heading)
        self._yaw, self._station = heading + heading_error, station
        self._curvature, self._speed = there, self.robot.speed
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
        self.body.steering_angle = math.atan(robot.vehicle.wheelbase * self._curvature)
        share = dt / THROTTLE_TIME
        self._throttle_now += -self._throttle_now * share
        self._throttle_now += self._throttle * math.sqrt(2 * share) * self._rng.standard_normal()
        wanted = min(robot.speed * (1.0 + self._throttle_now), max(speed, 0.0))
        self._speed += (wanted - self._speed) * dt / SPEED_TIME
        turn = self._speed * self._curvature * dt
        self._x += self._speed * dt * math.cos(self._yaw + turn / 2)
        self._y += self._speed * dt * math.sin(self._yaw + turn / 2)
        self._yaw += turn
        self.time_ns, self._periods, self._truth = self.time_ns + PERIOD_NS, self._periods + 1, None
        return [*self._exposed(), *self._measured()]

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
                self.body.steering_angle,
                self._station,
                offset,
                math.remainder(self._yaw - heading, 2 * math.pi),
                there,
                self.robot.speed,
                finished=self._station > self._distance,
            )
        return self._truth

    def _exposed(self) -> list[Frame]:
        due = self._camera.due(self.time_ns * 1e-9)
        if due is None:
            return []
        exposed, dropped = due
        if dropped:
            self.frames_dropped += 1
            return []
        picture = self.painter.draw(self._x, self._y, self._yaw, self._rng)
        return [Frame(round(exposed * 1e9), picture)]

    def _measured(self) -> list[SpeedSample]:
        if self._periods % SPEED_EVERY:
            return []
        error = SPEED_NOISE * self._rng.standard_normal()
        return [SpeedSample(self.time_ns, self._speed + error)]


class Person:
    """See `Runtime`. A person who steers for a point `look_ahead` [m] on the lane's centre. Errors
    are seen `reaction` [s] late and half corrected; the course is seen before it is reached.
    `hand`: standard deviation of the hand [1/m], correlated over `HAND_TIME`."""

    HAND_TIME = 0.4

    def __init__(
        self,
        world: SmallWorld,
        seed: int,
        reaction: float = 0.15,
        look_ahead: float = 0.17,
        gain: float = 0.6,
        hand: float = 0.15,
    ) -> None:
        self.preprocess = PreprocessConfig()
        self.spec = lane_keeping(self.preprocess, inputs=("speed",))
        self._world, self._rng = world, np.random.default_rng([seed, 0xD21])
        self._reaction_ns, self._look_ahead = round(reaction * 1e9), look_ahead
        self._gain, self._hand, self._tremble = gain, hand, 0.0
        self._seen: list[Truth] = []

    def initial_state(self) -> State:
        self._seen = []
        return {}

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        truth, robot, road = self._world.truth, self._world.robot, self._world.road
        self._seen.append(truth)
        while len(self._seen) > 1 and truth.stamp_ns - self._seen[1].stamp_ns >= self._reaction_ns:
            self._seen.pop(0)
        then, look_ahead = self._seen[0], self._look_ahead
        error = -2.0 * (then.lane_offset + look_ahead * then.heading_error) / look_ahead**2
        ahead = truth.station + truth.speed * (robot.delay + robot.lag + observation.dt / 2)
        parts = np.linspace(-look_ahead / 6, look_ahead / 6, 5)
        there = float(np.mean([road.at(ahead + part)[3] for part in parts]))
        share = min(observation.dt / self.HAND_TIME, 0.5)
        self._tremble += -self._tremble * share
        self._tremble += self._hand * math.sqrt(2 * share) * self._rng.standard_normal()
        largest = math.tan(robot.vehicle.max_steering_angle) / robot.vehicle.wheelbase
        wanted = there + self._gain * error + self._tremble
        return np.array([min(max(wanted, -largest), largest)]), state
