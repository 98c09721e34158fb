"""Measures how long named functions take while a program runs unchanged."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping


@contextlib.contextmanager
def timed(
    parts: Mapping[str, tuple[object, str]], clock: Callable[[], float]
) -> Iterator[dict[str, float]]:
    """Seconds by part, summed while the context lasts. `parts`: the object that holds the function,
    and its name there. Parts must not nest."""
    seconds = dict.fromkeys(parts, 0.0)
    before = {name: getattr(holder, function) for name, (holder, function) in parts.items()}

    def watched(name: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def call(*arguments, **named):
            began = clock()
            try:
                return function(*arguments, **named)
            finally:
                seconds[name] += clock() - began

        return call

    try:
        for name, (holder, function) in parts.items():
            setattr(holder, function, watched(name, before[name]))
        yield seconds
    finally:
        for name, (holder, function) in parts.items():
            setattr(holder, function, before[name])
