"""Collects the log of a drive in the recorded world around some moments, with the synthesised
pictures, for the video of drives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from liquid_control.control.controller import Controller
from liquid_control.deploy.runtime import to_vector
from liquid_control.evaluate.drive.log import (
    Commands,
    DriveLog,
    Neurons,
    Pictures,
    Proposals,
    Track,
    table,
)
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.perception.observer import crop_of
from liquid_control.report.overlay import CameraView
from liquid_control.signals import Limit
from liquid_control.sim.drive import Step
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld

SHOWN = 360
"""Height of a picture [px]."""
UNSEEN = (150, 60, 150)
"""RGB that what was never seen is tinted with."""
CROP = (245, 238, 232)
QUALITY = 90


def view_of(camera: GroundCamera, size: float) -> CameraView:
    """How pictures of the camera are drawn into. `size`: of the vehicle; a car's is 1."""
    focal = camera.focal[1]
    beside = (camera.height / 2 - camera.centre[1] - 0.5) / focal
    return CameraView(
        vertical_view=2 * math.atan(camera.height / 2 / focal),
        height=camera.above,
        pitch=math.atan(math.tan(camera.pitch) + beside),
        ahead=camera.forward,
        size=size,
    )


def shown_picture(picture: np.ndarray, seen: np.ndarray, road: RecordedRoad) -> np.ndarray:
    """A picture (H, W, 3) uint8 RGB of the road's camera for people, (SHOWN, w, 3): with square
    pixels, tinted where it was not `seen` (H, W), and the policy's crop outlined."""
    height, width = picture.shape[:2]
    rows, columns = crop_of(height, width, road.preprocess)
    focal_x, focal_y = road.camera.focal
    zoom = SHOWN / height
    wide = max(round(width * zoom * focal_y / focal_x) // 2 * 2, 2)
    shown = cv2.resize(picture, (wide, SHOWN), interpolation=cv2.INTER_CUBIC)
    hidden = cv2.resize(seen.astype(np.uint8), (wide, SHOWN), interpolation=cv2.INTER_NEAREST) == 0
    shown[hidden] = (shown[hidden] // 2 + np.array(UNSEEN, np.uint8) // 2).astype(np.uint8)
    across = wide / width
    corners = (round(columns.start * across), round(rows.start * zoom))
    ends = (round(columns.stop * across) - 1, round(rows.stop * zoom) - 1)
    if (rows.stop - rows.start, columns.stop - columns.start) != (height, width):
        cv2.rectangle(shown, corners, ends, CROP, 1)
    return shown


class Filmer:
    """Watches one stretch; see `recorded.drive_stretch`. Keeps what lies in one of the `windows`
    (begin, end) [s]. `ignored`: see `examine`."""

    def __init__(
        self,
        road: RecordedRoad,
        windows: Sequence[tuple[float, float]],
        state_names: tuple[str, ...] = (),
        ignored: Limit = Limit.NONE,
    ) -> None:
        self._ignored = ignored
        self._road, self._windows, self._names = road, windows, state_names
        self._pictures: list[tuple] = []
        self._proposals: list[tuple] = []
        self._commands: list[tuple] = []
        self._neurons: list[tuple] = []
        self._track: list[tuple] = []
        self._issued: int | None = None

    def __call__(
        self, world: RecordedWorld, controller: Controller, step: Step, put_back: bool
    ) -> None:
        truth, now = step.truth, step.truth.stamp_ns
        if not any(begin <= now * 1e-9 <= end for begin, end in self._windows):
            return
        if step.action is not None:
            action = step.action
            shown = shown_picture(*world.picture(), self._road)
            encoded = cv2.imencode(
                ".jpg", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, QUALITY)
            )[1].tobytes()
            self._pictures.append((action.stamp_ns, encoded))
            self._proposals.append((action.stamp_ns, now, action.curvature, action.speed))
            self._neurons.append((action.stamp_ns, to_vector(controller.state).astype(float)))
        command = step.command
        if command.issued_ns != self._issued:
            self._issued = command.issued_ns
            limits = (step.verdict.limits & ~self._ignored).value
            values = command.issued_ns, command.steering_angle, command.speed, now, limits
            self._commands.append((command.stamp_ns, *values))
        place = (truth.x, truth.y, truth.yaw, truth.speed, truth.station, truth.lane_offset)
        self._track.append((now, now, *place, truth.curvature))

    def log(self, begin: float, end: float) -> DriveLog:
        """What was seen between two seconds."""

        def within(rows: list[tuple]) -> list[tuple]:
            return [row for row in rows if begin <= row[0] * 1e-9 <= end]

        neurons = within(self._neurons)
        return DriveLog(
            pictures=table(Pictures, within(self._pictures)),
            proposals=table(Proposals, within(self._proposals)),
            commands=table(Commands, within(self._commands)),
            neurons=table(Neurons, neurons) if neurons and len(neurons[0][1]) else Neurons(),
            track=table(Track, within(self._track)),
            vehicle=self._road.vehicle,
            camera=view_of(self._road.camera, self._road.scale.size),
            state_names=self._names,
            scale=self._road.scale,
            lanes=1,
        )
