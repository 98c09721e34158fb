"""A world as the robot, in real time: MuJoCo's, or a recorded one. It publishes camera, ground
truth and, where the world measures them, IMU and odometry, and subscribes to the command.

Each IMU period is computed a little before it begins and sent piece by piece when its time has
come, so that a picture leaves at its own stamp. Without commands the vehicle holds its wheels
and brakes, as a real one should. It is put back on its lane after it left it, and on a new road
after the end of one.
"""

from __future__ import annotations

import collections
import math
import sys
import time
from typing import TYPE_CHECKING

import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu
from std_msgs.msg import Float64

from liquid_control.errors import MissingDependencyError
from liquid_control.ros import (
    camera_topics,
    conversions,
    diagnostics,
    images,
    parameters,
    process,
    qos,
    undeclared,
)
from liquid_control.ros.diagnostics import Meter, Report
from liquid_control.ros.node_parameters import NODES, SimControls
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.real_time import Pace
from liquid_control.signals import Command, Frame, ImuSample, SpeedSample

if TYPE_CHECKING:
    from liquid_control.ros.sim_courses import Lens
    from liquid_control.sim.driven_world import DrivenWorld

AHEAD = 0.004
"""A period is computed so long before it begins [s]: time to draw a picture that is due right at
its beginning."""

TRUTH_EVERY = 4
"""IMU periods between two messages of the ground truth."""


PARAMETERS = NODES["sim_node"]


class SimNode(Node):
    """Raises ConfigError for parameters that break their bounds and for a file without recorded
    roads, MissingDependencyError without MuJoCo or a chosen ackermann_msgs."""

    def __init__(self, **options) -> None:
        super().__init__("sim_node", **options)
        try:
            from liquid_control.ros.sim_courses import open_course
        except ImportError as error:
            raise MissingDependencyError(
                error.name or "mujoco", "Install the sim extra: pip install 'liquid_control[sim]'"
            ) from error
        self.config, self.controls, world_config = parameters.declare_all(self, PARAMETERS)
        undeclared.refuse_undeclared(self, "sim_node")
        self.course = open_course(self.config, world_config)
        self.vehicle, lens = self.course.vehicle, self.course.lens
        # The first picture is slow: it makes the GL context.
        self.world.render(lens.width, lens.height)
        self.pace = Pace(self.config.publish_clock)
        self.command: Command | None = None
        self.frames_sent = self.times_put_back = self.roads_done = 0
        self._begun_ns = self._periods = (
            0  # simulated time of the roads before this one; IMU periods in all
        )
        self._outbox: collections.deque[tuple[int, object]] = (
            collections.deque()
        )  # what is sensed but not due yet, with its simulated time
        self._commands, self._latency, self._lateness = Meter(), Meter(), Meter()
        self._camera_info = _camera_info(lens)
        self._camera = self.create_publisher(Image, camera_topics.RAW, qos.CAMERA)
        self._compressed = self.create_publisher(
            CompressedImage, camera_topics.transport_topic(self, "compressed"), qos.CAMERA
        )
        self._camera_infos = self.create_publisher(
            CameraInfo, camera_topics.info_topic(self), qos.CAMERA
        )
        self._imu = self._odometry = self._steering_angle = None
        if self.course.inertial:
            self._imu = self.create_publisher(Imu, "imu/data", qos.INERTIAL)
        if self.course.speed:
            self._odometry = self.create_publisher(Odometry, "odom", qos.INERTIAL)
            self._steering_angle = self.create_publisher(Float64, "steering_angle", qos.INERTIAL)
        self._ground_truth = self.create_publisher(Odometry, "ground_truth", qos.STATUS)
        self._lane_pose = self.create_publisher(Odometry, "lane_pose", qos.STATUS)
        self._clock_out = (
            self.create_publisher(Clock, "/clock", qos.STATUS)
            if self.config.publish_clock
            else None
        )
        self._commands_in = PolledSubscription(
            self, conversions.steering_type(self.config.command_type), "command", qos.COMMAND_IN
        )
        parameters.follow(self, [("", self.controls)], lambda changed: self._set_controls(*changed))
        diagnostics.publish(self, self._report)

    def run(self, executor: SingleThreadedExecutor) -> None:
        """Drives until the node is stopped."""
        self.pace.resume(self._computed_ns)
        while rclpy.ok():
            if not self.controls.running:
                executor.spin_once(timeout_sec=0.1)
                self.pace.resume(self._computed_ns)
                continue
            if self.pace.seconds_until(self._computed_ns) <= AHEAD:
                self._advance()
                if self._periods % TRUTH_EVERY == 0:
                    executor.spin_once(timeout_sec=0.0)  # parameters, and the diagnostics' timer
            idle = self.pace.seconds_until(self._computed_ns) - AHEAD
            if self._outbox:
                idle = min(idle, self.pace.seconds_until(self._outbox[0][0]))
            if idle > 0.0:
                time.sleep(idle)
            while self._outbox and self.pace.seconds_until(self._outbox[0][0]) <= 0.0:
                self._send(*self._outbox.popleft())

    @property
    def world(self) -> DrivenWorld:
        return self.course.world

    @property
    def _computed_ns(self) -> int:
        """Up to when the world is computed, in simulated time of all roads."""
        return self._begun_ns + self.world.time_ns

    def _advance(self) -> None:
        """Computes one IMU period and puts what was sensed in it into the outbox."""
        events = self.world.advance(*self._steering())
        self._periods += 1
        truth = self.world.truth if self._periods % TRUTH_EVERY == 0 else None
        self._outbox.extend(
            (self._begun_ns + event.stamp_ns, event)
            for event in (*events, *([truth] if truth else []))
        )
        if truth and truth.finished:
            self._begun_ns += self.world.time_ns
            self.roads_done += 1
            self.course.follow()
        elif truth and self.world.task.is_terminated(truth):
            self.times_put_back += 1
            self.course.put_back()

    def _steering(self) -> tuple[float, float]:
        """The steering angle [rad] and cap on the speed [m/s] that the vehicle obeys now."""
        for message, received_ns in self._commands_in.take():
            self._obey(message, self.pace.stamp_of_wall(received_ns))
        if self.command is None:
            return 0.0, 0.0
        return (
            self.command.steering_angle,
            self.command.speed if self._commands.age <= self.config.command_timeout else 0.0,
        )

    def _send(self, sim_ns: int, event) -> None:
        stamp = self.pace.stamp_ns(sim_ns)
        if self._clock_out:
            self._clock_out.publish(Clock(clock=conversions.time_message(stamp)))
        if isinstance(event, Frame):
            self._camera_info.header = conversions.header(stamp, "camera_optical_frame")
            self._show(event)
            self._lateness.tick(-self.pace.seconds_until(sim_ns))
            self.frames_sent += 1
            self._camera_infos.publish(self._camera_info)
        elif isinstance(event, ImuSample):
            self._imu.publish(conversions.imu_message(event, stamp, "imu_link"))
        elif isinstance(event, SpeedSample):
            message = conversions.odometry_message(stamp, "odom", 0.0, 0.0, 0.0, event.speed)
            message.pose.covariance[::7] = [1e6] * 6  # the pose is not measured
            self._odometry.publish(message)
            self._steering_angle.publish(Float64(data=self.world.body.steering_angle))
        else:
            x, y = self.course.shift
            self._ground_truth.publish(
                conversions.odometry_message(
                    stamp, "map", event.x + x, event.y + y, event.yaw, event.speed
                )
            )
            lane = conversions.odometry_message(
                stamp, "lane", event.station, event.lane_offset, event.heading_error, event.speed
            )
            lane.twist.twist.angular.z = (
                event.speed * event.curvature
            )  # yaw rate of one who follows the lane
            self._lane_pose.publish(lane)

    def _show(self, frame: Frame) -> None:
        """Publishes a picture on each camera topic that has subscribers."""
        if self._camera.get_subscription_count():
            message = images.image_message(frame.image)
            message.header = self._camera_info.header
            self._camera.publish(message)
        if self._compressed.get_subscription_count():
            message = images.compressed_message(frame.image, self.config.jpeg_quality)
            message.header = self._camera_info.header
            self._compressed.publish(message)

    def _obey(self, message, received_ns: int) -> None:
        before = self.command or Command(0, received_ns, 0.0, 0.0)
        command = conversions.command_from_message(
            message, self.vehicle, received_ns, before.steering_angle
        )
        if not (math.isfinite(command.steering_angle) and math.isfinite(command.speed)):
            return  # not finite: ignored; the timeout brakes
        self._commands.tick()
        self._latency.tick((received_ns - command.issued_ns) / 1e9)
        if self.command is None:
            self.course.begin()
        self.command = command

    def _set_controls(self, controls: SimControls) -> None:
        self.controls = controls

    def _report(self) -> Report:
        truth = self.world.truth
        values = {
            "frames_sent": self.frames_sent,
            "real_time_factor": self.pace.real_time_factor,
            **self._commands.flow("command"),
        }
        values |= {
            **self._latency.latency("latency issue to arrival"),
            **self._lateness.latency("latency stamp to picture sent"),
        }
        values |= {"speed [m/s]": truth.speed, "lane_offset [m]": truth.lane_offset}
        listeners = (
            self._camera.get_subscription_count() + self._compressed.get_subscription_count()
        )
        values |= {
            "camera_listeners": listeners,
            "imu_listeners": self._imu.get_subscription_count() if self._imu else 0,
            "running": self.controls.running,
        }
        values |= {"roads_done": self.roads_done, "times_put_back": self.times_put_back}
        if self.pace.real_time_factor < 0.95:
            return Report(diagnostics.WARN, "slower than real time", values)
        doing = "driving" if self.command else "waiting for a command"
        return Report(diagnostics.OK, doing, values)


def _camera_info(lens: Lens) -> CameraInfo:
    """A pinhole without distortion."""
    (across, down), (x, y) = lens.focal, lens.centre
    info = CameraInfo(
        height=lens.height, width=lens.width, distortion_model="plumb_bob", d=[0.0] * 5
    )
    info.k = [across, 0.0, x, 0.0, down, y, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [across, 0.0, x, 0.0, 0.0, down, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def main() -> int:
    return process.run(SimNode, loop=SimNode.run)


if __name__ == "__main__":
    sys.exit(main())
