"""Hostile command lines: verbs with paths and values that no user means, in process. Each must end
with a code, and with a message if the code is 2.

Every line for a verb that works for long holds something that must be refused before the work. The
verbs and their flags come from the entry point.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import random
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from liquid_control.config import REQUIRED, Flag, flags
from liquid_control.model.installed import find_model
from liquid_control.system.verb import EntryPoint

FEW_FLAGS = 20
"""Verbs with more take long to parse, and come less often."""
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
"""Refused by every number that is never negative."""
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


@dataclasses.dataclass(frozen=True)
class Verbs:
    """The verbs by what is wrong with a command line that holds them."""

    words: tuple[str, ...]
    """all of them, and the first words of families"""
    quick: frozenset[str]
    """those with few flags"""
    reads_model: tuple[str, ...]
    """the first argument is a model, or a model or a recording"""
    model_by_flag: tuple[str, ...]
    """with the flag --model"""
    out: tuple[str, ...]
    """with a folder for results by --out, and nothing but a model to be given"""
    numbers: Mapping[str, tuple[str, ...]]
    """flags that refuse all of `NUMBERS`"""


def sort_verbs(settings: Mapping[str, type]) -> Verbs:
    """From the settings of every verb."""
    known = {words: {flag.name: flag for flag in flags(kind)} for words, kind in settings.items()}

    def those(fits: Callable[[dict[str, Flag]], bool]) -> tuple[str, ...]:
        return tuple(words for words in known if fits(known[words]))

    def required(found: dict[str, Flag]) -> set[str]:
        return {name for name, flag in found.items() if flag.field.default is REQUIRED}

    def writes_out(found: dict[str, Flag]) -> bool:
        out = found.get("out")
        folder = out is not None and out.field.metadata.get("writes") == "folder"
        return folder and not out.positional and required(found) <= {"model"}

    return Verbs(
        words=(*known, *sorted({words.split()[0] for words in known} - set(known))),
        quick=frozenset(those(lambda found: len(found) <= FEW_FLAGS)),
        reads_model=those(lambda found: bool(required(found) & {"model", "path"})),
        model_by_flag=those(lambda found: "model" in found and not found["model"].positional),
        out=those(writes_out),
        numbers={
            words: positive
            for words, found in known.items()
            if (positive := tuple(f"--{name}" for name in found if _is_positive(found[name])))
        },
    )


def _is_positive(flag: Flag) -> bool:
    return not flag.positional and flag.field.metadata.get("low", -1) >= 0


class CommandLine:
    """Cases over a folder of places that are not what they seem to be."""

    def __init__(self, folder: Path, entry: EntryPoint) -> None:
        self.main, self.folder = entry.main, folder
        self.home = folder / "home"  # where relative paths lead to
        self.home.mkdir()
        self.bad, self.blocked = make_places(folder / "places")
        self.keys = tuple(place for place in self.bad if place)  # no key is no wish for a signature
        self.verbs = sort_verbs(entry.settings())  # imports them all, which takes seconds

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
        verbs = self.verbs
        kind = rng.choices(range(10), (3, 4, 6, 3, 4, 1, 1, 2, 6, 1))[0]
        few = rng.random() < 0.85

        def any_of(words: Sequence[str]) -> str:
            return rng.choice([each for each in words if each in verbs.quick or not few])

        if kind == 0:  # no verb at all
            return False, [
                rng.choice(WORDS),
                *(rng.choice((*WORDS, *verbs.words)) for _ in range(rng.randrange(3))),
            ]
        if kind == 1:  # a flag that does not exist, or lacks its value
            return True, [
                *any_of(verbs.words).split(),
                *self._more(rng),
                rng.choice(("--nothing", "--model", "--out", "--seed", "-x", "--json=maybe")),
            ]
        if kind == 2:
            verb = any_of(tuple(verbs.numbers))
            flag = rng.choice(verbs.numbers[verb])
            return True, [*verb.split(), flag, rng.choice(NUMBERS), *self._more(rng)]
        if kind == 3:
            verb = any_of(verbs.out)
            model = ["lane_keeper"] if verb in verbs.reads_model else []
            arguments = [*verb.split(), *model, "--out", rng.choice(self.blocked)]
            return True, arguments + ["--json"] * rng.randrange(2)
        if kind == 4:
            verb = rng.choice(verbs.model_by_flag)
            return True, [*verb.split(), "--model", rng.choice(self.bad), *self._more(rng)]
        if kind == 5:
            return True, [
                "replay",
                *(rng.choice(self.bad) for _ in range(rng.choice((1, 2, 2, 3)))),
                *self._more(rng),
            ]
        if kind == 6:
            out = rng.choice((*self.blocked, str(self.home / "x")))
            bad = rng.choice(self.bad)
            return True, [
                "train",
                "recordings",
                "--workers",
                "1",
                "--out",
                out,
                "--recordings",
                bad,
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
            return True, [rng.choice(verbs.reads_model), rng.choice(self.bad), *self._more(rng)]
        return False, [*rng.choice(verbs.words).split(), rng.choice(("-h", "--help"))]

    def _more(self, rng: random.Random) -> list[str]:
        """Further words, odd ones, that leave a line as wrong as it is."""
        return [
            rng.choice((*WORDS, *self.bad, *NUMBERS)) for _ in range(rng.choice((0, 0, 0, 1, 2)))
        ]


@dataclasses.dataclass(frozen=True)
class CommandLineMaker:
    """Makes the cases of an empty folder, in any process."""

    entry: EntryPoint

    def __call__(self, folder: Path) -> Callable[[random.Random], str]:
        return CommandLine(folder, self.entry).run


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
