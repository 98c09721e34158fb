"""One drive in real time by the real nodes, from which a simulated person takes over: he sees the
truth that sim_node publishes, and drives through the gate by proposals on `manual`, as the
operator's page and the joystick do. recorder_node records the time around each takeover."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import threading
import time
from pathlib import Path

import numpy as np
import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from liquid_control.config import WorldConfig
from liquid_control.control.driving_scale import DrivingScale
from liquid_control.control.vehicle import steering_angle
from liquid_control.errors import DriveError
from liquid_control.ros import conversions, qos
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.node_processes import (
    Child,
    Children,
    EnvironmentVariables,
    isolated_environment,
)
from liquid_control.ros.operate.messages import Stick
from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.operate.seat import Order
from liquid_control.ros.takeover_topics import PAGE
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.conditions.table import find_conditions
from liquid_control.sim.person import Person, PersonSettings
from liquid_control.sim.road import Road
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_keeping import SET_SPEED, pursue
from liquid_control.sim.truth import Truth
from liquid_control.sim.world import World

PERIOD = 0.02
"""Between two looks at the vehicle, and two proposals of the person [s]."""
PATIENCE, ENGAGED_WITHIN = 120.0, 2.0
"""Seconds for the nodes to start or the gate to hand over, and for it to follow one request."""
ROAD = 550.0
"""Length of each road [m]."""
MOVED, STOPPED = 0.02, 30.0
"""A vehicle that moves no further [m] in so long is stuck [s]."""
NEXT = 100.0
"""A station that falls by more is that of the next road [m]."""


@dataclasses.dataclass(frozen=True)
class NodesDrive:
    """`roads` one after the other, the first of them `seed`, in a `condition`, by the policy in
    folder `model`. `recordings`: an empty folder for those of recorder_node; `logs` of the
    nodes."""

    model: Path
    recordings: Path
    logs: Path
    roads: int
    seed: int = 0
    condition: str = "clean"
    person: PersonSettings = PersonSettings()

    def children(self) -> list[Child]:
        """Gate, policy, vehicle and recorder."""
        shape = {f"vehicle.{name}": value for name, value in dataclasses.asdict(VEHICLE).items()}
        pictures = {"image_transport": "compressed"}
        gate = {
            "manual": True,
            "engagement.engage": "manual",
            "engagement.healthy_for": 0.1,
            "engagement.soft_time": 0.0,
            "gate.max_speed": SET_SPEED,
            "state_folder": "none",
        }
        world = {
            "seed": self.seed,
            "held_out": False,
            "condition": self.condition,
            "world.length": ROAD,
        }
        record = {"record.folder": str(self.recordings), "record.keep_free": 0.0}
        policy = {"model": str(self.model), "speed": SET_SPEED, **pictures}
        return [
            Child(name, f"liquid_control.ros.{name}", values)
            for name, values in (
                ("safety_node", {**shape, **gate}),
                ("policy_node", {**shape, **policy}),
                ("recorder_node", {**pictures, **record}),
                ("sim_node", world),
            )
        ]


def drive_through_nodes(settings: NodesDrive) -> dict:
    """Drives; returns `takeovers`, `distance_m`, `by_policy_m` and `seconds`. Raises
    DriveError when a node dies, the gate does not hand over, or the vehicle gets stuck."""
    environment, claim = isolated_environment()
    environment["ROS_LOG_DIR"] = str(settings.logs)
    children = Children(settings.children(), environment, settings.logs)
    everything = environment | transport({**os.environ, **environment}, shared_memory=True)
    with claim, children:
        with EnvironmentVariables(everything):
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        try:
            return asyncio.run(_Seat(settings, children).drive())
        finally:
            children.end()  # the recorder closes its files
            rclpy.try_shutdown()


class _Seat:
    """The person in the vehicle."""

    def __init__(self, settings: NodesDrive, children: Children) -> None:
        self._settings, self._children = settings, children
        self._roads, scale = _roads(settings)
        self._road = 0
        rng = np.random.default_rng([settings.seed, 3])
        self._person = Person(settings.person, scale, rng)
        self._node = Node("person", enable_rosout=False)
        self._robot = Robot(self._node, PAGE, "safety_node", "recorder_node", SET_SPEED)
        self._pose: Odometry | None = None
        self._truth: Truth | None = None
        self._node.create_subscription(Odometry, "ground_truth", self._on_pose, qos.STATUS)
        self._node.create_subscription(Odometry, "lane_pose", self._on_lane, qos.STATUS)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name="person", daemon=True)

    async def drive(self) -> dict:
        """See `drive_through_nodes`."""
        self._thread.start()
        try:
            end = time.monotonic() + PATIENCE
            while self._truth is None or not self._robot.look().state:
                await self._wait(end, "the nodes to start")
            await self._hand_over(by_hand=False)
            return await self._drive()
        finally:
            self._executor.shutdown()
            self._node.destroy_node()

    async def _drive(self) -> dict:
        began = moved_at = time.monotonic()
        seen, whole, by_policy = self._truth, 0.0, 0.0
        while self._road < self._settings.roads:
            await asyncio.sleep(PERIOD)
            self._children.raise_if_died()
            before, seen = seen, self._truth
            moved = seen.station - before.station
            if abs(moved) > MOVED:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > STOPPED:
                raise DriveError(f"the vehicle stands; the gate is {self._robot.look()}")
            whole += max(moved, 0.0)
            by_policy += 0.0 if self._person.drives else max(moved, 0.0)
            if seen.stamp_ns == before.stamp_ns:
                self._steer()
                continue
            drove = self._person.drives
            if self._person.watch(seen) is not drove:
                await self._hand_over(self._person.drives)
            elif self._robot.look().state not in ("engaging", "engaged"):
                await self._hand_over(drove)  # a gate that stopped for a sensor
            self._steer()
        return {
            "takeovers": self._person.takeovers,
            "distance_m": whole,
            "by_policy_m": by_policy,
            "seconds": time.monotonic() - began,
        }

    async def _hand_over(self, by_hand: bool) -> None:
        """Takes over, chooses who drives, and engages until the gate does."""
        end = time.monotonic() + PATIENCE
        who = Order.BY_HAND if by_hand else Order.BY_POLICY
        steering = asyncio.get_running_loop().create_task(self._keep_steering(by_hand))
        try:
            while True:
                await self._wait(end, f"the gate to follow {who.value}")
                if (await self._robot.obey(who)).accepted:
                    await self._robot.obey(Order.ENGAGE)
                    within = time.monotonic() + ENGAGED_WITHIN
                    while time.monotonic() < within:
                        if self._robot.look().state in ("engaging", "engaged"):
                            return
                        await asyncio.sleep(PERIOD)
                if self._robot.look().state == "fault":
                    await self._robot.obey(Order.ACKNOWLEDGE)
        finally:
            steering.cancel()

    async def _keep_steering(self, by_hand: bool) -> None:
        """His proposals must be there before the gate engages."""
        while by_hand:
            self._steer(by_hand)
            await asyncio.sleep(PERIOD)

    def _steer(self, by_hand: bool | None = None) -> None:
        """A proposal of the person while he drives; and the dead-man in any case."""
        if not (self._person.drives if by_hand is None else by_hand):
            self._robot.alive(None)
            return
        road, to_rear_axle = self._roads[self._road % len(self._roads)]
        bend = pursue(road, self._truth, to_rear_axle)
        angle = steering_angle(bend, VEHICLE) / VEHICLE.max_steering_angle
        self._robot.alive(Stick(max(-1.0, min(angle, 1.0)), 1.0))

    async def _wait(self, end: float, what: str) -> None:
        self._children.raise_if_died()
        if time.monotonic() > end:
            raise DriveError(f"waited {PATIENCE:.0f} s for {what}; it is {self._robot.look()}")
        await asyncio.sleep(PERIOD)

    def _on_pose(self, message: Odometry) -> None:
        self._pose = message

    def _on_lane(self, message: Odometry) -> None:
        """Published right after the pose, with its stamp."""
        if self._pose is None or self._pose.header.stamp != message.header.stamp:
            return
        stamp = message.header.stamp
        at, lane = self._pose.pose.pose.position, message.pose.pose.position
        station = lane.x
        if self._truth is not None and station < self._truth.station - NEXT:
            self._road += 1
        heading, curvature = self._roads[self._road % len(self._roads)][0].at(station)[2:]
        error = conversions.yaw(message)
        self._truth = Truth(
            stamp.sec * 10**9 + stamp.nanosec,
            at.x,
            at.y,
            heading + error,
            message.twist.twist.linear.x,
            math.nan,
            station,
            lane.y,
            error,
            curvature,
            math.inf,
            finished=False,
        )


def _roads(settings: NodesDrive) -> tuple[list[tuple[Road, float]], DrivingScale]:
    """Each road as sim_node drives it, with the distance from the rear axle to the vehicle's
    reference point [m]; and the scale of the lane."""
    (condition,) = find_conditions((settings.condition,))
    found, world = [], World(WorldConfig(length=ROAD), settings.seed, condition=condition)
    for number in range(settings.roads):
        if number:
            world.reset(road_seed(settings.seed, number))
        found.append((world.road, world.body.to_rear_axle))
    world.close()
    return found, world.scale
