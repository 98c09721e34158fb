"""The models that come with the package, found by their names."""

from __future__ import annotations

from pathlib import Path

from liquid_control.errors import ModelFileError
from liquid_control.system.installed_data import shared_folders


def find_model(model: str | Path) -> Path:
    """The directory of a model given by its path, or by the name of one that is installed with this
    package.

    A path wins over a name, so a model under work is never shadowed. Raises ModelFileError when
    there is neither.
    """
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            return path
    except (OSError, RuntimeError):  # a name too long, or the home of an unknown user
        pass
    installed = {folder.name: folder for folder in installed_models()}
    if str(model) in installed:
        return installed[str(model)]
    names = ", ".join(installed) or "there is none"
    raise ModelFileError(
        model,
        "no such model directory",
        f"Give a model's path, or the name of an installed one ({names})",
    )


def installed_models() -> list[Path]:
    """The model directories that came with this package, by name; of two with one name the nearer
    wins."""
    found: dict[str, Path] = {}
    for folder in shared_folders("models"):
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir():
                found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]
