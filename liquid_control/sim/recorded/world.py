"""A recording as a world: its vehicle beside its path, its camera's pictures from there.

The policy steers, the speed is the recorded one; the commanded speed is an upper limit. With
`chooses_speed` the vehicle drives at the commanded speed instead, and becomes faster and slower no
quicker than the recorded one did. What the recording does not measure is not measured here either.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from liquid_control.config import VehicleConfig, check, number
from liquid_control.control.vehicle import steering_angle
from liquid_control.errors import ConfigError
from liquid_control.perception.observer import crop_of
from liquid_control.signals import Frame, ImuSample, SpeedSample
from liquid_control.sim.appearance import draw_appearance
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.delivery import Delivery
from liquid_control.sim.conditions.network_input import frame_generator
from liquid_control.sim.conditions.optics import Optics
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.driven_world import STEPS_PER_ADVANCE
from liquid_control.sim.recorded.camera_clock import RecordedClock
from liquid_control.sim.recorded.drawn import DrawnView
from liquid_control.sim.recorded.motion import RecordedMotion
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.view import synthesise
from liquid_control.sim.seeds import streams
from liquid_control.sim.sensors import ACCELEROMETER_NOISE, GYRO_NOISE, SPEED_NOISE
from liquid_control.sim.tasks.recorded_road import RecordedRoadTask
from liquid_control.sim.truth import Event, Truth

GRAVITY = 9.81
PICTURE = (
    "name",
    "family",
    "summary",
    "noise_variance",
    "salt_and_pepper",
    "blur",
    "contrast",
    "brightness",
    "rain",
    "low_sun",
    "night",
    "frame_rate",
    "frame_jitter",
    "drop_share",
    "silence",
    "latency",
    "stamp_error",
    "constant_dt",
    "patience",
    "gyro_bias",
    "accelerometer_bias",
    "imu_lost",
)
"""Fields of a condition that a recorded world can have: those of pictures, time and sensors."""


@dataclasses.dataclass(frozen=True)
class RecordedWorldConfig:
    """The part of a recording that is driven, and how."""

    speed: float = number(1.0, 0.5, 1.5, "", "factor on the recorded speed")
    drop_share: float = number(
        0.0,
        0.0,
        0.95,
        "",
        "share of frames that never arrive, besides those that were not recorded",
    )
    start: float = number(0.0, 0.0, 1e7, "m", "station at which the drive begins")
    length: float = number(0.0, 0.0, 1e7, "m", "length of the drive; 0: to the end of the road")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(slots=True)
class RecordedBody:
    """See `DrivenBody`."""

    vehicle: VehicleConfig
    to_rear_axle: float = 0.0
    steering_angle: float = 0.0


class RecordedWorld:
    """See `DrivenWorld`. `recording`: the road that is driven. `task`: that of keeping to its path.
    `unseen`: share of the latest frame's crop for the policy that no recorded picture shows.
    `drawn`: pictures are not the recorded ones, but of a lane whose look is drawn at each `place`.
    Raises ConfigError for a condition that a recording cannot be put under."""

    def __init__(
        self,
        road: RecordedRoad,
        config: RecordedWorldConfig | None = None,
        seed: int = 0,
        condition: Condition = CLEAN,
        drawn: bool = False,
        chooses_speed: bool = False,
    ) -> None:
        refuse_foreign(condition)
        if drawn:  # along the path
            nothing = np.zeros(len(road.path))
            road = dataclasses.replace(road, path=dataclasses.replace(road.path, middle=nothing))
        self.recording, self.condition = road, condition
        self.config = config or RecordedWorldConfig()
        self.road, self.scale = road.line, road.scale
        fastest = float(road.path.speed.max()) * self.config.speed
        self.task = RecordedRoadTask(
            road.scale, road.vehicle, road.preprocess, road.measured, fastest, chooses_speed
        )
        self.body = RecordedBody(road.vehicle)
        # A drawn lane is straight behind the path's end: the drive ends where that is not seen yet.
        unused = 2.0 * road.scale.curvature_ahead if drawn else road.scale.shortest_look_ahead
        end = self.road.length - unused
        begin = min(self.config.start, max(end, 0.0))
        self._begin = begin
        self._end = min(begin + self.config.length, end) if self.config.length else end
        height, width = road.pictures.shape[1:3]
        self._crop = crop_of(height, width, road.preprocess)
        self._motion = RecordedMotion(road, self.config.speed, chooses_speed)
        self._drawn = DrawnView(road, np.random.default_rng([seed, 0xD4A])) if drawn else None
        self.reset(seed)

    def reset(self, seed: int, held_out: bool = False) -> None:
        """Sensors' noise and stamps are drawn again; the drive begins anew. A recorded road is the
        same for all seeds; `held_out` has no meaning here."""
        clock, appearance, self._sensing, delivery = streams(seed, held_out, 4)
        road, condition = self.recording, self.condition
        self._clock = RecordedClock(road.path.stamp_ns, condition, self.config.drop_share, clock)
        camera = road.camera
        focal = camera.focal[1] / camera.height
        self._optics = Optics(condition, draw_appearance(appearance, None), focal, camera.pitch)
        self._delivery, self._seed = Delivery(condition, delivery), seed
        self._steps = 0
        self.frames_dropped, self.unseen = 0, 0.0
        self.place(self._begin)

    def place(
        self,
        station: float,
        lane_offset: float = 0.0,
        heading_error: float = 0.0,
        speed: float | None = None,
    ) -> None:
        """Puts the vehicle beside the lane's middle at a station, steered as by the driver, moving
        at `speed` [m/s] or at the recorded one."""
        middle, turned = self.recording.middle_at(station)
        self._motion.place(station, middle + lane_offset, turned + heading_error, speed)
        self._delivery.forget()
        self._truth: Truth | None = None
        if self._drawn is not None:
            self._drawn.renew()

    @property
    def time_ns(self) -> int:
        return self._steps * round(TIMESTEP * 1e9)

    @property
    def speed_limit(self) -> float:
        """The recorded speed at the vehicle, times the factor [m/s]."""
        return self._motion.limit

    @property
    def command(self) -> float:
        """The driver's curvature at the vehicle's station [1/m]."""
        return self.recording.command_at(self._motion.station)

    @property
    def response_gain(self) -> float:
        """See `RecordedTaskWorld`."""
        return self.recording.response_gain

    def predicted(self) -> tuple[float, float, float]:
        """See `RecordedTaskWorld`."""
        return self._motion.predicted()

    def middle_at(self, station: float) -> float:
        """See `RecordedTaskWorld`."""
        return self.recording.middle_at(station)[0]

    def speed_at(self, station: float) -> float:
        """See `RecordedTaskWorld`."""
        return self.config.speed * self.recording.speed_at(station)

    def advance(self, steering_angle: float, speed: float = math.inf) -> list[Event]:
        """See `DrivenWorld.advance`."""
        events: list[Event] = []
        for _ in range(STEPS_PER_ADVANCE):
            self._motion.step(steering_angle, speed)
            self._steps += 1
            self._expose()
            events += self._delivery.arrived(self.time_ns)
        self._truth = None
        return events + self._measured()

    @property
    def truth(self) -> Truth:
        if self._truth is None:
            motion = self._motion
            x, y, heading, curvature = self.road.at(motion.station)
            middle, turned = self.recording.middle_at(motion.station)
            self.body.steering_angle = steering_angle(motion.curvature, self.body.vehicle)
            self._truth = Truth(
                self.time_ns,
                x - motion.offset * math.sin(heading),
                y + motion.offset * math.cos(heading),
                heading + motion.heading_error,
                motion.speed,
                self.body.steering_angle,
                motion.station,
                motion.offset - middle,
                math.remainder(motion.heading_error - turned, 2 * math.pi),
                curvature,
                motion.limit,
                finished=motion.station > self._end,
            )
        return self._truth

    def picture(self) -> tuple[np.ndarray, np.ndarray]:
        """The camera's picture (H, W, 3) uint8 RGB now, and where it was seen (H, W) bool."""
        motion = self._motion
        if self._drawn is not None:
            return self._drawn.at(motion.station, motion.offset, motion.heading_error)
        return synthesise(self.recording, motion.station, motion.offset, motion.heading_error)

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """The camera's picture (height, width, 3) uint8 RGB now; a recording has no other view."""
        picture, _ = self.picture()
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)

    def close(self) -> None:
        """Nothing is held but maps of files."""

    def _measured(self) -> list[Event]:
        """Samples of what the recording measures."""
        motion, measured, events = self._motion, self.recording.measured, []
        gyro, accelerometer = "yaw_rate" in measured, "lateral_acceleration" in measured
        if (gyro or accelerometer) and not self.condition.imu_lost:
            noise = self._sensing.standard_normal(4).tolist()
            turn = motion.speed * motion.curvature + self.condition.gyro_bias
            push = motion.speed**2 * motion.curvature + self.condition.accelerometer_bias
            nothing = (math.nan,) * 3
            rates = (0.0, 0.0, turn + GYRO_NOISE * noise[0])
            forces = (
                ACCELEROMETER_NOISE * noise[1],
                push + ACCELEROMETER_NOISE * noise[2],
                GRAVITY + ACCELEROMETER_NOISE * noise[3],
            )
            events.append(
                ImuSample(
                    self.time_ns, rates if gyro else nothing, forces if accelerometer else nothing
                )
            )
        if "speed" in measured and self._steps // STEPS_PER_ADVANCE % 2 == 0:
            error = SPEED_NOISE * self._sensing.standard_normal()
            error *= self.recording.scale.moving
            events.append(SpeedSample(self.time_ns, motion.speed + error))
        return events

    def _expose(self) -> None:
        due = self._clock.due(self._steps * TIMESTEP)
        if due is None:
            return
        exposed, dropped = due
        if dropped or self._delivery.is_silent(exposed):
            self.frames_dropped += 1
            return
        stamp_ns = self._delivery.stamp(exposed)
        picture, seen = self.picture()
        cut = seen[self._crop]
        self.unseen = 1.0 - np.count_nonzero(cut) / cut.size
        if not self._optics.idle:
            rng = frame_generator(self._seed, round(exposed * 1e9))
            picture = self._optics.corrupt(picture, self.truth.yaw, rng)
        self._delivery.send(Frame(stamp_ns, picture), exposed)


def refuse_foreign(condition: Condition) -> None:
    """Raises ConfigError for a condition that changes what a recording has already fixed."""
    foreign = [
        field.name
        for field in dataclasses.fields(condition)
        if field.name not in PICTURE
        and getattr(condition, field.name) != getattr(CLEAN, field.name)
    ]
    if foreign:
        raise ConfigError(
            "condition",
            f"{condition.name}, which changes {', '.join(foreign)}",
            "one of pictures, time or sensors: the weather, road and vehicle are recorded",
        )
