"""A policy on disk: model.json (what it is and how it was made) and its artefacts, such as
weights.safetensors and policy.onnx.

Nothing in them executes on load. Reading needs neither torch nor onnxruntime; model.json holds the
SHA-256 of every artefact, is written last, and so marks a complete directory. `policy.saved` writes
one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import PreprocessConfig, from_mapping
from liquid_control.errors import ConfigError, ModelFileError, brief
from liquid_control.model.artefacts import ONNX, Artefact, read_artefacts, read_files
from liquid_control.model.car import read_first_format
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.signature import verify
from liquid_control.model.spec import PolicySpec
from liquid_control.model.state import StateArray
from liquid_control.model.untrusted_file import AGAIN, read_bounded
from liquid_control.model.wiring import NcpWiring

FORMAT = "liquid_control/2"
"""What this release writes."""
FIRST_FORMAT = "liquid_control/1"
"""What release 0.1 wrote: "preprocess" of a car instead of "spec", "files", a mapping of names to
hashes, instead of "artefacts"."""
MODEL = "model.json"
LARGEST_JSON = 2**23
"""Of model.json [bytes]; a wiring of 65,536 synapses takes 2 MB. Parsed, it takes at most 25 times
as much memory."""


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """All of model.json, checked. `wiring`: None for a core without one; `versions`: of the
    libraries that saved it; `created`: UTC; `recurrent_parameters`: of the core, None in a model
    saved before they were counted.
    """

    directory: Path
    policy: PolicyConfig
    spec: PolicySpec
    wiring: NcpWiring | None
    artefacts: tuple[Artefact, ...]
    provenance: Mapping
    metrics: Mapping
    versions: Mapping[str, str]
    created: str
    recurrent_parameters: int | None = None
    is_first_format: bool = False

    @property
    def preprocess(self) -> PreprocessConfig | None:
        """How the policy's image is made; None without one."""
        return self.spec.image

    @property
    def state_names(self) -> tuple[str, ...]:
        """A name for each number of the state, in order."""
        return _state_names(self.policy, self.spec)

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every artefact by file name."""
        return {one.file: one.sha256 for one in self.artefacts}

    def artefact(self, role: str, precision: str = "float32") -> Artefact | None:
        """The artefact of a role and precision, None where the model has none."""
        for one in self.artefacts:
            if (one.role, one.precision) == (role, precision):
                return one
        return None

    @property
    def onnx_path(self) -> Path:
        """The ONNX graph. Raises ModelFileError for a model that was saved without one."""
        graph = self.artefact("onnx")
        if graph is None:
            raise ModelFileError(
                self.directory,
                f"the model was saved without {ONNX}",
                f"Run: liquid-control export {self.directory}",
            )
        return self.directory / graph.file

    @property
    def weights_path(self) -> Path:
        """The weights; every model has them."""
        return self.directory / self.artefact("weights").file


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
    if found not in (FORMAT, FIRST_FORMAT):
        raise ModelFileError(
            path,
            f"format is {brief(found)}, this release reads {FIRST_FORMAT!r} and {FORMAT!r}",
            "Install that release, or train again",
        )
    first = found == FIRST_FORMAT
    interface = "preprocess" if first else "spec"
    kinds = dict.fromkeys(("policy", interface, "provenance", "metrics", "versions"), dict)
    for name, kind in (kinds | {"created": str}).items():
        if not isinstance(values.get(name), kind):
            raise ModelFileError(path, f"{name!r} is missing or not a {kind.__name__}", AGAIN)
    try:
        if first:
            policy, spec = _read_first(values["policy"], values["preprocess"])
        else:
            policy = PolicyConfig.from_dict(values["policy"])
            spec = PolicySpec.from_dict(values["spec"])
        wiring = _wiring(path, policy, spec, values.get("wiring"))
    except ConfigError as error:
        raise ModelFileError(path, str(error), AGAIN) from None
    if len(_state_names(policy, spec)) != spec.state_size:
        raise ModelFileError(path, f"the state does not fit a core {policy.core.name!r}", AGAIN)
    if first:
        artefacts = read_files(path, values.get("files"))
    else:
        artefacts = read_artefacts(path, values.get("artefacts"))
    count = values.get("recurrent_parameters")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ModelFileError(path, f"'recurrent_parameters' is {count!r}, not a count", AGAIN)
    rest = {name: values[name] for name in ("provenance", "metrics", "versions", "created")}
    return ModelInfo(
        directory,
        policy,
        spec,
        wiring,
        artefacts,
        **rest,
        recurrent_parameters=count,
        is_first_format=first,
    )


def to_text(directory: Path, values: Mapping) -> str:
    """model.json as text, one synapse a line. Raises ModelFileError for a text that `read_model`
    would refuse as too large."""
    text = json.dumps(values, indent=1, allow_nan=False)
    text = re.sub(r"\[\s+(-?\d+),\s+(-?\d+),\s+(-?\d+)\s+\]", r"[\1, \2, \3]", text)
    if len(text) >= LARGEST_JSON:
        raise ModelFileError(
            directory,
            f"not saved: {MODEL} would be larger than {LARGEST_JSON} bytes",
            "Use a wiring of fewer synapses",
        )
    return text + "\n"


def _read_first(policy: dict, preprocess: dict) -> tuple[PolicyConfig, PolicySpec]:
    """Config and spec of a model of the first format: the car's, with one array of state. Raises
    ConfigError."""
    values, spec = read_first_format(policy, from_mapping(PreprocessConfig, preprocess))
    config = PolicyConfig.from_dict(values)
    state = (StateArray("state", (len(_state_names(config, spec)),)),)
    return config, dataclasses.replace(spec, state=state)


def _state_names(policy: PolicyConfig, spec: PolicySpec) -> tuple[str, ...]:
    return policy.core.state_names(*policy.core_sizes(spec))


def _wiring(path: Path, policy: PolicyConfig, spec: PolicySpec, given: object) -> NcpWiring | None:
    """Raises ModelFileError and ConfigError. Sizes are compared with the policy's first: a wiring
    of 2^63 neurons would fill the memory."""
    core = policy.core
    if not core.wired:
        if given is not None:
            raise ModelFileError(path, f"has a wiring, and {core.name} has none", AGAIN)
        return None
    expected = core.wiring.sizes(*policy.core_sizes(spec))
    if isinstance(given, Mapping) and {name: given.get(name) for name in expected} != expected:
        raise ModelFileError(
            path, f"the wiring does not have the sizes of its policy, {expected}", AGAIN
        )
    return NcpWiring.from_dict(given)
