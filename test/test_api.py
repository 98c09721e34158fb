"""The public names exist, load nothing before they are used, and the examples of doc/api.md run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import liquid_control

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "doc" / "api.md").read_text(encoding="utf-8")


def test_every_public_name_is_there_and_on_the_page():
    for name in liquid_control.__all__:
        assert getattr(liquid_control, name) is not None
        assert f"`{name}`" in PAGE, name
    assert set(liquid_control.__all__) <= set(dir(liquid_control))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchCell"):
        liquid_control.NoSuchCell  # noqa: B018


def test_importing_the_package_loads_none_of_its_modules():
    program = (
        "import sys, liquid_control\n"
        "print([name for name in sys.modules if name.startswith('liquid_control.')])\n"
        "print('numpy' in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert loaded.stdout.split("\n")[:2] == ["[]", "False"], loaded.stderr


def test_the_examples_run_from_top_to_bottom():
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert examples
    names: dict[str, object] = {"recording": ROOT / "test" / "golden" / "bags" / "s_bend"}
    for example in examples:
        exec(compile(example, "doc/api.md", "exec"), names)  # noqa: S102
    assert names["y"].shape == (8, 50, 2) and names["h"].shape == (8, 20)
    assert names["command"].speed > 0 and not names["verdict"].safe_stop
    assert names["counts"]["Frame"] == 173 and not names["source"].skipped
    assert names["seen"].image.shape[0] == 2 and names["seen"].measurements.shape == (2, 3)
    assert names["action"].shape == (1, 2)
