"""Runs a saved policy with ONNX Runtime on the CPU: what nodes, simulation and evaluation use.
Never imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.deploy.runtime import check_batch
from liquid_control.errors import ConfigError, MissingDependencyError, ModelFileError
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.signals import Observation

OUTPUTS = ["curvature", "next_state"]


class OnnxRuntime:
    """See `Runtime`. `info` is the model's own account of itself."""

    def __init__(self, info: ModelInfo, threads: int = 1) -> None:
        """One thread is fastest for small policies and leaves the other cores alone. The first step
        is made here, on a black image, so that a broken graph is refused now and the first real
        step is as quick as any. Raises ModelFileError, ConfigError and MissingDependencyError."""
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ConfigError("OnnxRuntime.threads", threads, "a whole number of at least 1")
        try:
            import onnxruntime
        except ImportError:
            raise MissingDependencyError(
                "onnxruntime", "Install the run extra: pip install 'liquid_control[run]'"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors; the warnings are about its own optimisations
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = info.onnx_path
        self.info, self.preprocess, self.neurons = info, info.preprocess, info.state_size
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            image = np.zeros((1, self.preprocess.height, self.preprocess.width, 3), np.uint8)
            curvature, state = self.step_batch(
                image, np.zeros((1, 3)), np.full(1, 0.04), self.initial_state()[None]
            )
        except Exception as error:  # onnxruntime raises many classes for a faulty graph
            raise ModelFileError(
                path,
                f"does not run ({str(error).strip()})",
                "Export it again: liquid-control export",
            ) from None
        if (
            curvature.shape != (1,)
            or state.shape != (1, self.neurons)
            or not (np.isfinite(curvature).all() and np.isfinite(state).all())
        ):
            raise ModelFileError(
                path,
                "gives no finite curvature and state on a black image",
                "Train or export it again",
            )

    @classmethod
    def load(cls, directory: str | Path, threads: int = 1) -> OnnxRuntime:
        """Loads a model directory. Raises ModelFileError."""
        return cls(read_model(directory), threads)

    def initial_state(self) -> np.ndarray:
        return np.zeros(self.neurons, np.float32)

    def step(self, observation: Observation, state: np.ndarray) -> tuple[float, np.ndarray]:
        """See `Runtime.step`."""
        curvature, state = self.step_batch(
            observation.image[None],
            observation.measurements[None],
            np.array([observation.dt]),
            state[None],
        )
        return float(curvature[0]), state[0]

    def step_batch(
        self, image: np.ndarray, inertial: np.ndarray, dt: np.ndarray, state: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Many drives at once: image (B, h, w, 3) uint8, inertial (B, 3), dt (B,) s, state (B, U) →
        curvature (B,) 1/m, state (B, U). Raises ShapeError, ImageError and TimeError."""
        check_batch(self, image, inertial, dt, state)
        feed = {
            "image": image,
            "inertial": inertial.astype(np.float32, copy=False),
            "dt": dt.astype(np.float32, copy=False),
            "state": state.astype(np.float32, copy=False),
        }
        curvature, state = self._session.run(OUTPUTS, feed)
        return curvature, state
