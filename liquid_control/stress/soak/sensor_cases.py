"""Hostile messages of sensors: pictures whose headers lie, damaged JPEG and PNG, measurements of
any floats and stamps."""

from __future__ import annotations

import random
import struct
from types import SimpleNamespace

import cv2
import numpy as np

from liquid_control.control.controller import Controller
from liquid_control.control.guard import Guard
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ImageError
from liquid_control.model.installed import find_model
from liquid_control.perception.pictures import ENCODINGS, image_from_compressed, image_from_message
from liquid_control.signals import Action, Frame, ImuSample, Rejected, SpeedSample, SteeringSample
from liquid_control.stress.corruption import corrupted

COVARIANCES = (0.0, 0.01, -1.0, -1.0000001, float("nan"), float("inf"))
SIZES = (0, 1, 2, 3, 7, 8, 16, 31, 64, 16384, 16385, 2**31, 2**32 - 1)


def _judge_picture(picture: np.ndarray) -> str:
    assert (
        picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3 and picture.size
    ), picture.shape
    int(picture[-1, -1].sum())  # the last pixel may be read
    return "picture"


def image(rng: random.Random) -> str:
    """A raw Image: any encoding, a header that is right, slightly wrong or absurd, and data that
    fit it or not."""
    encoding = (
        rng.choice(list(ENCODINGS))
        if rng.random() < 0.9
        else rng.choice(("", "RGB8", "32FC1", "bayer_", "\0", "rgb8 ", "16SC3"))
    )
    size, channels, _, halves = ENCODINGS.get(encoding, (1, 3, None, 2))
    height, width = rng.randrange(1, 40), rng.randrange(1, 40)
    step = width * size * channels + rng.choice((0, 0, 0, 1, 5, -1))
    data = rng.randbytes(max(step, 0) * (height * halves // 2))
    if rng.random() < 0.5:
        height, width = (rng.choice((value, value, rng.choice(SIZES))) for value in (height, width))
        step = rng.choice((step, step, rng.choice(SIZES)))
    if rng.random() < 0.3:
        data = data[: rng.randrange(len(data) + 1)]
    message = SimpleNamespace(
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=rng.randrange(256),
        data=data,
    )
    try:
        return _judge_picture(image_from_message(message))
    except ImageError as error:
        return f"ImageError {error.problem}"


def compressed_image(rng: random.Random) -> str:
    """A small JPEG or PNG, damaged, or bytes that only begin as one."""
    shape = (rng.randrange(1, 24), rng.randrange(1, 24), 3)
    picture = np.frombuffer(rng.randbytes(shape[0] * shape[1] * 3), np.uint8).reshape(shape)
    data = cv2.imencode(rng.choice((".jpg", ".png")), picture)[1].tobytes()
    whole = data
    if rng.random() < 0.95:
        data = corrupted(rng, data)
        if rng.random() < 0.5:
            data += whole[-12:]  # the end marker is there all the same
    label = rng.choice(
        ("jpeg", "png", "rgb8; jpeg compressed bgr8", "bgr8; png compressed rgb8", "")
    )
    try:
        return _judge_picture(image_from_compressed(SimpleNamespace(format=label, data=data)))
    except ImageError as error:
        return f"ImageError {error.problem}"


class Drive:
    """A controller and a guard that live through all cases, as in a node."""

    def __init__(self) -> None:
        self.controller, self.guard = (
            Controller(OnnxRuntime.load(find_model("lane_keeper"))),
            Guard(),
        )
        self.now, self.steady = 1_760_000_000_000_000_000, 0

    def measurements(self, rng: random.Random) -> str:
        """An IMU and an odometry message and a steering angle of any floats and stamps, a frame
        with any stamp, and the gate's tick."""
        passed = rng.randrange(100_000_000)
        self.now, self.steady = self.now + passed, self.steady + passed
        imu = SimpleNamespace(
            header=self._header(rng),
            angular_velocity=_vector(rng),
            linear_acceleration=_vector(rng),
            angular_velocity_covariance=[rng.choice(COVARIANCES)] * 9,
            linear_acceleration_covariance=[rng.choice(COVARIANCES)] * 9,
        )
        odometry = SimpleNamespace(
            header=self._header(rng),
            twist=SimpleNamespace(
                twist=SimpleNamespace(linear=_vector(rng)),
                covariance=[rng.choice(COVARIANCES)] * 36,
            ),
        )
        self.controller.push(ImuSample.from_message(imu))
        self.controller.push(SpeedSample.from_message(odometry))
        self.guard.push_speed(SpeedSample.from_message(odometry), self.now, self.steady)
        angle = SteeringSample(_stamp(self._header(rng)), _vector(rng).x, None)
        self.guard.push_steering_angle(angle, self.now, self.steady)
        picture = np.full((64, 128, 3), rng.randrange(256), np.uint8)
        outcome = self.controller.push(Frame(_stamp(self._header(rng)), picture), self.now)
        assert isinstance(outcome, (Action, Rejected))
        if isinstance(outcome, Action):
            self.guard.push_proposal(outcome, self.now, self.steady)
        command = self.guard.tick(self.now, self.steady).command
        if command is not None:
            assert abs(command.steering_angle) <= self.guard.limits.max_steering_angle
            assert 0.0 <= command.speed <= self.guard.limits.max_speed
        return "action" if isinstance(outcome, Action) else outcome.reason.value

    def _header(self, rng: random.Random) -> SimpleNamespace:
        """Mostly now; builtin_interfaces Time is an int32 and a uint32."""
        if rng.random() < 0.7:
            stamp = self.now - rng.randrange(20_000_000)
            return SimpleNamespace(stamp=SimpleNamespace(sec=stamp // 10**9, nanosec=stamp % 10**9))
        return SimpleNamespace(
            stamp=SimpleNamespace(sec=rng.getrandbits(32) - 2**31, nanosec=rng.getrandbits(32))
        )


def _stamp(header: SimpleNamespace) -> int:
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def _vector(rng: random.Random) -> SimpleNamespace:
    wild = [struct.unpack("d", rng.randbytes(8))[0] for _ in range(3)]
    return SimpleNamespace(
        **{
            axis: rng.gauss(0.0, 5.0) if rng.random() < 0.6 else value
            for axis, value in zip("xyz", wild, strict=True)
        }
    )
