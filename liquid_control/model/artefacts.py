"""The files of a model other than model.json: the role of each, and its hash."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from liquid_control.errors import ModelFileError, brief
from liquid_control.model.untrusted_file import AGAIN, UNKNOWN_ORIGIN, hash_of

WEIGHTS, ONNX = "weights.safetensors", "policy.onnx"
ROLES = {"weights": WEIGHTS, "onnx": ONNX}
"""File name by role, of the artefacts that this release writes."""
LONGEST_NAME = 200
MOST = 64
"""Artefacts of one model."""
LARGEST_PARITY = 1e30


@dataclasses.dataclass(frozen=True)
class Artefact:
    """One file of a model.

    `role`: how it is used ("weights", "onnx", others of later releases). `precision`: of its
    numbers, "float32" for what this release writes. `parity`: largest difference of action and
    state from the network in PyTorch when it was written, None where it was not measured.
    """

    role: str
    file: str
    sha256: str
    precision: str = "float32"
    parity: float | None = None


def is_saved(artefact: Artefact) -> bool:
    """Whether saving and exporting a model writes this artefact."""
    written = artefact.file in ROLES.values()
    return written or (artefact.role in ROLES and artefact.precision == "float32")


def read_artefacts(path: Path, listed: object) -> tuple[Artefact, ...]:
    """The checked "artefacts" of model.json at `path`: a list of mappings. Raises ModelFileError
    for a file name with a folder in it, and for a file that does not have its hash."""
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ModelFileError(path, f"'artefacts' is not a list of at most {MOST}", AGAIN)
    found = tuple(_artefact(path, entry) for entry in listed)
    for key in ("file", "role and precision"):
        names = [tuple(getattr(one, part) for part in key.split(" and ")) for one in found]
        if len(set(names)) != len(names):
            raise ModelFileError(path, f"lists two artefacts of the same {key}", AGAIN)
    _check_hashes(path, found)
    return found


def read_files(path: Path, files: object) -> tuple[Artefact, ...]:
    """The checked "files" of a model.json of format 1: a mapping of two names to hashes. Raises
    ModelFileError."""
    if not isinstance(files, Mapping):
        raise ModelFileError(path, "'files' is missing or not a dict", AGAIN)
    roles = {file: role for role, file in ROLES.items()}
    for name in files:
        if name not in roles:
            raise ModelFileError(
                path, f"lists {name!r}, and a model has only {WEIGHTS} and {ONNX}", UNKNOWN_ORIGIN
            )
    found = tuple(Artefact(roles[name], name, sha256) for name, sha256 in files.items())
    _check_hashes(path, found)
    return found


def is_plain_name(name: object) -> bool:
    """Whether a value names a file inside the model's folder: no separator of any system."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST_NAME
        and name.isprintable()
        and name not in (".", "..")
        and not set(name) & set("/\\:")
    )


def _artefact(path: Path, entry: object) -> Artefact:
    names = [field.name for field in dataclasses.fields(Artefact)]
    if not isinstance(entry, Mapping) or set(entry) != set(names):
        raise ModelFileError(path, f"an artefact does not have exactly {', '.join(names)}", AGAIN)
    if not is_plain_name(entry["file"]):
        problem = f"lists {brief(entry['file'])}, which is not a plain file name"
        raise ModelFileError(path, problem, UNKNOWN_ORIGIN)
    for name in ("role", "precision"):
        if not isinstance(entry[name], str) or not 0 < len(entry[name]) <= LONGEST_NAME:
            raise ModelFileError(path, f"the {name} of {entry['file']} is not a word", AGAIN)
    parity = entry["parity"]
    sound = isinstance(parity, (int, float)) and not isinstance(parity, bool)
    if parity is not None and not (sound and 0 <= parity <= LARGEST_PARITY):
        raise ModelFileError(path, f"the parity of {entry['file']} is not a difference", AGAIN)
    return Artefact(**entry)


def _check_hashes(path: Path, artefacts: tuple[Artefact, ...]) -> None:
    if not any(one.role == "weights" and one.precision == "float32" for one in artefacts):
        raise ModelFileError(path, f"lists no {WEIGHTS}", AGAIN)
    for one in artefacts:
        if hash_of(path.parent / one.file) != one.sha256:
            raise ModelFileError(
                path.parent / one.file,
                "does not match its hash in model.json: changed, truncated or of another save",
                AGAIN,
            )
