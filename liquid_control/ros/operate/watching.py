"""The sockets on which pages watch: pictures and state. A page that is slow gets fewer pictures,
never old ones. Runs in the server's loop; without a page nothing is subscribed to."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web

from liquid_control.ros.operate.camera import SOURCES, Camera, Picture
from liquid_control.ros.operate.view import View

LOOK, FACTS = 0.02, 0.1
"""Between two looks at the topics, and two messages of state to a page [s]."""
AFTER_FAILURE = 1.0
CHOOSE = 1.0
"""Between two looks for publishers of pictures [s]."""
UNSEEN = 2
"""Pictures that are under way to a page at most; the next one waits, and a newer one replaces
it."""


@dataclasses.dataclass(slots=True, eq=False)
class Watcher:
    """One page: what it wants to see, the number of its latest picture, when those that it has not
    seen yet were sent [s] and how old they were then [s], what is to be sent, and its latest
    latency from camera to page [s]."""

    source: str = "camera"
    number: int = 0
    under_way: dict[int, tuple[float, float]] = dataclasses.field(default_factory=dict)
    picture: Picture | None = None
    facts: str = ""
    latency: float | None = None
    wake: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def hear(self, frame, now: float) -> bool:
        """Takes `{"seen": number}` and `{"source": name}`; False for anything else."""
        try:
            said = json.loads(frame.data) if frame.type is WSMsgType.TEXT else None
        except (ValueError, RecursionError):
            return False
        match said:
            case {"seen": int(number), **rest} if not rest:
                sent_at, age = self.under_way.pop(number, (None, 0.0))
                if sent_at is not None:
                    self.latency = age + now - sent_at
                    self.wake.set()
                return True
            case {"source": str(name), **rest} if not rest and name in (*SOURCES, "none"):
                self.source, self.picture = name, None
                return True
        return False


class Watching:
    """All pages that watch."""

    def __init__(
        self,
        view: View,
        camera: Camera,
        picture_rate: float,
        now_ns: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        """`now_ns`: the clock of the pictures' stamps."""
        self._view, self._camera, self._now_ns, self._log = view, camera, now_ns, log
        self._period = 1.0 / picture_rate
        self._watchers: set[Watcher] = set()
        self._someone = asyncio.Event()

    def __len__(self) -> int:
        return len(self._watchers)

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Shows one page what there is until it ends."""
        watcher = Watcher()
        self._watchers.add(watcher)
        self._someone.set()
        showing = asyncio.create_task(self._show(watcher, socket))
        try:
            async for frame in socket:
                if not watcher.hear(frame, time.monotonic()):
                    break
        finally:
            showing.cancel()
            self._watchers.discard(watcher)

    async def run(self, more: Callable[[], dict[str, object]]) -> None:
        """Looks at the topics while a page watches. `more`: facts to show besides."""
        while True:
            await self._someone.wait()
            self._someone.clear()
            try:
                self._view.open()
                await self._look(more)
            except Exception as error:  # noqa: BLE001  what is shown never ends the server
                self._log(f"what the page shows failed: {type(error).__name__}: {error}")
                self._someone.set()
                await asyncio.sleep(AFTER_FAILURE)
            finally:
                self._camera.choose(set())
                self._view.close()

    async def _look(self, more: Callable[[], dict[str, object]]) -> None:
        tell_at = choose_at = 0.0
        picture_at = dict.fromkeys(SOURCES, 0.0)
        wanted: set[str] = set()
        while self._watchers:
            now = time.monotonic()
            sources = {each.source for each in self._watchers} - {"none"}
            if now >= choose_at or sources != wanted:
                self._camera.choose(sources)
                choose_at, wanted = now + CHOOSE, sources
            for name in sources:
                if now >= picture_at[name] and (picture := self._camera.take(name)):
                    picture_at[name] = now + self._period - LOOK
                    self._offer(name, picture)
            self._view.look()
            if now >= tell_at:
                tell_at = now + FACTS
                self._tell(more())
            await asyncio.sleep(LOOK)

    def _offer(self, name: str, picture: Picture) -> None:
        for watcher in self._watchers:
            if watcher.source == name:
                watcher.picture = picture
                watcher.wake.set()

    def _tell(self, more: dict[str, object]) -> None:
        facts = {**self._view.facts(), **more, "pages": len(self._watchers)}
        for watcher in self._watchers:
            latency = None if watcher.latency is None else round(1e3 * watcher.latency, 1)
            problem = self._camera.problems.get(watcher.source, "")
            facts["picture"] = {"latency_ms": latency, "problem": problem}
            watcher.facts = json.dumps(facts, allow_nan=False)
            watcher.wake.set()

    async def _show(self, watcher: Watcher, socket: web.WebSocketResponse) -> None:
        while True:
            await watcher.wake.wait()
            watcher.wake.clear()
            if watcher.facts:
                text, watcher.facts = watcher.facts, ""
                await socket.send_str(text)
            if watcher.picture is not None and len(watcher.under_way) < UNSEEN:
                picture, watcher.picture = watcher.picture, None
                watcher.number = (watcher.number + 1) % 2**32
                age = max(self._now_ns() - picture.stamp_ns, 0) / 1e9
                watcher.under_way[watcher.number] = time.monotonic(), age
                await socket.send_bytes(watcher.number.to_bytes(4, "big") + picture.jpeg)
