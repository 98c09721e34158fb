"""Where the shipped models are: in the repository, or in share/ of a colcon workspace, a ROS installation or a virtual environment."""

from __future__ import annotations

from pathlib import Path

from liquid_control.errors import ModelFileError


def find_model(model: str | Path) -> Path:
    """The directory of a model given by its path, or by the name of one that is installed with this package.

    A path wins over a name, so a model under work is never shadowed. Raises ModelFileError when there is neither.
    """
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            return path
    except (OSError, RuntimeError):  # a name too long, or the home of nobody
        pass
    installed = {folder.name: folder for folder in installed_models()}
    if str(model) in installed:
        return installed[str(model)]
    names = ", ".join(installed) or "there is none"
    raise ModelFileError(model, "no such model directory", f"Give a model's path, or the name of an installed one ({names})")


def installed_models() -> list[Path]:
    """The model directories that came with this package, by name; of two with one name the nearer wins."""
    found: dict[str, Path] = {}
    for folder in _model_folders():
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir():
                found.setdefault(entry.name, entry)
    return [found[name] for name in sorted(found)]


def _model_folders() -> list[Path]:
    """`models/` beside the package's sources, and `share/liquid_control/models` of every prefix above the installed package."""
    above = Path(__file__).resolve().parents[2:]
    return [above[0] / "models", *(prefix / "share" / "liquid_control" / "models" for prefix in above)]
