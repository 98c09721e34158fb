"""Runs a saved policy with PyTorch: for development, and as the reference that other backends must
equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.runtime import State, check_batch
from liquid_control.policy.cells.sequence_checks import State as CellState
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.signals import Observation


class TorchRuntime:
    """See `Runtime`."""

    def __init__(self, network: PolicyNetwork) -> None:
        self.network = network.eval()
        self.spec = network.spec

    @classmethod
    def load(cls, directory: str | Path) -> TorchRuntime:
        """Loads a model directory. Raises ModelFileError."""
        return cls(load_network(directory))

    @property
    def preprocess(self) -> PreprocessConfig | None:
        return self.spec.image

    def initial_state(self) -> State:
        return self._named(self.network.initial_state(1))

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        image = None if observation.image is None else observation.image[None]
        measurements = np.asarray(observation.measurements, np.float32)[None]
        dt = np.array([observation.dt], np.float32)
        arrays = {name: np.asarray(one, np.float32)[None] for name, one in state.items()}
        check_batch(self.spec, image, measurements, dt, arrays)
        device = next(self.network.parameters()).device
        image, measurements, dt = (
            None if one is None else torch.tensor(one, device=device)
            for one in (image, measurements, dt)
        )
        tensors = tuple(torch.tensor(arrays[one.name], device=device) for one in self.spec.state)
        state = tensors if len(tensors) > 1 else tensors[0]
        with torch.inference_mode():
            action, state = self.network.step(image, measurements, dt, state)
        return action[0].cpu().numpy(), self._named(state)

    def _named(self, state: CellState) -> State:
        """A state of one drive (1, *shape) by name and without its batch."""
        arrays = (state,) if isinstance(state, torch.Tensor) else state
        return {
            array.name: one[0].detach().cpu().numpy()
            for array, one in zip(self.spec.state, arrays, strict=True)
        }
