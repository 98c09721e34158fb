"""The policy as a lifecycle node: camera, IMU and speed in, proposed steering out. Imports no
PyTorch.

configure loads the model and makes its first step; activate subscribes; deactivate ends the
proposals, and the safety node then stops the vehicle. With `autostart` the node does the first two
without a manager. A message that cannot be used is counted and dropped.
"""

from __future__ import annotations

import collections
import dataclasses
import sys
import time

import cv2
import numpy as np
from nav_msgs.msg import Odometry
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState

from liquid_control.control.controller import Controller
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.runtime import to_vector
from liquid_control.errors import ImageError, LiquidControlError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.perception.contribution import assumptions
from liquid_control.ros import (
    camera_topics,
    conversions,
    diagnostics,
    images,
    parameters,
    process,
    qos,
)
from liquid_control.ros.diagnostics import Meter
from liquid_control.ros.node_parameters import NODES, CruiseConfig
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.saliency import SaliencyThread
from liquid_control.signals import Frame, ImuSample, Rejected, SpeedSample

OVERLAY_QUALITY = 80
"""JPEG quality of ~/saliency."""

SILENT = 1.0
"""An active node reports an error after this long without a usable picture [s]."""


PARAMETERS = NODES["policy_node"]


class PolicyNode(LifecycleNode):
    """Raises ConfigError for parameters that break their bounds, MissingDependencyError when
    ackermann_msgs is chosen and absent."""

    def __init__(self, **options) -> None:
        super().__init__("policy_node", **options)
        self.config, self.cruise, self.timeline_config, mounting, self.vehicle = (
            parameters.declare_all(self, PARAMETERS)
        )
        self._turn_imu = mounting.turn()
        parameters.follow(self, {"": self.cruise}, lambda changed: self._set_cruise(changed[""]))
        self.controller: Controller | None = None
        self._active = False
        self._saliency_thread: SaliencyThread | None = None
        self._undecodable: collections.Counter[str] = collections.Counter()
        self._frames, self._imu, self._speed, self._latency, self._step = (
            Meter() for _ in range(5)
        )
        self._kind = conversions.steering_type(self.config.proposal_type)
        self._proposals = self.create_lifecycle_publisher(
            self._kind, "proposal", qos.command_out(period=0.2, lifespan=0.2)
        )
        self._neurons = (
            self.create_lifecycle_publisher(JointState, "~/neurons", qos.STATUS)
            if self.config.publish_neurons
            else None
        )
        watched = self.config.saliency_rate > 0
        self._saliency = (
            self.create_lifecycle_publisher(CompressedImage, "~/saliency", qos.STATUS)
            if watched
            else None
        )
        jump = JumpThreshold(min_forward=Duration(seconds=1), min_backward=Duration(nanoseconds=-1))
        self._jump = self.get_clock().create_jump_callback(jump, post_callback=self._on_clock_jump)
        diagnostics.publish(self, self._report)

    def start(self) -> bool:
        """Configures and activates; False when it could not, which is logged."""
        return (
            TransitionCallbackReturn.SUCCESS == self.trigger_configure() == self.trigger_activate()
        )

    def on_configure(self, state) -> TransitionCallbackReturn:
        try:
            info = read_model(find_model(self.config.model), self.config.require_signature)
            runtime = OnnxRuntime(info, self.config.threads)
            self.controller = Controller(
                runtime, self.timeline_config, **dataclasses.asdict(self.cruise)
            )
        except LiquidControlError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._names = list(runtime.info.state_names)
        self._info = runtime.info
        size = f"{runtime.preprocess.width}x{runtime.preprocess.height}"
        self.get_logger().info(
            f"{runtime.info.directory}: {runtime.spec.state_size} neurons, pictures of {size}"
        )
        return super().on_configure(state)

    def on_activate(self, state) -> TransitionCallbackReturn:
        self.controller.reset()
        compressed = self.config.image_transport == "compressed"
        kind = CompressedImage if compressed else Image
        topic = camera_topics.transport_topic(self, "compressed" if compressed else "")
        decode = images.decoder(compressed, self.config.picture_bits)
        result = super().on_activate(state)
        self._active = True
        self._saliency_thread = (
            SaliencyThread(self._info, self.config.saliency_rate, self._publish_saliency)
            if self._saliency
            else None
        )
        self._pictures = self.create_subscription(
            kind, topic, lambda message: self._on_picture(message, decode), qos.CAMERA
        )
        self._inertial = PolledSubscription(self, Imu, "imu/data", qos.INERTIAL)
        self._odometry = PolledSubscription(self, Odometry, "odom", qos.INERTIAL)
        return result

    def on_deactivate(self, state) -> TransitionCallbackReturn:
        self._stop_proposing()
        return super().on_deactivate(state)

    def on_cleanup(self, state) -> TransitionCallbackReturn:
        self.controller = None
        return super().on_cleanup(state)

    def on_shutdown(self, state) -> TransitionCallbackReturn:
        self._stop_proposing()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        self._stop_proposing()  # no thread may publish while the context goes away
        super().destroy_node()

    def _stop_proposing(self) -> None:
        if self._active:
            self.destroy_subscription(self._pictures)
            self._inertial.close()
            self._odometry.close()
        if self._saliency_thread:
            self._saliency_thread.close()
        self._active, self._saliency_thread = False, None

    def _on_picture(self, message, decode) -> None:
        began = time.monotonic()
        self._take_inertial()
        self._frames.tick()
        try:
            picture = decode(message)
        except ImageError as error:
            self._undecodable[error.problem] += 1
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)
            return
        stamp = conversions.stamp_ns(message.header.stamp)
        action = self.controller.push(Frame(stamp, picture), self.get_clock().now().nanoseconds)
        if isinstance(action, Rejected):
            self.get_logger().warning(
                f"frame at {stamp} ns rejected: {action.reason.value}", throttle_duration_sec=1.0
            )
            return
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

        if self._saliency_thread:
            self._saliency_thread.offer(stamp, picture)

    def _publish_saliency(self, stamp_ns: int, overlay: np.ndarray) -> None:
        """Called in the saliency thread."""
        message = images.compressed_message(overlay, OVERLAY_QUALITY)
        message.header = conversions.header(stamp_ns, self.config.model)
        self._saliency.publish(message)

    def _take_inertial(self) -> None:
        for message, _ in self._inertial.take():
            self._imu.tick()
            self.controller.push(self._turn_imu(ImuSample.from_message(message)))
        for message, _ in self._odometry.take():
            self._speed.tick()
            self.controller.push(SpeedSample.from_message(message))

    def _on_clock_jump(self, jump) -> None:
        if self.controller:
            self.controller.reset()
            self.get_logger().warning("the clock jumped; the policy starts a new sequence")

    def _set_cruise(self, cruise: CruiseConfig) -> None:
        self.cruise = cruise
        if self.controller:
            self.controller.speed, self.controller.comfort_lateral_acceleration = (
                cruise.speed,
                cruise.comfort_lateral_acceleration,
            )

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        if self._active:
            self._take_inertial()  # without pictures nothing else takes them
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
            "proposal_listeners": self._proposals.get_subscription_count(),
            "frames_received": self._frames.count,
        }
        if self._saliency_thread:
            values |= {
                "saliency_published": self._saliency_thread.published,
                "saliency_failures": self._saliency_thread.failures,
            }
            values["saliency step [ms]"] = 1e3 * self._saliency_thread.elapsed
        values |= self.controller.counts if self.controller else {}
        values |= {
            f"rejected_{problem.replace(' ', '_')}": count
            for problem, count in self._undecodable.items()
        }
        if not self._active:
            return diagnostics.WARN, "not active", values
        if self._latency.age > SILENT:
            return diagnostics.ERROR, "no usable picture", values
        if self._imu.age >= SILENT:
            return diagnostics.WARN, "no IMU", values
        observer = self.controller.observer
        if assumed := assumptions(observer.assumed, observer.contributions):
            return diagnostics.WARN, assumed, values
        return diagnostics.OK, "driving", values


def make() -> PolicyNode:
    node = PolicyNode()
    if node.config.autostart and not node.start():
        sys.exit(1)
    return node


def main() -> int:
    cv2.setNumThreads(1)  # waking a second thread takes longer than these pictures do
    return process.run(make)


if __name__ == "__main__":
    sys.exit(main())
