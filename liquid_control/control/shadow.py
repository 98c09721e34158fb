"""A candidate policy on the frames of the one that drives; it commands nothing.

The driving policy acts first. The candidate then steps in the time that is left before the next
frame, or not at all. Nothing here is read by the driving policy or by the gate.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque

import numpy as np

from liquid_control.config import PreprocessConfig, TimelineConfig, VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.deploy.runtime import Runtime
from liquid_control.model.spec import names
from liquid_control.perception.observer import PreparedFrame, prepare
from liquid_control.signals import Action, Frame, Observation, Rejected, SpeedSample

SAMPLES_KEPT = 4096
"""IMU and speed samples between two frames of the candidate; more are dropped, oldest first."""


class Shadow:
    """`runtime`: the candidate. `driving`: the controller of the policy that drives, which is read
    and never changed. `cruise`: set speed and comfort, as those of `Controller`.

    Where both policies take the same picture and the same measurements, the candidate is given the
    driving policy's observation; where only the picture is the same, the preprocessed picture; else
    the camera's. `shares`: "observation", "picture" or "nothing". Raises ConfigError for a policy
    without an image or a curvature.
    """

    def __init__(
        self,
        runtime: Runtime,
        driving: Controller,
        timeline: TimelineConfig,
        vehicle: VehicleConfig,
        **cruise: float,
    ) -> None:
        self.controller = Controller(runtime, timeline, vehicle=vehicle, **cruise)
        self._driving, self._timeline = driving, timeline
        ours, theirs = runtime.spec, driving.runtime.spec
        same_picture = runtime.preprocess == driving.runtime.preprocess
        same = same_picture and names(ours.measurements) == names(theirs.measurements)
        self.shares = "observation" if same else "picture" if same_picture else "nothing"
        self._samples: deque = deque(maxlen=SAMPLES_KEPT)
        self._last_ns: int | None = None

    def reset(self) -> None:
        """Starts a new drive."""
        self.controller.reset()
        self._samples.clear()
        self._last_ns = None

    def hear(self, sample: object) -> None:
        """Takes a measurement that the driving policy was given; it is read with the next frame."""
        if self.shares != "observation":
            self._samples.append(sample)

    def step(
        self, picture: np.ndarray, now_ns: int, crop: PreprocessConfig | None = None
    ) -> Action | Rejected:
        """What the candidate proposes on the frame that the driving policy used last. `picture`: of
        the camera (H, W, 3) uint8 RGB; `crop`: how the candidate's picture is cut out of it (None:
        as its model says). Frames may be left out between two calls: dt is the time between those
        that were given."""
        observation = self._driving.observation
        if self.shares == "observation":
            speed = self._driving.observer.latest_speed
            if speed is not None:
                self.controller.push(SpeedSample(observation.stamp_ns, speed))
            return self.controller.step(self._since_last(observation))
        while self._samples:
            self.controller.push(self._samples.popleft())
        if self.shares == "picture":
            frame = PreparedFrame(observation.stamp_ns, observation.image)
        else:
            frame = prepare(
                Frame(observation.stamp_ns, picture), crop or self.controller.runtime.preprocess
            )
        return self.controller.push(frame, now_ns)

    def _since_last(self, observation: Observation) -> Observation:
        """The observation with the time since the candidate's own last frame."""
        last, self._last_ns = self._last_ns, observation.stamp_ns
        dt = math.inf if last is None else (observation.stamp_ns - last) / 1e9
        first = observation.is_first or not 0.0 < dt <= self._timeline.max_gap
        dt = self._timeline.nominal_dt if first else dt
        return dataclasses.replace(observation, dt=dt, is_first=first)
