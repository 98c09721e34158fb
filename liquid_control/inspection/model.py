"""What a model is and how it was made, from its directory alone: no torch, no onnxruntime.
Recordings: see `recording`."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path

from liquid_control.config import REQUIRED, path, text
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.system.verb import Verb

STORAGES = (".mcap", ".db3")


@dataclasses.dataclass(frozen=True)
class InspectSettings:
    """What `liquid-control inspect` is asked where recordings cannot be read."""

    model: str = text(REQUIRED, "path of a model directory, or the name of an installed model")
    out: Path | None = path(
        None,
        "draw the wiring to this file: .svg, .png or .pdf; only ltc and cfc have one",
        writes="file",
    )


def inspect(settings: InspectSettings) -> dict:
    """The facts of a model whose files all match their hashes; raises ModelFileError for any other,
    and ConfigError when a wiring is to be drawn and there is none."""
    if is_recording(settings.model):
        raise MissingDependencyError(
            "rosbags",
            "It reads recordings; install the bags extra: pip install 'liquid_control[bags]'",
        )
    info = read_model(find_model(settings.model))
    if settings.out is not None:
        if info.wiring is None:
            raise ConfigError(
                "out", str(settings.out), f"no file: {info.policy.memory} has no wiring to draw"
            )
        from liquid_control.inspection.wiring_picture import draw_wiring

        draw_wiring(info.wiring, settings.out)
    return describe(info)


def is_recording(path: str | Path) -> bool:
    """Whether a path is a rosbag2 directory or one of its files, by names alone; models are
    directories with a model.json."""
    path = Path(path)
    if path.is_file() or _is_storage(path):
        return True
    if not path.is_dir() or (path / "model.json").exists():
        return False
    return (path / "metadata.yaml").exists() or any(_is_storage(file) for file in path.iterdir())


def _is_storage(file: Path) -> bool:
    return any(suffix in STORAGES for suffix in file.suffixes[-2:])


def describe(info: ModelInfo) -> dict:
    """The facts of a model as plain data for JSON."""
    weights = _tensor_sizes(info.weights_path)
    cell = sum(size for name, size in weights.items() if name.startswith("cell."))
    return {
        "model": str(info.directory),
        "created": info.created,
        "memory": info.policy.memory,
        **_size(info),
        "parameters": {
            "all": sum(weights.values()),
            "recurrent": info.recurrent_parameters or cell,
        },
        "image": {"width": info.preprocess.width, "height": info.preprocess.height},
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
    """Neurons by layer and synapses of a circuit; units and state of a memory without a wiring."""
    wiring = info.wiring
    if wiring is None:
        return {
            "units": info.policy.units,
            "state": info.neurons,
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


MODELS_ONLY = Verb(InspectSettings, inspect)
