"""A simulated drive as a rosbag2: sensor samples, the driver's commands and the truth, with stamps
as on a real day."""

from __future__ import annotations

from liquid_control.recordings.rosbag.writer import GROUND_TRUTH, LANE_POSE, BagWriter
from liquid_control.signals import Action, Command, Frame, ImuSample, SteeringSample
from liquid_control.sim.truth import Event, Truth
from liquid_control.sim.world import World

EPOCH_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC: the day on which simulated drives take place."""

DAY = 86_400
TRANSFER_NS = 1_000
"""Delay of a message to the recorder [ns]."""

REACTION_NS = 50_000
"""Delay of commands after the samples of their IMU period [ns], whatever their number."""

TRUTH_EVERY_NS = 40_000_000


class DriveRecorder:
    """Writes the samples, commands and truth of a drive in `world`.

    `begin_ns`: the stamp of simulated time zero, a second of the day that `seed` names.
    `received_ns`: when the latest event was received.
    """

    def __init__(self, writer: BagWriter, world: World, seed: int) -> None:
        self.writer, self.world = writer, world
        self.begin_ns = EPOCH_NS + seed % DAY * 1_000_000_000
        self.frames = 0
        self._focal = world.physics.focal_length * world.config.image_height
        self.received_ns = 0
        self._truth_due_ns = 0
        self._sent: tuple[float, float] | None = None

    def sample(self, event: Event) -> Event:
        """Writes a sensor's sample, received just after its stamp and after the sample before; a
        tap of sim.drive.drive."""
        stamp_ns = self.begin_ns + event.stamp_ns
        self.received_ns = received_ns = max(self.received_ns, stamp_ns) + TRANSFER_NS
        writer = self.writer
        if isinstance(event, Frame):
            height, width, _ = event.image.shape
            writer.write_frame(Frame(stamp_ns, event.image), received_ns)
            writer.write_camera_info(stamp_ns, height, width, self._focal, received_ns)
            self.frames += 1
        elif isinstance(event, ImuSample):
            writer.write_imu(
                ImuSample(stamp_ns, event.angular_velocity, event.linear_acceleration), received_ns
            )
        else:
            writer.write_speed(type(event)(stamp_ns, event.speed), received_ns)
        return event

    def command(self, command: Command, action: Action | None) -> None:
        """Writes the command of this period, where it differs from the last, and a new proposal."""
        sent = command.steering_angle, command.speed
        if action is None and sent == self._sent:
            return
        self._sent = sent
        received_ns = self.begin_ns + self.world.time_ns + REACTION_NS
        if action is not None:
            self.writer.write_proposal(
                Action(self.begin_ns + action.stamp_ns, action.curvature, action.speed),
                received_ns - TRANSFER_NS,
            )
        self.writer.write_steering(
            SteeringSample(self.begin_ns + command.stamp_ns, command.steering_angle, command.speed),
            received_ns,
        )

    def driver(self, by_person: bool) -> None:
        """Writes who drives from now on, as a state of the safety gate."""
        received_ns = self.begin_ns + self.world.time_ns + REACTION_NS
        state, reason = ("disengaged", "a person drives") if by_person else ("engaged", "driving")
        self.writer.write_gate_state(state, "policy", reason, received_ns)

    def truth(self, truth: Truth) -> None:
        """Writes the truth when it is due, as sim_node publishes it."""
        if truth.stamp_ns < self._truth_due_ns:
            return
        self._truth_due_ns = truth.stamp_ns + TRUTH_EVERY_NS
        stamp_ns = self.begin_ns + truth.stamp_ns
        received_ns = stamp_ns + REACTION_NS + TRANSFER_NS
        pose, lane = (
            (truth.x, truth.y, truth.yaw),
            (truth.station, truth.lane_offset, truth.heading_error),
        )
        self.writer.write_pose(GROUND_TRUTH, stamp_ns, "map", pose, truth.speed, 0.0, received_ns)
        self.writer.write_pose(
            LANE_POSE,
            stamp_ns,
            "lane",
            lane,
            truth.speed,
            truth.speed * truth.curvature,
            received_ns,
        )
