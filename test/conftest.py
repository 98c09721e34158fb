import importlib.util
from html.parser import HTMLParser
from pathlib import Path

import pytest

from liquid_control.system.threads import wait_without_spinning

wait_without_spinning()


@pytest.fixture(scope="session")
def drives():
    """The module `written_drive`: small drives as bags, whose road can be seen in the picture."""
    spec = importlib.util.spec_from_file_location(
        "written_drive", Path(__file__).with_name("written_drive.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def node_configs():
    """The parameters of each node: {node: [(prefix of their names, config)]}."""
    from liquid_control.config import GateConfig, TimelineConfig, VehicleConfig, WorldConfig
    from liquid_control.control.engagement import EngagementConfig
    from liquid_control.ros.operator import JoystickConfig
    from liquid_control.ros.policy_node import CruiseConfig, PolicyNodeConfig
    from liquid_control.ros.safety_node import SafetyNodeConfig
    from liquid_control.ros.sim_node import SimControls, SimNodeConfig

    return {
        "policy_node": [
            ("", PolicyNodeConfig),
            ("", CruiseConfig),
            ("timeline.", TimelineConfig),
            ("vehicle.", VehicleConfig),
        ],
        "safety_node": [
            ("", SafetyNodeConfig),
            ("gate.", GateConfig),
            ("engagement.", EngagementConfig),
            ("joystick.", JoystickConfig),
            ("vehicle.", VehicleConfig),
        ],
        "sim_node": [("", SimNodeConfig), ("", SimControls), ("world.", WorldConfig)],
    }


VOID = {"meta", "br", "hr", "link", "img", "input"}


class Balanced(HTMLParser):
    """Fails on a page whose elements do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def balanced():
    """`balanced(page)` fails on a page whose elements do not nest."""
    return Balanced
