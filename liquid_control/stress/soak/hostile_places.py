"""Paths that are not what their names say: broken links, fifos, sockets, huge files, corrupted
models."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from liquid_control.model.installed import find_model


def make_places(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(paths that are neither a model nor a recording nor a key, places where nothing can be
    written)."""
    folder.mkdir()
    model = find_model("lane_keeper")
    file, fifo, loop, huge = folder / "file", folder / "fifo", folder / "loop", folder / "huge.mcap"
    file.write_bytes(b"nothing\n")
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    (folder / "dangling").symlink_to(folder / "gone")
    (folder / "empty").mkdir()
    (folder / os.fsdecode(b"caf\xe9\n")).mkdir()
    (folder / "empty.mcap").touch()
    (folder / "directory.mcap").mkdir()
    for name, suffix in (("fifo", ".mcap"), ("loop", ".db3"), ("dangling", ".mcap")):
        (folder / f"link{suffix if name != 'dangling' else '_gone.mcap'}").symlink_to(folder / name)
    with huge.open("wb") as sparse:
        sparse.truncate(2**40)
    with (
        socket.socket(socket.AF_UNIX) as place,
        contextlib.chdir(folder) if hasattr(contextlib, "chdir") else contextlib.nullcontext(),
    ):
        with contextlib.suppress(OSError):  # its name may be too long where there is no chdir
            place.bind("socket")
    for name, corrupt in CORRUPTED.items():
        corrupt(Path(shutil.copytree(model, folder / name)))
    bad = [folder / each.name for each in folder.iterdir()]
    bad += [
        folder / "missing",
        file / "below",
        loop / "below",
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/proc/self/mem",
        "/proc/self/fd/0",
        "/",
        "",
        ".",
        "..",
        "~nobody_of_this_name",
        "~/missing",
        "a" * 300,
        "b/" * 3000,
        "\udcff\udcfe",
        "new\nline",
        " ",
        "-1",
    ]
    blocked = [
        file,
        file / "below",
        fifo,
        fifo / "below",
        loop,
        loop / "below",
        folder / "dangling",
        "/dev/null",
        "/dev/full",
        "/dev/null/x",
        "a" * 300,
        folder / ("a" * 300),
        "b/" * 3000,
        folder / "socket",
    ]
    return tuple(map(str, bad)), tuple(map(str, blocked))


def _fifo_for(name: str) -> Callable[[Path], None]:
    def corrupt(model: Path) -> None:
        (model / name).unlink()
        os.mkfifo(model / name)

    return corrupt


def _loop_for(name: str) -> Callable[[Path], None]:
    def corrupt(model: Path) -> None:
        (model / name).unlink()
        (model / name).symlink_to(model / name)

    return corrupt


def _folder_for(name: str) -> Callable[[Path], None]:
    def corrupt(model: Path) -> None:
        (model / name).unlink()
        (model / name).mkdir()

    return corrupt


CORRUPTED = {
    "model_fifo": _fifo_for("model.json"),
    "model_loop": _loop_for("model.json"),
    "model_folder": _folder_for("model.json"),
    "weights_fifo": _fifo_for("weights.safetensors"),
    "weights_loop": _loop_for("weights.safetensors"),
    "onnx_folder": _folder_for("policy.onnx"),
    "weights_huge": lambda model: os.truncate(model / "weights.safetensors", 2**40),
    "model_huge": lambda model: os.truncate(model / "model.json", 2**40),
    "no_weights": lambda model: (model / "weights.safetensors").unlink(),
}
"""How copies of the shipped model are made unusable."""
