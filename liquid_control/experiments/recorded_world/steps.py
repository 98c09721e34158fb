"""Steps of a long measurement: each is one JSON file, made once for its settings, and the commands
that a user would type, run as such."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from liquid_control.errors import LiquidControlError
from liquid_control.system.files import write_atomically
from liquid_control.system.plain_json import plain
from liquid_control.train.run import commit


class CommandError(LiquidControlError):
    """A command of the measurement failed; its last words are in the message."""

    def __init__(self, words: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"`liquid-control {' '.join(words)}` ended with {code}: {said[-2000:]}")


def once(file: Path, settings: object, make: Callable[[], object]) -> dict:
    """What `make` returned for these settings, from `file` where an earlier run wrote it, with the
    commit that made it. A file of other settings is replaced."""
    wanted = plain(settings)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["settings"] == wanted:
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = {"commit": commit(), "settings": wanted, "found": plain(make())}
    save(file, found)
    return found


def save(file: Path, found: Mapping) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as partial:
        partial.write_text(json.dumps(plain(found), indent=1) + "\n", encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line that ran: `words` after `liquid-control`, `facts` of its --json, `seconds` of
    its whole process."""

    words: tuple[str, ...]
    facts: dict
    seconds: float


def run_command(*words: str | Path) -> Command:
    """Runs `liquid-control WORDS --json` in a process of its own, as a user does. Its progress goes
    to stderr. Raises CommandError for an exit code other than 0."""
    started = time.perf_counter()
    line = tuple(map(str, words))
    done = subprocess.run(
        [sys.executable, "-m", "liquid_control", *line, "--json"], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise CommandError(line, done.returncode, done.stdout)
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    return Command(line, facts, time.perf_counter() - started)
