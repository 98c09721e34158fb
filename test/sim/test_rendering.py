"""The order in which drawing loads its libraries."""

from __future__ import annotations

import os
import subprocess
import sys


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
