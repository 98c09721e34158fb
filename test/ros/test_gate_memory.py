"""What the gate keeps over a restart: as values, as a file, and of a gate that is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from liquid_control.control.engagement import State
from liquid_control.ros import qos
from liquid_control.ros.gate_memory import (
    BEFORE,
    GateMemory,
    Held,
    Remembered,
    file_of,
    load,
    open_memory,
    save,
)

STOPPED = Remembered("emergency stop", emergency=True, waits=True)
FAULT = Remembered("others command the vehicle: /rogue", waits=True)
TAKEN = Remembered(takeover=("topic",), waits=True)
BOTH = Remembered("emergency stop", True, ("joystick",), ("topic",), True)
PRESSED = Remembered("emergency stop", True, pressed=("joystick",), waits=True)
WAITS = Remembered(waits=True)
NOBODY = Held()


def after(*decisions: tuple) -> Remembered:
    now, was = Remembered(), State.DISENGAGED
    for state, reason, *held in decisions:
        now, was = now.after(was, state, reason, *(held or [NOBODY])), state
    return now


def test_what_is_kept_follows_the_decisions():
    driving, free = (State.ENGAGED, "engaged"), (State.DISENGAGED, "no proposal")
    stop = (State.FAULT, "emergency stop")
    pressed = (State.FAULT, "emergency stop", Held(pressed=("joystick",)))
    other = (State.FAULT, "others command the vehicle: /rogue")
    taken = (State.DISENGAGED, "taken over", Held(True, ("topic",)))
    pulse = (State.DISENGAGED, "taken over", Held(True))
    released = (State.DISENGAGED, "enable released")
    assert after(free, released, free, driving) == Remembered(), "nothing to keep"
    assert after(driving, stop) == after(pressed, stop) == STOPPED
    assert after(driving, pressed) == PRESSED
    assert after(driving, other) == FAULT
    again = Remembered(other[1], emergency=True, waits=True)
    assert after(stop, other) == again, "still an emergency stop"
    assert after(stop, free) == WAITS, "acknowledged"
    assert after(stop, free, driving) == Remembered(), "engaged again"
    assert after(free, taken) == TAKEN
    assert after(free, taken, free) == after(free, pulse) == WAITS
    assert after(driving, released) == WAITS, "a dead-man that was released while it drove"
    assert after(driving, pulse, free, (State.ENGAGING, "engage requested")) == Remembered()


@pytest.mark.parametrize(
    "kept, ended, booted",
    [
        (STOPPED, STOPPED, STOPPED),
        (PRESSED, PRESSED, STOPPED),
        (FAULT, Remembered(), Remembered()),
        (TAKEN, TAKEN, Remembered()),
        (BOTH, BOTH, STOPPED),
        (WAITS, Remembered(), Remembered()),
    ],
)
def test_what_outlives_an_end_in_order_and_a_new_start_of_the_machine(kept, ended, booted):
    assert kept.after_end() == ended
    assert kept.after_boot() == booted
    assert booted.after_end() == booted.after_boot() == booted


@pytest.mark.parametrize("kept", [STOPPED, PRESSED, FAULT, TAKEN, BOTH, WAITS])
def test_a_file_holds_it_and_is_there_only_while_needed(tmp_path, kept):
    path = tmp_path / "made" / "gate.json"
    save(path, kept, "this boot")
    assert load(path, "this boot") == kept.after_restart()
    assert load(path, "another boot") == kept.after_boot().after_restart()
    assert [one.name for one in path.parent.iterdir()] == ["gate.json"]
    save(path, Remembered(), "this boot")
    assert not path.exists() and load(path, "this boot") == Remembered()


def test_the_reason_says_once_that_it_is_old():
    once = STOPPED.after_restart()
    assert once.fault == "emergency stop" + BEFORE and once.after_restart() == once
    assert TAKEN.after_restart() == TAKEN


GOOD = {"fault": "", "emergency": False, "takeover": [], "pressed": [], "waits": True, "boot": "b"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"{}",
        json.dumps({**GOOD, "emergency": "no"}).encode(),
        json.dumps({**GOOD, "waits": 0}).encode(),
        json.dumps({**GOOD, "fault": None}).encode(),
        json.dumps({**GOOD, "takeover": "topic"}).encode(),
        json.dumps({**GOOD, "takeover": [["topic"]]}).encode(),
        json.dumps({**GOOD, "pressed": ["foot"]}).encode(),
        *(json.dumps({k: v for k, v in GOOD.items() if k != gone}).encode() for gone in GOOD),
        b" " * 100_000 + json.dumps(GOOD).encode(),
        "folder",
        "pipe",
        "dangling link",
    ],
)
def test_a_file_that_cannot_be_read_is_an_emergency_stop(tmp_path, content):
    path = tmp_path / "gate.json"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content == "dangling link":
        path.symlink_to(tmp_path / "gone")
    else:
        path.write_bytes(content)
    found = load(path, "b")
    assert found.emergency and found.waits
    assert found.fault == f"emergency stop: {path} cannot be read (damaged)"
    path.unlink() if content != "folder" else path.rmdir()
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    assert load(path, "b") == WAITS, "the test itself: this one is intact"


def test_every_gate_has_a_file_of_its_own():
    home = {"ROS_HOME": "/h"}
    assert file_of("", "/safety_node", home) == Path("/h/liquid_control/gate_0.safety_node.json")
    assert file_of("/given", "/car1/gate", {"ROS_DOMAIN_ID": "7", **home}) == Path(
        "/given/gate_7.car1.gate.json"
    )
    assert file_of("", "/g", {}) == Path.home() / ".ros/liquid_control/gate_0.g.json"


def test_a_folder_that_cannot_be_written_is_a_problem_and_nothing_else(tmp_path):
    (tmp_path / "file").touch()
    memory = GateMemory(tmp_path / "file" / "gate.json")
    assert "cannot be written" in memory.problem and memory.restored == Remembered()
    memory.note(State.FAULT, "emergency stop", NOBODY)
    memory.end()
    assert "cannot be written" in memory.problem
    none = open_memory("none", "/safety_node")
    none.note(State.FAULT, "emergency stop", NOBODY)
    none.end()
    assert none.path is None and not none.problem


def test_the_latest_is_in_the_file_when_the_gate_has_ended(tmp_path):
    path = tmp_path / "gate.json"
    memory = GateMemory(path)
    for _ in range(100):
        memory.note(State.DISENGAGED, "taken over", Held(True, ("topic",)))
        memory.note(State.FAULT, "emergency stop", NOBODY)
    memory.end()
    assert GateMemory(path).restored == STOPPED.after_restart()
    crashed = GateMemory(tmp_path / "crashed.json")
    crashed.note(State.FAULT, FAULT.fault, NOBODY)
    crashed.end(in_order=False)
    assert GateMemory(tmp_path / "crashed.json").restored == FAULT.after_restart()
    again = GateMemory(path)
    again.note(State.DISENGAGED, "fault acknowledged", NOBODY)
    again.end()
    assert not path.exists()


@pytest.fixture
def gate(start, probe, tmp_path):
    """`gate()` starts one that keeps its file in `tmp_path`; `gate.states`: state and reason."""
    states: list[tuple[str, str]] = []
    probe.create_subscription(
        DiagnosticStatus,
        "safety_node/state",
        lambda message: states.append((message.message, message.values[0].value)),
        qos.LATCHED,
    )

    def run():
        states.clear()
        process = start("safety_node", state_folder=tmp_path)
        probe.until(lambda: states, "a gate")
        return process

    run.states = states
    return run


def end(process, number: int) -> None:
    process.send_signal(number)
    process.wait()


def test_an_emergency_stop_and_a_takeover_outlive_the_gate(gate, probe, tmp_path):
    first = gate()
    probe.call(Trigger, "safety_node/emergency_stop", Trigger.Request())
    probe.until(lambda: gate.states[-1] == ("fault", "emergency stop"), "the fault")
    end(first, signal.SIGINT)
    assert list(tmp_path.glob("gate_*.safety_node.json"))
    second = gate()
    assert gate.states == [("fault", "emergency stop" + BEFORE)]
    assert probe.call(Trigger, "safety_node/acknowledge", Trigger.Request()).success
    probe.until(lambda: gate.states[-1][0] == "disengaged", "the end of the fault")
    probe.send("takeover", Bool(data=True))
    probe.until(lambda: gate.states[-1][1] == "taken over", "the takeover")
    probe.spin(0.3)  # for the file
    end(second, signal.SIGKILL)
    gate()
    assert gate.states == [("disengaged", "taken over")]
    probe.until(lambda: probe._out["takeover"].get_subscription_count(), "the gate to listen")
    probe.spin(0.3)
    probe.send("takeover", Bool(data=False))
    probe.until(lambda: gate.states[-1][1] != "taken over", "the end of the takeover")
