"""Where files that come with the package are: in the repository, or in share/ of a colcon
workspace, a ROS installation or a virtual environment."""

from __future__ import annotations

from pathlib import Path


def shared_folders(name: str) -> list[Path]:
    """Where the folder of this name may be, the nearest first: next to the package's sources, and
    in `share/liquid_control` of every prefix above the installed package."""
    above = Path(__file__).resolve().parents[2:]
    return [above[0] / name, *(prefix / "share" / "liquid_control" / name for prefix in above)]


def named_files(folder: str, ending: str = ".yaml") -> dict[str, Path]:
    """The files with this ending in such a folder, by name without it; of two of one name the
    nearer."""
    return {
        path.stem: path
        for place in reversed(shared_folders(folder))
        for path in sorted(place.glob(f"*{ending}"))
    }
