"""What was learnt on a robot, as a JSON file: for which vehicle, model and release, its hash, and
the signature of the robot's key where there is one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.signature import sign_text, verify_text
from liquid_control.model.untrusted_file import read_bounded
from liquid_control.system.files import write_atomically

FORMAT = "liquid_control/adaptation/1"
LARGEST = 2**23
"""Of the file [bytes]."""
REMEDY = "It is ignored; remove it, or call the reset service, to begin anew"


@dataclasses.dataclass(frozen=True)
class MadeFor:
    """What a file belongs to. `model`: SHA-256 of its artefacts by name; `release`: of this
    package; `gate_angle`: as `AdaptationConfig.gate_angle`."""

    vehicle: VehicleConfig
    model: Mapping[str, str]
    release: str
    gate_angle: float = 0.0


def save(path: Path, made_for: MadeFor, learnt: Mapping, key: str = "") -> None:
    """Writes a temporary file and renames it to `path`. `learnt`: see `AdaptedRuntime.state`;
    `key`: see `AdaptationConfig.signing_key`. Raises OSError, ModelFileError for a key that cannot
    be used, and MissingDependencyError."""
    body = _body(made_for, learnt)
    data = _canonical(body)
    values = {**body, "sha256": hashlib.sha256(data).hexdigest()}
    if key:
        values["signature"] = sign_text(data, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path, durable=True) as partial:
        partial.write_text(json.dumps(values, allow_nan=False) + "\n", encoding="utf-8")


def load(path: Path, made_for: MadeFor, key: str = "") -> dict:
    """What was learnt, checked but for its numbers. Raises FileNotFoundError where there is none,
    ModelFileError for a file that is damaged, not signed by `key` where one is given, or of another
    vehicle, model or release."""
    try:
        text = read_bounded(path, LARGEST).decode("utf-8")
        values = json.loads(text)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error.strerror})", REMEDY) from None
    except (ValueError, RecursionError):
        raise ModelFileError(path, "is not JSON", REMEDY) from None
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT or not isinstance(values.get("learnt"), dict):
        raise ModelFileError(path, f"is no state of the adaptation ({FORMAT})", REMEDY)
    try:
        data = _canonical({name: values.get(name) for name in ("format", "made_for", "learnt")})
    except ValueError:
        raise ModelFileError(path, "holds a number that is not finite", REMEDY) from None
    if values.get("sha256") != hashlib.sha256(data).hexdigest():
        raise ModelFileError(path, "is damaged: its hash is another", REMEDY)
    if key:
        verify_text(path, values.get("signature", ""), data, key)
    wanted = _body(made_for, {})["made_for"]
    given = values["made_for"] if isinstance(values["made_for"], dict) else {}
    for name, value in wanted.items():
        if given.get(name) != value:
            problem = f"is of another {name.replace('_', ' ')}"
            if name != "model":
                problem += f" ({_brief(given.get(name))}, here {_brief(value)})"
            raise ModelFileError(path, problem, REMEDY)
    return values["learnt"]


def refuse(path: Path, error: ConfigError) -> ModelFileError:
    """The error for a file whose numbers cannot be used."""
    return ModelFileError(path, f"holds what cannot be used ({error})", REMEDY)


def _body(made_for: MadeFor, learnt: Mapping) -> dict:
    described = dataclasses.asdict(made_for)
    return {"format": FORMAT, "made_for": described, "learnt": dict(learnt)}


def _canonical(body: Mapping) -> bytes:
    return json.dumps(body, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def _brief(value: object) -> str:
    return json.dumps(value)[:120]
