"""Brings the nodes of a drive up in order, and freezes them at its end so that their counts agree.
Raises DriveError, soon and clearly."""

from __future__ import annotations

import time
from collections.abc import Callable

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from liquid_control.errors import DriveError
from liquid_control.ros.node_processes import Children
from liquid_control.ros.recorder import Recorder

NODES = ("sim_node", "policy_node", "safety_node")
LISTENERS = {
    "camera_listeners": ("sim_node", 2),  # policy and recorder
    "imu_listeners": ("sim_node", 2),  # policy and recorder
    "proposal_listeners": ("policy_node", 2),  # safety gate and recorder
    "command_listeners": ("safety_node", 2),  # vehicle and recorder
}
"""Who must have how many listeners before the world starts to move, or the first messages would be
lost."""

ANSWER_WITHIN = 5.0
"""Seconds after which an answer is taken for lost."""

PATIENCE = 30.0
"""Seconds that each step may take; a slow machine needs some to import everything."""


class Supervisor:
    """Works through `recorder`'s node and executor, on one thread."""

    def __init__(
        self, recorder: Recorder, executor: SingleThreadedExecutor, children: Children
    ) -> None:
        self.recorder, self.executor, self.children = recorder, executor, children

    def bring_up(self) -> None:
        """Safety gate first, then the policy through its lifecycle until it is active."""
        self._until(lambda: self.recorder.count_publishers("command") > 0, "safety_node to start")
        self._transition(Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE)
        self._transition(Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE)

    def await_listeners(self, pictures: bool, inertial: bool, imu: bool = True) -> None:
        """Until every publisher of LISTENERS knows its listeners; `pictures`, `inertial`: the
        recorder listens to the camera, the IMU. `imu`: whether the vehicle has one."""
        without = {"camera_listeners": not pictures, "imu_listeners": not inertial}
        for count, (node, least) in LISTENERS.items():
            least -= without.get(count, False)
            least = least if imu or count != "imu_listeners" else 0
            self._until(
                lambda node=node, count=count, least=least: self._reported(node, count) >= least,
                f"the listeners of {node}",
            )

    def run_world(self, running: bool) -> None:
        """Lets time pass in the world, or stops it."""
        request = SetParameters.Request(
            parameters=[Parameter("running", value=running).to_parameter_msg()]
        )
        result = self._call(SetParameters, "sim_node/set_parameters", request).results[0]
        if not result.successful:
            raise DriveError(f"sim_node refused to {'run' if running else 'stop'}: {result.reason}")

    def settle(self) -> None:
        """Waits until each node has reported once more."""
        began = time.monotonic()
        for node in NODES:
            self._until(
                lambda node=node: self.recorder.diagnostics.get(node, (0.0,))[0] > began + 0.1,
                f"the last report of {node}",
            )

    def _transition(self, transition: int, goal: int) -> None:
        """Changes the policy's state. Not repeated without an answer: the published state
        shows whether it took effect."""
        client = self.recorder.create_client(ChangeState, "policy_node/change_state")
        self._until(client.service_is_ready, "policy_node to start")
        answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        if self._wait(answer.done, ANSWER_WITHIN):
            obeyed = answer.result().success
        else:
            obeyed = (
                self._call(GetState, "policy_node/get_state", GetState.Request()).current_state.id
                == goal
            )
        self.recorder.destroy_client(client)
        if not obeyed:
            raise DriveError(
                f"policy_node did not start: {self.children.last_words('policy_node')}"
            )

    def _call(self, kind: type, name: str, request):
        """The answer to a request that does no harm when it is sent twice.

        The first answer of a service may be lost, when its writer did not know our reader yet.
        """
        client = self.recorder.create_client(kind, name)
        self._until(client.service_is_ready, f"the service {name}")
        for _ in range(round(PATIENCE / ANSWER_WITHIN)):
            answer = client.call_async(request)
            if self._wait(answer.done, ANSWER_WITHIN):
                self.recorder.destroy_client(client)
                return answer.result()
        raise DriveError(f"{name} does not answer")

    def _reported(self, node: str, name: str) -> float:
        return float(self.recorder.diagnostics.get(node, (0.0, {}))[1].get(name, 0))

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        if not self._wait(condition, PATIENCE):
            raise DriveError(
                f"waited {PATIENCE:.0f} s for {what}; "
                "the nodes' logs, next to the report, may say why"
            )

    def _wait(self, condition: Callable[[], bool], patience: float) -> bool:
        """Handles what comes in until the condition holds; False when it does not in time."""
        deadline = time.monotonic() + patience
        while not condition():
            self.children.raise_if_died()
            if time.monotonic() > deadline:
                return False
            self.executor.spin_once(timeout_sec=0.02)
            self.recorder.take()
        return True
