"""The operator's requests over DDS: latched and volatile publishers, topics and joystick."""

from __future__ import annotations

import itertools
import time

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from liquid_control.control.engagement import Answer, Request
from liquid_control.ros import qos
from liquid_control.ros.gate_memory import Held, Remembered
from liquid_control.ros.joystick import JoystickConfig
from liquid_control.ros.operator import OperatorInput
from liquid_control.ros.takeover_topics import PAD, PAGE, TAKEOVER_TOPICS, TOPIC

BUTTONS = JoystickConfig(
    takeover_button=0, enable_button=1, engage_button=2, emergency_stop_button=3
)
PROFILES = {"latched": qos.LATCHED, "volatile": qos.STATUS}
OTHER = {TOPIC: PAGE, PAGE: PAD, PAD: TOPIC}
NUMBERS = itertools.count()


def accept(request: Request) -> Answer:
    return Answer(True, request.value)


@pytest.fixture
def operator():
    """`operator(buttons, answer)`: the input of a new node, which publishes nothing itself."""
    nodes = []

    def make(buttons: JoystickConfig = BUTTONS, answer=accept) -> OperatorInput:
        nodes.append(Node("gate", namespace=f"gate_{next(NUMBERS)}"))
        return OperatorInput(nodes[-1], buttons, 5.0, answer)

    make.nodes = nodes
    yield make
    for node in nodes:
        node.destroy_node()


@pytest.fixture
def say(probe):
    """`say(operator, topic, messages..., profile)`: sent to the node of the operator's input, and
    there."""

    def send(operator: OperatorInput, topic: str, *messages, profile=qos.STATUS) -> None:
        full = f"{operator._node.get_namespace()}/{topic}"
        for message in messages:
            probe.send(full, message, profile)
        probe.spin(0.05)

    return send


def joy(*down: int, buttons: int = 4) -> Joy:
    return Joy(buttons=[int(index in down) for index in range(buttons)])


def texts(operator: OperatorInput) -> tuple[str, ...]:
    return tuple(problem.text for problem in operator.problems())


@pytest.mark.parametrize("profile", PROFILES)
def test_takeover_and_emergency_stop_are_heard_from_both_publishers(operator, say, profile):
    one = operator()
    assert not one.take(()).takeover and not one.take(()).faults
    say(one, "takeover", Bool(data=True), profile=PROFILES[profile])
    assert one.take(()).takeover and one.take(()).takeover, "until false"
    say(one, "takeover", Bool(data=False), profile=PROFILES[profile])
    assert not one.take(()).takeover
    say(one, "emergency_stop", Bool(data=True), profile=PROFILES[profile])
    assert one.take(("another",)).faults == ("emergency stop", "another")
    assert one.take(()).faults == ("emergency stop",), "until false"
    say(one, "emergency_stop", Bool(data=False), profile=PROFILES[profile])
    assert not one.take(()).faults


def test_what_was_latched_before_the_start_is_heard_but_the_dead_man(operator, probe):
    publishers = [
        probe.create_publisher(Bool, f"/gate_early/{topic}", qos.LATCHED)
        for topic in ("takeover", "emergency_stop", "enable")
    ]
    for publisher in publishers:
        publisher.publish(Bool(data=True))
    node = Node("gate", namespace="gate_early")
    operator.nodes.append(node)
    one, heard = OperatorInput(node, BUTTONS, 5.0, accept), []

    def both() -> bool:
        request = one.take(())
        assert not request.enabled
        heard.extend(["takeover"] * request.takeover + list(request.faults))
        return {"takeover", "emergency stop"} <= set(heard)

    probe.until(both, "both requests")


def test_an_old_request_of_a_latched_publisher_is_not_heard_again(operator, probe):
    """A publisher that keeps ten: true, then false."""
    publisher = probe.create_publisher(Bool, "/gate_late/emergency_stop", qos.LATCHED)
    before = probe.create_publisher(Bool, "/gate_late/takeover", qos.LATCHED)
    for value in (True, False):
        publisher.publish(Bool(data=value))
    before.publish(Bool(data=True))
    node = Node("gate", namespace="gate_late")
    operator.nodes.append(node)
    one = OperatorInput(node, BUTTONS, 5.0, accept)
    probe.until(lambda: one.take(()).takeover, "the takeover")
    probe.spin(0.2)
    assert not one.take(()).faults


def test_a_takeover_that_came_and_went_within_one_tick_is_heard(operator, say):
    one = operator()
    say(one, "takeover", Bool(data=True), Bool(data=False))
    assert one.take(()).takeover and not one.take(()).takeover
    say(one, "joy", joy(), joy(3), joy())
    assert one.take(()).faults == ("emergency stop",) and not one.take(()).faults


def test_a_joystick_takes_over_enables_requests_and_stops(operator, say):
    one = operator()
    assert "no node publishes joy" in texts(one)[0]
    say(one, "joy", joy(2))
    assert not one.problems()
    assert not one.take(()).engage_requested, "held when it was first heard"
    say(one, "joy", joy(), joy(2), joy())
    request = one.take(())
    assert request.engage_requested and not request.takeover and not request.enabled
    assert not one.take(()).engage_requested
    say(one, "joy", joy(0, 1))
    request = one.take(())
    assert request.takeover and request.enabled
    say(one, "joy", joy(buttons=1))
    request = one.take(())
    assert not request.takeover and not request.enabled, "no dead-man without its button"
    say(one, "joy", joy(3))
    assert one.take(()).faults == ("emergency stop",)
    say(one, "joy", Joy())
    assert one.take(()).faults == ("emergency stop",), "not released: the button is not there"


def test_a_takeover_by_topic_and_one_by_joystick_end_apart(operator, say):
    one = operator()
    say(one, "takeover", Bool(data=True))
    say(one, "joy", joy(0), joy())
    assert one.take(()).takeover and one.take(()).takeover
    say(one, "takeover", Bool(data=False))
    assert not one.take(()).takeover


@pytest.mark.parametrize("first, second", [*itertools.permutations(TAKEOVER_TOPICS, 2)])
def test_a_takeover_lasts_while_any_source_holds_it(operator, say, first, second):
    one = operator(answer=lambda request: Answer(False, "taken over"))
    engage = (Trigger.Request(), Trigger.Response())
    say(one, TAKEOVER_TOPICS[second], Bool(data=False))
    say(one, TAKEOVER_TOPICS[first], Bool(data=True))
    say(one, TAKEOVER_TOPICS[second], Bool(data=True))
    assert one.take(()).takeover and set(one.held.takeover) == {first, second}
    say(one, TAKEOVER_TOPICS[second], Bool(data=False))
    assert one.take(()).takeover and one.take(()).takeover, "the first still holds it"
    response = one._serve(Request.ENGAGE, *engage)
    assert not response.success and response.message == f"taken over (held by: {first})"
    say(one, TAKEOVER_TOPICS[first], Bool(data=False))
    assert not one.take(()).takeover


@pytest.mark.parametrize("source", TAKEOVER_TOPICS)
def test_a_source_that_dies_while_it_holds_a_takeover_keeps_it(operator, say, probe, source):
    one, topic = operator(JoystickConfig()), TAKEOVER_TOPICS[source]
    full, other = f"{one._node.get_namespace()}/{topic}", TAKEOVER_TOPICS[OTHER[source]]
    say(one, topic, Bool(data=True))
    assert one.take(()).takeover and not one.problems()
    probe.destroy_publisher(probe._out.pop(full))
    probe.until(lambda: not one._node.get_publishers_info_by_topic(full), "its end")
    say(one, other, Bool(data=True), Bool(data=False))
    assert one.take(()).takeover and one.held.takeover == (source,)
    assert texts(one) == (f"{topic} is held true and no node publishes it",)
    say(one, topic, Bool(data=False))
    assert not one.take(()).takeover and not one.problems(), "its successor ends it"


def test_buttons_that_a_joystick_does_not_have_are_a_problem(operator, say):
    one = operator(JoystickConfig(takeover_button=11))
    say(one, "joy", joy(buttons=6))
    one.take(())
    assert texts(one) == ("joystick.takeover_button 11: the joystick has 6 buttons, 0 to 5",)
    say(one, "joy", joy(11, buttons=12))
    assert one.take(()).takeover and not one.problems()


def test_what_the_gate_before_held_goes_on_until_it_ends(operator, say):
    one = operator()
    before = Remembered("emergency stop (before)", True, ("joystick",), ("topic",), True)
    one.restore(before)
    assert one.take(("another",)).faults == ("emergency stop", "emergency stop (before)", "another")
    request = one.take(())
    assert request.takeover and request.faults == ("emergency stop",)
    assert one.held == Held(True, ("joystick",), ("topic",))
    assert "emergency_stop is held true and no node publishes it" in texts(one)[-1]
    say(one, "emergency_stop", Bool(data=False))
    say(one, "joy", joy())
    request = one.take(())
    assert not request.takeover and not request.faults and not one.problems()
    two = operator()
    two.restore(Remembered(waits=True))
    assert two.take(()).takeover and not two.take(()).takeover, "after it, a request is needed"


def test_a_joystick_that_holds_a_takeover_and_falls_silent_is_a_problem(operator, say, monkeypatch):
    one = operator()
    say(one, "joy", joy(0))
    assert one.take(()).takeover and not one.problems()
    later = time.monotonic() + 60.0
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert one.take(()).takeover, "silence does not end it"
    assert texts(one) == ("takeover is held by a joystick that is silent for 60 s",)


def test_a_joystick_that_repeats_its_messages_is_missed_when_it_is_silent(
    operator, say, monkeypatch
):
    """An unplugged one, whose driver runs on: the operator presses in vain."""
    rests, repeats = operator(), operator()
    say(rests, "joy", *(joy(*[2] * (index % 2)) for index in range(20)))
    say(repeats, "joy", *[joy()] * 20)
    rests.take(()), repeats.take(())
    later = time.monotonic() + 20.0
    assert not repeats.problems()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: later)
        assert not rests.problems()
        assert texts(repeats) == ("the joystick repeated its messages and is silent for 20 s",)
    say(repeats, "joy", joy())
    repeats.take(())
    assert not repeats.problems()


def test_the_joystick_is_looked_for_under_its_remapped_name(operator, probe):
    node = Node("gate", namespace="remapped", cli_args=["--ros-args", "-r", "joy:=pad"])
    operator.nodes.append(node)
    one = OperatorInput(node, BUTTONS, 5.0, accept)
    assert "no node publishes joy" in texts(one)[0]
    probe.send("/remapped/pad", joy())
    assert not one.problems()


def test_a_request_that_is_refused_is_answered_so_and_forgotten(operator, probe, say):
    def refuse(request: Request) -> Answer:
        return Answer(request is Request.EMERGENCY_STOP, f"because of {request.value}")

    one = operator(answer=refuse)
    answers = {}
    executor = SingleThreadedExecutor()
    executor.add_node(one._node)
    clients = {
        name: probe.create_client(Trigger, f"{one._node.get_fully_qualified_name()}/{name}")
        for name in ("engage", "acknowledge", "emergency_stop")
    }
    for name, client in clients.items():
        probe.until(client.service_is_ready, name)
    probe.spin(0.3)  # the other side learns of us a little later
    for name, client in clients.items():
        answer = client.call_async(Trigger.Request())

        def answered(answer=answer) -> bool:
            executor.spin_once(timeout_sec=0.0)
            return answer.done()

        probe.until(answered, f"an answer of {name}")
        answers[name] = answer.result().success, answer.result().message
    assert answers == {
        "engage": (False, "because of engage"),
        "acknowledge": (False, "because of acknowledge"),
        "emergency_stop": (True, "because of emergency stop"),
    }
    say(one, "joy", joy(), joy(2))
    request = one.take(())
    assert not request.engage_requested and not request.acknowledged
    assert request.faults == ("emergency stop",)


def test_another_pad_than_the_presets_is_a_problem_with_the_way_to_see_it(operator, say):
    one = operator(JoystickConfig(preset="f710_x"))
    say(one, "joy", Joy(axes=[0.0] * 6, buttons=[1] * 12))
    request = one.take(())
    assert not (request.takeover or request.enabled or request.faults)
    [problem] = one.problems()
    assert "6 axes and 12 buttons, joystick.preset f710_x 8 and 11" in problem.text
    assert "liquid-control joystick" in problem.remedy
    say(one, "joy", Joy(axes=[0.0] * 8, buttons=[0, 1, *[0] * 9]))
    assert one.take(()).takeover and not one.problems()


def test_the_dead_man_counts_from_the_arrival_of_its_message(operator, say, probe):
    """One that waited longer than `enable_stale_after` says nothing about now."""
    one = operator()
    one._stale_after = 0.5
    say(one, "enable", Bool(data=True))
    probe.spin(0.6)
    assert not one.take(()).enabled
    one._stale_after = 60.0
    say(one, "enable", Bool(data=True))
    assert one.take(()).enabled
