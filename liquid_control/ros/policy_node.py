"""The policy as a lifecycle node: camera, IMU and speed in, proposed steering out. Imports no
PyTorch.

configure loads the model and makes its first step; activate subscribes; deactivate ends the
proposals, and the safety node then stops the vehicle; cleanup drops the model, and other parameters
may then be set for the next configure. With `autostart` the node does the first two without a
manager. A transition that fails is logged and leaves the state before it. A message that cannot be
used is counted and dropped.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import sys
import time

import cv2
import numpy as np
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState

from liquid_control.control.controller import Controller
from liquid_control.deploy.runtime import to_vector
from liquid_control.deploy.runtimes import load_backend
from liquid_control.errors import ConfigError, ImageError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.spec import names
from liquid_control.perception.mounting import ImuMounting
from liquid_control.ros import (
    camera_topics,
    conversions,
    diagnostics,
    images,
    parameters,
    process,
    qos,
    transitions,
    undeclared,
)
from liquid_control.ros.adapting import Adapting
from liquid_control.ros.camera_crop import CameraCrop
from liquid_control.ros.diagnostics import Meter, Report
from liquid_control.ros.health.policy_check import PolicyCheck
from liquid_control.ros.health.settings import DrivingSettings
from liquid_control.ros.measurements import speed_input
from liquid_control.ros.node_parameters import NODES, CruiseConfig, PolicyNodeConfig
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.saliency import SaliencyThread
from liquid_control.ros.shadow import ShadowPolicy
from liquid_control.signals import Frame, ImuSample, Rejected

OVERLAY_QUALITY = 80
"""JPEG quality of ~/saliency."""

SILENT = 1.0
"""An active node reports an error after this long without a usable picture [s]."""


PARAMETERS = NODES["policy_node"]


class PolicyNode(LifecycleNode):
    """Raises ConfigError for parameters that break their bounds."""

    def __init__(self, **options) -> None:
        super().__init__("policy_node", **options)
        transitions.refuse_impossible(self)
        start, *settings = parameters.declare_all(self, PARAMETERS)
        unknown = undeclared.refuse_undeclared(self, "policy_node")
        self.autostart = start.autostart
        self.config, self.cruise, self.timeline_config, *shape = settings
        self.mounting, self.speed_input, self.view, self.vehicle, self.shadow_config, *shape = shape
        self.adaptation, self.angle_input = shape
        prefixes = [group.prefix for group in PARAMETERS[1:]]
        parameters.follow(
            self,
            list(zip(prefixes, settings, strict=True)),
            lambda changed: self._set_parameters(*changed),
        )
        self.controller: Controller | None = None  # None: unconfigured
        self._configured, self._activated = contextlib.ExitStack(), contextlib.ExitStack()
        self._active = False
        self._proposals = self._neurons = self._saliency = None
        self._saliency_thread: SaliencyThread | None = None
        self._shadow, self._adapting = ShadowPolicy(self), Adapting(self)
        self._unfit: ImageError | None = None
        self._undecodable: collections.Counter[str] = collections.Counter()
        self._frames, self._imu, self._speed, self._latency, self._step = (
            Meter() for _ in range(5)
        )
        self._sensors: dict[str, Subscription] = {}
        self._check = PolicyCheck(self, unknown)
        self._health = self._check.health
        jump = JumpThreshold(min_forward=Duration(seconds=1), min_backward=Duration(nanoseconds=-1))
        self._jump = self.get_clock().create_jump_callback(jump, post_callback=self._on_clock_jump)
        diagnostics.publish(self, self._report, latched="policy_health")

    def start(self) -> bool:
        """Configures and activates; False when it could not, which is logged."""
        return (
            TransitionCallbackReturn.SUCCESS == self.trigger_configure() == self.trigger_activate()
        )

    def on_configure(self, state) -> TransitionCallbackReturn:
        configured = transitions.attempt(self, "configure", self._load)
        if configured is None:
            return TransitionCallbackReturn.FAILURE
        self._configured = configured
        return super().on_configure(state)

    def on_activate(self, state) -> TransitionCallbackReturn:
        activated = transitions.attempt(self, "activate", self._subscribe)
        if activated is None:
            return TransitionCallbackReturn.FAILURE
        self._activated, self._active = activated, True
        return super().on_activate(state)

    def on_deactivate(self, state) -> TransitionCallbackReturn:
        self._stop_proposing()
        return super().on_deactivate(state)

    def on_cleanup(self, state) -> TransitionCallbackReturn:
        transitions.release(self, "cleanup", self._configured)
        return super().on_cleanup(state)

    def on_shutdown(self, state) -> TransitionCallbackReturn:
        self._stop_proposing()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._stop_proposing()  # no thread may publish while the context goes away
        super().destroy_node()

    def _load(self, undo: contextlib.ExitStack) -> None:
        """Loads the model and makes the publishers."""
        config = self.config
        info = read_model(find_model(config.model), config.require_signature)
        runtime, why = load_backend(info, config.backend, config.threads)
        if why:
            self.get_logger().warning(f"backend auto: onnx, since {why}")
        self._kind = conversions.steering_type(config.proposal_type)
        self._turn_imu = self.mounting.turn()
        self._speed_kind, self._read_speed = speed_input(self, self.speed_input)
        self._names, self._info = list(runtime.info.state_names), runtime.info
        undo.callback(self._unload)
        self._proposals = self.create_lifecycle_publisher(
            self._kind, "proposal", qos.command_out(period=0.2, lifespan=0.2)
        )
        if config.publish_neurons:
            self._neurons = self.create_lifecycle_publisher(JointState, "~/neurons", qos.STATUS)
        if config.saliency_rate > 0:
            self._saliency = self.create_lifecycle_publisher(
                CompressedImage, "~/saliency", qos.STATUS
            )
        adapted = self._adapting.load(
            self.adaptation, runtime, self._info, self.vehicle, self.angle_input, undo
        )
        self.controller = Controller(
            adapted, self.timeline_config, vehicle=self.vehicle, **dataclasses.asdict(self.cruise)
        )
        self._shadow = ShadowPolicy(self, self.controller)
        self._shadow.load(
            self.shadow_config, config, self.timeline_config, self.vehicle, self.cruise, undo
        )
        size = f"{runtime.preprocess.width}x{runtime.preprocess.height}"
        self.get_logger().info(
            f"{runtime.info.directory}: {runtime.spec.state_size} neurons, pictures of {size}"
        )

    def _unload(self) -> None:
        for publisher in (self._proposals, self._neurons, self._saliency):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self.controller = self._proposals = self._neurons = self._saliency = None

    def _subscribe(self, undo: contextlib.ExitStack) -> None:
        """Starts what a picture needs, the subscriptions last."""
        self.controller.reset()
        given = names(self.controller.runtime.spec.measurements)
        moving = self.controller.observer.moving
        self._health.reset(given, turned=self.mounting != ImuMounting(), moving=moving)
        compressed = self.config.image_transport == "compressed"
        kind = CompressedImage if compressed else Image
        topic = camera_topics.transport_topic(self, "compressed" if compressed else "")
        decode = images.decoder(compressed, self.config.picture_bits)
        if self._saliency:
            self._saliency_thread = SaliencyThread(
                self._info, self.config.saliency_rate, self._publish_saliency
            )
            undo.callback(self._end_saliency)
        self._crop = CameraCrop(self, self.view, self.controller.runtime.preprocess)
        undo.callback(self._crop.close)
        self._shadow.activate(self.view, undo)
        self._adapting.activate(self.controller, undo)
        self._inertial = PolledSubscription(self, Imu, "imu/data", qos.INERTIAL)
        undo.callback(self._inertial.close)
        if self.config.split_imu:
            self._accelerations = PolledSubscription(self, Imu, "imu/accel", qos.INERTIAL)
            undo.callback(self._accelerations.close)
        self._odometry = PolledSubscription(self, self._speed_kind, "odom", qos.INERTIAL)
        undo.callback(self._odometry.close)
        pictures = self.create_subscription(
            kind, topic, lambda message: self._on_picture(message, decode), qos.CAMERA
        )
        undo.callback(self.destroy_subscription, pictures)
        self._sensors = {
            "camera": pictures,
            "imu": self._inertial.subscription,
            "odometry": self._odometry.subscription,
        }
        if self.config.split_imu:
            self._sensors["accelerometer"] = self._accelerations.subscription

    def _stop_proposing(self) -> None:
        self._active, self._sensors = False, {}
        transitions.release(self, "deactivate", self._activated)

    def _end_saliency(self) -> None:
        self._saliency_thread.close()
        self._saliency_thread = None

    def _on_picture(self, message, decode) -> None:
        began = time.monotonic()
        self._take_inertial()
        self._frames.tick()
        now, stamp = self.get_clock().now().nanoseconds, conversions.stamp_ns(message.header.stamp)
        self._health.hear_camera(message.header, stamp, now)
        try:
            picture = decode(message)
        except ImageError as error:
            self._undecodable[error.problem] += 1
            self._refuse(stamp, str(error))
            return
        self._health.hear_picture(*picture.shape[:2])
        crop = self._crop.of(*picture.shape[:2])
        if crop is None:
            self._undecodable["camera_info"] += 1
            self._refuse(stamp, self._crop.problem)
            return
        self.controller.observer.preprocess = crop
        action = self.controller.push(Frame(stamp, picture), now)
        if isinstance(action, Rejected):
            unfit, self._unfit = self._unfit, self.controller.observer.image_error
            fits = unfit is self._unfit
            self._refuse(stamp, action.reason.value if fits else str(self._unfit))
            return
        self._health.hear_observation(
            self.controller.observation.measurements, self.controller.observer.latest_speed
        )
        self._proposals.publish(conversions.action_message(action, self._kind, self.vehicle))
        self._latency.tick((self.get_clock().now().nanoseconds - stamp) / 1e9)
        self._step.tick(time.monotonic() - began)
        if self._neurons:
            header = conversions.header(stamp, self.config.model)
            self._neurons.publish(
                JointState(
                    header=header,
                    name=self._names,
                    position=to_vector(self.controller.state).astype(float).tolist(),
                )
            )
        if self._saliency_thread and self._saliency.get_subscription_count():
            self._saliency_thread.offer(stamp, picture, crop)
        self._shadow.follow(action, picture, now)

    def _refuse(self, stamp: int, why: str) -> None:
        self._health.camera.refuse(why)
        self.get_logger().warning(f"frame at {stamp} ns rejected: {why}", throttle_duration_sec=1.0)

    def _publish_saliency(self, stamp_ns: int, overlay: np.ndarray) -> None:
        """Called in the saliency thread."""
        message = images.compressed_message(overlay, OVERLAY_QUALITY)
        message.header = conversions.header(stamp_ns, self.config.model)
        self._saliency.publish(message)

    def _take_inertial(self) -> None:
        ahead = self.get_clock().now().nanoseconds - time.time_ns()
        for message, received_ns in self._inertial.take():
            self._imu.tick()
            sample = ImuSample.from_message(message)
            sample = sample.gyro_alone() if self.config.split_imu else sample
            self._push_imu(message, sample, received_ns + ahead)
        for message, received_ns in self._accelerations.take() if self.config.split_imu else ():
            sample = ImuSample.from_message(message).accelerometer_alone()
            self._push_imu(message, sample, received_ns + ahead, "accelerometer")
        for message, received_ns in self._odometry.take():
            self._speed.tick()
            sample = self._read_speed(message, received_ns + ahead)
            answer = self.controller.push(sample)
            self._shadow.hear(sample)
            self._health.hear_odometry(message, sample, received_ns + ahead, answer)

    def _push_imu(
        self, message: Imu, sample: ImuSample, arrival_ns: int, name: str = "imu"
    ) -> None:
        sample = self._turn_imu(sample)
        answer = self.controller.push(sample)
        self._shadow.hear(sample)
        self._health.hear_imu(message, sample, arrival_ns, answer, name)

    def _on_clock_jump(self, jump) -> None:
        if self.controller:
            self.controller.reset()
            self._shadow.reset()
            self._adapting.restart()
            self.get_logger().warning("the clock jumped; the policy starts a new sequence")

    def _set_parameters(
        self, config: PolicyNodeConfig, cruise: CruiseConfig, *shape: object
    ) -> None:
        """Takes parameters that were set. `shape`: timeline, mounting of the IMU, message of the
        speed, view, vehicle, shadow, adaptation, message of the angle."""
        before = (self.config, self.timeline_config, self.mounting, self.speed_input, self.view)
        before = (*before, self.vehicle, self.shadow_config, self.adaptation, self.angle_input)
        if self.controller and (config, *shape) != before:
            raise ConfigError(
                "policy_node",
                "a change of what configuring reads",
                "one while unconfigured: deactivate, clean up, set, configure and activate",
            )
        self.config, self.cruise = config, cruise
        self.timeline_config, self.mounting, self.speed_input, self.view, *others = shape
        self.vehicle, self.shadow_config, self.adaptation, self.angle_input = others
        if self.controller:
            self.controller.set_cruise(**dataclasses.asdict(cruise))
            self._shadow.set_cruise(cruise)

    def _report(self) -> Report:
        if self._active:
            self._take_inertial()  # without pictures nothing else takes them
        parts = self._check.parts(
            DrivingSettings(self.vehicle, **dataclasses.asdict(self.cruise)),
            self._sensors,
            self.controller.observer.contributions if self.controller else {},
        )
        values = {
            **self._frames.flow("camera"),
            **self._imu.flow("imu"),
            **self._speed.flow("speed"),
        }
        values |= {
            **self._latency.latency("latency stamp to proposal"),
            **self._step.latency("step"),
        }
        values |= {
            "proposal_listeners": self._proposals.get_subscription_count()
            if self._proposals
            else 0,
            "frames_received": self._frames.count,
        }
        if self._saliency_thread:
            values |= {
                "saliency_published": self._saliency_thread.published,
                "saliency_failures": self._saliency_thread.failures,
            }
            values["saliency step [ms]"] = 1e3 * self._saliency_thread.elapsed
        values |= (self.controller.counts if self.controller else {}) | self._shadow.values
        values |= self._adapting.values
        values |= {
            f"rejected_{problem.replace(' ', '_')}": count
            for problem, count in self._undecodable.items()
        }
        if not self._active:
            return Report(diagnostics.WARN, "not active", values, parts)
        if self._latency.age > SILENT:
            return Report(diagnostics.ERROR, "no usable picture", values, parts)
        if self._imu.age >= SILENT:
            return Report(diagnostics.WARN, "no IMU", values, parts)
        return Report(diagnostics.OK, "driving", values, parts)


def make() -> PolicyNode:
    node = PolicyNode()
    if node.autostart and not node.start():
        sys.exit(1)
    return node


def main() -> int:
    cv2.setNumThreads(1)  # waking a second thread takes longer than these pictures do
    return process.run(make)


if __name__ == "__main__":
    sys.exit(main())
