"""Off-screen rendering: chooses MuJoCo's OpenGL back end before MuJoCo is imported, and owns the
only GL context, and the only thread that uses it.

A GL context is current in one thread at a time, and only that thread can release it. So one thread
draws for all: renderers may be made, used and dropped in any thread. Everything in `sim` takes
`mujoco` from here, because MuJoCo reads its back end once, at import.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import importlib
import os
import warnings
import weakref
from pathlib import Path

import numpy as np

from liquid_control.errors import DrawingError
from liquid_control.system.serial_thread import SerialThread


def _choose_backend() -> None:
    """EGL where a GPU is, software rendering (OSMesa, else Mesa's EGL) elsewhere; a set MUJOCO_GL
    is respected, an empty one is none."""
    gpu = Path("/dev/nvidiactl").exists() or Path("/dev/nvidia0").exists()
    # Mesa's software rasteriser starts a thread per core by default; small pictures are faster
    # without, one process a core.
    wanted = {
        "MUJOCO_GL": "egl" if gpu or not ctypes.util.find_library("OSMesa") else "osmesa",
        "LP_NUM_THREADS": "0",
    }
    os.environ.update({name: value for name, value in wanted.items() if not os.environ.get(name)})


def _load_triton_first() -> None:
    """PyTorch for GPUs brings triton; triton and Mesa each bring an LLVM. Triton's, loaded second,
    crashes.

    `import mujoco` loads Mesa's already.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")


_choose_backend()
_load_triton_first()
try:
    import mujoco  # noqa: E402
except ModuleNotFoundError as error:
    if error.name == "mujoco":
        raise
    raise DrawingError(os.environ["MUJOCO_GL"], error) from error
except (AttributeError, ImportError, OSError, RuntimeError, TypeError) as error:
    raise DrawingError(os.environ["MUJOCO_GL"], error) from error

LARGEST_WIDTH, LARGEST_HEIGHT = 1280, 720
HIDDEN_FROM_DRIVER = 2
"""Geom group of the vehicle's own body, which the front camera does not show."""


class _Drawing:
    """What the drawing thread owns: the process's only GL context, because freeing one while
    another is current destroys the buffers of that one, and the renderer whose buffer is bound."""

    def __init__(self) -> None:
        self.thread = SerialThread("drawing")
        self.bound: object = None
        self._context = None

    def make_context(self, model: mujoco.MjModel) -> mujoco.MjrContext:
        """In the thread: a model's textures and meshes, and a buffer, which is bound."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # glfw's own, which the error repeats
                if self._context is None:
                    context = mujoco.GLContext(LARGEST_WIDTH, LARGEST_HEIGHT)
                    context.make_current()
                    self._context = context
            made = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except Exception as error:  # PyOpenGL, EGL, OSMesa and MuJoCo have each their own
            raise DrawingError(os.environ["MUJOCO_GL"], error) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, made)
        self.bound = made
        return made

    def free(self, held: list[mujoco.MjrContext]) -> None:
        """In the thread: frees what a renderer held."""
        while held:
            held.pop().free()
            self.bound = None

    def end(self) -> None:
        """At exit."""
        if self._context is not None:
            self.thread.call(self._context.free)


_drawing = _Drawing()


def _after_fork() -> None:
    """A forked process has neither the thread nor a context that works; renderers make new ones."""
    global _drawing
    _forgotten.append(_drawing)
    _drawing = _Drawing()


_forgotten: list[_Drawing] = []
"""Of the processes before a fork: what they hold must not be freed in this one."""
os.register_at_fork(after_in_child=_after_fork)
atexit.register(lambda: _drawing.end())


def gl_renderer() -> str:
    """OpenGL's name of what draws, once something was drawn."""
    from OpenGL import GL

    return _drawing.thread.call(GL.glGetString, GL.GL_RENDERER).decode()


class Renderer:
    """Draws one model's cameras. Close it when its model is no longer used, to free its textures.
    Raises DrawingError where this machine cannot draw."""

    def __init__(self, model: mujoco.MjModel, fog: bool = False) -> None:
        self._model = model
        self._scene = mujoco.MjvScene(model, maxgeom=100)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = fog
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._drawing: _Drawing | None = None
        self._open()

    def draw(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        """The picture of a named camera, (height, width, 3) uint8 RGB."""
        if self._drawing is not _drawing:
            self._open()
        return self._drawing.thread.call(self._draw, data, camera, width, height)

    def close(self) -> None:
        """Frees the textures. A closed renderer that draws opens again."""
        if self._drawing is not None:
            self._free()
            self._drawing = None

    def _open(self) -> None:
        drawing = _drawing
        self._held = [drawing.thread.call(drawing.make_context, self._model)]
        self._drawing = drawing
        self._free = weakref.finalize(self, drawing.thread.later, drawing.free, self._held)
        self._free.atexit = False

    def _draw(self, data: mujoco.MjData, camera: str, width: int, height: int) -> np.ndarray:
        """In the drawing thread."""
        (context,) = self._held
        if self._drawing.bound is not context:  # else it draws into the buffer of another renderer
            mujoco.mjr_restoreBuffer(context)
            self._drawing.bound = context
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
        mujoco.mjr_render(viewport, self._scene, context)
        picture = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, viewport, context)
        return picture[::-1].copy()
