"""A model is found by path or by name, wherever the package is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import liquid_control.model.installed as models
from liquid_control.errors import ModelFileError

PROGRAM = """
import sys
from liquid_control.model.installed import find_model
print(find_model(sys.argv[1]))
"""


def install(package: Path) -> None:
    """Lays the modules that `find_model` needs out as an installer would."""
    source = Path(models.__file__).resolve().parents[1]
    (package / "model").mkdir(parents=True)
    (package / "system").mkdir()
    for name in (
        "__init__.py",
        "errors.py",
        "system/__init__.py",
        "system/installed_data.py",
        "model/__init__.py",
        "model/installed.py",
    ):
        shutil.copy(source / name, package / name)


@pytest.mark.parametrize(
    "package, share",
    [
        ("repository/liquid_control", "repository/models/tiny"),
        (
            "venv/lib/python3.11/site-packages/liquid_control",
            "venv/share/liquid_control/models/tiny",
        ),
        (
            "install/liquid_control/lib/python3.10/site-packages/liquid_control",
            "install/liquid_control/share/liquid_control/models/tiny",
        ),
        (
            "usr/local/lib/python3.12/dist-packages/liquid_control",
            "usr/local/share/liquid_control/models/tiny",
        ),
    ],
)
def test_a_name_is_found_in_every_kind_of_installation(tmp_path, package, share):
    install(tmp_path / package)
    (tmp_path / share).mkdir(parents=True)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, "tiny"],
        cwd=tmp_path,
        env={"PYTHONPATH": str((tmp_path / package).parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found) == tmp_path / share


def test_a_path_wins_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lane_keeper").mkdir()
    assert models.find_model("lane_keeper").resolve() == tmp_path / "lane_keeper"


@pytest.mark.parametrize(
    "model", ["no_such_model", "somewhere/no_such_model", "../models_elsewhere"]
)
def test_an_unknown_model_is_named_in_the_error(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelFileError, match="no_such_model|models_elsewhere"):
        models.find_model(model)
