"""The benchmark's conditions by name. The numbers of a name never change: changed
numbers get a new name."""

from __future__ import annotations

from collections.abc import Iterable

from liquid_control.config import TimelineConfig
from liquid_control.errors import ConfigError
from liquid_control.sim.conditions.condition import Condition

TRAINING_DT = TimelineConfig().nominal_dt
"""The dt of a policy without stamps: the mean period of the cameras that it was trained with
[s]."""

CLEAN = Condition(
    "clean", "clean", "summer day, camera at 20 to 30 Hz with 15 % jitter, 5 % of frames dropped"
)

_ROWS = (
    CLEAN,
    Condition(
        "noise_0.1",
        "picture",
        "Gaussian noise of variance 0.1 on the network's picture",
        noise_variance=0.1,
    ),
    Condition(
        "noise_0.2",
        "picture",
        "Gaussian noise of variance 0.2 on the network's picture",
        noise_variance=0.2,
    ),
    Condition(
        "noise_0.3",
        "picture",
        "Gaussian noise of variance 0.3 on the network's picture",
        noise_variance=0.3,
    ),
    Condition(
        "salt_and_pepper",
        "picture",
        "10 % of the network's pixels black or white",
        salt_and_pepper=0.1,
    ),
    Condition("blur", "picture", "out of focus: Gaussian blur of 2 % of the width", blur=0.02),
    Condition("dark", "picture", "underexposed to a quarter", brightness=0.25),
    Condition("bright", "picture", "overexposed twice", brightness=2.0),
    Condition("low_contrast", "picture", "a third of the contrast", contrast=0.33),
    Condition("high_contrast", "picture", "twice the contrast", contrast=2.0),
    Condition("shadows", "weather", "trees and poles throw hard shadows on the road", shadows=0.3),
    Condition("fog", "weather", "nothing to be seen beyond 35 m", visibility=35.0),
    Condition(
        "rain",
        "weather",
        "streaks, a dull sky, nothing to be seen beyond 120 m",
        rain=0.25,
        visibility=120.0,
    ),
    Condition(
        "low_sun",
        "weather",
        "the sun stands 7 degrees above the road ahead and dazzles",
        low_sun=True,
    ),
    Condition(
        "winter",
        "weather",
        "white ground, snow over the edge lines, tracks in the lanes",
        winter=True,
    ),
    Condition("night", "weather", "headlamps alone", night=True),
    Condition("dropped_0", "time", "no frame is dropped", drop_share=0.0),
    Condition("dropped_30", "time", "30 % of frames are dropped", drop_share=0.3),
    Condition("dropped_50", "time", "half of the frames are dropped", drop_share=0.5),
    Condition("dropped_70", "time", "70 % of frames are dropped", drop_share=0.7),
    Condition(
        "jitter", "time", "exposures come irregularly: each period varies by 60 %", frame_jitter=0.6
    ),
    Condition(
        "stamps_wrong", "time", "stamps are off by 10 ms (standard deviation)", stamp_error=0.01
    ),
    Condition("rate_5", "time", "5 frames a second", frame_rate=5.0, patience=0.2),
    Condition("rate_10", "time", "10 frames a second", frame_rate=10.0),
    Condition("rate_60", "time", "60 frames a second", frame_rate=60.0),
    Condition("latency_50", "time", "frames arrive 50 ms late", latency=0.05, patience=0.05),
    Condition("latency_100", "time", "frames arrive 100 ms late", latency=0.1, patience=0.1),
    Condition("latency_200", "time", "frames arrive 200 ms late", latency=0.2, patience=0.2),
    Condition(
        "silence", "time", "bursts of up to 1 s without a frame, one every 3 to 9 s", silence=1.0
    ),
    Condition("stripped", "time", "control: dt is always 40 ms", constant_dt=TRAINING_DT),
    Condition(
        "jitter_stripped",
        "time",
        "control: as jitter, dt is always 40 ms",
        frame_jitter=0.6,
        constant_dt=TRAINING_DT,
    ),
    Condition(
        "dropped_50_stripped",
        "time",
        "control: as dropped_50, dt is always 40 ms",
        drop_share=0.5,
        constant_dt=TRAINING_DT,
    ),
    Condition(
        "rate_10_stripped",
        "time",
        "control: as rate_10, dt is always 40 ms",
        frame_rate=10.0,
        constant_dt=TRAINING_DT,
    ),
    Condition(
        "silence_stripped",
        "time",
        "control: as silence, dt is always 40 ms",
        silence=1.0,
        constant_dt=TRAINING_DT,
    ),
    Condition(
        "camera_moved",
        "body",
        "camera 0.25 m higher and 0.2 m to the left",
        camera_up=0.25,
        camera_left=0.2,
    ),
    Condition(
        "camera_tilted",
        "body",
        "camera 2.3 degrees further down and rolled by 2.9",
        camera_pitch=0.04,
        camera_roll=0.05,
    ),
    Condition(
        "wheelbase_long",
        "body",
        "wheelbase 3.4 m instead of 2.6, known to controller and gate",
        wheelbase=3.4,
    ),
    Condition(
        "wheelbase_wrong",
        "body",
        "wheelbase 3.4 m, steered as if it were 2.6",
        wheelbase=3.4,
        wheelbase_known=False,
    ),
    Condition("slippery", "body", "friction 0.3, packed snow", friction=0.3),
    Condition(
        "speed_20",
        "body",
        "cruise at 20 m/s, a third above training; bends of 100 to 200 m",
        cruise=20.0,
        sharpest_curvature=0.01,
    ),
    Condition(
        "imu_biased",
        "body",
        "yaw rate off by 0.05 rad/s, lateral acceleration by 0.5 m/s²",
        gyro_bias=0.05,
        accelerometer_bias=0.5,
    ),
    Condition(
        "steering_offset",
        "body",
        "front wheels 1.1 degrees further left than commanded",
        steering_offset=0.02,
    ),
    Condition("banked", "body", "roads fall to the right by 3 degrees", bank=0.052),
    Condition("imu_lost", "body", "no inertial sample ever arrives", imu_lost=True),
    Condition(
        "sharp_bends",
        "body",
        "bends of 9 to 20 m radius; training's 15 to 200",
        gentlest_curvature=0.05,
        sharpest_curvature=1 / 9,
    ),
)
CONDITIONS = {condition.name: condition for condition in _ROWS}


def find_conditions(names: Iterable[str]) -> tuple[Condition, ...]:
    """Conditions by name, in the order given, each once; `all` stands for every one. Raises
    ConfigError."""
    found: dict[str, Condition] = {}
    for name in names:
        if name != "all" and name not in CONDITIONS:
            raise ConfigError("conditions", name, "all or any of " + ", ".join(CONDITIONS))
        found |= CONDITIONS if name == "all" else {name: CONDITIONS[name]}
    if not found:
        raise ConfigError("conditions", (), "all or any of " + ", ".join(CONDITIONS))
    return tuple(found.values())
