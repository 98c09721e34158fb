"""What `make audit` and `make sbom` say, with a stand-in for pip-audit."""

from __future__ import annotations

import json
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
