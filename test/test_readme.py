"""The README's parameter tables are the nodes' parameters, its links lead somewhere, its verbs
exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from liquid_control.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SIM_NODE_OWN = {"world.length", "world.image_height", "world.image_width"}
"""Where the node's default is not the config's."""


@pytest.mark.parametrize("node", ["policy_node", "safety_node", "sim_node"])
def test_every_parameter_is_listed_with_its_default_and_no_other(node, node_configs):
    section = (
        README.split(f"### {node}\n")[1]
        .split("\n## ")[0]
        .split("\n### ")[0]
        .split("| parameter |")[1]
    )
    listed = dict(re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \|", section, re.MULTILINE))
    actual = {}
    for prefix, config in node_configs[node]:
        for field in dataclasses.fields(config):
            actual[prefix + field.name] = (
                str(getattr(config(), field.name)).replace("True", "true").replace("False", "false")
            )
    assert listed.keys() == actual.keys()
    assert {name: value for name, value in listed.items() if name not in SIM_NODE_OWN} == {
        name: value for name, value in actual.items() if name not in SIM_NODE_OWN
    }


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "doc/architecture.md", "doc/safety.md"]
)
def test_files_that_pages_name_exist(page):
    text = (ROOT / page).read_text()
    links = [
        target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("http")
    ]
    named = re.findall(r"`((?:doc|test|config|models|launch)/[\w./]+)`", text)
    for target in [*links, *named]:
        assert (ROOT / page).parent.joinpath(target).exists() or (ROOT / target).exists(), target


def test_verbs_that_the_readme_names_exist():
    words = {verb.words.split()[0] for verb in VERBS}
    assert set(re.findall(r"liquid-control (\w+)", README)) <= words
