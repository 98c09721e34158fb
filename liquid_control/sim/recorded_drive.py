"""One drive in MuJoCo as a rosbag2, driven by one driver, or by a policy from which a person takes
over."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from liquid_control.control.controller import Controller
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter, check_free
from liquid_control.sim.drive import Step
from liquid_control.sim.person import Person
from liquid_control.sim.recorder import DriveRecorder
from liquid_control.sim.world import World

SHARED = ("takeovers", "distance_m", "by_policy_m", "put_back")
"""Facts of a drive with a person."""
LOST = 3.0
"""A vehicle that a person does not bring back, this many half lanes from the middle, is put
back."""


@dataclasses.dataclass(frozen=True)
class RecordedDrive:
    """A rosbag2 directory as a value: the bytes of each file by name. `frames`: of its camera."""

    frames: int
    files: Mapping[str, bytes] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return self.frames

    def save(self, directory: Path) -> None:
        """Writes the directory, complete or not at all. Raises BagError when it exists."""
        partial = check_free(directory)
        partial.mkdir(parents=True)
        for name, content in self.files.items():
            (partial / name).write_bytes(content)
        partial.rename(directory)


def shared_facts(directory: Path) -> dict[str, float]:
    """What a written drive with a person says: `takeovers`, `distance_m`, `by_policy_m`,
    `put_back`."""
    content = yaml.safe_load((directory / "metadata.yaml").read_text(encoding="utf-8"))
    facts = content["rosbag2_bagfile_information"]["custom_data"]
    return {name: float(facts[name]) for name in SHARED}


def record_drive(
    world: World,
    controller: Controller,
    steps: Callable[..., Iterator[Step]],
    seed: int,
    settings: BagSettings,
    name: str,
    facts: Mapping[str, str],
    person: Person | None = None,
) -> RecordedDrive:
    """Drives until the task is terminated, with a person to the end of the road. `steps`: the drive
    in `world`; it takes a `tap`.

    The recorded command is that of the gate, without any steering noise: what the driver meant, not
    what moved the wheels. With a person the recording says who drove, and its facts how far and how
    often he took over (`takeovers`, `distance_m`, `by_policy_m`, `put_back`).
    """
    put_back, whole, by_policy, station = 0, 0.0, 0.0, world.truth.station
    with tempfile.TemporaryDirectory(prefix="liquid_control_") as folder:
        directory = Path(folder) / name
        with BagWriter(directory, settings, facts, world.body.vehicle) as writer:
            recorder = DriveRecorder(writer, world, seed)
            if person is not None:
                recorder.driver(by_person=False)
            for step in steps(tap=recorder.sample):
                # As on a robot, no command is recorded before the first proposal.
                if controller.action is not None:
                    recorder.command(step.command, step.action)
                recorder.truth(step.truth)
                if person is None:
                    if world.task.is_terminated(step.truth):
                        break
                    continue
                moved = max(step.truth.station - station, 0.0)
                station, whole = step.truth.station, whole + moved
                by_policy += 0.0 if person.drives else moved
                before = person.drives
                if person.watch(step.truth) is not before:
                    recorder.driver(person.drives)
                if abs(step.truth.lane_offset) > LOST * world.scale.off_road:
                    put_back += 1
                    world.place(station)
                    controller.reset()
            if person is not None:
                writer.facts |= {
                    "takeovers": str(person.takeovers),
                    "distance_m": f"{whole:.1f}",
                    "by_policy_m": f"{by_policy:.1f}",
                    "put_back": str(put_back),
                }
        files = {file.name: file.read_bytes() for file in directory.iterdir()}
    return RecordedDrive(recorder.frames, files)
