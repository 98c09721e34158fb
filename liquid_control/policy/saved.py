"""Policies to disk and back: PyTorch weights of unknown origin are compared with the network that
model.json describes before memory is allocated for that network."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.artefacts import ONNX, ROLES, WEIGHTS, Artefact
from liquid_control.model.model_file import FORMAT, MODEL, ModelInfo, read_model, to_text
from liquid_control.model.untrusted_file import AGAIN, LARGEST_FILE, hash_of, read_bounded
from liquid_control.policy.cells.connections import without_connections
from liquid_control.policy.network import PolicyNetwork
from liquid_control.system.files import write_atomically
from liquid_control.system.plain_json import plain

LIBRARIES = ("liquid_control", "torch", "numpy", "safetensors", "onnx", "onnxscript")


def load_network(directory: str | Path) -> PolicyNetwork:
    """The trained network, on the CPU in evaluation mode. Raises ModelFileError, for weights of
    other shapes before it is built."""
    return read_network(read_model(directory))


def read_network(info: ModelInfo) -> PolicyNetwork:
    """The network of a checked model directory, on the CPU in evaluation mode. Raises
    ModelFileError."""
    weights = _weights(info)
    _refuse_what_files_cannot_hold(info, weights)
    try:
        with torch.device("meta"):  # shapes alone, no memory
            shapes = PolicyNetwork(info.policy, info.spec, info.wiring).state_dict()
            wanted = without_connections(shapes)
        _refuse_other_shapes(
            info, weights, {name: tuple(value.shape) for name, value in wanted.items()}
        )
        network = PolicyNetwork(info.policy, info.spec, info.wiring)
    except ConfigError as error:
        raise ModelFileError(info.directory / MODEL, str(error), AGAIN) from None
    if not info.is_first_format and network.spec != info.spec:
        raise ModelFileError(
            info.directory / MODEL,
            f"its state is not that of a core {info.policy.core.name!r}",
            AGAIN,
        )
    network.load_state_dict(weights)
    return network.eval()


def save_model(
    directory: str | Path,
    network: PolicyNetwork,
    provenance: Mapping,
    metrics: Mapping,
    export: Callable[[PolicyNetwork, Path], float | None] | None = None,
    others: Sequence[Artefact] = (),
) -> None:
    """Saves a network with how it was made (`provenance`) and what it achieved (`metrics`), both
    plain JSON data.

    `export` (deploy.export.export_onnx) writes policy.onnx and returns its parity; without it the
    model has no graph yet. `others`: artefacts of these weights that are in the directory and stay
    listed. Every file is written atomically, model.json last; other files in the directory stay.
    Raises ModelFileError when a weight is not finite.
    """
    directory = Path(directory)
    weights = {
        name: value.detach().cpu().float().contiguous()
        for name, value in without_connections(network.state_dict()).items()
    }
    bad = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if bad:
        raise ModelFileError(
            directory,
            f"not saved, because {', '.join(bad)} is not finite",
            "Training diverged: lower the learning rates",
        )
    directory.mkdir(parents=True, exist_ok=True)
    parity = {WEIGHTS: 0.0}
    with ExitStack() as stack:  # renames in reverse order, model.json last
        parts = {
            name: stack.enter_context(write_atomically(directory / name, durable=True))
            for name in (MODEL, WEIGHTS, *((ONNX,) if export else ()))
        }
        parts[WEIGHTS].write_bytes(safetensors.torch.save(weights))
        if export:
            parity[ONNX] = export(network, parts[ONNX])
        artefacts = [
            Artefact(role, file, hash_of(parts[file]), parity=parity[file])
            for role, file in ROLES.items()
            if file in parts
        ]
        values = {
            "format": FORMAT,
            "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "policy": dataclasses.asdict(network.config),
            "spec": network.spec.to_dict(),
            "wiring": None if network.wiring is None else network.wiring.to_dict(),
            "recurrent_parameters": network.recurrent_parameters,
            "artefacts": [dataclasses.asdict(one) for one in (*artefacts, *others)],
            "provenance": plain(provenance),
            "metrics": plain(metrics),
            "versions": _versions(),
        }
        parts[MODEL].write_text(to_text(directory, values), encoding="utf-8")
    if not export:
        (directory / ONNX).unlink(missing_ok=True)  # of the weights that were replaced


def _weights(info: ModelInfo) -> dict[str, Tensor]:
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
    least = info.policy.core.least_weights(info.wiring)
    held = sum(value.numel() for value in weights.values())
    if held < least:
        raise ModelFileError(
            info.weights_path,
            f"does not fit the network in model.json ({held} numbers, at least {least} expected)",
            AGAIN,
        )


def _refuse_other_shapes(
    info: ModelInfo, weights: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]
) -> None:
    given = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [
        f"{name} is {given.get(name, 'missing')}, not {wanted.get(name, 'expected')}"
        for name in sorted(given.keys() | wanted.keys())
        if given.get(name) != wanted.get(name)
    ]
    if wrong:
        listed = "; ".join(wrong[:3])[:500]
        problem = f"does not fit the network in model.json ({len(wrong)} tensors; {listed})"
        raise ModelFileError(info.weights_path, problem, AGAIN)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
