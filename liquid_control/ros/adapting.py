"""The adaptation of the policy node: who drives and what is steered, from the gate's topics and the
measured steering angle; what was learnt, on `~/adaptation` and in a file; `~/reset_adaptation`.

While the policy drives, what is steered is the gate's command, read from its verdicts, whatever the
type of its commands. A person who has taken over is judged by the measured angle of the front
wheels; one who drives by hand through the gate, by its commands.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Trigger

from liquid_control.adaptation import state_file
from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.settings import NOTHING, AdaptationConfig
from liquid_control.config import VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.engagement import DRIVING, State
from liquid_control.control.vehicle import curvature
from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError, LiquidControlError
from liquid_control.model.model_file import ModelInfo
from liquid_control.model.signature import sign_text
from liquid_control.ros import diagnostics, proposal_source, qos
from liquid_control.ros.measurements import AngleInput, angle_input
from liquid_control.ros.own_folder import own_folder
from liquid_control.ros.recorded_topics import STATE, VERDICT
from liquid_control.system.serial_thread import SerialThread

ANGLE = "steering_angle"
SAVED = 30.0
"""What was learnt is written after so long [s], and when the node is deactivated."""
MESSAGE = "adaptation"


class Adapting:
    """Off until `load` finds a mode. After that nothing raises: what goes wrong is counted and
    logged."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._adapted: AdaptedRuntime | None = None
        self._thread = SerialThread("adaptation")
        self._unload()

    def load(
        self,
        config: AdaptationConfig,
        runtime: Runtime,
        info: ModelInfo,
        vehicle: VehicleConfig,
        angle: AngleInput,
        undo: contextlib.ExitStack,
    ) -> Runtime:
        """The runtime to drive with: the same where nothing adapts. Takes what the node before this
        one has learnt, if that is this one's; makes publisher and service. Raises ConfigError for a
        policy that cannot adapt, ModelFileError for a key that cannot be used."""
        if config.adapts == "off":
            return runtime
        if config.signing_key:
            sign_text(b"", config.signing_key)
        adapted = AdaptedRuntime(runtime, config, vehicle)
        self._config, self._vehicle, self._angle = config, vehicle, angle
        self._made_for = state_file.MadeFor(vehicle, info.files, _release(), config.gate_angle)
        self._path, self._problem = _file_of(
            config.state_file, self._node.get_fully_qualified_name()
        )
        undo.callback(self._unload)
        self._published = self._node.create_lifecycle_publisher(
            DiagnosticStatus, "~/adaptation", qos.STATUS
        )
        undo.callback(self._node.destroy_lifecycle_publisher, self._published)
        service = self._node.create_service(Trigger, "~/reset_adaptation", self._on_reset)
        undo.callback(self._node.destroy_service, service)
        self._adapted = adapted
        self._take_file()
        return adapted

    def activate(self, controller: Controller, undo: contextlib.ExitStack) -> None:
        """Listens to gate and steering."""
        adapted, node = self._adapted, self._node
        if adapted is None:
            return
        adapted.assumed = lambda: controller.observer.assumed
        adapted.restart()
        self._by_hand = False
        undo.callback(self._save, True)
        subscriptions = [
            node.create_subscription(DiagnosticStatus, STATE, self._on_state, qos.LATCHED),
            node.create_subscription(DiagnosticStatus, VERDICT, self._on_verdict, qos.STATUS),
        ]
        if adapted.output is not None:
            kind, self._read_angle = angle_input(node, self._angle)
            subscriptions.append(
                node.create_subscription(kind, ANGLE, self._on_angle, qos.INERTIAL)
            )
        for subscription in subscriptions:
            undo.callback(node.destroy_subscription, subscription)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timers = [
            node.create_timer(1.0, self._publish, clock=steady),
            node.create_timer(SAVED, self._save, clock=steady),
        ]
        for timer in timers:
            undo.callback(node.destroy_timer, timer)

    def restart(self) -> None:
        """The drive begins anew, as after a jump of the clock."""
        if self._adapted is not None:
            driver = self._adapted.driver
            self._adapted.restart()
            self._adapted.drives(driver, self._node.get_clock().now().nanoseconds)

    @property
    def values(self) -> dict[str, object]:
        """For the node's diagnostics."""
        if self._adapted is None:
            return {}
        return self._adapted.facts() | {"adaptation file": self._problem or str(self._path or "")}

    def _unload(self) -> None:
        self._adapted, self._path, self._problem = None, None, ""
        self._saved: dict | None = None
        self._refused = False
        self._published = None
        self._used: tuple[bool, ...] = ()

    def _on_state(self, message: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in message.values}
        try:
            state = State(message.message)
        except ValueError:
            return
        self._by_hand = values.get("driver") == proposal_source.Driver.HAND.value
        driver = Driver.NONE
        if state in DRIVING:
            driver = Driver.PERSON if self._by_hand else Driver.POLICY
        elif state is State.DISENGAGED:
            driver = Driver.PERSON
        self._adapted.drives(driver, self._node.get_clock().now().nanoseconds)

    def _on_verdict(self, message: DiagnosticStatus) -> None:
        """The command of the gate."""
        values = {pair.key: pair.value for pair in message.values}
        try:
            stamp, angle = int(values["issued_ns"]), float(values["steering_angle"])
        except (KeyError, ValueError):
            return
        self._adapted.steered(stamp, curvature(angle, self._vehicle))
        used = tuple(part.used for part in self._adapted.parts.values())
        if used != self._used:
            self._used = used
            self._publish()

    def _on_angle(self, message: object) -> None:
        """The measured angle of the front wheels, while a person has taken over."""
        if self._adapted.driver is Driver.PERSON and not self._by_hand:
            now = self._node.get_clock().now().nanoseconds
            sample = self._read_angle(message, now)
            bend = curvature(sample.steering_angle, self._vehicle)
            self._adapted.steered(sample.stamp_ns, bend)

    def _publish(self) -> None:
        """All digits, so that a recording tells what was in use."""
        values = {name: _written(value) for name, value in self.values.items()}
        values["stamp_ns"] = str(self._node.get_clock().now().nanoseconds)
        used = [name for name, part in self._adapted.parts.items() if part.used]
        said = f"in use: {' and '.join(used)}" if used else "nothing is in use"
        self._published.publish(
            diagnostics.status(MESSAGE, "liquid_control", diagnostics.OK, said, values)
        )

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        adapted = self._adapted
        adapted.reset()
        self._saved = adapted.state()
        response.success, response.message = True, "what was learnt is forgotten"
        try:
            if self._path is not None:
                self._thread.call(self._path.unlink, True)
                self._problem = ""
        except OSError as error:
            response.success = False
            response.message = f"forgotten until the next start: {self._path}: {error.strerror}"
        self._node.get_logger().info(f"adaptation: {response.message}")
        return response

    def _take_file(self) -> None:
        """What was learnt before; a file that is not this one's is kept under another name, from
        when something else was learnt."""
        self._saved = self._adapted.state()
        if self._path is None:
            return
        try:
            learnt = state_file.load(self._path, self._made_for, self._config.signing_key)
            try:
                self._adapted.restore(learnt)
            except ConfigError as error:
                raise state_file.refuse(self._path, error) from None
        except FileNotFoundError:
            return
        except LiquidControlError as error:
            self._problem, self._refused = str(error), True
            self._node.get_logger().warning(f"adaptation: {error}")
            return
        self._saved = self._adapted.state()
        self._node.get_logger().info(f"adaptation: goes on from {self._path}")

    def _save(self, wait: bool = False) -> None:
        """Writes what has been learnt since the last time, in a thread."""
        if self._adapted is None or self._path is None:
            return
        learnt = self._adapted.state()
        if learnt == self._saved:
            return
        self._saved = learnt
        (self._thread.call if wait else self._later)(self._write, learnt)

    def _later(self, function, *arguments: object) -> None:
        self._thread.call(lambda: None)  # the thread is there
        self._thread.later(function, *arguments)

    def _write(self, learnt: dict) -> None:
        """In the thread."""
        try:
            if self._refused:  # what another has learnt is kept
                self._path.replace(self._path.with_suffix(".refused.json"))
                self._refused = False
            state_file.save(self._path, self._made_for, learnt, self._config.signing_key)
            self._problem = ""
        except (OSError, ValueError, LiquidControlError) as error:
            self._problem = f"{self._path} cannot be written: {error}"


def _file_of(given: str, name: str) -> tuple[Path | None, str]:
    """The file of the node with this full name, None for none; and why there is none."""
    if given == NOTHING:
        return None, ""
    if given:
        return Path(given).expanduser(), ""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    try:
        folder = own_folder(os.environ)
    except RuntimeError:
        return None, "what is learnt is not kept: no home directory; set adaptation.state_file"
    return folder / f"adaptation_{domain}{name.replace('/', '.')}.json", ""


def _release() -> str:
    try:
        return importlib.metadata.version("liquid_control")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _written(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
