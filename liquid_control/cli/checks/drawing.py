"""Off-screen drawing, which the simulated camera needs."""

from __future__ import annotations

import os
import time

from liquid_control.cli.checks.finding import NOTE, OK, Finding, probe

SIZE = (64, 32)
PICTURES = 20


def check() -> list[Finding]:
    result, error = probe("cli.checks.drawing", "draw")
    if result is None:
        advice = "apt-get install libosmesa6, or libegl1 and libgl1 where that does not exist."
        return [Finding("sim", "drawing", NOTE, error, advice)]
    backend, renderer, milliseconds = result
    found = f"{backend}, {renderer}, {milliseconds} ms a frame of {SIZE[0]}x{SIZE[1]}"
    return [Finding("sim", "drawing", OK, found)]


def draw() -> tuple[str, str, float]:
    """(MuJoCo's back end, OpenGL's renderer, milliseconds for a picture of `SIZE`)."""
    from liquid_control.sim.rendering import gl_renderer
    from liquid_control.sim.world import World

    world = World(seed=0)
    world.render(*SIZE)
    start = time.perf_counter()
    for _ in range(PICTURES):
        world.render(*SIZE)
    seconds = (time.perf_counter() - start) / PICTURES
    return os.environ["MUJOCO_GL"], gl_renderer(), round(1000 * seconds, 2)
