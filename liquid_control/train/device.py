"""The device that a network is trained on: the GPU where there is one."""

from __future__ import annotations

import torch

from liquid_control.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where PyTorch finds one, else the CPU. Raises ConfigError for `cuda` where
    it finds none."""
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise ConfigError(
            "device",
            name,
            "a GPU that PyTorch finds (see `liquid-control doctor`), or auto, or cpu",
        )
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def device_of(network: torch.nn.Module) -> torch.device:
    """The device of the network's weights, where its inputs must be."""
    return next(network.parameters()).device


def device_name(device: torch.device) -> str:
    """For `model.json`: cpu, or the model name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
