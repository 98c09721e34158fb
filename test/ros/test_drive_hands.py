"""What `drive --by hand` starts, and what it refuses before that."""

from __future__ import annotations

import socket

import pytest

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.ros import drive, parameters
from liquid_control.ros.launching import WITH_OPERATOR
from liquid_control.ros.node_parameters import NODES


def children(**settings):
    given = drive.DriveSettings(**settings)
    made = drive._children(given, find_model("lane_keeper"), VehicleConfig(), None)
    return {child.name: dict(child.parameters) for child in made}


@pytest.mark.parametrize("speed", [0.5, 20.0, 60.0])
def test_by_hand_a_page_and_a_joystick_join_and_the_gate_lets_a_person_drive(speed):
    alone, joined = children(speed=speed), children(by="hand", port=8123, speed=speed)
    assert joined.keys() - alone.keys() == {"operator_node", "joystick_node"}
    assert joined["operator_node"]["host"] == "127.0.0.1"
    assert joined["operator_node"]["port"] == 8123
    assert WITH_OPERATOR["safety_node"].items() <= joined["safety_node"].items()
    assert not WITH_OPERATOR["safety_node"].items() & alone["safety_node"].items()
    for name, given in joined.items():
        parameters.read(NODES[name], given)
    assert list(joined)[0] == "operator_node", "it ends first, and takes over"


def test_a_port_in_use_and_a_missing_server_are_one_line_before_anything_starts(monkeypatch):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port: got {port}, expected one that is free, or"):
            drive._free_port(port)
    assert drive._free_port(0) > 0
    monkeypatch.setattr(drive.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"liquid_control\[operate\]"):
        drive._free_port(0)
