"""What `make audit` and `make sbom` say, with a stand-in for pip-audit."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PINNED = ("requirements.txt", "constraints.txt")


def test_the_bill_of_materials_lists_every_pin():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "sbom.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    bill = json.loads(done.stdout)
    lines = {
        line.split(" #")[0].split(";")[0].strip()
        for name in PINNED
        for line in (ROOT / name).read_text().splitlines()
    }
    wanted = {
        line.split("[")[0].split("==")[0].lower() + "==" + line.split("==")[1]
        for line in lines
        if "==" in line and line[0] != "#"
    }
    assert {f"{part['name']}=={part['version']}" for part in bill["components"]} == wanted and len(
        wanted
    ) > 100
    assert bill["bomFormat"] == "CycloneDX" and len(
        {part["bom-ref"] for part in bill["components"]}
    ) == len(bill["components"])
    assert any(part["name"] == "numpy" and part.get("licenses") for part in bill["components"])


@pytest.mark.parametrize(
    "said, ended, code",
    [
        ("No known vulnerabilities found", 0, 0),
        ("Found 2 known vulnerabilities in 1 package", 1, 1),
        (
            "ERROR:pip_audit._cli:numpy: "
            "Dependency not found on PyPI and could not be audited: numpy (2.4.6)",
            1,
            2,
        ),
        ("ConnectionError: Max retries exceeded", 1, 2),
    ],
)
def test_an_audit_that_could_not_ask_is_none(tmp_path, said, ended, code):
    for name in ("tools/audit.sh", *PINNED):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    audit = tmp_path / ".venv" / "audit"
    (audit / "bin").mkdir(parents=True)
    version = next(
        line
        for line in (ROOT / "tools" / "audit.sh").read_text().splitlines()
        if line.startswith("version=")
    )
    (audit / "ready").write_text(version.removeprefix("version=") + "\n")
    (audit / "bin" / "pip-audit").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {ended}\n")
    (audit / "bin" / "pip-audit").chmod(0o755)
    done = subprocess.run(
        ["bash", str(tmp_path / "tools" / "audit.sh")], capture_output=True, text=True
    )
    assert done.returncode == code and said in done.stderr
    assert ("NOT AUDITED" in done.stderr) == (code == 2)


def test_without_a_gpu_the_gpu_check_says_so(tmp_path):
    done = subprocess.run(
        ["bash", str(ROOT / "tools" / "gpu_check.sh"), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": "/bin/false"},
    )
    assert done.returncode == 2 and "no Python whose PyTorch sees a GPU" in done.stderr
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def ros_names():
    spec = importlib.util.spec_from_file_location("ros_names", ROOT / "tools" / "ros_names.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ros_names"] = module
    spec.loader.exec_module(module)
    return module


def test_names_that_another_release_of_rclpy_lacks_are_found(ros_names, tmp_path):
    """An older rclpy made up here: one module, one method and one parameter fewer."""
    node = "class Node:\n    def create_timer(self, period{}): pass\n"
    for name, module, text in (
        ("old", "qos_event", node.format("")),
        ("new", "event_handler", node.format(", clock=None") + "    def clients(self): pass\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{module}.py").write_text("class Callbacks: pass\n")
        (tmp_path / name / "node.py").write_text(text)

    def missing(source: str) -> list[str]:
        there, here = ros_names.read(tmp_path / "old"), ros_names.read(tmp_path / "new")
        return sorted(ros_names.missing(source, there, here))

    assert missing("from rclpy.node import Node\nNode().create_timer(1)") == []
    wrong = "from rclpy.event_handler import Callbacks\nnode.clients()\n"
    assert missing(wrong + "node.create_timer(1, clock=clock)") == [
        "line 1: module rclpy.event_handler",
        "line 2: method clients",
        "line 3: create_timer(clock=...)",
    ]
    either = "try:\n    from rclpy.{} import Callbacks\nexcept ImportError:\n"
    either += "    from rclpy.{} import Callbacks"
    assert missing(either.format("event_handler", "qos_event")) == []
    assert missing(either.format("event_handler", "other")) != []


def test_the_nodes_use_only_names_of_the_installed_rclpy(ros_names):
    import rclpy

    assert ros_names.main(str(Path(rclpy.__file__).parent)) == 0
