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
    from liquid_control.ros import policy_node, safety_node, sim_node

    return {
        node.__name__.rpartition(".")[2]: [
            (group.prefix, type(group.defaults)) for group in node.PARAMETERS
        ]
        for node in (policy_node, safety_node, sim_node)
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
