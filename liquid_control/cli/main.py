"""The command line: `liquid-control VERB ...`. `verbs` lists what it can do.

With --json the last line of stdout is one JSON object; progress goes to stderr. A reader that
closes the pipe early, as `head` does, changes neither the work nor the exit code.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from liquid_control.cli.extras import missing
from liquid_control.cli.old_spellings import refuse_old_flags, refuse_old_verb
from liquid_control.cli.places import refuse_unusable_places
from liquid_control.cli.plain_arguments import parse_plainly
from liquid_control.cli.verbs import VERBS, Entry, settings_by_words
from liquid_control.errors import LiquidControlError
from liquid_control.system.verb import EntryPoint, Interrupted, Verb

PROGRAM = "liquid-control"
VERSION = "0.1.0"
DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
EXIT_CODES = """exit codes:
  0    done, and the result is good
  1    done, and the result is not good: a departure, a broken limit, a missing part, ...
  2    wrong command line, or input that cannot be used
  130  interrupted by Ctrl-C"""


class ClosedPipeSafeStream:
    """A text stream that survives a closed pipe: unread text is dropped, also when
    Python flushes at exit. Characters that the encoding lacks are written as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:  # file names may hold bytes that are no text
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
    """Runs one verb and returns its exit code; `arguments`: those of the process by default."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if sys.stdout is None:  # closed by the shell: >&-
        return _choose(arguments)
    stream = ClosedPipeSafeStream(sys.stdout)
    with contextlib.redirect_stdout(stream):
        try:
            return _choose(arguments)
        finally:
            stream.flush()


def _choose(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage(VERBS))
        return DONE if arguments else WRONG_USAGE
    if arguments[0] in ("-V", "--version"):
        print(f"{PROGRAM} {version()}")
        return DONE
    try:
        refuse_old_verb(arguments)
    except LiquidControlError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return WRONG_USAGE
    families = families_of(VERBS)
    for verb in VERBS:
        words = verb.words.split()
        rest = arguments[len(words) :]
        if arguments[: len(words)] == words:
            if len(words) == 1 and families[words[0]] and rest and not rest[0].startswith("-"):
                break  # soak gat: the second word of another verb, because this one takes none
            return _run(verb, rest)
    family = families.get(arguments[0])
    if family and arguments[1:] in (["-h"], ["--help"]):
        print(usage(family))
        return DONE
    print(f"{PROGRAM}: {wrong_verb(arguments, families)}", file=sys.stderr)
    return WRONG_USAGE


def families_of(verbs: Sequence[Entry]) -> Mapping[str, list[Entry]]:
    """The verbs of two words by their first one; the first words of all others stand there with an
    empty list."""
    families: dict[str, list[Entry]] = {verb.words.split()[0]: [] for verb in verbs}
    for verb in verbs:
        if " " in verb.words:
            families[verb.words.split()[0]].append(verb)
    return families


def wrong_verb(arguments: Sequence[str], families: Mapping[str, list[Entry]]) -> str:
    """One line: what is wrong with arguments that begin with no verb, and what may be meant."""
    first, words = arguments[0], [word for word in arguments[:2] if not word.startswith("-")]
    how = f"usage: {PROGRAM} VERB [flags]; {PROGRAM} --help lists the verbs"
    if not words or first.startswith("-"):
        return f"got {first} in the place of a verb. {how}"
    family = [verb.words for verb in families.get(first, ())]
    names = family or [verb.words for verbs in families.values() for verb in verbs] + [*families]
    given = " ".join(words) if family else first
    near = difflib.get_close_matches(" ".join(words), names, 3) if len(words) > 1 else family
    near = near or difflib.get_close_matches(given, names, 3) or family
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"no verb {given!r}{meant} {how}"


def version() -> str:
    """Of the installed package; that of the sources where it is not installed."""
    try:
        return importlib.metadata.version("liquid_control")
    except importlib.metadata.PackageNotFoundError:
        return f"{VERSION} (its sources, not installed)"


def _run(verb: Entry, arguments: Sequence[str]) -> int:
    program = f"{PROGRAM} {verb.words}"
    try:
        command = verb.load()
        refuse_old_flags(command.settings, arguments)
        request = _parse(command.settings, program, verb.summary, arguments)
        refuse_unusable_places(request.settings)
        try:
            facts, interrupted = _facts(command, request.settings), False
        except Interrupted as early:
            facts, interrupted = early.facts, True
        print(json.dumps(facts) if request.json else command.show(facts))
        if interrupted:
            return INTERRUPTED
        return DONE if command.succeeded(facts) else FAILED
    except LiquidControlError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:  # a full disk, a folder without permission
        place = f": {error.filename}" if error.filename else ""
        print(f"{program}: {error.strerror or error}{place}", file=sys.stderr)
        return WRONG_USAGE
    except ImportError as error:
        said = missing(error)
        if said is None:
            raise
        print(f"{program}: {said}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def _parse(settings: type, program: str, summary: str, arguments: Sequence[str]):
    """The request, read by tyro, or without it where it is not installed."""
    try:
        from liquid_control.cli.arguments import parse
    except ModuleNotFoundError:
        request = parse_plainly(settings, program, summary, arguments)
        if request is None:
            raise
        return request
    return parse(settings, program, summary, arguments)


def _facts(command: Verb, settings: object):
    if command.tests_commands:
        return command.run(settings, EntryPoint(main, settings_by_words))
    return command.run(settings)


def usage(verbs: Sequence[Entry]) -> str:
    """The verbs with a line each, and the exit codes."""
    width = max(len(verb.words) for verb in verbs)
    lines = [f"  {verb.words.ljust(width)}  {verb.summary}" for verb in verbs]
    return "\n".join(
        [
            f"usage: {PROGRAM} VERB [flags]",
            "",
            *lines,
            "",
            f"{PROGRAM} VERB --help lists the flags of a verb.",
            "",
            EXIT_CODES,
        ]
    )
