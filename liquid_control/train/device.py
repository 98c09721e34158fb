"""Where a network is trained: on the GPU where there is one."""

from __future__ import annotations

import torch

from liquid_control.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where PyTorch sees one, else the CPU. Raises ConfigError for `cuda` where
    it sees none."""
    seen = torch.cuda.is_available()
    if name == "cuda" and not seen:
        raise ConfigError(
            "device",
            name,
            "a GPU that PyTorch sees (`liquid-control doctor` says what it sees), or auto, or cpu",
        )
    return torch.device("cuda" if seen and name != "cpu" else "cpu")


def device_of(network: torch.nn.Module) -> torch.device:
    """Where the network's weights are, and its inputs must be."""
    return next(network.parameters()).device


def device_name(device: torch.device) -> str:
    """For people and for `model.json`: cpu, or what the GPU is called."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
