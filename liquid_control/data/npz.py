"""Arrays in an uncompressed .npz, one of which need not fit into memory: written from a file of
bytes, read as a memory map."""

from __future__ import annotations

import shutil
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from liquid_control.errors import LiquidControlError
from liquid_control.system.files import write_atomically

LOCAL_HEADER = 30
"""Bytes of a zip member's header before its name; the lengths of name and extra field are its last
four."""
CHUNK = 1 << 20


class NpzError(LiquidControlError):
    """A file is not the archive of arrays that it should be."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; delete it, and it will be created again")
        self.path, self.problem = path, problem


def write_npz(
    path: Path, arrays: Mapping[str, np.ndarray], large: str, content: Path, shape: tuple[int, ...]
) -> None:
    """Writes atomically. Array `large`, uint8 of `shape`, is the bytes of file `content`, which is
    copied piece by piece."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with write_atomically(path) as partial:
        with partial.open("wb") as file:
            np.savez(file, **arrays)
        with zipfile.ZipFile(partial, "a", zipfile.ZIP_STORED) as archive:
            with (
                archive.open(f"{large}.npy", "w", force_zip64=True) as member,
                content.open("rb") as source,
            ):
                np.lib.format.write_array_header_1_0(member, header)
                shutil.copyfileobj(source, member, CHUNK)


def read_npz(
    path: Path, names: Collection[str], mapped: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays `names`, those in `mapped` as read-only memory maps. Raises FileNotFoundError, and
    NpzError for a damaged archive."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in set(names) - set(archive.files):
                raise NpzError(path, f"array {name} is missing")
            found = {name: archive[name] for name in names if name not in mapped}
        return found | {name: _map(path, f"{name}.npy") for name in mapped}
    except (FileNotFoundError, NpzError):
        raise
    except Exception as error:  # zipfile and numpy raise a dozen kinds for damaged archives
        raise NpzError(path, f"cannot be read ({error})") from None


def _map(path: Path, name: str) -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(name) as member:
        info = archive.getinfo(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise NpzError(path, f"{name} is compressed")
        np.lib.format.read_magic(member)
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.hasobject:
            raise NpzError(path, f"{name} holds Python objects")
        header = member.tell()
    with path.open("rb") as file:
        file.seek(info.header_offset + LOCAL_HEADER - 4)
        name_length, extra_length = struct.unpack("<HH", file.read(4))
    offset = info.header_offset + LOCAL_HEADER + name_length + extra_length + header
    return np.memmap(path, dtype, "r", offset, shape, order="F" if by_columns else "C")
