"""Where the shipped models are: in the repository, or in share/ of a colcon workspace, a ROS installation or a virtual environment."""

from __future__ import annotations

from pathlib import Path

from liquid_control.errors import ModelFileError


def find_model(model: str | Path) -> Path:
    """The directory of a model given by its path, or by the name of one that is installed with this package.

    A path wins over a name, so a model under work is never shadowed. Raises ModelFileError when there is neither.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    folders = [folder for folder in _model_folders() if folder.is_dir()]
    if str(model) == path.name:
        for folder in folders:
            if (folder / path.name).is_dir():
                return folder / path.name
    names = ", ".join(sorted({entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()}))
    raise ModelFileError(model, "no such model directory", f"Give a model's path, or the name of an installed one ({names or 'there is none'})")


def _model_folders() -> list[Path]:
    """`models/` beside the package's sources, and `share/liquid_control/models` of every prefix above the installed package."""
    above = Path(__file__).resolve().parents[2:]
    return [above[0] / "models", *(prefix / "share" / "liquid_control" / "models" for prefix in above)]
