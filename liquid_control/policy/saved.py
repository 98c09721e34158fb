"""Weights of unknown origin: held against the network that model.json asks for before memory is
taken for that network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.untrusted_file import AGAIN, LARGEST_FILE, read_bounded

if TYPE_CHECKING:
    from torch import Tensor

    from liquid_control.model.model_file import ModelInfo
    from liquid_control.policy.network import PolicyNetwork

CFC_HEADS = 4
"""Dense matrices of each layer of a wired CfC."""


def read_network(info: ModelInfo) -> PolicyNetwork:
    """The network of a checked model directory, on the CPU in evaluation mode. Raises
    ModelFileError."""
    import torch

    from liquid_control.policy.network import PolicyNetwork

    weights = _weights(info)
    _refuse_what_files_cannot_hold(info, weights)
    try:
        with torch.device("meta"):  # shapes alone, no memory
            wanted = PolicyNetwork(info.policy, info.preprocess, info.wiring).state_dict()
        _refuse_other_shapes(
            info, weights, {name: tuple(value.shape) for name, value in wanted.items()}
        )
        network = PolicyNetwork(info.policy, info.preprocess, info.wiring)
    except ConfigError as error:
        raise ModelFileError(info.directory / "model.json", str(error), AGAIN) from None
    network.load_state_dict(weights)
    return network.eval()


def _weights(info: ModelInfo) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch
    import torch

    try:
        weights = safetensors.torch.load(read_bounded(info.weights_path, LARGEST_FILE))
    except OSError as error:
        raise ModelFileError(
            info.weights_path, f"cannot be read ({error.strerror})", AGAIN
        ) from None
    except safetensors.SafetensorError as error:
        raise ModelFileError(
            info.weights_path, f"is not a safetensors file ({error})", AGAIN
        ) from None
    for name, value in weights.items():
        if value.dtype != torch.float32 or not bool(torch.isfinite(value).all()):
            raise ModelFileError(
                info.weights_path,
                f"{name} is not finite float32",
                "Its training diverged, or it is damaged: train again",
            )
    return weights


def _refuse_what_files_cannot_hold(info: ModelInfo, weights: dict[str, Tensor]) -> None:
    """A wired CfC draws its masks, as large as its weights, before the shapes can be told."""
    if info.policy.memory != "cfc" or info.wiring is None:
        return
    sizes = (info.wiring.inputs, info.wiring.inter, info.wiring.command, info.wiring.motor)
    least = CFC_HEADS * sum(
        units * (before + units) for before, units in zip(sizes, sizes[1:], strict=False)
    )
    held = sum(value.numel() for value in weights.values())
    if held < least:
        raise ModelFileError(
            info.weights_path,
            f"does not fit the network in model.json ({held} numbers, at least {least} wanted)",
            AGAIN,
        )


def _refuse_other_shapes(
    info: ModelInfo, weights: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]
) -> None:
    given = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [
        f"{name} is {given.get(name, 'missing')}, not {wanted.get(name, 'asked for')}"
        for name in sorted(given.keys() | wanted.keys())
        if given.get(name) != wanted.get(name)
    ]
    if wrong:
        problem = f"does not fit the network in model.json ({len(wrong)} tensors; {'; '.join(wrong[:3])[:500]})"
        raise ModelFileError(info.weights_path, problem, AGAIN)
