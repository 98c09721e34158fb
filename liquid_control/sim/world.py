"""One vehicle on one road as a stream of sensor events. Gymnasium, ROS and evaluation use it.

The policy steers. The world controls the speed itself, as the published experiments do: it follows
the task's speed plan for the road, and the commanded speed is an upper limit on that plan. Where
the speed is an action of the task, the vehicle drives at the commanded speed, at most at the drawn
cruise speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.model.car import chooses_speed
from liquid_control.signals import Frame, SpeedSample
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.bodies.table import BODIES
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.delivery import Delivery
from liquid_control.sim.conditions.network_input import frame_generator
from liquid_control.sim.conditions.optics import Optics
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.drawn import Drawn, draw
from liquid_control.sim.driven_world import STEPS_PER_ADVANCE
from liquid_control.sim.physics import Physics
from liquid_control.sim.road import SPACING
from liquid_control.sim.scene import build_model
from liquid_control.sim.sensors import SPEED_NOISE, CameraClock, imu_sample
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING, SCALE
from liquid_control.sim.tasks.task import Task
from liquid_control.sim.truth import Event, Truth

START_STATION = 12.0
"""Where the vehicle starts [m]."""


class World:
    """One road and one vehicle, both drawn from `seed`; `held_out` roads come from a sequence
    training cannot reach.

    `condition` changes the world, its sensors and its vehicle; everything that it does not change
    stays as drawn for the clean world. `task` gives the speed plan; the world never asks it whether
    the vehicle drives well. `body`: name in `sim.bodies.table`. `engine` gives what computes the
    drawn world, with the methods of `Physics`; None: MuJoCo with the body. `scale`: lengths and
    speeds that tell good driving from bad.
    """

    scale = SCALE

    def __init__(
        self,
        config: WorldConfig | None = None,
        seed: int = 0,
        held_out: bool = False,
        condition: Condition = CLEAN,
        task: Task = LANE_KEEPING,
        body: str = "car",
        engine: Callable[[Drawn, WorldConfig], Physics] | None = None,
    ) -> None:
        self.condition, self.task = condition, task
        self._obeys = chooses_speed(task.spec)
        self.config = condition.world(config or WorldConfig())
        self.physics: Physics | None = None
        self._kind = BODIES[body]
        self._engine = engine or self._in_mujoco
        self.reset(seed, held_out)

    def reset(self, seed: int, held_out: bool = False) -> None:
        """A new road, appearance, body and cruise speed; time starts at zero."""
        self.close()
        config, condition = self.config, self.condition
        drawn = draw(config, seed, held_out, condition, self.task, self._kind.draw)
        self.road, self.cruise, self._plan = drawn.road, drawn.cruise, drawn.plan
        self.appearance, self._sensing = drawn.appearance, drawn.sensing
        self.physics = self._engine(drawn, config)
        self.body = self.physics.body
        self._camera = CameraClock(config, self._sensing)
        self._optics = Optics(
            condition, self.appearance, self.physics.focal_length, self.body.camera_pitch
        )
        self._delivery, self._seed = Delivery(condition, drawn.delivery), seed
        self._steps = 0
        self.frames_dropped = 0
        self.place(START_STATION)

    def place(
        self,
        station: float,
        lane_offset: float = 0.0,
        heading_error: float = 0.0,
        speed: float | None = None,
    ) -> None:
        """Puts the vehicle on the road at a station, moving at `speed` [m/s] or at the plan's."""
        x, y, heading, _ = self.road.at(station)
        self._station = station
        x, y = x - lane_offset * math.sin(heading), y + lane_offset * math.cos(heading)
        speed = self.speed_limit if speed is None else speed
        self.physics.place(x, y, heading + heading_error, speed)
        self._delivery.forget()
        self._truth: Truth | None = None

    @property
    def time_ns(self) -> int:
        return self._steps * round(TIMESTEP * 1e9)

    @property
    def speed_limit(self) -> float:
        """The plan's speed at the vehicle [m/s]."""
        return float(self._plan[min(int(self._station / SPACING), len(self._plan) - 1)])

    @property
    def set_speed(self) -> float:
        """What a controller is set to [m/s]."""
        return self.cruise if self._obeys else self.task.set_speed

    def advance(self, steering_angle: float, speed: float = math.inf) -> list[Event]:
        """Advances one IMU period with a commanded steering angle [rad] and an upper limit on the
        speed [m/s]; returns the sensor events."""
        events: list[Event] = []
        physics, condition = self.physics, self.condition
        steering_angle += condition.steering_offset
        if condition.bank:
            physics.bank(condition.bank)
        for _ in range(STEPS_PER_ADVANCE):
            limit = self.cruise if self._obeys else self.speed_limit
            physics.step(steering_angle, min(limit, max(speed, 0.0)))
            self._steps += 1
            self._expose()
            events += self._delivery.arrived(self.time_ns)
        self._truth = None
        pose = physics.pose()
        self._station, _ = self.road.project(pose.x, pose.y, self._station)
        inertial = imu_sample(
            self.time_ns, *physics.inertial(), self.body.parameters, self._sensing
        )
        if not self.condition.imu_lost:
            events.append(inertial)
        if self._steps // STEPS_PER_ADVANCE % 2 == 0:
            measured = pose.speed + SPEED_NOISE * self._sensing.standard_normal()
            events.append(SpeedSample(self.time_ns, measured))
        return events

    @property
    def truth(self) -> Truth:
        if self._truth is None:
            pose = self.physics.pose()
            self._station, offset = self.road.project(pose.x, pose.y, self._station)
            _, _, heading, curvature = self.road.at(self._station)
            self._truth = Truth(
                self.time_ns,
                pose.x,
                pose.y,
                pose.yaw,
                pose.speed,
                self.body.steering_angle,
                self._station,
                offset,
                math.remainder(pose.yaw - heading, 2 * math.pi),
                curvature,
                self.speed_limit,
                finished=self._station > self.config.length,
            )
        return self._truth

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """A picture (height, width, 3) uint8 RGB now, from `front` or `chase`."""
        return self.physics.render(width, height, camera)

    def close(self) -> None:
        if self.physics is not None:
            self.physics.close()

    def _in_mujoco(self, drawn: Drawn, config: WorldConfig) -> Physics:
        body, xml = self._kind(drawn.parameters), self._kind.model_xml()
        look, trees = drawn.appearance, config.trees
        model = build_model(xml, drawn.road, look, drawn.surfaces, trees, drawn.weather)
        return Physics(model, look, body)

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
            rng = frame_generator(self._seed, round(exposed * 1e9))
            image = self._optics.corrupt(image, self.physics.pose().yaw, rng)
        self._delivery.send(Frame(stamp_ns, image), exposed)
