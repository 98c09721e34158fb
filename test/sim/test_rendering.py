"""The order in which drawing loads its libraries."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import liquid_control


@pytest.mark.parametrize("backend", ["glfw", "disable", "bogus"])
@pytest.mark.parametrize(
    "verb",
    [
        "evaluate lane_keeper --roads 1 --workers 1",
        "collect drives --roads 1 --workers 1",
        "faults --roads 1 --workers 1",
        "soak --hours 0.001 --workers 1",
        "explain lane_keeper --roads 1",
    ],
)
def test_a_machine_that_cannot_draw_is_one_line_and_code_2(tmp_path, backend, verb):
    surroundings = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    surroundings["PYTHONPATH"] = os.path.dirname(liquid_control.__path__[0])
    done = subprocess.run(
        [sys.executable, "-m", "liquid_control", *verb.split()],
        env=surroundings | {"MUJOCO_GL": backend},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert f"cannot draw with MUJOCO_GL={backend}" in done.stderr
    assert not (tmp_path / "MUJOCO_LOG.TXT").exists()


def test_an_empty_back_end_is_none_that_is_set():
    program = (
        "from liquid_control.sim.world import World; print(World(seed=0).render(64, 32).std() > 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"MUJOCO_GL": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "True", done.stderr


def test_triton_is_loaded_before_mujoco(tmp_path):
    """Two LLVMs in one process crash in the other order; a stand-in says when it was loaded."""
    (tmp_path / "triton.py").write_text("import sys\nprint('mujoco' in sys.modules)\n")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    program = "import liquid_control.sim.rendering"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]
