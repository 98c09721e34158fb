"""From a PyTorch network to an ONNX graph that any runtime can step."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from pathlib import Path

import torch

from liquid_control.config import REQUIRED, text
from liquid_control.errors import MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model
from liquid_control.system.verb import Verb

INPUTS = ("image", "inertial", "dt", "state")
OUTPUTS = ("curvature", "next_state")


def export_onnx(network: PolicyNetwork, path: str | Path) -> None:
    """Writes the step of `network` as ONNX with a dynamic batch B.

    Inputs: image (B, h, w, 3) uint8 RGB, inertial (B, 3) float32 SI, dt (B,) float32 s, state (B,
    U) float32; outputs: curvature (B,) float32 1/m, next_state (B, U), which the caller feeds back
    as state. The graph itself does not check dt. Raises MissingDependencyError without onnx and
    onnxscript.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            error.name or "onnx", "Install the train extra: pip install 'liquid_control[train]'"
        ) from None
    size = (network.preprocess.height, network.preprocess.width, 3)
    image = torch.zeros(
        2, *size, dtype=torch.uint8
    )  # two of everything: a batch of one would be taken for a constant
    example = (image, torch.zeros(2, 3), torch.full((2,), 0.04), network.initial_state(2).cpu())
    batch = torch.export.Dim("batch", min=1)
    training, device = network.training, next(network.parameters()).device
    try:
        with _quiet():
            torch.onnx.export(
                network.cpu().eval(),
                example,
                str(path),
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes=tuple({0: batch} for _ in INPUTS),
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    finally:
        network.to(device).train(training)
    graph = onnx.load(str(path))
    _forget_where_it_was_made(graph.graph)
    onnx.save(graph, str(path))


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
    """Writes policy.onnx of a saved model anew, and its hash into model.json. Returns its path.
    Raises ModelFileError."""
    info = read_model(directory)
    save_model(
        directory, load_network(directory), info.provenance, info.metrics, export=export_onnx
    )
    return read_model(directory).onnx_path


@contextlib.contextmanager
def _quiet():
    """The exporter warns about parts of itself and of torchvision; none of it concerns who exports
    a policy."""
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


VERB = Verb(
    ExportSettings, lambda settings: {"onnx": str(export_model(find_model(settings.model)))}
)
