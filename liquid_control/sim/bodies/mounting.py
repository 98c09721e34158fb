"""Where a camera of a MuJoCo model looks."""

from __future__ import annotations

import math

import numpy as np

from liquid_control.sim.rendering import mujoco


def mount_camera(
    model: mujoco.MjModel,
    name: str,
    position: tuple[float, float, float],
    pitch: float,
    yaw: float,
    roll: float,
) -> None:
    """Sets a camera's pose in its body's axes: position [m], downward pitch, yaw, roll [rad]."""
    camera = model.camera(name).id
    model.cam_pos[camera] = position
    forward = np.array(
        [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch)]
    )
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    up = np.cross(right, forward)
    right, up = (
        right * math.cos(roll) + up * math.sin(roll),
        up * math.cos(roll) - right * math.sin(roll),
    )
    mujoco.mju_mat2Quat(model.cam_quat[camera], np.stack([right, up, -forward], 1).ravel())
