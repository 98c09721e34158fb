"""A guide as what it tells its reader to do: the commands of its bash blocks in order, each with
the excerpt of its output that stands below the block."""

from __future__ import annotations

import dataclasses
import re

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'(\w+)'")
WORD = re.compile(r"\b(?!(?:True|False|None)\b)[A-Za-z][A-Za-z_']{2,}")
"""What an excerpt is compared by: its numbers and truth values are those of another run."""


@dataclasses.dataclass(frozen=True)
class Block:
    """The commands of one bash block, the words of each line of the excerpt below it, and the
    heading above it."""

    heading: str
    commands: tuple[str, ...]
    seen: tuple[tuple[str, ...], ...] = ()


def blocks(text: str) -> list[Block]:
    """Those of a page. Raises ValueError for an excerpt without a command, and for a block of
    another kind."""
    found: list[Block] = []
    for match in FENCE.finditer(text):
        language, content = match.groups()
        headings = re.findall(r"^## (.*)$", text[: match.start()], re.MULTILINE)
        heading = headings[-1] if headings else ""
        if language == "bash":
            found.append(Block(heading, tuple(_commands(content))))
        elif language == "text" and found and not found[-1].seen:
            lines = (tuple(WORD.findall(line)) for line in content.splitlines())
            found[-1] = dataclasses.replace(found[-1], seen=tuple(filter(None, lines)))
        else:
            raise ValueError(f"a block of {language or 'no language'} in {heading!r}")
    return found


def unseen(seen: tuple[tuple[str, ...], ...], said: str) -> list[str]:
    """The lines of an excerpt whose words no line of the output has in this order."""
    there = [WORD.findall(line) for line in said.splitlines()]
    return [" ".join(words) for words in seen if not any(_in_order(words, one) for one in there)]


def _in_order(words: tuple[str, ...], line: list[str]) -> bool:
    rest = iter(line)
    return all(word in rest for word in words)


def _commands(content: str):
    """Each with its continued lines or its here-document, without its comment."""
    lines = iter(content.splitlines())
    for line in lines:
        if here := HEREDOC.search(line):
            whole = [line]
            while whole[-1] != here[1]:
                whole.append(next(lines))
            yield "\n".join(whole)
            continue
        while line.endswith("\\"):
            line = line[:-1] + next(lines).strip()
        if command := re.sub(r"\s+#.*$", "", line).strip():
            yield command
