"""Off-screen rendering: chooses MuJoCo's OpenGL back end before MuJoCo is imported, and owns the
only GL context.

Everything in `sim` takes `mujoco` from here, because MuJoCo reads its back end once, at import.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import functools
import importlib
import os
import threading
from pathlib import Path

import numpy as np


def _choose_backend() -> None:
    """EGL where a GPU is, software rendering (OSMesa, else Mesa's EGL) elsewhere; a set MUJOCO_GL
    is respected."""
    gpu = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia0").exists()
    # Mesa's software rasteriser starts a thread per core by default; small pictures are faster
    # without, one process a core.
    wanted = {
        "MUJOCO_GL": "egl" if gpu or not ctypes.util.find_library("OSMesa") else "osmesa",
        "LP_NUM_THREADS": "0",
    }
    os.environ.update({name: value for name, value in wanted.items() if name not in os.environ})


def _load_triton_first() -> None:
    """PyTorch for GPUs brings triton; triton and Mesa each bring an LLVM. Triton's, loaded second,
    crashes.

    `import mujoco` loads Mesa's already.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


_choose_backend()
_load_triton_first()
import mujoco  # noqa: E402

LARGEST_WIDTH, LARGEST_HEIGHT = 1280, 720
HIDDEN_FROM_DRIVER = 2
"""Geom group of the vehicle's own body, which the front camera does not show."""


@functools.lru_cache(maxsize=1)
def _gl_context():
    """The process's only GL context: freeing one context while another is current destroys the live
    one's buffers."""
    context = mujoco.GLContext(LARGEST_WIDTH, LARGEST_HEIGHT)
    atexit.register(context.free)
    return context


_owner: threading.Thread | None = None


def _make_current() -> None:
    """Makes the context the calling thread's. Only when the thread changes: before each picture it
    would cost a sixth of a small picture's time."""
    global _owner
    if _owner is not threading.current_thread():
        _gl_context().make_current()
        _owner = threading.current_thread()


class Renderer:
    """Draws one model's cameras. Close it when its model is no longer used, to free its
    textures."""

    _latest: Renderer | None = None  # of all renderers: its frame buffer is bound

    def __init__(self, model: mujoco.MjModel, fog: bool = False) -> None:
        _make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        Renderer._latest = self
        self._model = model
        self._scene = mujoco.MjvScene(model, maxgeom=100)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = fog
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def draw(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        """The picture of a named camera, (height, width, 3) uint8 RGB."""
        _make_current()
        if Renderer._latest is not self:  # else it draws into the buffer of another renderer
            mujoco.mjr_restoreBuffer(self._context)
            Renderer._latest = self
        self._camera.fixedcamid = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        self._option.geomgroup[HIDDEN_FROM_DRIVER] = camera != "front"
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        viewport = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(viewport, self._scene, self._context)
        picture = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, viewport, self._context)
        return picture[::-1].copy()

    def close(self) -> None:
        if self._context is not None:
            _make_current()
            self._context.free()
            self._context = None
            Renderer._latest = None
