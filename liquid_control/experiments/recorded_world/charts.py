"""Still figures of the measurements, for the documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.experiments.recorded_world.small_camera import Painter, draw_robot
from liquid_control.experiments.recorded_world.small_course import (
    draw_course,
    draw_look,
    floor_picture,
)
from liquid_control.system.files import write_atomically

COURSES = 8


def draw_judgement(rows: dict, file: Path) -> None:
    """Departures per km plus RMSE of each policy in MuJoCo against the recorded world."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.6))
    for name, row in rows.items():
        x, y = (
            row[w]["departures_per_km"] + row[w]["lateral_rmse_m"] for w in ("truth", "recorded")
        )
        axes.plot(x, y, "o", color="#2d82eb")
        axes.annotate(name, (x, y), fontsize=7, xytext=(4, 3), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("MuJoCo: departures per km + RMSE [m]")
    axes.set_ylabel("recorded world: the same")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    save_figure(figure, file)
    pyplot.close(figure)


def save_figure(figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as partial:
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})


def draw_small_courses(seed: int, file: Path, count: int = COURSES) -> None:
    """Courses from above, and what the robot's camera sees of each."""
    robot, above, seen = draw_robot(seed), [], []
    for index in range(count):
        course, look = draw_course(index), draw_look(index)
        floor = floor_picture(course, look, index)
        above.append(cv2.resize(floor, (160, 160), interpolation=cv2.INTER_AREA)[::-1])
        x, y, heading, _ = course.at(0.3 * course.lap)
        picture = Painter(robot, course, look, index).draw(
            x, y, heading, np.random.default_rng([index, 1])
        )
        seen.append(cv2.resize(picture, (160, 120)))
    write_picture(np.vstack([np.hstack(above), np.hstack(seen)]), file)


def write_picture(picture: np.ndarray, file: Path) -> None:
    """RGB, as PNG or JPEG by the name of the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(file.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    with write_atomically(file) as partial:
        partial.write_bytes(data.tobytes())


def sheet(tiles: Sequence[Sequence[np.ndarray]], gap: int = 3) -> np.ndarray:
    """Rows of pictures of equal heights, with white between them."""
    rows = [
        np.hstack([np.pad(one, ((gap, 0), (gap, 0), (0, 0)), constant_values=255) for one in row])
        for row in tiles
    ]
    return np.vstack(rows)
