"""A function that runs once another module has been imported, at any time and by any code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def after_import(module: str, function: Callable[[], object]) -> None:
    """Calls `function()` now if the module has been imported or is being imported, else right after
    its import. Imports nothing itself."""
    found = sys.modules.get(module)
    if found is None:
        sys.meta_path.insert(0, _Finder(module, function))
    else:
        function()


class _Finder:
    """Finds one module as the finders behind it do, with a loader that calls the function."""

    def __init__(self, module: str, function: Callable[[], object]) -> None:
        self._module, self._function = module, function

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._module:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self._done)
                return spec
        return None

    def _done(self) -> None:
        sys.meta_path.remove(self)
        self._function()


class _Loader:
    """A module's own loader, and a function after it."""

    def __init__(self, loader: object, function: Callable[[], object]) -> None:
        self._loader, self._function = loader, function

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._function()

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)
