"""Pages of documentation: generated tables are in step with the code, links lead somewhere, verbs
exist."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from liquid_control.cli.arguments import parse
from liquid_control.cli.old_spellings import refuse_old_flags
from liquid_control.cli.verbs import VERBS, settings_by_words
from liquid_control.config import flags

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
NODES, COMMANDS = (ROOT / "doc" / name for name in ("nodes.md", "commands.md"))
SIM_NODE_OWN = {"world.length", "world.image_height", "world.image_width"}
"""Where the node's default is not the config's."""


@pytest.mark.parametrize("node", ["policy_node", "safety_node", "recorder_node", "sim_node"])
def test_every_parameter_is_listed_with_its_default_and_no_other(node, node_configs):
    section = NODES.read_text().split(f"## {node}\n")[1].split("\n## ")[0]
    listed = dict(re.findall(r"^\| `([\w.]+)` \| \w+ \| `([^`]*)` \|", section, re.MULTILINE))
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


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "tools/generate_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_in_step_with_the_code(generator, capsys):
    assert generator.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_out_of_step_is_named_and_mended(generator, tmp_path, monkeypatch, capsys):
    stale = tmp_path / "nodes.md"
    stale.write_text(NODES.read_text().replace("| `20.0` |", "| `21.0` |"))
    monkeypatch.setattr(generator, "NODES", stale)
    assert generator.main(["--check"]) == 1
    assert capsys.readouterr().err == "nodes.md: out of step with the code; run make docs\n"
    assert generator.nodes_page(stale.read_text()) == NODES.read_text()


def test_every_verb_and_flag_is_listed():
    text = COMMANDS.read_text()
    for words, settings in settings_by_words().items():
        section = text.split(f"\n## {words}\n")[1].split("\n## ")[0]
        assert f"liquid-control {words}" in section
        for flag in flags(settings):
            shown = flag.name if flag.kind is not bool or not flag.field.default else ""
            group = f"- `--{flag.name.rpartition('.')[0]}.*`"
            outer = f"- `--{flag.name.partition('.')[0]}.*`"
            assert (
                f"`--{shown}`" in section
                or f"`{flag.name.upper()}`" in section
                or f"`--no-{flag.name}`" in section
                or group in section
                or outer in section
            ), (words, flag.name)


def test_links_within_the_list_of_commands_lead_somewhere():
    text = COMMANDS.read_text()
    headings = {
        line.lstrip("# ").replace(" ", "-") for line in text.splitlines() if line[:1] == "#"
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "doc/architecture.md", "doc/safety.md", "doc/nodes.md"]
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


@pytest.mark.parametrize(
    "page", ["README.md", *(f"doc/{path.name}" for path in sorted((ROOT / "doc").glob("*.md")))]
)
def test_links_of_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    for target in links:
        assert target.startswith("http") or (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize(
    "page",
    ["README.md"]
    + [
        f"doc/{name}.md"
        for name in ("benchmark", "cells", "cores", "insight", "install", "measured", "recordings")
    ]
    + [f"doc/{name}.md" for name in ("robot", "safety", "security", "training")],
)
def test_commands_of_pages_are_command_lines(page):
    """Verbs and flags exist; nothing is run."""
    text = (ROOT / page).read_text()
    shown = "".join(re.findall(r"```(?:bash|sh)\n(.*?)```", text, re.DOTALL))
    commands = re.findall(r"^(?:\.venv/bin/)?liquid-control (.+)$", shown, re.MULTILINE)
    for command in commands:
        words = shlex.split(command.partition(">")[0], comments=True)
        verb = next(v for v in VERBS if words[: len(v.words.split())] == v.words.split())
        arguments = words[len(verb.words.split()) :]
        refuse_old_flags(verb.load().settings, arguments)
        parse(verb.load().settings, verb.words, verb.summary, arguments)
