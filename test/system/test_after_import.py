"""A function that runs once a module has been imported."""

from __future__ import annotations

import importlib
import sys

from liquid_control.system.after_import import after_import


def test_it_runs_once_after_the_import_and_leaves_the_module_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "late_module.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    before, calls = list(sys.meta_path), []
    after_import("late_module", lambda: calls.append(sys.modules["late_module"].VALUE))
    after_import("late_module", lambda: calls.append("second"))
    assert importlib.util.find_spec("late_module") and not calls
    module = importlib.import_module("late_module")
    assert sorted(map(str, calls)) == ["7", "second"] and sys.meta_path == before
    assert type(module.__spec__.loader) is type(sys.modules[__name__].__spec__.loader) or (
        module.__spec__.loader.__class__.__name__ == "SourceFileLoader"
    )
    after_import("late_module", lambda: calls.append("third"))
    assert calls[-1] == "third"
    monkeypatch.delitem(sys.modules, "late_module")


def test_a_module_that_fails_or_is_absent_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    calls = []
    after_import("broken_module", lambda: calls.append(1))
    for content in (None, "raise ValueError"):
        if content:
            (tmp_path / "broken_module.py").write_text(content)
        importlib.invalidate_caches()
        try:
            importlib.import_module("broken_module")
        except (ImportError, ValueError):
            pass
        assert not calls
    (tmp_path / "broken_module.py").write_text("GOOD = True")
    importlib.invalidate_caches()
    sys.modules.pop("broken_module", None)
    importlib.import_module("broken_module")
    assert calls == [1]
    monkeypatch.delitem(sys.modules, "broken_module")
