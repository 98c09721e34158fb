"""A real headless Chromium, driven by its DevTools protocol: pages are opened, looked at, pressed,
frozen and killed as a person's browser is. For tests and soaks."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from liquid_control.errors import DriveError, MissingDependencyError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STARTS_WITHIN, ANSWERS_WITHIN = 30.0, 20.0
LOOKS_EVERY = 0.03
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--mute-audio",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """The browser of this machine, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """A context: a Chromium with a profile of its own. `more`: further flags of its command line.
    Raises MissingDependencyError where the machine has none, DriveError when it does not
    start."""

    def __init__(self, *more: str) -> None:
        self._more = more
        self.pages: list[Page] = []

    def __enter__(self) -> Browser:
        program = find_chromium()
        if program is None:
            raise MissingDependencyError(
                "chromium", "Install it with apt: apt-get install chromium"
            )
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        without_sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses root otherwise
        command = [program, *FLAGS, *without_sandbox, *self._more]
        log = Path(self._profile.name) / "log"
        with open(log, "wb") as written:
            self.process = subprocess.Popen(
                [*command, f"--user-data-dir={self._profile.name}/profile", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=written,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._loop = asyncio.new_event_loop()
        try:
            self._address = self._await_address(log)
            self._session = self._loop.run_until_complete(_session())
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        for page in self.pages:
            self._loop.run_until_complete(page.hang_up())
        self._loop.run_until_complete(self._session.close())
        self._loop.close()
        self.kill()
        self._profile.cleanup()

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wake(self) -> None:
        """Goes on after a SIGSTOP to its process group."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def open(self, address: str, width: int = 390, height: int = 844, phone: bool = True) -> Page:
        """A new page of this size [px], loaded."""
        made = self._loop.run_until_complete(self._put(f"json/new?{address}"))
        page = Page(self._loop, self._session, made["webSocketDebuggerUrl"])
        self.pages.append(page)
        page.call("Page.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        loaded = "document.readyState === 'complete' && location.href !== 'about:blank'"
        page.until(loaded, f"{address} to load")
        return page

    async def _put(self, path: str) -> dict:
        async with self._session.put(f"http://{self._address}/{path}") as answer:
            return await answer.json(content_type=None)

    def _await_address(self, log: Path) -> str:
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end and self.process.poll() is None:
            said = re.search(
                r"DevTools listening on ws://([^/]+)/", log.read_text(errors="replace")
            )
            if said:
                return said[1]
            time.sleep(LOOKS_EVERY)
        raise DriveError(f"chromium did not start: {log.read_text(errors='replace')[-400:]}")


class Page:
    """One tab. `call` is any method of the protocol, `evaluate` the value of an expression."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession, address: str
    ) -> None:
        self._loop, self._number = loop, 0
        self._socket = loop.run_until_complete(session.ws_connect(address, max_msg_size=0))

    def call(self, method: str, **parameters: object) -> dict:
        """Raises DriveError for what the browser refuses, or does not answer."""
        return self._loop.run_until_complete(
            asyncio.wait_for(self._call(method, parameters), ANSWERS_WITHIN)
        )

    def send(self, method: str, **parameters: object) -> None:
        """As `call`, without waiting for the answer, which never comes from a frozen page."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        self._loop.run_until_complete(self._socket.send_str(json.dumps(said)))

    async def _call(self, method: str, parameters: dict) -> dict:
        self._number += 1
        number = self._number
        said = {"id": number, "method": method, "params": parameters}
        await self._socket.send_str(json.dumps(said))
        while True:
            frame = await self._socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise DriveError(f"the page has ended during {method}")
            answer = json.loads(frame.data)
            if answer.get("id") == number:
                if "error" in answer:
                    raise DriveError(f"{method}: {answer['error'].get('message')}")
                return answer["result"]

    def evaluate(self, expression: str) -> object:
        """The value of a JavaScript expression. Raises DriveError where it fails."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in found:
            raise DriveError(f"{expression}: {found['exceptionDetails'].get('text')}")
        return found["result"].get("value")

    def text(self, name: str) -> str:
        """The text of the element with this id."""
        return self.evaluate(f"document.getElementById({json.dumps(name)}).textContent")

    def until(self, condition: str | Callable[[], bool], what: str, patience: float = 20.0) -> None:
        """Waits for an expression that is true in the page. Raises DriveError."""
        end = time.monotonic() + patience
        holds = condition if callable(condition) else lambda: self.evaluate(condition)
        while not holds():
            if time.monotonic() > end:
                raise DriveError(f"waited in vain for {what}")
            time.sleep(LOOKS_EVERY)

    def press(self, name: str) -> None:
        """A press of the mouse on the middle of an element, which must be enabled and in
        sight."""
        x, y = self.middle(name)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def middle(self, name: str) -> tuple[float, float]:
        """The middle of an element [px], scrolled into sight."""
        place = f"document.getElementById({json.dumps(name)})"
        self.until(f"!{place}.disabled && {place}.offsetParent !== null", f"{name} to be enabled")
        box = self.evaluate(
            f"(() => {{ {place}.scrollIntoView({{block: 'center'}});"
            f"const b = {place}.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.call(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1
        )

    def key(self, code: str, down: bool) -> None:
        kind = "keyDown" if down else "keyUp"
        self.call("Input.dispatchKeyEvent", type=kind, code=code, key=code)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """A PNG of what is in sight, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """Closes the tab."""
        self.send("Page.close")

    async def hang_up(self) -> None:
        await self._socket.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
