"""Hostile command lines, run in this process: verbs with wrong paths and values. Each must end with
an exit code, and with a message if the code is 2.

Every line for a verb that works for a long time holds something that must be refused before the
work. The verbs and their flags come from the entry point.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from liquid_control.config import REQUIRED, Flag, flags
from liquid_control.stress.soak.hostile_places import make_places
from liquid_control.system.verb import EntryPoint

FEW_FLAGS = 42
"""Verbs with more flags take long to parse and are drawn less often."""
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
    """The verbs, sorted by the ways in which their command lines can be wrong."""

    words: tuple[str, ...]
    """all verbs, and the first words of families"""
    quick: frozenset[str]
    """verbs with few flags"""
    reads_model: tuple[str, ...]
    """verbs whose first argument is a model, or a model or recording"""
    model_by_flag: tuple[str, ...]
    """verbs with the flag --model"""
    out: tuple[str, ...]
    """verbs with a folder --out that require nothing, or a model"""
    numbers: Mapping[str, tuple[str, ...]]
    """for each verb, the flags that refuse all of `NUMBERS`"""


def sort_verbs(settings: Mapping[str, type]) -> Verbs:
    """Derives the lists from the settings of every verb."""
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
    """Cases that use a folder of files which are not what their names say."""

    def __init__(self, folder: Path, entry: EntryPoint) -> None:
        self.main, self.folder = entry.main, folder
        self.home = folder / "home"  # where relative paths lead to
        self.home.mkdir()
        self.bad, self.blocked = make_places(folder / "places")
        self.keys = tuple(
            place for place in self.bad if place
        )  # without a key no signature is needed
        self.verbs = sort_verbs(entry.settings())  # imports them all, which takes seconds

    def run(self, rng: random.Random) -> str:
        """Runs one command line and returns how it ended. Raises AssertionError for an ending that
        is not allowed."""
        must_refuse, arguments = self._draw(rng)
        code, printed = self._answer(arguments)
        shown = [argument[:80] for argument in arguments]
        assert type(code) is int and code in (0, 1, 2), f"{shown} ended with {code!r}"
        assert "Traceback" not in printed, f"{shown} ended with a traceback: {printed[-200:]}"
        assert code != 2 or printed.strip(), f"{shown} ended with 2 and without a message"
        assert code == 2 or not must_refuse, f"{shown} ended with {code}: {printed[-200:]}"
        return f"code {code}"

    def _answer(self, arguments: Sequence[str]) -> tuple[object, str]:
        """The exit code, and the text on stdout and stderr."""
        # As on a terminal: bytes that are no text cannot be printed; on stderr they are escaped.
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
        """(whether it must be refused, a command line)."""
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
        """Further odd words, which do not make a wrong line right."""
        return [
            rng.choice((*WORDS, *self.bad, *NUMBERS)) for _ in range(rng.choice((0, 0, 0, 1, 2)))
        ]


@dataclasses.dataclass(frozen=True)
class CommandLineMaker:
    """Makes the cases in an empty folder, in any process."""

    entry: EntryPoint

    def __call__(self, folder: Path) -> Callable[[random.Random], str]:
        return CommandLine(folder, self.entry).run
