"""What happens to a page while the policy drives under its eyes, and what must follow. Each case
makes it happen and returns the instant [ns of the steady clock] before it began."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from liquid_control.stress.browser import Browser, Page
from liquid_control.stress.processes.operator_client import Pages, ScriptedPage
from liquid_control.stress.processes.operator_stage import Stage

WITHIN = 0.3
"""The vehicle must be taken over, or stop safely, in this time [s]."""
DELAY = 0.5
"""Of the network [s]."""

Case = Callable[[Stage, Pages, ScriptedPage], int]


def _sends(*messages: Callable[[ScriptedPage], str | bytes]) -> Case:
    def case(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
        began = time.monotonic_ns()
        for message in messages:
            page.send(message(page))
        return began

    return case


def _silent(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    page.beats = False
    return time.monotonic_ns()


def _aborts(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    began = time.monotonic_ns()
    page.abort()
    return began


def _cut(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    pages.network.cut = True
    return time.monotonic_ns()


def _delayed(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    pages.network.delay = DELAY
    return time.monotonic_ns()


def _says(kind: str, **changes: object) -> Case:
    def case(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
        began = time.monotonic_ns()
        page.say(kind, **changes)
        return began

    return case


def _server_killed(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    return stage.signal_server(signal.SIGKILL)


def _server_frozen(stage: Stage, pages: Pages, page: ScriptedPage) -> int:
    return stage.signal_server(signal.SIGSTOP)


CASES: dict[str, Case] = {
    "silent": _silent,
    "connection reset": _aborts,
    "network cut": _cut,
    "network delayed by 500 ms": _delayed,
    "message repeated": _sends(lambda page: page.sent[-1]),
    "messages recorded before": _sends(lambda page: page.sent[0], lambda page: page.sent[1]),
    "number missing": _says("beat", stick=None, number=10**6),
    "older tick": _says("beat", stick=None, tick=1),
    "another session": _says("beat", stick=None, session="0" * 32),
    "unknown field": _says("beat", stick=None, more=1),
    "no message": _sends(lambda page: "\x00{"),
    "binary": _sends(lambda page: b"\xff" * 40),
    "too long": _sends(lambda page: "x" * 100_000),
    "takeover": _says("takeover"),
    "leave": _says("leave"),
    "server killed": _server_killed,
    "server frozen": _server_frozen,
}
"""Of a page without a browser."""


def _killed(browser: Browser, page: Page) -> int:
    began = time.monotonic_ns()
    browser.kill()
    return began


def _frozen(browser: Browser, page: Page) -> int:
    began = time.monotonic_ns()
    os.killpg(browser.process.pid, signal.SIGSTOP)
    return began


def _tab_closed(browser: Browser, page: Page) -> int:
    began = time.monotonic_ns()
    page.close()
    return began


def _reloaded(browser: Browser, page: Page) -> int:
    began = time.monotonic_ns()
    page.send("Page.reload")
    return began


IN_BROWSER: dict[str, Callable[[Browser, Page], int]] = {
    "browser killed": _killed,
    "tab frozen": _frozen,
    "tab closed": _tab_closed,
    "page reloaded": _reloaded,
}
"""Of the page in a real Chromium."""
