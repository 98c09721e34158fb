"""A model as a value: the bytes of its files, which can be sent to another process or machine."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from liquid_control.model.model_file import LARGEST_JSON, MODEL, read_model
from liquid_control.model.untrusted_file import LARGEST_FILE, read_bounded


@dataclasses.dataclass(frozen=True)
class PackedModel:
    """`name` of its directory, `sha256` of its model.json, which holds the hash of every other
    file. Two of one name and hash are equal."""

    name: str
    sha256: str
    files: Mapping[str, bytes] = dataclasses.field(repr=False, compare=False)


def pack_model(directory: str | Path) -> PackedModel:
    """Reads and checks a model directory. Raises ModelFileError."""
    info = read_model(directory)
    files = {MODEL: read_bounded(info.directory / MODEL, LARGEST_JSON)}
    files |= {name: read_bounded(info.directory / name, LARGEST_FILE) for name in info.files}
    name = info.directory.resolve().name
    return PackedModel(name, hashlib.sha256(files[MODEL]).hexdigest(), files)


@contextlib.contextmanager
def unpacked(model: PackedModel) -> Iterator[Path]:
    """A temporary directory with the model's files, for readers of directories."""
    with tempfile.TemporaryDirectory(prefix="liquid_control_") as folder:
        directory = Path(folder) / model.name
        directory.mkdir()
        for name, content in model.files.items():
            (directory / name).write_bytes(content)
        yield directory
