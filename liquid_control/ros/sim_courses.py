"""What sim_node drives on: roads of MuJoCo one after the other, or the stretches of recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Protocol

from liquid_control.config import VehicleConfig, WorldConfig
from liquid_control.ros.node_parameters import SimNodeConfig
from liquid_control.sim.conditions.table import find_conditions
from liquid_control.sim.driven_world import DrivenWorld
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.road_file import read_roads
from liquid_control.sim.recorded.world import RecordedWorld
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_and_speed import LANE_AND_SPEED
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING
from liquid_control.sim.world import START_STATION, World

BETWEEN = 30.0
"""Distance on the map between two stretches of recordings, of a car [m]: where they lie to one
another is not known."""


@dataclasses.dataclass(frozen=True)
class Lens:
    """Of the published pictures: size, focal lengths and centre [px], as in a CameraInfo."""

    height: int
    width: int
    focal: tuple[float, float]
    centre: tuple[float, float]


class Course(Protocol):
    """`world`: the one that is driven now. `vehicle`: as its commands mean it. `shift`: x, y of the
    world's origin on the map [m]. `inertial`, `speed`: whether the vehicle measures them."""

    world: DrivenWorld
    vehicle: VehicleConfig
    shift: tuple[float, float]
    inertial: bool
    speed: bool

    @property
    def lens(self) -> Lens: ...

    def begin(self) -> None:
        """The vehicle, which stands at the beginning, gets its first command."""
        ...

    def follow(self) -> None:
        """Goes to the next road, at its beginning."""
        ...

    def put_back(self) -> None:
        """Puts the vehicle back on its lane, further on."""
        ...


class MujocoCourse:
    """See `Course`. Every road begins at rest. Raises ConfigError for an unknown condition."""

    shift, inertial, speed = (0.0, 0.0), True, True

    def __init__(self, config: SimNodeConfig, world: WorldConfig) -> None:
        self._config, self._shape = config, (world.image_height, world.image_width)
        task = LANE_AND_SPEED if config.obey_speed else LANE_KEEPING
        (condition,) = find_conditions((config.condition,))
        self.world = World(world, config.seed, config.held_out, condition, task)
        self._roads = 0
        self.vehicle = self.world.body.vehicle
        self._stand()

    @property
    def lens(self) -> Lens:
        height, width = self._shape
        focal = self.world.physics.focal_length * height
        return Lens(height, width, (focal, focal), (width / 2, height / 2))

    def begin(self) -> None:
        """From rest."""

    def follow(self) -> None:
        self._roads += 1
        self.world.reset(road_seed(self._config.seed, self._roads), self._config.held_out)
        self._stand()

    def put_back(self) -> None:
        self.world.place(self.world.truth.station + self.world.scale.put_back_ahead)

    def _stand(self) -> None:
        x, y, heading, _ = self.world.road.at(START_STATION)
        self.world.physics.place(x, y, heading, 0.0)


class RecordedCourse:
    """See `Course`. A stretch begins at the recorded speed, since the vehicle could not reach it on
    a short one; after the last comes the first. Raises ConfigError for a file that holds no
    roads."""

    def __init__(self, config: SimNodeConfig) -> None:
        self._roads, self._seed = read_roads(Path(config.recorded_roads)), config.seed
        self._driven, self.shift, self._obey = 0, (0.0, 0.0), config.obey_speed
        self.vehicle, measured = self._roads[0].vehicle, self._roads[0].measured
        self.inertial = bool({"yaw_rate", "lateral_acceleration"} & set(measured))
        self.speed = "speed" in measured
        self.world = self._next()
        self.world.place(0.0, speed=0.0)

    @property
    def lens(self) -> Lens:
        camera = self.world.recording.camera
        return Lens(camera.height, camera.width, camera.focal, camera.centre)

    def begin(self) -> None:
        self.world.place(0.0)

    def follow(self) -> None:
        truth = self.world.truth
        self._driven += 1
        self.world = self._next()
        begin, gap = self.world.truth, BETWEEN * self.world.scale.size
        self.shift = (self.shift[0] + truth.x + gap - begin.x, self.shift[1] + truth.y - begin.y)

    def put_back(self) -> None:
        ahead = self.world.truth.station + self.world.scale.put_back_ahead
        self.world.place(min(ahead, self.world.road.length))

    def _next(self) -> RecordedWorld:
        road: RecordedRoad = self._roads[self._driven % len(self._roads)]
        seed = road_seed(self._seed, self._driven)
        return RecordedWorld(road, seed=seed, chooses_speed=self._obey)


def open_course(config: SimNodeConfig, world: WorldConfig) -> Course:
    """The course that the node's parameters name."""
    return RecordedCourse(config) if config.recorded_roads else MujocoCourse(config, world)
