"""A policy on disk: model.json (what it is and how it was made), weights.safetensors and
policy.onnx, saved together.

Nothing in them executes on load. Reading needs neither torch nor onnxruntime; model.json holds the
SHA-256 of its neighbours, is written last, and so marks a complete directory.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from liquid_control.config import WIRED, PolicyConfig, PreprocessConfig, from_mapping
from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.cores import state_names
from liquid_control.model.signature import verify
from liquid_control.model.untrusted_file import AGAIN, hash_of, read_bounded
from liquid_control.model.wiring import NcpWiring
from liquid_control.signals import INERTIAL_FEATURES

if TYPE_CHECKING:
    from liquid_control.policy.network import PolicyNetwork

FORMAT = "liquid_control/1"
MODEL, WEIGHTS, ONNX = "model.json", "weights.safetensors", "policy.onnx"
LIBRARIES = ("liquid_control", "torch", "numpy", "safetensors", "onnx", "onnxscript")
LARGEST_JSON = 2**23
"""Of model.json [bytes]; a wiring of 65,536 synapses takes 2 MB. What JSON makes of it in memory is
25 times as much at the worst."""


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """All of model.json, checked. `wiring`: None for a memory without one; `files`: SHA-256 by
    name; `versions`: of the libraries that saved it; `created`: UTC; `recurrent_parameters`: of the
    memory, None in a model saved before they were counted.
    """

    directory: Path
    policy: PolicyConfig
    preprocess: PreprocessConfig
    wiring: NcpWiring | None
    files: Mapping[str, str]
    provenance: Mapping
    metrics: Mapping
    versions: Mapping[str, str]
    created: str
    recurrent_parameters: int | None = None

    @property
    def state_names(self) -> tuple[str, ...]:
        """A name for each number of the state, in order."""
        return state_names(self.policy)

    @property
    def neurons(self) -> int:
        """Size U of the state."""
        return len(self.state_names)

    @property
    def onnx_path(self) -> Path:
        """The ONNX graph; ModelFileError when the model was saved without one."""
        if ONNX not in self.files:
            raise ModelFileError(
                self.directory,
                f"the model was saved without {ONNX}",
                f"Run: liquid-control export {self.directory}",
            )
        return self.directory / ONNX

    @property
    def weights_path(self) -> Path:
        return self.directory / WEIGHTS


def read_model(directory: str | Path, require_signature: str | Path = "") -> ModelInfo:
    """Reads and checks a model directory: format, fields, sizes, and the hash of every file.
    `require_signature`: a public key (PEM) that must have signed it (model.signature). Raises
    ModelFileError, and MissingDependencyError where a signature cannot be checked."""
    directory = Path(directory)
    path = directory / MODEL
    try:
        data = read_bounded(path, LARGEST_JSON)
        if str(require_signature):
            verify(directory, data, require_signature)
        values = json.loads(data.decode("utf-8"))
    except OSError as error:
        raise ModelFileError(
            path, f"cannot be read ({error.strerror})", "Give the directory that holds model.json"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"is not JSON ({error})", AGAIN) from None
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise ModelFileError(
            path,
            f"format is {found!r}, this release reads {FORMAT!r}",
            "Install that release, or train again",
        )
    kinds = {
        "policy": dict,
        "preprocess": dict,
        "files": dict,
        "provenance": dict,
        "metrics": dict,
        "versions": dict,
    }
    for name, kind in (kinds | {"created": str}).items():
        if not isinstance(values.get(name), kind):
            raise ModelFileError(path, f"{name!r} is missing or not a {kind.__name__}", AGAIN)
    try:
        policy, preprocess = (
            from_mapping(PolicyConfig, values["policy"]),
            from_mapping(PreprocessConfig, values["preprocess"]),
        )
        wiring = _wiring(path, policy, values.get("wiring"))
    except ConfigError as error:
        raise ModelFileError(path, str(error), AGAIN) from None
    if WEIGHTS not in values["files"]:
        raise ModelFileError(path, f"lists no {WEIGHTS}", AGAIN)
    for name, sha256 in values["files"].items():
        if name not in (WEIGHTS, ONNX):
            raise ModelFileError(
                path,
                f"lists {name!r}, and a model has only {WEIGHTS} and {ONNX}",
                "Do not use a model of unknown origin",
            )
        if hash_of(directory / name) != sha256:
            raise ModelFileError(
                directory / name,
                "does not match its hash in model.json: changed, truncated or of another save",
                AGAIN,
            )
    count = values.get("recurrent_parameters")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ModelFileError(path, f"'recurrent_parameters' is {count!r}, not a count", AGAIN)
    rest = {
        name: values[name] for name in ("files", "provenance", "metrics", "versions", "created")
    }
    return ModelInfo(directory, policy, preprocess, wiring, **rest, recurrent_parameters=count)


def _wiring(path: Path, policy: PolicyConfig, given: object) -> NcpWiring | None:
    """Raises ModelFileError and ConfigError. Sizes are held against the policy's first: a wiring of
    2^63 neurons would fill the memory."""
    if policy.memory not in WIRED:
        if given is not None:
            raise ModelFileError(path, f"has a wiring, and {policy.memory} has none", AGAIN)
        return None
    expected = (
        policy.image_features + len(INERTIAL_FEATURES),
        policy.inter,
        policy.command,
        policy.motor,
    )
    if (
        isinstance(given, Mapping)
        and tuple(given.get(name) for name in ("inputs", "inter", "command", "motor")) != expected
    ):
        raise ModelFileError(
            path,
            f"the wiring does not have the policy's {expected} inputs, inter, command and motor neurons",
            AGAIN,
        )
    return NcpWiring.from_dict(given)


def load_network(directory: str | Path) -> PolicyNetwork:
    """The trained network, on the CPU in evaluation mode. Raises ModelFileError, for weights of
    other shapes before it is built."""
    from liquid_control.policy.saved import read_network

    return read_network(read_model(directory))


def save_model(
    directory: str | Path,
    network: PolicyNetwork,
    provenance: Mapping,
    metrics: Mapping,
    export: Callable[[PolicyNetwork, Path], None] | None = None,
) -> None:
    """Saves a network with how it was made (`provenance`) and what it achieved (`metrics`), both
    plain JSON data.

    `export` (deploy.export.export_onnx) writes policy.onnx beside it; without it the model has none
    yet. Files are written beside their places and renamed, model.json last; other files in the
    directory stay. Raises ModelFileError when a weight is not finite.
    """
    import safetensors.torch

    directory = Path(directory)
    weights = {
        name: value.detach().cpu().float().contiguous()
        for name, value in network.state_dict().items()
    }
    bad = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if bad:
        raise ModelFileError(
            directory,
            f"not saved, because {', '.join(bad)} is not finite",
            "Training diverged: lower the learning rates",
        )
    directory.mkdir(parents=True, exist_ok=True)
    parts = {
        name: directory / f".{name}.{os.getpid()}.part"
        for name in ((WEIGHTS, ONNX) if export else (WEIGHTS,))
    }
    try:
        parts[WEIGHTS].write_bytes(safetensors.torch.save(weights))
        if export:
            export(network, parts[ONNX])
        values = {
            "format": FORMAT,
            "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "policy": dataclasses.asdict(network.config),
            "preprocess": dataclasses.asdict(network.preprocess),
            "wiring": None if network.wiring is None else network.wiring.to_dict(),
            "recurrent_parameters": network.recurrent_parameters,
            "files": {name: hash_of(part) for name, part in parts.items()},
            "provenance": _plain(provenance),
            "metrics": _plain(metrics),
            "versions": _versions(),
        }
        parts[MODEL] = directory / f".{MODEL}.{os.getpid()}.part"
        text = json.dumps(values, indent=1, allow_nan=False)
        text = re.sub(
            r"\[\s+(-?\d+),\s+(-?\d+),\s+(-?\d+)\s+\]", r"[\1, \2, \3]", text
        )  # a synapse per line
        if len(text) >= LARGEST_JSON:
            raise ModelFileError(
                directory,
                f"not saved: {MODEL} would be larger than {LARGEST_JSON} bytes",
                "Ask for fewer synapses",
            )
        parts[MODEL].write_text(text + "\n", encoding="utf-8")
        for name, part in parts.items():
            os.replace(part, directory / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    if not export:
        (directory / ONNX).unlink(missing_ok=True)  # it belonged to the weights that were replaced


def _plain(value: object) -> object:
    """As JSON holds it: dataclasses as mappings, numpy numbers and arrays as plain ones, a number
    that is not finite as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, range)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
