"""What `drive --world recording:PATH` needs of a recording: its roads for sim_node, limits for
policy and gate, and how its report is drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from liquid_control.config import GateConfig, PreprocessConfig, VehicleConfig
from liquid_control.evaluate.closed_loop.film import view_of
from liquid_control.evaluate.closed_loop.recorded import load_all, unmeasured
from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.recordings.vehicle_file import NAME, write_vehicle
from liquid_control.sim.recorded.driver import COMFORT
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.road_file import write_roads
from liquid_control.sim.tasks.recorded_road import SPEED_RESERVE

FILE = "roads.json"
BELOW_GATE = 0.95
"""The policy's comfortable lateral acceleration as a share of the gate's limit."""


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedDrive:
    """Roads of the recordings, the longest first, and the `file` in which sim_node finds them."""

    paths: tuple[Path, ...]
    roads: tuple[RecordedRoad, ...]
    file: Path

    @property
    def vehicle(self) -> VehicleConfig:
        return self.roads[0].vehicle

    @property
    def inertial(self) -> bool:
        """Whether the vehicle has an IMU."""
        return bool({"yaw_rate", "lateral_acceleration"} & set(self.roads[0].measured))

    @property
    def gate(self) -> GateConfig:
        """Limits that let the driver of every road through."""
        return dataclasses.replace(
            self.roads[0].gate,
            **{
                name: max(getattr(road.gate, name) for road in self.roads)
                for name in (
                    "max_steering_rate",
                    "max_lateral_acceleration",
                    "max_lateral_jerk",
                    "max_speed",
                    "stale_after",
                )
            },
        )

    def policy(self, speed: float) -> dict[str, object]:
        """Parameters of policy_node: the speed is the recorded one, at most `speed` [m/s]."""
        fastest = max(float(road.path.speed.max()) for road in self.roads)
        bearable = min(COMFORT, BELOW_GATE * self.gate.max_lateral_acceleration)
        return {
            "speed": min(speed, SPEED_RESERVE * fastest),
            "comfort_lateral_acceleration": bearable,
        }

    def safety(self, speed: float) -> dict[str, object]:
        """Parameters of safety_node."""
        gate = self.gate
        limits = dataclasses.asdict(dataclasses.replace(gate, max_speed=min(gate.max_speed, speed)))
        found = {f"gate.{name}": value for name, value in limits.items()}
        return found | {"engagement.needs_speed": "speed" in self.roads[0].measured}

    def describe(self, folder: Path) -> None:
        """Says what the vehicle is beside a recording of the drive."""
        road = self.roads[0]
        camera = road.camera
        settings = RecordingSettings(
            vehicle=road.vehicle,
            response_delay=road.response_delay,
            lane_width=road.scale.lane_width,
            mount=CameraMount(
                camera.above,
                camera.pitch,
                2 * math.atan(camera.width / 2 / camera.focal[0]),
                camera.forward,
            ),
        )
        write_vehicle(folder / NAME, settings)

    def drawn(self, log: DriveLog) -> DriveLog:
        """The log with what its report needs to know of the road."""
        road = self.roads[0]
        camera = view_of(road.camera, road.scale.size)
        limits = log.commands.limits & ~unmeasured(road).value
        commands = dataclasses.replace(log.commands, limits=limits)
        facts = {**log.facts, "lane": f"{road.scale.lane_width:.2g} m"}
        return dataclasses.replace(
            log, commands=commands, facts=facts, scale=road.scale, camera=camera, lanes=1
        )


def open_recordings(
    paths: Sequence[Path], settings: RecordingSettings, preprocess: PreprocessConfig, cache: Path
) -> RecordedDrive:
    """Reads the recordings; decoded pictures and the roads' file are in folder `cache`. Raises the
    errors of `load_roads`."""
    found = load_all(paths, settings, ViewSettings(), preprocess, cache)
    roads = [road for of_one in found.values() for road in of_one.roads]
    roads.sort(key=lambda road: -road.path.length)
    file = cache / FILE
    write_roads(file, roads)
    return RecordedDrive(tuple(paths), tuple(roads), file)
