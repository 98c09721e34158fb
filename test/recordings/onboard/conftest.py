"""A drive of IMU samples and numbered pictures on a clock of its own, recorded on board."""

from __future__ import annotations

import pytest

from liquid_control.recordings.onboard.backlog import Item
from liquid_control.recordings.onboard.recorder import OnboardRecorder
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.recordings.rosbag import messages
from liquid_control.signals import ImuSample

BEGIN_NS = 1_800_000_000_000_000_000
STATE = "/safety_node/state"


class Drive:
    """`seconds` of driving at 100 Hz, handed to the recorder, which writes after each message.
    Message n is received at `BEGIN_NS` + n x 10 ms."""

    def __init__(self, folder, settings: RecordSettings) -> None:
        self.now_ns, self.count = 10**9, 0
        self.recorder = OnboardRecorder(
            settings, folder, [STATE], clock=lambda: self.now_ns, wall=lambda: self.receive_ns
        )

    @property
    def receive_ns(self) -> int:
        return BEGIN_NS + self.count * 10_000_000

    def item(self, topic: str = "/imu/data") -> Item:
        receive_ns = self.receive_ns
        if topic == STATE:
            data = messages.diagnostic_message(receive_ns, 0, "gate", "engaged")
            return Item(self.now_ns, receive_ns, topic, messages.DIAGNOSTIC_ARRAY, data)
        sample = ImuSample(receive_ns, (0.0, 0.0, self.count), (0.0, 0.0, 9.81))
        return Item(self.now_ns, receive_ns, topic, messages.IMU, messages.imu_message(sample))

    def on(self, seconds: float, write: bool = True) -> None:
        for _ in range(round(100 * seconds)):
            self.recorder.put([self.item()])
            self.count += 1
            self.now_ns += 10_000_000
            if write:
                self.recorder.step()


@pytest.fixture
def drive(tmp_path):
    """`drive(folder=..., **settings)`: without a limit to the disk, 2 s before a mark, 1 after."""

    def make(folder=tmp_path / "recordings", **settings) -> Drive:
        given = {"before": 2.0, "after": 1.0, "keep_free": 0.0} | settings
        return Drive(folder, RecordSettings(**given))

    return make
