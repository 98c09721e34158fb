"""One thread that runs calls for all others, one after the other: for libraries whose objects
belong to the thread that made them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class SerialThread:
    """Starts with the first call and ends with the process. `call` may be used in every thread, in
    this one too; `later` also in finalizers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """The result of `function(*arguments)` in the thread; raises what it raises."""
        if threading.current_thread() is self._thread:
            return function(*arguments)
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()
        future: Future = Future()
        self._calls.put((future, function, arguments))
        return future.result()

    def later(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs `function(*arguments)` in the thread after the calls that wait; its result and its
        error are dropped."""
        self._calls.put((Future(), function, arguments))

    def _run(self) -> None:
        while True:
            self._run_one(*self._calls.get())

    @staticmethod
    def _run_one(future: Future, function: Callable, arguments: tuple) -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:  # the caller's to handle
            future.set_exception(error)
