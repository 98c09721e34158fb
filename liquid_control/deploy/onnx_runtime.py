"""Runs a saved policy with ONNX Runtime on the CPU: what nodes, simulation and evaluation use.
Never imports torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.graph import graph_names
from liquid_control.deploy.runtime import State, check_batch, is_sound, zero_observation, zero_state
from liquid_control.errors import ConfigError, MissingDependencyError, ModelFileError
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.signals import Observation


class OnnxRuntime:
    """See `Runtime`. `info`: the model that it runs."""

    def __init__(self, info: ModelInfo, threads: int = 1) -> None:
        """One thread is fastest for small policies and leaves the other cores free. The first step
        is made here, on zeros, so that a broken graph is refused now and the first real step is as
        quick as any. Raises ModelFileError, ConfigError and MissingDependencyError."""
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
        self.info, self.spec = info, info.spec
        self._names = graph_names(info.spec, info.is_first_format)
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            action, state = self.step(zero_observation(self.spec), self.initial_state())
        except Exception as error:  # onnxruntime raises many classes for a faulty graph
            raise ModelFileError(
                path,
                f"does not run ({str(error).strip()})",
                "Export it again: liquid-control export",
            ) from None
        if not (np.isfinite(action).all() and is_sound(state, self.spec)):
            raise ModelFileError(
                path,
                "gives no finite action and state for a black image",
                "Train or export it again",
            )

    @classmethod
    def load(cls, directory: str | Path, threads: int = 1) -> OnnxRuntime:
        """Loads a model directory. Raises ModelFileError."""
        return cls(read_model(directory), threads)

    @property
    def preprocess(self) -> PreprocessConfig | None:
        return self.spec.image

    def initial_state(self) -> State:
        return zero_state(self.spec)

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        image = observation.image
        action, state = self.step_batch(
            None if image is None else image[None],
            np.asarray(observation.measurements)[None],
            np.array([observation.dt]),
            {name: array[None] for name, array in state.items()},
        )
        return action[0], {name: array[0] for name, array in state.items()}

    def step_batch(
        self, image: np.ndarray | None, measurements: np.ndarray, dt: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Many drives at once: image (B, h, w, 3) uint8, measurements (B, M), dt (B,) s, state (B,
        *shape) → action (B, A), state. Raises ShapeError, ImageError and TimeError."""
        check_batch(self.spec, image, measurements, dt, state)
        spec, names = self.spec, self._names
        numbers = [measurements] if spec.measurements else []
        numbers += [dt, *(state[array.name] for array in spec.state)]
        arrays = [] if image is None else [image]
        arrays += [array.astype(np.float32, copy=False) for array in numbers]
        action, *after = self._session.run(
            names.outputs, dict(zip(names.inputs, arrays, strict=True))
        )
        after = dict(zip((array.name for array in spec.state), after, strict=True))
        return action.reshape(len(dt), len(spec.actions)), after
