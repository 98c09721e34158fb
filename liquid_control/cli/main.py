"""The command line: `liquid-control VERB ...`. `verbs` lists what it can do.

Exit codes: 0 done (for `drive`: without a departure, for `doctor`: nothing needed is missing), 1
not, 2 a wrong command line or bad input, 130 Ctrl-C. With --json the last line of stdout is one
JSON object; progress goes to stderr. A reader that leaves early, as `head` does, ends neither the
work nor its exit code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from liquid_control.cli.arguments import Asked, as_json, parse, refuse_impossible_places
from liquid_control.cli.verbs import VERBS, Verb
from liquid_control.errors import LiquidControlError

PROGRAM = "liquid-control"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class Outlet:
    """A text stream whose reader may leave: what is said to nobody is dropped, now and when Python
    flushes it at exit. What it has no letters for is written as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:  # names of files may hold bytes that are no text
            encoding = self._stream.encoding or "ascii"
            return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code."""
    if sys.stdout is None:  # closed by the shell: >&-
        return _answer(arguments)
    outlet = Outlet(sys.stdout)
    with contextlib.redirect_stdout(outlet):
        try:
            return _answer(arguments)
        finally:
            outlet.flush()


def _answer(arguments: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage(VERBS))
        return 0 if arguments else WRONG_USAGE
    given = {argument.partition("=")[0] for argument in arguments}
    for verb in VERBS:
        words = [word for word in verb.words.split() if not word.startswith("--")]
        if arguments[: len(words)] == words and given.issuperset(verb.words.split()):
            return _run(verb, arguments[len(words) :])
    family = [verb for verb in VERBS if verb.words.split()[0] == arguments[0]]
    asked_help = bool(family) and arguments[1:] in (["-h"], ["--help"])
    print(_usage(family or VERBS), file=sys.stdout if asked_help else sys.stderr)
    return 0 if asked_help else WRONG_USAGE


def _run(verb: Verb, arguments: Sequence[str]) -> int:
    program = f"{PROGRAM} {verb.words}"
    try:
        work = verb.load()
        if work.answers_itself:
            settings = parse(work.settings, work.settings, program, verb.summary, arguments)
            refuse_impossible_places(settings)
            return work.run(settings)
        asked = parse(work.settings, Asked[work.settings], program, verb.summary, arguments)
        refuse_impossible_places(asked.settings)
        facts = work.run(asked.settings)
        print(as_json(facts) if asked.json else work.show(facts))
        return 0 if work.succeeded(facts) else FAILED
    except LiquidControlError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:  # a disk that is full, a folder that is not ours
        print(
            f"{program}: {error.strerror or error}{f': {error.filename}' if error.filename else ''}",
            file=sys.stderr,
        )
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def _usage(verbs: Sequence[Verb]) -> str:
    width = max(len(verb.words) for verb in verbs)
    lines = [f"  {verb.words.ljust(width)}  {verb.summary}" for verb in verbs]
    return "\n".join(
        [
            f"usage: {PROGRAM} VERB [flags]",
            "",
            *lines,
            "",
            f"{PROGRAM} VERB --help lists the flags of a verb.",
        ]
    )
