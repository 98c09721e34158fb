"""Inspection of a model: what it is and how it was made, from its directory alone, without torch
and onnxruntime."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model


def inspect_model(model: str, out: Path | None = None) -> dict:
    """The facts of a model, given by its path or by the name of an installed one. `out`: draw the
    wiring to this .svg, .png or .pdf file.

    Raises ModelFileError for a model with a file that does not match its hash, and ConfigError for
    `out` where the model has no wiring.
    """
    info = read_model(find_model(model))
    if out is not None:
        if info.wiring is None:
            raise ConfigError(
                "out", str(out), f"no file: {info.policy.core.name} has no wiring to draw"
            )
        from liquid_control.inspection.wiring_picture import draw_wiring

        draw_wiring(info.wiring, out, info.spec)
    return describe(info)


def describe(info: ModelInfo) -> dict:
    """The facts of a model as plain data for JSON."""
    weights, image = _tensor_sizes(info.weights_path), info.spec.image
    cell = sum(size for name, size in weights.items() if name.startswith("cell."))
    return {
        "model": str(info.directory),
        "created": info.created,
        "core": info.policy.core.name,
        **_size(info),
        "parameters": {
            "all": sum(weights.values()),
            "recurrent": info.recurrent_parameters or cell,
        },
        "image": image and {"width": image.width, "height": image.height},
        "bytes": {
            path.name: path.stat().st_size
            for path in sorted(info.directory.iterdir())
            if path.is_file()
        },
        "policy": dataclasses.asdict(info.policy),
        "metrics": dict(info.metrics),
        "provenance": dict(info.provenance),
        "versions": dict(info.versions),
    }


def _size(info: ModelInfo) -> dict:
    """Neurons by layer and synapses of a circuit; units and state of a core without a wiring."""
    wiring = info.wiring
    if wiring is None:
        return {
            "units": info.spec.state[0].size,
            "state": info.spec.state_size,
            "wiring": "none, fully connected",
        }
    layers = {
        "sensory": wiring.inputs,
        "inter": wiring.inter,
        "command": wiring.command,
        "motor": wiring.motor,
    }
    return {"neurons": wiring.neurons, "layers": layers, "synapses": wiring.synapse_count}


def _tensor_sizes(path: Path) -> dict[str, int]:
    """Elements of every tensor, from the header of a safetensors file (its hash is checked
    already)."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    sizes = {}
    for name, entry in header.items():
        if name != "__metadata__":
            sizes[name] = 1
            for extent in entry["shape"]:
                sizes[name] *= extent
    return sizes
