"""A driving condition as values: how a world, its sensors and its vehicle differ from the clean
one."""

from __future__ import annotations

import dataclasses

from liquid_control.config import (
    GateConfig,
    VehicleConfig,
    WorldConfig,
    check,
    choice,
    number,
    switch,
)
from liquid_control.sim.bodies.body import Parameters
from liquid_control.sim.bodies.car_parameters import WHEELBASE
from liquid_control.sim.road import GENTLEST_CURVATURE, SHARPEST_CURVATURE

FAMILIES = ("clean", "picture", "weather", "time", "body")


@dataclasses.dataclass(frozen=True)
class Condition:
    """One row of the benchmark. A field at its default leaves the clean world bit for bit as it is.

    A value that WorldConfig has too is -1 where the world's own setting stays.
    """

    name: str
    family: str = choice("clean", FAMILIES, "what it changes")
    summary: str = ""

    noise_variance: float = number(
        0.0, 0.0, 1.0, "", "Gaussian noise on the network's input picture in [0, 1], clipped"
    )
    salt_and_pepper: float = number(
        0.0, 0.0, 1.0, "", "share of the network's input pixels that are black or white"
    )
    blur: float = number(
        0.0,
        0.0,
        0.2,
        "",
        "standard deviation of a Gaussian blur, as a share of the picture's width",
    )
    contrast: float = number(1.0, 0.0, 4.0, "", "contrast about middle grey")
    brightness: float = number(1.0, 0.0, 8.0, "", "exposure: factor on the picture, clipped")

    shadows: float = number(0.0, 0.0, 1.0, "1/m", "shadows thrown on the road, per metre")
    visibility: float = number(
        0.0, 0.0, 1000.0, "m", "distance at which fog hides everything; 0 is clear air"
    )
    rain: float = number(0.0, 0.0, 1.0, "", "share of the picture's columns with a streak")
    low_sun: bool = switch(False, "the sun stands low ahead and dazzles the camera")
    winter: bool = switch(False, "white ground, snow over the edge lines")
    night: bool = switch(False, "no daylight, the car's own headlamps")

    frame_rate: float = number(-1.0, -1.0, 100.0, "Hz", "camera rate")
    frame_jitter: float = number(
        -1.0, -1.0, 0.9, "", "each frame period varies by this share of itself; stamps stay true"
    )
    drop_share: float = number(-1.0, -1.0, 0.95, "", "share of frames that never arrive")
    silence: float = number(
        0.0, 0.0, 10.0, "s", "longest of the bursts in which no frame arrives, one every 3 to 9 s"
    )
    latency: float = number(0.0, 0.0, 2.0, "s", "how late frames arrive; stamps stay true")
    stamp_error: float = number(0.0, 0.0, 0.1, "s", "standard deviation of the stamps' error")
    constant_dt: float = number(
        0.0, 0.0, 1.0, "s", "dt that the policy gets, whatever the stamps; 0: the true one"
    )
    patience: float = number(
        0.0, 0.0, 2.0, "s", "added to the gate's stale_after, as such a camera needs"
    )

    camera_left: float = number(0.0, -1.0, 1.0, "m", "camera moved to the left")
    camera_up: float = number(0.0, -1.0, 1.0, "m", "camera moved up")
    camera_pitch: float = number(0.0, -0.5, 0.5, "rad", "camera tilted down")
    camera_roll: float = number(0.0, -0.5, 0.5, "rad", "camera rolled")
    wheelbase: float = number(WHEELBASE, 1.5, 6.0, "m", "distance between the axles")
    wheelbase_known: bool = switch(
        True, "whether controller and gate know the wheelbase, or steer as for the usual one"
    )
    friction: float = number(
        0.0, 0.0, 2.0, "", "tyres' friction coefficient; 0 keeps the drawn one"
    )
    cruise: float = number(-1.0, -1.0, 40.0, "m/s", "cruise speed")
    gyro_bias: float = number(0.0, -1.0, 1.0, "rad/s", "added to the yaw rate reading")
    accelerometer_bias: float = number(
        0.0, -10.0, 10.0, "m/s²", "added to the lateral acceleration reading"
    )
    steering_offset: float = number(
        0.0, -0.2, 0.2, "rad", "the front wheels stand this much further left than commanded"
    )
    bank: float = number(0.0, -0.3, 0.3, "rad", "the road falls to the right by this angle")
    imu_lost: bool = switch(False, "no inertial sample ever arrives")
    gentlest_curvature: float = number(GENTLEST_CURVATURE, 1e-4, 0.2, "1/m", "gentlest bend drawn")
    sharpest_curvature: float = number(SHARPEST_CURVATURE, 1e-4, 0.2, "1/m", "sharpest bend drawn")

    def __post_init__(self) -> None:
        check(self)

    def world(self, config: WorldConfig) -> WorldConfig:
        """The world's settings under this condition."""
        rate, jitter, drops, cruise = (
            self.frame_rate,
            self.frame_jitter,
            self.drop_share,
            self.cruise,
        )
        changes: dict[str, float] = {}
        if rate > 0:
            changes |= {"frame_rate_low": rate, "frame_rate_high": rate}
        if jitter >= 0:
            changes["frame_jitter"] = jitter
        if drops >= 0:
            changes["drop_share"] = drops
        if cruise > 0:
            changes |= {"cruise_low": cruise, "cruise_high": cruise}
        return dataclasses.replace(config, **changes)

    def body(self, body: Parameters) -> Parameters:
        """The drawn vehicle under this condition."""
        ahead, left, up = body.accelerometer_bias
        return dataclasses.replace(
            body,
            camera_left=body.camera_left + self.camera_left,
            camera_height=body.camera_height + self.camera_up,
            camera_pitch=body.camera_pitch + self.camera_pitch,
            camera_roll=body.camera_roll + self.camera_roll,
            wheelbase=body.wheelbase if self.wheelbase == WHEELBASE else self.wheelbase,
            friction=self.friction or body.friction,
            gyro_bias=(*body.gyro_bias[:2], body.gyro_bias[2] + self.gyro_bias),
            accelerometer_bias=(ahead, left + self.accelerometer_bias, up),
        )

    @property
    def vehicle(self) -> VehicleConfig:
        """The vehicle as controller and gate know it."""
        return VehicleConfig(wheelbase=self.wheelbase if self.wheelbase_known else WHEELBASE)

    @property
    def gate(self) -> GateConfig:
        """The gate's limits, which are the shipped ones but for `patience`."""
        return dataclasses.replace(
            GateConfig(), stale_after=GateConfig().stale_after + self.patience
        )

    @property
    def input_corruption(self) -> dict[str, float]:
        """The arguments of `CorruptedInput` that are not zero: what changes the policy's own input,
        behind the camera and the time line."""
        names = ("noise_variance", "salt_and_pepper", "constant_dt")
        return {name: getattr(self, name) for name in names if getattr(self, name)}
