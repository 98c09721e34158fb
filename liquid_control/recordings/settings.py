"""Settings of reading a recording: the topic of each role, which stamps are used, the units of
steering and speed."""

from __future__ import annotations

import dataclasses

from liquid_control.config import VehicleConfig, check, choice, group, number, text
from liquid_control.errors import ConfigError
from liquid_control.perception.mounting import ImuMounting


@dataclasses.dataclass(frozen=True)
class TopicMap:
    """Topics by role; an empty one is found by message type. `file` holds the same fields; flags
    win over it."""

    camera: str = text("", "Image, CompressedImage, FFMPEGPacket or CompressedVideo")
    camera_info: str = text("", "CameraInfo of the camera")
    imu: str = text("", "Imu, or the gyro alone: a vector of any type, /sensors:gyro_rad")
    accelerometer: str = text(
        "", "Imu or vector of the accelerations, where --topics.imu is the gyro alone"
    )
    speed: str = text(
        "",
        "measured speed: Odometry, Twist(WithCovariance)(Stamped), VelocityReport, ackermann, "
        "Float32/64(Stamped), or a number of any type: /wheels:front.speed",
    )
    steering: str = text(
        "",
        "the driver's steering: ackermann, Autoware's, Twist(Stamped), Float32/64(Stamped), "
        "JointState, or a number of any type: /servo:angle, /commands:data[0]",
    )
    joint: str = text("", "name of the steering joint in a JointState")
    file: str = text("", "YAML file with any of these fields")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not isinstance(getattr(self, field.name), str):
                raise ConfigError(f"TopicMap.{field.name}", getattr(self, field.name), "a text")


@dataclasses.dataclass(frozen=True)
class CameraMount:
    """Where the camera is on the vehicle, and its lens. 0: estimated from the pictures and the
    vehicle's motion, the lens from its calibration where one is recorded."""

    height: float = number(0.0, 0.0, 10.0, "m", "of the camera above the ground")
    pitch: float = number(0.0, -0.8, 1.2, "rad", "downward tilt")
    field_of_view: float = number(0.0, 0.0, 3.0, "rad", "horizontal, of the whole picture")
    forward: float = number(0.0, -10.0, 20.0, "m", "distance ahead of the rear axle")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class RecordingSettings:
    """How a recording is read."""

    topics: TopicMap = group(TopicMap())
    stamps: str = choice(
        "header",
        ("header", "receive"),
        "time stamps of samples: from their headers, or from their receipt by the recorder",
    )
    steering_scale: float = number(
        1.0,
        -1e4,
        1e4,
        "",
        "front-wheel radians per unit of the recorded angle (steering wheel, degrees, sign); of a "
        "Twist it multiplies angular.z",
    )
    steering_offset: float = number(
        0.0, -1e4, 1e4, "rad", "added to the front wheels' angle, after the scale"
    )
    steering_delay: float = number(0.0, -5.0, 5.0, "s", "added to the stamps of the steering")
    twist_steering: str = choice(
        "yaw_rate",
        ("yaw_rate", "angle"),
        "angular.z of a Twist with the steering: yaw rate (Nav2) or angle of the front wheels",
    )
    speed_source: str = choice(
        "twist",
        ("twist", "world_twist", "pose"),
        "speed of an Odometry: linear.x; its twist, turned from the pose's into the vehicle's "
        "frame; or the movement of its positions",
    )
    speed_scale: float = number(
        1.0, -1e4, 1e4, "", "m/s per unit of the recorded speed (km/h: 0.2778), or its sign"
    )
    speed_offset: float = number(0.0, -50.0, 50.0, "m/s", "added to the speed, after the scale")
    picture_bits: str = choice(
        "auto",
        ("auto", "8", "10", "12", "14", "16"),
        "bits in use of a camera's 16, counted from the low end; auto: by its first pictures",
    )
    imu: ImuMounting = group(ImuMounting())
    vehicle: VehicleConfig = group(VehicleConfig())
    vehicle_file: str = text(
        "",
        "donkey, duckiebot, f1tenth, full_size, jetracer, turtlebot, or a YAML file with what a "
        "recording does not say of its vehicle, or the robot's parameter file; without it, "
        "vehicle.yaml in the recording's folder or beside it",
        flag="vehicle",
    )
    largest_curvature: float = number(
        0.0,
        0.0,
        10.0,
        "1/m",
        "of a recorded steering of -1 to 1: the curvature at its end; 0: that of the vehicle's "
        "largest angle",
    )
    positive_steering: str = choice(
        "auto",
        ("auto", "left", "right"),
        "side of positive values of a steering of -1 to 1; auto: as the format has it",
    )
    constant_speed: float = number(
        0.0, 0.0, 100.0, "m/s", "speed of a vehicle that records none; 0: unknown"
    )
    response_delay: float = number(
        0.0,
        0.0,
        2.0,
        "s",
        "time from a recorded steering command until the vehicle turns; 0: estimated",
    )
    lane_width: float = number(
        0.0, 0.0, 30.0, "m", "width of the lane or track; 0: by the wheelbase, a road's for a car"
    )
    mount: CameraMount = group(CameraMount())

    def __post_init__(self) -> None:
        check(self)
