"""The snippets of doc/cells.md run as they stand, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import torch

PAGE = (Path(__file__).resolve().parents[2] / "doc" / "cells.md").read_text(encoding="utf-8")


def test_the_snippets_run_in_their_order():
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert snippets
    torch.manual_seed(0)
    names: dict[str, object] = {}
    for snippet in snippets:
        exec(compile(snippet, "doc/cells.md", "exec"), names)  # noqa: S102
    assert names["y"].shape == (2, 3, 4)
