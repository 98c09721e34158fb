"""The candidate policy of the policy node. No gate subscribes to its proposals, `shadow/proposal`;
`shadow/disagreement` is an event where it steers apart from the policy that drives.
"""

from __future__ import annotations

import contextlib
import time
import traceback

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from liquid_control.config import PreprocessConfig, TimelineConfig, VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.disagreement import Disagreement, DisagreementDetector, RunningScore
from liquid_control.control.shadow import Shadow
from liquid_control.control.spare_time import SpareTime
from liquid_control.deploy.runtime import Runtime, zero_observation
from liquid_control.deploy.runtimes import load_backend
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.perception.view import ViewSettings
from liquid_control.ros import conversions, diagnostics, qos
from liquid_control.ros.camera_crop import CameraCrop
from liquid_control.ros.node_parameters import CruiseConfig, PolicyNodeConfig, ShadowConfig
from liquid_control.signals import Action, Rejected

FIRST_STEPS = 5
"""Steps when the model is loaded, by which its time is known before the first frame."""


class ShadowPolicy:
    """Made when the node is configured, with the controller of the policy that drives. After that
    nothing raises: what goes wrong is counted and logged. Without a candidate, or with one that
    cannot be loaded, it does nothing; `problem` says why."""

    def __init__(self, node: LifecycleNode, driving: Controller | None = None) -> None:
        """`driving`: None for a node that has no policy yet."""
        self._node, self._driving = node, driving
        self._shadow: Shadow | None = None
        self._crop: CameraCrop | None = None
        self.problem = ""
        self._used = self._skipped = self._refused = self._failures = 0

    def load(
        self,
        config: ShadowConfig,
        of_node: PolicyNodeConfig,
        timeline: TimelineConfig,
        vehicle: VehicleConfig,
        cruise: CruiseConfig,
        undo: contextlib.ExitStack,
    ) -> None:
        """Loads the candidate and makes its publishers. A candidate that cannot be loaded is logged
        and left out: the policy that drives does not depend on it."""
        if not config.shadow_model:
            return
        try:
            info = read_model(find_model(config.shadow_model), of_node.require_signature)
            runtime, _ = load_backend(info, of_node.backend, of_node.threads)
            shadow = Shadow(
                runtime,
                self._driving,
                timeline,
                vehicle,
                speed=cruise.speed,
                comfort_lateral_acceleration=cruise.comfort_lateral_acceleration,
            )
            self._time = _timed(runtime)
        except Exception as error:  # noqa: BLE001  whatever it is, the policy that drives goes on
            self.problem = f"no shadow: {error}"
            self._node.get_logger().error(self.problem)
            return
        self._vehicle, self._name = vehicle, config.shadow_model
        self._kind = conversions.steering_type(of_node.proposal_type)
        self._detector = DisagreementDetector(config.shadow_bound, config.shadow_time)
        self._score = RunningScore(vehicle, self._driving.observer.moving)
        undo.callback(self._unload)
        make = self._node.create_lifecycle_publisher
        self._proposals = make(self._kind, "shadow/proposal", qos.STATUS)
        self._disagreements = make(DiagnosticStatus, "shadow/disagreement", qos.STATUS)
        self._shadow = shadow
        self._node.get_logger().info(
            f"{info.directory}: shadow, shares the {shadow.shares} of the policy that drives"
            if shadow.shares != "nothing"
            else f"{info.directory}: shadow, with pictures of its own"
        )

    def activate(self, view: ViewSettings, undo: contextlib.ExitStack) -> None:
        """Starts a new drive."""
        if self._shadow is None:
            return
        self.reset()
        if self._shadow.shares == "nothing":
            preprocess = self._shadow.controller.runtime.preprocess
            self._crop = CameraCrop(self._node, view, preprocess)
            undo.callback(self._close_crop)

    def reset(self) -> None:
        """Forgets the drive, as after a jump of the clock."""
        if self._shadow is not None:
            self._shadow.reset()
            self._detector.reset()

    def set_cruise(self, cruise: CruiseConfig) -> None:
        """Takes what may be changed while driving."""
        if self._shadow is not None:
            self._shadow.controller.set_cruise(cruise.speed, cruise.comfort_lateral_acceleration)

    def hear(self, sample: object) -> None:
        """Takes a measurement that the policy that drives was given."""
        if self._shadow is not None:
            self._shadow.hear(sample)

    def follow(self, action: Action, picture: np.ndarray, arrival_ns: int) -> None:
        """Steps the candidate on a frame on which the policy that drives has proposed `action`, if
        that makes no frame late. `picture`: the camera's (H, W, 3) uint8 RGB; `arrival_ns`: of the
        frame, by the node's clock."""
        if self._shadow is None:
            return
        began = time.monotonic()
        try:
            self._time.frame(action.stamp_ns, arrival_ns)
            now = self._node.get_clock().now().nanoseconds
            if not self._time.allows(now):
                self._skipped += 1
                return
            self._step(action, picture, now)
            self._time.took(time.monotonic() - began)
        except Exception as error:  # noqa: BLE001  the candidate never touches the one that drives
            self._failures += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._node.get_logger().error(
                f"shadow: {type(error).__name__}: {error} ({where.filename}:{where.lineno})",
                throttle_duration_sec=10.0,
            )

    @property
    def values(self) -> dict[str, object]:
        """For the node's diagnostics."""
        if self._shadow is None:
            return {"shadow": self.problem} if self.problem else {}
        return {
            "shadow": self._name,
            "shadow_frames_used": self._used,
            "shadow_frames_skipped": self._skipped,
            "shadow_frames_refused": self._refused,
            "shadow_failures": self._failures,
            "shadow_disagreements": self._detector.count,
            "shadow step [ms]": 1e3 * self._time.cost,
            **self._score.figures,
        }

    def _step(self, driven: Action, picture: np.ndarray, now_ns: int) -> None:
        crop: PreprocessConfig | None = None
        if self._crop is not None:
            crop = self._crop.of(*picture.shape[:2])
            if crop is None:
                self._refused += 1
                return
        action = self._shadow.step(picture, now_ns, crop)
        if isinstance(action, Rejected):
            self._refused += 1
            return
        self._used += 1
        self._proposals.publish(conversions.action_message(action, self._kind, self._vehicle))
        curvature = self._score.driven(self._driving)
        difference = self._score.push(action, driven, curvature)
        found = self._detector.push(action.stamp_ns, difference)
        if found is not None:
            self._disagreements.publish(_event(found, action, driven))

    def _unload(self) -> None:
        self._shadow = None
        for publisher in (self._proposals, self._disagreements):
            self._node.destroy_lifecycle_publisher(publisher)

    def _close_crop(self) -> None:
        self._crop.close()
        self._crop = None


def _timed(runtime: Runtime) -> SpareTime:
    """With the time of the candidate's steps on zeros."""
    spare, state = SpareTime(), runtime.initial_state()
    for _ in range(FIRST_STEPS):
        began = time.monotonic()
        runtime.step(zero_observation(runtime.spec), state)
        spare.took(time.monotonic() - began)
    return spare


def _event(found: Disagreement, candidate: Action, driving: Action) -> DiagnosticStatus:
    """Numbers have all their digits; stamps are those of frames."""
    values = {
        "stamp_ns": candidate.stamp_ns,
        "since_ns": found.since_ns,
        "seconds": repr(found.seconds),
        "largest_difference": repr(found.largest),
        "curvature": repr(driving.curvature),
        "shadow_curvature": repr(candidate.curvature),
    }
    said = f"the shadow steers {found.largest:+.3f} rad apart for {found.seconds:.2f} s"
    return diagnostics.status("shadow", "liquid_control", diagnostics.WARN, said, values)
