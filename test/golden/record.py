"""Makes a golden recording: `python test/golden/record.py DIRECTORY`. The shipped policy drives the
simulated car as the nodes would.

The policy sees the pictures as a reader of the recording will, behind JPEG. The gate acts as the
safety node's does, by `control.loop.Loop`.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace

from liquid_control.config import WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.loop import Loop
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.model.installed import find_model
from liquid_control.perception.pictures import image_from_compressed
from liquid_control.recordings.rosbag.messages import jpeg
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.signals import Command, Frame, ImuSample, Rejected, SpeedSample, SteeringSample
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.recorder import DriveRecorder
from liquid_control.sim.world import World

SEED, STATION, SECONDS = 5, 47.0, 8.0
QUALITY = 90


class Car:
    """Policy and gate of one drive; `angle` [rad] and `cap` [m/s] are what the vehicle obeys."""

    def __init__(self, recorder: DriveRecorder) -> None:
        self.recorder = recorder
        self.controller = Controller(OnnxRuntime.load(find_model("lane_keeper")))
        self.gate, self.loop = SafetyGate(vehicle=VEHICLE), Loop()
        self.angle, self.cap = 0.0, 20.0
        self._speed: float | None = None
        self._previous: Command | None = None

    def take(self, event: Frame | ImuSample | SpeedSample) -> None:
        self.recorder.sample(event)
        now_ns, event = (
            self.recorder.received_ns,
            dataclasses.replace(event, stamp_ns=self.recorder.begin_ns + event.stamp_ns),
        )
        for due_ns in self.loop.due_before(now_ns):
            self._command(due_ns)
        if not isinstance(event, Frame):
            self.controller.push(event)
            self._speed = event.speed if isinstance(event, SpeedSample) else self._speed
        else:
            seen = image_from_compressed(
                SimpleNamespace(format="jpeg", data=jpeg(event.image, QUALITY))
            )
            action = self.controller.push(Frame(event.stamp_ns, seen), now_ns)
            if not isinstance(action, Rejected):
                self.recorder.writer.write_proposal(action, now_ns)
                if self.loop.wake(now_ns, proposed=True):
                    self._command(now_ns)

    def _command(self, now_ns: int) -> None:
        command, _ = self.gate.apply(self.controller.action, self._speed, now_ns, self._previous)
        self.recorder.writer.write_steering(
            SteeringSample(command.stamp_ns, command.steering_angle, command.speed), now_ns
        )
        self._previous, self.angle, self.cap = command, command.steering_angle, command.speed


def record(
    directory: Path, seconds: float = SECONDS, seed: int = SEED, station: float = STATION
) -> None:
    """A drive on a held-out road, from `station` [m] on."""
    world = World(WorldConfig(length=400.0), seed, held_out=True)
    world.place(station)
    facts = {"made_by": "test/golden/record.py", "driver": "lane_keeper", "seed": str(seed)}
    with BagWriter(directory, BagSettings(quality=QUALITY), facts, VEHICLE) as writer:
        recorder = DriveRecorder(writer, world, seed)
        car = Car(recorder)
        while world.time_ns < seconds * 1e9:
            for event in world.advance(car.angle, car.cap):
                car.take(event)
            recorder.truth(world.truth)
    world.close()


if __name__ == "__main__":
    record(Path(sys.argv[1]))
