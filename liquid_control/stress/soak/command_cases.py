"""Hostile command lines: verbs with paths and values that no user means, in process. Each must end
with a code and, if it is 2, with words.

Every line for a verb that works for long has something in it that must be refused before the work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import random
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from liquid_control.model.installed import find_model

Main = Callable[[Sequence[str]], int]

QUICK = (
    "faults",
    "soak",
    "soak gate",
    "soak inputs",
    "export",
    "sign",
    "evaluate",
    "inspect",
    "doctor",
    "bench replay",
    "bench tables",
    "bench cells",
)
"""Verbs with few flags."""
NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "1e999",
    "9" * 400,
    "9" * 5000,
    "-0.0000001",
    "0x10",
    "1,5",
    "",
    " ",
    "x",
    "True",
    "None",
    "[1]",
    "--",
    "\udcff",
)
"""Refused by `--seed` and by every bounded number."""
WORDS = (
    "",
    "-",
    "--",
    "-h1",
    "=",
    "--=",
    "---",
    "\n",
    "\t",
    "\x7f",
    "\x1b[31m",
    "\udcff\udcfe",
    "\u202e",
    "a" * 100_000,
    "../" * 500,
    "*",
    "~",
    "$HOME",
    "`id`",
    ";",
    "'",
    '"',
    "%s%n",
    "{}",
    "{0}",
    "lane_keeper ",
    "LANE_KEEPER",
    "models/",
    "con",
    "http://localhost/",
    "file:///etc/passwd",
)
READS_MODEL = (
    "evaluate",
    "explain",
    "export",
    "inspect",
)  # the first argument is a model; of `inspect`, a model or a recording
MODEL_BY_FLAG = ("drive", "faults", "soak", "bench replay")
OUT = (
    "drive",
    "train imitation",
    "bench cells",
    "bench tables",
    "bench recordings",
    "bench driving",
    "bench replay",
    "faults",
    "soak",
    "explain",
)
SEED = (
    "drive",
    "train imitation",
    "bench recordings",
    "bench driving",
    "faults",
    "soak gate",
    "soak inputs",
    "soak",
)
NUMBERED = (
    *((verb, "--seed") for verb in SEED),
    ("drive", "--seconds"),
    ("train imitation", "--steps"),
    ("train imitation", "--policy.inter"),
    ("train imitation", "--preprocess.width"),
    ("bench cells", "--rounds"),
    ("bench tables", "--seeds"),
    ("bench recordings", "--runs"),
    ("bench driving", "--roads"),
    ("bench replay", "--minutes"),
    ("faults", "--roads"),
    ("soak gate", "--commands"),
    ("soak inputs", "--cases"),
    ("soak", "--hours"),
)
VERBS = tuple(
    sorted(
        {
            *READS_MODEL,
            *MODEL_BY_FLAG,
            *OUT,
            *SEED,
            *QUICK,
            "collect",
            "replay",
            "train imitation --bags x",
            "train",
        }
    )
)


class CommandLine:
    """Cases over a folder of places that are not what they seem to be. `main`: of the command
    line."""

    def __init__(self, folder: Path, main: Main) -> None:
        self.main, self.folder = main, folder
        self.home = folder / "home"  # where relative paths lead to
        self.home.mkdir()
        self.bad, self.blocked = make_places(folder / "places")
        self.keys = tuple(place for place in self.bad if place)  # no key is no wish for a signature
        for verb in VERBS:  # imports what each needs, which takes seconds
            self._answer([*verb.split(), "--help"])

    def run(self, rng: random.Random) -> str:
        """One command line and how it ended; AssertionError when that is none of the ways it
        may."""
        must_refuse, arguments = self._draw(rng)
        code, said = self._answer(arguments)
        shown = [argument[:80] for argument in arguments]
        assert type(code) is int and code in (0, 1, 2), f"{shown} ended with {code!r}"
        assert "Traceback" not in said, f"{shown} ended with a traceback: {said[-200:]}"
        assert code != 2 or said.strip(), f"{shown} ended with 2 and without a word"
        assert code == 2 or not must_refuse, f"{shown} ended with {code}: {said[-200:]}"
        return f"code {code}"

    def _answer(self, arguments: Sequence[str]) -> tuple[object, str]:
        """The code, and what was said on stdout and stderr."""
        # What Python makes of a terminal: bytes that are no text cannot be printed, on stderr they
        # are escaped.
        out, err = (
            io.TextIOWrapper(io.BytesIO(), "utf-8", errors, write_through=True)
            for errors in ("strict", "backslashreplace")
        )
        before = os.getcwd()
        os.chdir(self.home)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = self.main(arguments)
        except SystemExit as leaving:
            code = leaving.code
        except BaseException as error:
            error.args = (f"{[argument[:80] for argument in arguments]}: {error}",)
            raise
        finally:
            os.chdir(before)
        return code, "".join(stream.buffer.getvalue().decode("utf-8") for stream in (out, err))

    def _draw(self, rng: random.Random) -> tuple[bool, list[str]]:
        """Whether it must be refused, and a command line. Verbs whose hundred flags take long to
        parse come less often."""
        kind = rng.choices(range(10), (3, 4, 6, 3, 4, 1, 1, 2, 6, 1))[0]
        few = rng.random() < 0.85
        if kind == 0:  # no verb at all
            return False, [
                rng.choice(WORDS),
                *(rng.choice((*WORDS, *VERBS)) for _ in range(rng.randrange(3))),
            ]
        if kind == 1:  # a flag that does not exist, or lacks its value
            verb = rng.choice(QUICK if few else VERBS)
            return True, [
                *verb.split(),
                *self._more(rng),
                rng.choice(("--nothing", "--model", "--out", "--seed", "-x", "--json=maybe")),
            ]
        if kind == 2:
            verb, flag = rng.choice(
                [(verb, flag) for verb, flag in NUMBERED if verb in QUICK or not few]
            )
            return True, [*verb.split(), flag, rng.choice(NUMBERS), *self._more(rng)]
        if kind == 3:
            verb = rng.choice([verb for verb in OUT if verb in QUICK or not few])
            arguments = [
                *verb.split(),
                *(["lane_keeper"] if verb == "explain" else []),
                "--out",
                rng.choice(self.blocked),
            ]
            return True, arguments + ["--json"] * rng.randrange(2)
        if kind == 4:
            return True, [
                *rng.choice(MODEL_BY_FLAG).split(),
                "--model",
                rng.choice(self.bad),
                *self._more(rng),
            ]
        if kind == 5:
            return True, [
                "replay",
                *(rng.choice(self.bad) for _ in range(rng.choice((1, 2, 2, 3)))),
                *self._more(rng),
            ]
        if kind == 6:
            out = rng.choice((*self.blocked, str(self.home / "x")))
            return True, [
                "train",
                "imitation",
                "--workers",
                "1",
                "--out",
                out,
                "--bags",
                rng.choice(self.bad),
            ]
        if kind == 7:
            return True, rng.choice(
                (
                    ["sign", rng.choice(self.bad), "--key", rng.choice(self.bad)],
                    ["sign", "lane_keeper", "--key", rng.choice(self.bad)],
                    ["collect", rng.choice(self.blocked)],
                    ["collect", rng.choice(self.blocked), "--roads", rng.choice(NUMBERS)],
                    ["evaluate", "lane_keeper", "--require-signature", rng.choice(self.keys)],
                    ["inspect", "lane_keeper", "--out", rng.choice(self.blocked)],
                )
            )
        if kind == 8:
            return True, [rng.choice(READS_MODEL), rng.choice(self.bad), *self._more(rng)]
        return False, [*rng.choice(VERBS).split(), rng.choice(("-h", "--help"))]

    def _more(self, rng: random.Random) -> list[str]:
        """Further words, odd ones, that leave a line as wrong as it is."""
        return [
            rng.choice((*WORDS, *self.bad, *NUMBERS)) for _ in range(rng.choice((0, 0, 0, 1, 2)))
        ]


@dataclasses.dataclass(frozen=True)
class CommandLineMaker:
    """Makes the cases of an empty folder, in any process."""

    main: Main

    def __call__(self, folder: Path) -> Callable[[random.Random], str]:
        return CommandLine(folder, self.main).run


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
    for name, spoil in SPOILED.items():
        spoil(Path(shutil.copytree(model, folder / name)))
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
    def spoil(model: Path) -> None:
        (model / name).unlink()
        os.mkfifo(model / name)

    return spoil


def _loop_for(name: str) -> Callable[[Path], None]:
    def spoil(model: Path) -> None:
        (model / name).unlink()
        (model / name).symlink_to(model / name)

    return spoil


def _folder_for(name: str) -> Callable[[Path], None]:
    def spoil(model: Path) -> None:
        (model / name).unlink()
        (model / name).mkdir()

    return spoil


SPOILED = {
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
"""Copies of the shipped model that are none any more."""
