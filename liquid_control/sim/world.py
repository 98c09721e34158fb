"""A drive as a stream of sensor events: road, vehicle, clocks. Gymnasium, ROS and evaluation all
stand on this.

The world keeps the longitudinal job itself, as the driver's foot does in the published experiments:
it follows a speed plan for the road, and the commanded speed is a cap on that plan. Steering is the
policy's.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.signals import Frame, ImuSample, SpeedSample
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.delivery import Delivery
from liquid_control.sim.conditions.network_input import frame_generator
from liquid_control.sim.conditions.optics import Optics
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.conditions.weather import dress
from liquid_control.sim.expert import pursue
from liquid_control.sim.physics import CAMERA_PITCH, TIMESTEP, Physics
from liquid_control.sim.randomize import draw_body, draw_look
from liquid_control.sim.road import SPACING, build_road
from liquid_control.sim.scene import build_model
from liquid_control.sim.seeds import streams
from liquid_control.sim.sensors import SPEED_NOISE, CameraClock, imu_sample
from liquid_control.sim.task import OFF_ROAD

STEPS_PER_ADVANCE = 2
"""One `advance` is one IMU period: 100 Hz."""

START_STATION = 12.0
HARDEST_BRAKING, HARDEST_ACCELERATION = 3.0, 1.8
EXPOSURE_ERROR = TIMESTEP

Event = Frame | ImuSample | SpeedSample


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """The world's own knowledge at one instant; never given to a policy. Units and signs as in
    `signals`."""

    stamp_ns: int
    x: float
    y: float
    yaw: float
    speed: float
    steering_angle: float
    station: float
    lane_offset: float
    heading_error: float
    curvature: float
    target_curvature: float
    speed_limit: float
    departed: bool
    finished: bool


class World:
    """One road and one vehicle, both drawn from `seed`; `held_out` roads come from a sequence
    training cannot reach.

    `condition` spoils it; the road, the vehicle and the noise of its sensors stay those of the
    clean world as far as it lets them.
    """

    def __init__(
        self,
        config: WorldConfig | None = None,
        seed: int = 0,
        held_out: bool = False,
        condition: Condition = CLEAN,
    ) -> None:
        self.condition = condition
        self.config = condition.world(config or WorldConfig())
        self.physics: Physics | None = None
        self.reset(seed, held_out)

    def reset(self, seed: int, held_out: bool = False) -> None:
        """A new road, look, body and cruise speed; time starts at zero."""
        self.close()
        shape, looks, bodies, self._sensing, weather, delivery = streams(seed, held_out, 6)
        config, condition = self.config, self.condition
        self.road = build_road(
            shape, config.length, condition.sharpest_curvature, condition.gentlest_curvature
        )
        self.cruise = shape.uniform(config.cruise_low, config.cruise_high)
        self._plan = self.road.speed_plan(self.cruise)
        self.look = dress(
            draw_look(looks, None if config.stratum < 0 else config.stratum),
            condition,
            self.road,
            weather,
        )
        self.body = condition.body(draw_body(bodies))
        self.physics = Physics(
            build_model(self.road, self.look, looks, config.trees, weather), self.look, self.body
        )
        self._camera = CameraClock(config, self._sensing)
        self._optics = Optics(
            condition, self.look, self.physics.focal_length, CAMERA_PITCH + self.body.camera_pitch
        )
        self._delivery, self._seed = Delivery(condition, delivery), seed
        self._steps = 0
        self.frames_dropped = 0
        self.place(START_STATION)

    def place(self, station: float, lane_offset: float = 0.0, heading_error: float = 0.0) -> None:
        """Puts the vehicle on the road at a station, rolling at the plan's speed."""
        x, y, heading, _ = self.road.at(station)
        self._station = station
        x, y = x - lane_offset * math.sin(heading), y + lane_offset * math.cos(heading)
        self.physics.place(x, y, heading + heading_error, self.speed_limit)
        self._delivery.forget()
        self._truth: Truth | None = None

    @property
    def time_ns(self) -> int:
        return self._steps * round(TIMESTEP * 1e9)

    @property
    def speed_limit(self) -> float:
        """The plan's speed here [m/s]."""
        return float(self._plan[min(int(self._station / SPACING), len(self._plan) - 1)])

    def advance(self, steering_angle: float, speed: float = math.inf) -> list[Event]:
        """Advances one IMU period with a commanded steering angle [rad] and a cap on the speed
        [m/s]; returns what was sensed."""
        events: list[Event] = []
        physics = self.physics
        for _ in range(STEPS_PER_ADVANCE):
            pose = physics.pose()
            wanted = min(self.speed_limit, max(speed, 0.0))
            physics.step(
                steering_angle,
                min(max(2.0 * (wanted - pose.speed), -HARDEST_BRAKING), HARDEST_ACCELERATION),
            )
            self._steps += 1
            self._expose()
            events += self._delivery.arrived(self.time_ns)
        self._truth = None
        pose = physics.pose()
        self._station, self._offset = self.road.project(pose.x, pose.y, self._station)
        inertial = imu_sample(self.time_ns, *physics.inertial(), self.body, self._sensing)
        if not self.condition.imu_lost:
            events.append(inertial)
        if self._steps // STEPS_PER_ADVANCE % 2 == 0:
            events.append(
                SpeedSample(
                    self.time_ns, pose.speed + SPEED_NOISE * self._sensing.standard_normal()
                )
            )
        return events

    @property
    def truth(self) -> Truth:
        if self._truth is None:
            pose = self.physics.pose()
            self._station, offset = self.road.project(pose.x, pose.y, self._station)
            _, _, heading, curvature = self.road.at(self._station)
            heading_error = math.remainder(pose.yaw - heading, 2 * math.pi)
            self._truth = Truth(
                self.time_ns,
                pose.x,
                pose.y,
                pose.yaw,
                pose.speed,
                self.physics.steering_angle,
                self._station,
                offset,
                heading_error,
                curvature,
                pursue(self.road, pose, self._station),
                self.speed_limit,
                departed=abs(offset) > OFF_ROAD or math.cos(heading_error) < 0.3,
                finished=self._station > self.config.length,
            )
        return self._truth

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """A picture (height, width, 3) uint8 RGB now, from `front` or `chase`."""
        return self.physics.render(width, height, camera)

    def close(self) -> None:
        if self.physics is not None:
            self.physics.close()

    def _expose(self) -> None:
        due = self._camera.due(self._steps * TIMESTEP)
        if due is None:
            return
        exposed, dropped = due
        if dropped or self._delivery.is_silent(exposed):
            self.frames_dropped += 1
            return
        # Exposure falls inside the last time step; the picture shows the step's end, the stamp is
        # the true instant.
        stamp_ns = self._delivery.stamp(exposed)
        image = self.physics.render(self.config.image_width, self.config.image_height)
        if not self._optics.idle:
            image = self._optics.spoil(
                image, self.physics.pose().yaw, frame_generator(self._seed, round(exposed * 1e9))
            )
        self._delivery.send(Frame(stamp_ns, image), exposed)
