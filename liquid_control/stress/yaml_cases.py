"""Hostile YAML: damaged parameter files, values of every kind that YAML knows, nesting, aliases,
other encodings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.recordings.rosbag.topics import load_map
from liquid_control.recordings.settings import TopicMap
from liquid_control.stress.corruption import corrupted

PLAIN = (
    "5",
    "-1",
    "0",
    "0.5",
    "2.0",
    "1e400",
    "-1e400",
    ".nan",
    ".inf",
    "-.inf",
    "NaN",
    "1e-320",
    "0x10",
    "0o17",
    "0b11",
    "1_000",
    "1:30",
    "~",
    "null",
    "yes",
    "off",
    "true",
    "True",
    '""',
    "hold",
    "twist_stamped",
    "raw",
    "2026-11-22",
    "[1, 2]",
    "[true, false]",
    "'5'",
    "99999999999999999999",
)
ODD = (
    "''",
    '"\\0"',
    '"\\ud800"',
    "2026-11-22T10:00:00Z",
    "[]",
    "{}",
    "[1.0, a]",
    "[true, 1]",
    "[[1]]",
    "{a: 1}",
    "!!binary x",
    "!!str 5",
    "!!int a",
    "!!int ''",
    "!!bool x",
    "!!timestamp x",
    "!!float 5",
    "!!set {a}",
    "!!omap [a: 1]",
    "!!python/object/apply:os.getpid []",
    "!unknown 5",
    "&a 5",
    "*a",
    "&a [*a]",
    "9" * 5000,
    "0x" + "f" * 5000,
    "a" * 20_000,
    '"',
    "'",
    "%",
    "@",
    "`",
    "|\n   text",
    ">-\n   text",
    "? a",
    "- 1",
    "-",
    ":",
    "\x00",
    "\x07",
    "\t5",
    "\u00e9",
    "\U0001f697",
    "# nothing",
)
"""Scalars that most readers take, and those that many do not."""
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)
"""Two thousand bytes that stand for 9^13 words."""
WHOLE = (
    b"",
    b"\xff\xfe",
    b"\xef\xbb\xbfa: 1",
    "a: 1".encode("utf-16"),
    b"\x00",
    b"---\n---\n",
    b"%YAML 9.9\n---\na: 1",
    b"[",
    b"{",
    b"[" * 20_000,
    b"a: " * 2000,
    b"{a: " * 5000,
    b"- " * 5000,
    LAUGHS.encode(),
    b"<<: {a: 1}\n",
    b"<<: [*a]\n",
    b"a: 1\na: 2\n",
    b"? [a, b]\n: 1\n",
    b"? {a: 1}\n: 1\n",
    b"\t",
    b"a:\tb",
    b"!!python/object/apply:os.getpid []",
    b"a: 1\n...\ngarbage",
    b"5",
    b"text",
    b"- a",
    b"~",
)


def yaml_text(rng: random.Random, names: Sequence[str], nested_below: Sequence[str] = ()) -> bytes:
    """A mapping of some of `names` to any values, below the keys `nested_below`; damaged, or
    something else altogether, at times."""
    if rng.random() < 0.06:
        return rng.choice(WHOLE)
    lines, indent = [], ""
    for key in nested_below:
        lines.append(f"{indent}{key if rng.random() < 0.98 else _scalar(rng)}:")
        indent += " " * rng.choice((1, 2, 2, 2, 4))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        name = rng.choice(names) if rng.random() < 0.95 else _scalar(rng)
        if "." in name and rng.random() < 0.5:
            first, last = name.split(".", 1)
            lines += [f"{indent}{first}:", f"{indent}  {last}: {_scalar(rng)}"]
        else:
            lines.append(f"{indent}{name}: {_scalar(rng)}")
    data = "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        data = corrupted(rng, data)
    return data


def _scalar(rng: random.Random) -> str:
    return rng.choice(PLAIN if rng.random() < 0.8 else ODD)


class TopicMapFile:
    """A file for `--topics.file`."""

    NAMES = tuple(TopicMap.__dataclass_fields__)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "topics.yaml"

    def read(self, rng: random.Random) -> str:
        self.path.write_bytes(yaml_text(rng, self.NAMES))
        try:
            load_map(self.path)
        except ConfigError as error:
            return f"ConfigError {error.name.split('.')[0][:40]}"
        return "topic map"
