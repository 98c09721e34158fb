"""Where the time of collection goes, and how much of it the rasteriser needs for the pixels
alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from liquid_control.bench.train_speed.stopwatch import timed
from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.data.episode import Episode, load_episode
from liquid_control.sim import world as world_module
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.collect import DriveJob, collect, simulate
from liquid_control.sim.physics import Physics
from liquid_control.sim.rendering import Renderer, mujoco
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.world import World
from liquid_control.system.jobs import processes

PARTS = {
    "rendering": (Renderer, "draw"),
    "renderer set-up": (Renderer, "__init__"),
    "physics": (Physics, "step"),
    "scene": (world_module, "build_model"),
}
EMPTY = """<mujoco><visual><global offwidth="1280" offheight="720"/>
<quality offsamples="0" shadowsize="0"/></visual>
<worldbody><camera name="front"/></worldbody></mujoco>"""
LARGE = (640, 320), (1280, 640)
"""Two sizes, large enough that all but the pixels is little: their difference is what a pixel
costs."""


def collecting(
    folder: Path, roads: int, length: float, preprocess: PreprocessConfig, seed: int
) -> tuple[dict, list[Episode]]:
    """One core drives expert roads as `train simulation` does. Returns seconds of one core by part
    and the episodes."""
    drives = [
        DriveJob(
            road_seed(seed, index),
            preprocess,
            WorldConfig(length=length, stratum=index % STRATA),
            steering_noise=0.02,
        )
        for index in range(roads + 1)
    ]
    simulate(drives.pop())  # what is done once in a process
    jobs = {folder / f"{index}.npz": drive for index, drive in enumerate(drives)}
    began = time.process_time()
    with timed(PARTS, time.process_time) as seconds:
        frames = collect(jobs, processes(1))
    total = time.process_time() - began
    facts = {
        "frames": frames,
        "metres": roads * length,
        "seconds": total,
        "frames_per_second": frames / total,
        "parts": seconds | {"rest": total - sum(seconds.values())},
    }
    return facts, [load_episode(path) for path in jobs]


def rendering_limit(rounds: int, seed: int) -> dict:
    """Seconds of one core for a training picture and its parts: what is left with no scene (clear,
    read back), with one pixel (geometry), and what its pixels would take at the rate of large
    pictures, which is the rasteriser's own."""
    config = WorldConfig()
    world = World(config, seed)
    for _ in range(100):  # a second into the drive
        world.advance(0.0)
    empty = mujoco.MjModel.from_xml_string(EMPTY)
    nothing, data = Renderer(empty), mujoco.MjData(empty)
    mujoco.mj_forward(empty, data)
    size = config.image_width, config.image_height
    (narrow, low), (wide, high) = LARGE
    seconds = {
        "picture": _best(lambda: world.render(*size), 20, rounds),
        "one_pixel": _best(lambda: world.render(1, 1), 20, rounds),
        "small": _best(lambda: world.render(narrow, low), 1, rounds),
        "large": _best(lambda: world.render(wide, high), 1, rounds),
    }
    world.close()
    seconds["empty"] = _best(lambda: nothing.draw(data, "front", *size), 20, rounds)
    nothing.close()
    per_pixel = (seconds["large"] - seconds["small"]) / (wide * high - narrow * low)
    pixels = per_pixel * size[0] * size[1]
    return {
        "width": size[0],
        "height": size[1],
        "picture_s": seconds["picture"],
        "empty_s": seconds["empty"],
        "one_pixel_s": seconds["one_pixel"],
        "pixel_s": per_pixel,
        "pixels_s": pixels,
        "share_of_fill_rate": pixels / seconds["picture"],
    }


def _best(call: Callable[[], object], calls: int, rounds: int) -> float:
    """Least seconds of one core for a call: other load can only add."""
    call()
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            call()
        found.append((time.process_time() - began) / calls)
    return min(found)
