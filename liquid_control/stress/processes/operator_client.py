"""A page of the operator without a browser, whose network and whose manners can be spoilt: for
soaks. Everything of it runs in one thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Coroutine

import aiohttp

from liquid_control.errors import DriveError

PATIENCE, CONTROL_WITHIN = 20.0, 5.0


class Network:
    """Between pages and the server, on a port of its own: `delay` [s] each way, and `cut`: nothing
    gets through, and nobody is told. Used in a loop's thread."""

    def __init__(self, port: int) -> None:
        self.delay, self.cut, self._to = 0.0, False, port

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._carry(reader, there[1]), self._carry(there[0], writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, last = asyncio.get_running_loop(), 0.0
        try:
            while data := await reader.read(65536):
                if not self.cut:
                    last = max(last, time.monotonic() + self.delay)
                    loop.call_later(
                        max(last - time.monotonic(), 0.0), self._hand_over, writer, data
                    )
        except OSError:
            pass
        if not self.cut:
            writer.close()

    def _hand_over(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self.cut and not writer.is_closing():
            writer.write(data)


class Pages:
    """A context: the thread and the network of all pages. `address`: of the server, through the
    network."""

    def __init__(self, port: int) -> None:
        self.network = Network(port)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="pages", daemon=True)

    def __enter__(self) -> Pages:
        self._thread.start()
        port = self.run(self.network.start())
        self.address = f"http://127.0.0.1:{port}"
        self.session = self.run(_session())
        return self

    def __exit__(self, *_) -> None:
        self.run(self.session.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)

    def run(self, work: Coroutine):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def watch(self) -> None:
        """A page that watches and takes all pictures, until the end."""
        self.run(self._watch())

    async def _watch(self) -> None:
        address = self.address
        self._watching = await self.session.ws_connect(f"{address}/watch", origin=address)

        async def see() -> None:
            async for frame in self._watching:
                if frame.type is aiohttp.WSMsgType.BINARY:
                    await self._watching.send_json({"seen": int.from_bytes(frame.data[:4], "big")})

        self._seeing = asyncio.create_task(see())

    def open(self) -> ScriptedPage:
        """The command socket of a new page."""
        page = ScriptedPage(self)
        self.run(page.connect())
        return page


class ScriptedPage:
    """Keeps to the protocol, beats while it drives, and sends what it is told besides. `answers`:
    whether each was accepted, and its text."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.session, self.number, self.tick, self.drives, self.beats = "", 0, 0, False, True
        self.answers: list[tuple[bool, str]] = []
        self.sent: list[str] = []

    async def connect(self) -> None:
        address = self._pages.address
        self._socket = await self._pages.session.ws_connect(f"{address}/command", origin=address)
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._beat())]

    async def _hear(self) -> None:
        async for frame in self._socket:
            said = json.loads(frame.data)
            self.session, self.tick = said.get("session", self.session), said.get("tick", self.tick)
            self.drives = said.get("drives", self.drives)
            if "answer" in said:
                self.answers.append((said["accepted"], said["answer"]))
        self.drives = False

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            if self.drives and self.beats:
                await self._say("beat", {"stick": None})

    async def _say(self, kind: str, changes: dict) -> None:
        said = {"session": self.session, "number": self.number + 1, "tick": self.tick, "kind": kind}
        self.number += 1
        self.sent = [*self.sent[-50:], json.dumps(said | changes)]
        await self._send(self.sent[-1])

    async def _send(self, data: str | bytes) -> None:
        try:
            if isinstance(data, str):
                await self._socket.send_str(data)
            else:
                await self._socket.send_bytes(data)
        except (OSError, RuntimeError):  # it has been closed
            pass

    def say(self, kind: str, **changes: object) -> None:
        """A message that is numbered as it must be; `changes`: of its fields."""
        self._pages.run(self._say(kind, changes))

    def send(self, data: str | bytes) -> None:
        """Anything."""
        self._pages.run(self._send(data))

    def claim(self) -> None:
        """Raises DriveError when it does not get to drive."""
        end = time.monotonic() + CONTROL_WITHIN
        while not self.tick:
            _wait(end, "a tick")
        self.say("claim")
        while not self.drives:
            _wait(end, "control")

    def abort(self) -> None:
        """The connection is reset."""

        async def reset() -> None:
            self._socket._response.connection.transport.abort()

        self._pages.run(reset())

    def close(self) -> None:
        async def end() -> None:
            for task in self._tasks:
                task.cancel()
            await self._socket.close()

        self._pages.run(end())


def _wait(end: float, what: str) -> None:
    if time.monotonic() > end:
        raise DriveError(f"a page waited in vain for {what}")
    time.sleep(0.005)


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
