"""Runs a saved policy with PyTorch: for development, and as the reference that other backends must
equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.runtime import check_batch
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.signals import Observation


class TorchRuntime:
    """See `Runtime`."""

    def __init__(self, network: PolicyNetwork) -> None:
        self.network = network.eval()
        self.preprocess: PreprocessConfig = network.preprocess
        self.neurons: int = network.cell.state_size

    @classmethod
    def load(cls, directory: str | Path) -> TorchRuntime:
        """Loads a model directory. Raises ModelFileError."""
        return cls(load_network(directory))

    def initial_state(self) -> np.ndarray:
        return self.network.initial_state(1)[0].detach().cpu().numpy()

    def step(self, observation: Observation, state: np.ndarray) -> tuple[float, np.ndarray]:
        """See `Runtime.step`."""
        inertial, dt = (
            np.asarray(observation.measurements, np.float32),
            np.array([observation.dt], np.float32),
        )
        arrays = observation.image[None], inertial[None], dt, np.asarray(state, np.float32)[None]
        check_batch(self, *arrays)
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            curvature, state = self.network.step(
                *(torch.tensor(array, device=device) for array in arrays)
            )
        return float(curvature), state[0].cpu().numpy()
