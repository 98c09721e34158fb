"""The triton camera against its definition in triton's interpreter, and compiled for GPUs that need
not be there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from liquid_control.config import WorldConfig
from liquid_control.sim.batched import camera_torch
from liquid_control.sim.batched.looks import looks_of
from liquid_control.sim.batched.roads import road_table
from liquid_control.sim.batched.views import focal_length, mounts
from liquid_control.sim.bodies.car_parameters import draw_car
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.sim.drawn import draw
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING

INTERPRETED = "TRITON_INTERPRET" in os.environ
DEVICE = "cpu" if INTERPRETED else "cuda"
ROAD = WorldConfig(length=120.0, trees=30)
HERE = pytest.mark.skipif(
    not INTERPRETED and not torch.cuda.is_available(), reason="neither a GPU nor the interpreter"
)


@HERE
@pytest.mark.parametrize("name", ["clean", "fog"])
def test_the_kernel_draws_what_pytorch_draws(name):
    from liquid_control.sim.batched import camera_gpu

    size = (16, 32)
    drawn = [draw(ROAD, seed, False, CONDITIONS[name], LANE_KEEPING, draw_car) for seed in range(2)]
    table = road_table([one.road for one in drawn], [one.plan for one in drawn])
    looks = looks_of(drawn, 30)
    looks = type(looks)(*(torch.tensor(array, device=DEVICE) for array in looks))
    road, state = [0, 1, 1], torch.zeros(3, 15)
    for row, index in enumerate(road):
        x, y, heading, _ = drawn[index].road.at(30.0 + 20.0 * row)
        state[row, :3] = torch.tensor([x, y, heading + 0.05 * row])
    mount = torch.tensor(mounts([drawn[index].parameters for index in road]))
    view = camera_torch.views(state, mount).to(DEVICE)
    rows, stations = (torch.tensor(one, device=DEVICE) for one in (table.rows, table.stations))
    road = torch.tensor(road, device=DEVICE)
    place = (road, rows, table.samples, stations, table.width)
    rest = (looks, focal_length(size[0]), size)
    found = camera_gpu.draw(view, *place, *rest).cpu().numpy()
    expected = camera_torch.draw(view, *place, *rest).cpu().numpy()
    off = np.abs(found.astype(int) - expected)
    assert (off <= 1).all(-1).mean() > 0.995 and found.std() > 10, off.mean()


ELSEWHERE = pytest.mark.skipif(
    INTERPRETED or importlib.util.find_spec("triton") is None,
    reason="triton is not installed, or this is its interpreter",
)
"""In a process of its own: triton reads the variable when it is imported, and its LLVM must not
meet Mesa's."""


@ELSEWHERE
def test_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    surroundings = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "2 passed" in ran.stdout


@ELSEWHERE
def test_it_compiles_for_an_h200():
    ran = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > 500


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from liquid_control.sim.batched.camera_gpu import _picture

reals = "view rows stations light outlines".split()
kinds = {name: "*fp32" for name in reals} | {"road": "*i64", "texels": "*i32", "levels": "*i32"}
kinds |= {name: "i32" for name in "samples width parts height across".split()}
kinds |= {"image": "*u8", "focal": "fp32", "BLOCK": "constexpr"}
names = _picture.arg_names
source = ASTSource(
    fn=_picture,
    signature={name: kinds[name] for name in names},
    constexprs={(names.index("BLOCK"),): 256},
)
lines = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"].split("\\n")
print(sum(line.strip().endswith(";") for line in lines))
"""
