"""Which extra of setup.py brings a module, and the one line for a module that is not there."""

from __future__ import annotations

from types import TracebackType

EXTRAS = {
    "run": ("numpy", "cv2", "onnxruntime", "safetensors", "yaml", "tyro", "tqdm"),
    "sim": ("mujoco", "OpenGL", "gymnasium"),
    "bags": ("rosbags", "mcap", "lz4", "backports.zstd", "apsw", "av", "pyarrow"),
    "report": ("matplotlib", "av", "jinja2", "pyarrow"),
    "train": ("torch", "numba", "onnx", "onnxscript", "tensorboard"),
    "security": ("cryptography",),
    "operate": ("aiohttp",),
    "test": ("pytest", "aiohttp", "hypothesis", "ncps", "scipy", "triton"),
}
"""Modules by the extra that brings them; of several, the first one is named."""
MODULES = {
    "opencv-python-headless": "cv2",
    "PyYAML": "yaml",
    "PyOpenGL": "OpenGL",
    "Jinja2": "jinja2",
}
"""Modules whose name is not their package's."""
ROS = {"rclpy", "sensor_msgs", "std_msgs", "nav_msgs", "geometry_msgs", "lifecycle_msgs", "launch"}
FROM_ROS = "Source a ROS 2 installation, or let make setup install its wheels"


def missing(error: ImportError) -> str | None:
    """One line for a module that is not installed or cannot be loaded: it or, for one that another
    package needs, that package. None where neither is one of an extra or of ROS: a fault of this
    package."""
    wanted = error.name or ""
    what = (
        f"{wanted} is not installed"
        if isinstance(error, ModuleNotFoundError)
        else f"{wanted or 'a library'} cannot be loaded ({' '.join(str(error).split())[:200]})"
    )
    for name in (wanted, *_importers(error.__traceback__)):
        if name.partition(".")[0] in ROS:
            return f"{what}. {FROM_ROS}"
        extra = extra_of(name)
        if extra:
            return f"{what}. pip install 'liquid_control[{extra}]', or the system's own package"
    return None


def extra_of(module: str) -> str | None:
    """The extra that brings a module."""
    for extra, modules in EXTRAS.items():
        for each in modules:
            if f"{module}.".startswith(f"{each}.") or f"{each}.".startswith(f"{module}."):
                return extra
    return None


def _importers(trace: TracebackType | None) -> list[str]:
    """The modules in which an error passed, the innermost first."""
    names = []
    while trace is not None:
        names.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return names[::-1]
