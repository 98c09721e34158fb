"""Writes a software bill of materials (CycloneDX 1.5, JSON) of every pinned package to stdout.
Reads only the pins and needs no network.

Licences come from the metadata of the installed packages; a package that is not installed has none.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;\s*(.*))?$")


def pins() -> list[tuple[str, str, str]]:
    """(name, version, environment marker) of every pin, sorted by name. SystemExit for a
    line that is not a pin."""
    found = set()
    for file in ("requirements.txt", "constraints.txt"):
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            line = line.split(" #")[0].strip()
            if not line or line.startswith(("#", "-")):
                continue
            match = PIN.match(line)
            if match is None:
                raise SystemExit(f"sbom: {file}: {line!r} is not a pin; write name==version")
            found.add((match[1].lower(), match[2], (match[3] or "").strip()))
    return sorted(found)


def licence(name: str, version: str) -> str:
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    if metadata["Version"] != version:
        return ""
    classified = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License")
    ]
    named = [metadata["License-Expression"] or "", *classified]
    return next((text for text in named if text), "")


def component(name: str, version: str, marker: str) -> dict:
    row = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{re.sub(r'[-_.]+', '-', name)}@{version}",
    }
    row["bom-ref"] = row["purl"] + (f"#{marker}" if marker else "")
    if text := licence(name, version):
        row["licenses"] = [{"license": {"name": text}}]
    if marker:
        row["properties"] = [{"name": "python:environment_marker", "value": marker}]
    return row


def bill() -> dict:
    whole = {"type": "application", "name": "liquid_control"}
    parts = [component(*pin) for pin in pins()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": whole},
        "components": parts,
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
    print()
