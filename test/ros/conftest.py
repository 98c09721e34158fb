"""Real nodes in real processes, on an unused ROS domain, and a probe node in this
one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from liquid_control.errors import ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.ros import conversions, images, qos
from liquid_control.ros.node_processes import isolated_environment

ROOT = Path(__file__).resolve().parents[2]

MAKE_MODEL = """
import sys, torch
from liquid_control.config import PreprocessConfig
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.deploy.export import export_onnx
from liquid_control.policy.saved import save_model
from liquid_control.model.car import lane_keeping
from liquid_control.policy.network import PolicyNetwork
torch.manual_seed(0)
network = PolicyNetwork(PolicyConfig(), lane_keeping(PreprocessConfig()))
save_model(sys.argv[1], network, {}, {}, export=export_onnx)
"""


@pytest.fixture(scope="session", autouse=True)
def ros_domain(tmp_path_factory):
    """Everything below uses a separate domain; children inherit it from this process's
    environment.

    One node stays to the end, and with it this process's participant: Fast DDS 3.2 may crash in
    taking one apart while others still talk to it, and would take all tests with it.
    """
    environment, claim = isolated_environment()
    before = dict(os.environ)
    home = str(tmp_path_factory.mktemp("ros"))
    os.environ.update(environment, ROS_LOG_DIR=home, ROS_HOME=home)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    keeper = Node("keeper", enable_rosout=False, start_parameter_services=False)
    yield
    keeper.destroy_node()
    rclpy.try_shutdown()
    os.environ.clear()
    os.environ.update(before)
    claim.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The shipped model; where there is none yet, an untrained one of the same shape."""
    try:
        return find_model("lane_keeper").resolve()
    except ModelFileError:
        directory = tmp_path_factory.mktemp("models") / "untrained"
        subprocess.run([sys.executable, "-c", MAKE_MODEL, str(directory)], cwd=ROOT, check=True)
        return directory


class Probe(Node):
    """Sends what a test likes, keeps what it hears: messages by topic, values of /diagnostics by
    node."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.heard: dict[str, list] = {}
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.levels: dict[str, tuple[int, str]] = {}
        self.clocks: dict[str, int] = {}  # a node's own time [ns] at its latest diagnostics
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._out: dict[str, object] = {}
        self._asked: dict[str, object] = {}
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.STATUS)

    def listen(self, kind: type, topic: str) -> list:
        """Keeps all messages of a topic from now on, each with its arrival [ns]."""
        kept = self.heard.setdefault(topic, [])
        self.create_subscription(
            kind, topic, lambda message: kept.append((message, time.time_ns())), qos.RECORDING
        )
        return kept

    def send(self, topic: str, message, profile=qos.STATUS) -> None:
        """Publishes; the first time it waits for a subscriber."""
        if topic not in self._out:
            self._out[topic] = self.create_publisher(type(message), topic, profile)
            self.until(
                lambda: self._out[topic].get_subscription_count() > 0, f"a listener of {topic}"
            )
            self.spin(0.2)  # the other side learns of us a little later
        self._out[topic].publish(message)

    def drive(self, topic: str, make, count: int, heard: list, patience: float = 20.0) -> list[int]:
        """Sends pictures that `make` makes until `count` proposals were heard; returns the stamps
        that were sent."""
        stamps, deadline = [], time.monotonic() + patience
        while len(heard) < count:
            assert time.monotonic() < deadline, "no proposals"
            message = make()
            stamps.append(conversions.stamp_ns(message.header.stamp))
            self.send(topic, message, qos.CAMERA)
            self.spin(0.05)
        return stamps

    def until(self, condition, what: str, patience: float = 20.0) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            self._executor.spin_once(timeout_sec=0.02)

    def call(self, kind: type, name: str, request):
        """The answer of a service. The first answer may be lost, when its writer does not know our
        reader yet: the client stays for later calls, and silence makes it ask again."""
        if name not in self._asked:
            self._asked[name] = self.create_client(kind, name)
        client, answers = self._asked[name], []
        self.until(client.service_is_ready, f"the service {name}")
        self.spin(0.5)
        for _ in range(4):
            self.until(client.service_is_ready, f"the service {name}")
            answers.append(client.call_async(request))
            end = time.monotonic() + 5.0
            while time.monotonic() < end:
                self._executor.spin_once(timeout_sec=0.02)
                if answered := [answer for answer in answers if answer.done()]:
                    return answered[0].result()
        raise AssertionError(f"waited in vain for an answer of {name}")

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def count(self, node: str, name: str) -> float:
        """A number of a node's latest diagnostics; 0 before it said anything."""
        return float(self.diagnostics.get(node, {}).get(name, 0))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name.strip("/")] = {
                pair.key: pair.value for pair in status.values
            }
            self.levels[status.name.strip("/")] = (status.level[0], status.message)
            self.clocks[status.name.strip("/")] = conversions.stamp_ns(message.header.stamp)


@pytest.fixture
def probe():
    node = Probe()
    yield node
    node.destroy_node()


@pytest.fixture(scope="module")
def probe_for_all():
    """As `probe`, shared by all tests of a file."""
    node = Probe()
    yield node
    node.destroy_node()


def _starter():
    running = []

    def run(name: str, **parameters) -> subprocess.Popen:
        if name == "safety_node":  # a test does not start in the state that another one left
            parameters.setdefault("state_folder", "none")
        given = [
            word
            for key, value in parameters.items()
            for word in ("-p", f"{key.replace('__', '.')}:={value}")
        ]
        command = [sys.executable, "-m", f"liquid_control.ros.{name}", "--ros-args", *given]
        running.append(
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in running:
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture
def start():
    """`start(node, parameter=value, ...)` runs a node as a separate process and returns it; `__`
    in a name stands for a dot."""
    yield from _starter()


@pytest.fixture(scope="module")
def start_for_all():
    """As `start`, for processes that all tests of a file share."""
    yield from _starter()


@pytest.fixture(scope="session")
def libraries():
    """`libraries(process)`: the paths of all files that a process has mapped, so what it truly
    loaded."""
    return lambda process: Path(f"/proc/{process.pid}/maps").read_text()


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)


@pytest.fixture(scope="session")
def shot():
    """`shot(picture, stamp, field=value, ...)`: a picture as a message of now or of `stamp` [ns],
    its fields changed."""

    def make(picture: np.ndarray, stamp: int | None = None, **changes) -> Image:
        message = images.image_message(picture)
        message.header = conversions.header(time.time_ns() if stamp is None else stamp)
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    return make
