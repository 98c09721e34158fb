"""Transitions of the policy: what fails leaves the state before it, says its cause and can be tried
again; what shapes the policy may be set while it is unconfigured."""

from __future__ import annotations

import sys

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from liquid_control.model.installed import find_model
from liquid_control.ros import policy_node, transitions

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def policy(model):
    """`policy(name=value, ...)`: an unconfigured policy node in this process."""
    made = []

    def make(**overrides):
        given = {"model": str(model), "autostart": False} | overrides
        made.append(
            policy_node.PolicyNode(
                namespace="transitions",  # rclpy keeps the services of a destroyed lifecycle node
                parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
            )
        )
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


@pytest.fixture
def said(monkeypatch):
    """What nodes log as errors."""
    lines: list[str] = []
    monkeypatch.setattr(RcutilsLogger, "error", lambda self, line, **_: lines.append(line))
    return lines


def state(node) -> str:
    return node._state_machine.current_state[1]


def publishers(node) -> set[str]:
    return {publisher.topic_name for publisher in node.publishers}


def fail(*_, **__):
    raise OSError("the disk is gone")


@pytest.mark.parametrize("name", ["find_model", "read_model", "load_backend", "Controller"])
def test_an_exception_while_configuring_leaves_it_unconfigured(policy, said, monkeypatch, name):
    node = policy(publish_neurons=True)
    before = publishers(node)
    with monkeypatch.context() as broken:
        broken.setattr(policy_node, name, fail)
        assert node.trigger_configure() == FAILURE
    assert state(node) == "unconfigured" and publishers(node) == before
    assert len(said) == 1 and "configure: OSError: the disk is gone" in said[0]
    assert node._report()[1] == "not active"
    assert node.start(), "and then it works"
    assert publishers(node) - before == {
        "/transitions/proposal",
        "/transitions/policy_node/neurons",
    }


@pytest.mark.parametrize("name", ["SaliencyThread", "PolledSubscription"])
def test_an_exception_while_activating_leaves_it_inactive(policy, said, monkeypatch, name):
    node = policy(saliency_rate=2.0)
    assert node.trigger_configure() == SUCCESS
    before = len(list(node.subscriptions))
    with monkeypatch.context() as broken:
        broken.setattr(policy_node, name, fail)
        assert node.trigger_activate() == FAILURE
    assert state(node) == "inactive" and len(list(node.subscriptions)) == before
    assert node._saliency_thread is None
    assert len(said) == 1 and "activate: OSError: the disk is gone" in said[0]
    assert node._report()[1] == "not active"
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_deactivate() == SUCCESS and node.trigger_cleanup() == SUCCESS
    assert state(node) == "unconfigured"


def test_saliency_without_safetensors_names_it(policy, said, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "safetensors"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    node = policy(saliency_rate=2.0)
    assert not node.start() and state(node) == "inactive"
    [line] = said
    assert "safetensors is not installed" in line and "pip install safetensors" in line


def test_another_model_is_taken_while_unconfigured_and_refused_later(policy):
    node = policy()
    [taken] = node.set_parameters([Parameter("model", value="lane_keeper_cfc")])
    assert taken.successful, taken.reason
    assert node.trigger_configure() == SUCCESS
    assert node._info.directory.resolve() == find_model("lane_keeper_cfc").resolve()
    for name, value in (
        ("model", "lane_keeper"),
        ("vehicle.wheelbase", 0.3),
        ("timeline.max_gap", 0.2),
        ("publish_neurons", True),
    ):
        [refused] = node.set_parameters([Parameter(name, value=value)])
        assert not refused.successful and "while unconfigured" in refused.reason
    assert node.get_parameter("model").value == "lane_keeper_cfc"
    assert node.vehicle.wheelbase == 2.6
    assert node.trigger_cleanup() == SUCCESS
    changes = [
        Parameter("publish_neurons", value=True),
        Parameter("vehicle.wheelbase", value=1),
        Parameter("imu.yaw", value=1),
    ]
    assert all(result.successful for result in node.set_parameters(changes))
    assert node.start()
    assert "/transitions/policy_node/neurons" in publishers(node)
    assert (node.vehicle.wheelbase, node.mounting.yaw) == (1.0, 1.0)
    [refused] = node.set_parameters([Parameter("autostart", value=True)])
    assert not refused.successful, "it means something at the start only"


def test_a_whole_number_is_taken_for_a_float(policy):
    node = policy()
    assert node.start()
    [taken] = node.set_parameters([Parameter("speed", value=12)])
    assert taken.successful, taken.reason
    assert (node.cruise.speed, node.controller.speed) == (12.0, 12.0)
    assert type(node.cruise.speed) is float
    if hasattr(node, "add_pre_set_parameters_callback"):
        assert node.get_parameter("speed").type_ is Parameter.Type.DOUBLE
    for wrong in (101, "fast", True, float("nan")):
        [refused] = node.set_parameters([Parameter("speed", value=wrong)])
        assert not refused.successful and "speed" in refused.reason
    assert node.controller.speed == 12.0


def test_changes_are_made_together_or_not_at_all(policy):
    node = policy()
    assert node.trigger_configure() == SUCCESS
    together = [Parameter("speed", value=5.0), Parameter("model", value="lane_keeper_cfc")]
    assert not node.set_parameters_atomically(together).successful
    assert (node.cruise.speed, node.controller.speed) == (15.0, 15.0)


def test_a_transition_that_its_state_does_not_have_is_refused(policy, said):
    """As rclpy of Jazzy answers: by an exception, which would end the node."""
    node = policy()
    [service] = [each for each in node.services if each.srv_type is ChangeState]
    assert node.start()
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    for number in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, 99):
        request.transition.id = number
        assert not service.callback(request, ChangeState.Response()).success
        assert state(node) == "active"
    request.transition.id = Transition.TRANSITION_DEACTIVATE
    assert service.callback(request, ChangeState.Response()).success


def test_an_exception_of_rclpy_over_a_transition_is_an_answer(policy, said):
    def raises(request, response):
        raise RuntimeError("Failed to trigger transition: Transition is not registered")

    node = policy()
    [service] = [each for each in node.services if each.srv_type is ChangeState]
    service.callback = raises
    transitions.refuse_impossible(node)
    assert not service.callback(ChangeState.Request(), ChangeState.Response()).success
    assert said == ["change_state: Failed to trigger transition: Transition is not registered"]


def test_what_fails_while_deactivating_leaves_it_inactive(policy, said, monkeypatch):
    node = policy(saliency_rate=2.0)
    assert node.start()
    before = len(list(node.subscriptions))
    with monkeypatch.context() as broken:
        broken.setattr(node._saliency_thread, "close", fail)
        assert node.trigger_deactivate() == SUCCESS
    assert state(node) == "inactive" and len(list(node.subscriptions)) < before
    assert said == ["deactivate: OSError: the disk is gone"]
    assert node.trigger_activate() == SUCCESS


def test_diagnostics_that_fail_are_an_error_and_do_not_end_the_node(policy, said):
    node = policy()
    assert node.start()
    published = []
    for publisher in node.publishers:
        publisher.publish = published.append
    node._check.parts = fail
    timer = next(each for each in node.timers if each.timer_period_ns == 10**9)
    timer.callback()
    [status] = published[0].status
    assert status.level == b"\x02" and "OSError: the disk is gone" in status.message
    assert said == ["the diagnostics failed: OSError: the disk is gone"]
