"""From a PyTorch network to an ONNX graph that any runtime can step."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from liquid_control.config import REQUIRED, path, text
from liquid_control.deploy.c99.export_c import export_c
from liquid_control.deploy.graph import graph_names
from liquid_control.errors import MissingDependencyError
from liquid_control.model.artefacts import is_saved
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.spec import column
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import read_network, save_model
from liquid_control.system.verb import Verb

PARITY_STEPS, PARITY_BATCH = 8, 2
"""Of the random inputs on which the graph is compared with the network."""


def export_onnx(network: PolicyNetwork, path: str | Path) -> float | None:
    """Writes the step of `network` as ONNX with a dynamic batch B; returns its parity (`parity`).

    Inputs: image (B, h, w, 3) uint8 RGB, measurements (B, M) float32 SI, each where the policy has
    them, dt (B,) float32 s, and every array of the state (B, *shape) float32; outputs: action (B,
    A) float32 SI, and next_<name> for every array of the state, which the caller feeds back. The
    graph itself does not check dt. Raises MissingDependencyError without onnx and onnxscript.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            error.name or "onnx", "Install the train extra: pip install 'liquid_control[train]'"
        ) from None
    names = graph_names(network.spec)
    batch = torch.export.Dim("batch", min=1)
    training, device = network.training, next(network.parameters()).device
    try:
        with _quiet():
            # A batch of two: one would be taken for a constant.
            example = _inputs(network.cpu().eval(), np.random.default_rng(0), 2)
            torch.onnx.export(
                network,
                example,
                str(path),
                input_names=list(names.inputs),
                output_names=list(names.outputs),
                dynamic_shapes=_map_tensors(lambda _: {0: batch}, example),
                external_data=False,
                dynamo=True,
                verbose=False,
            )
            graph = onnx.load(str(path))
            _forget_where_it_was_made(graph.graph)
            onnx.save(graph, str(path))
            return parity(network, path)
    finally:
        network.to(device).train(training)


def parity(network: PolicyNetwork, path: str | Path) -> float | None:
    """Largest difference between a graph and its network on random inputs, of the state and of the
    actions in units of their scale. None without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names, rng, largest = graph_names(network.spec), np.random.default_rng(1), 0.0
    unit = torch.tensor(column(network.spec.actions, "scale"))
    for _ in range(PARITY_STEPS):
        inputs = _inputs(network, rng, PARITY_BATCH)
        with torch.inference_mode():
            action, state = network(*inputs)
        feed = dict(zip(names.inputs, (one.numpy() for one in _tensors(inputs)), strict=True))
        given = map(torch.from_numpy, session.run(names.outputs, feed))
        for units, ours, theirs in zip(
            [unit] + [1.0] * len(network.spec.state), _tensors((action, state)), given, strict=True
        ):
            largest = max(largest, float(((ours - theirs) / units).abs().max()))
    return float(f"{largest:.2g}")


def _inputs(network: PolicyNetwork, rng: np.random.Generator, batch: int) -> tuple:
    """Random arguments of `network.forward`, within the spec's scales."""
    spec = network.spec
    size = None if spec.image is None else (batch, spec.image.height, spec.image.width, 3)
    centre, scale = column(spec.measurements, "centre"), column(spec.measurements, "scale")
    numbers = centre + scale * rng.standard_normal((batch, len(scale)))
    measurements = torch.tensor(numbers, dtype=torch.float32) if spec.measurements else None
    image = None if size is None else torch.tensor(rng.integers(0, 256, size, np.uint8))
    dt = torch.tensor(rng.uniform(0.01, 0.1, batch), dtype=torch.float32)
    state = _map_tensors(
        lambda zero: torch.tensor(rng.uniform(-1, 1, zero.shape), dtype=torch.float32),
        network.initial_state(batch),
    )
    return image, measurements, dt, state


def _map_tensors(function: Callable, value: object) -> object:
    """`function` of every tensor in nested tuples; None stays."""
    if isinstance(value, tuple):
        return tuple(_map_tensors(function, one) for one in value)
    return None if value is None else function(value)


def _tensors(value: object) -> list[Tensor]:
    """All tensors in nested tuples, in order."""
    if isinstance(value, tuple):
        return [tensor for one in value for tensor in _tensors(one)]
    return [] if value is None else [value]


def _forget_where_it_was_made(graph) -> None:
    """The exporter notes on every node which line of which file on this machine it came from."""
    for part in (
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def export_model(directory: str | Path) -> Path:
    """Writes policy.onnx of a saved model again, and its hash into model.json, whose other
    artefacts stay. Returns its path. Raises ModelFileError."""
    info = read_model(directory)
    network, others = read_network(info), [one for one in info.artefacts if not is_saved(one)]
    save_model(directory, network, info.provenance, info.metrics, export_onnx, others)
    return read_model(directory).onnx_path


@contextlib.contextmanager
def _quiet():
    """The exporter warns about parts of itself and of torchvision, which do not concern the
    policy."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """Settings of `liquid-control export`."""

    model: str = text(REQUIRED, "path of a model directory, or the name of an installed model")
    c: Path | None = path(
        None,
        "instead of policy.onnx, write the policy as C99 into this folder: source, header, test, "
        "example and build files (doc/c.md)",
        writes="folder",
    )


def export(settings: ExportSettings) -> dict:
    """What was written. Raises ModelFileError, and ConfigError for a core without C code."""
    model = find_model(settings.model)
    if settings.c is not None:
        return export_c(model, settings.c)
    return {"onnx": str(export_model(model))}


VERB = Verb(ExportSettings, export)
