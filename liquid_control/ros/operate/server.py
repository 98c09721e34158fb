"""Serves the operator's page and its two sockets: `/watch` with pictures and state, and `/command`
alone with what the page wants, so that no command waits behind a picture.

One thread with one asyncio loop. With no page open it does nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import WSCloseCode, web

from liquid_control.errors import ConfigError
from liquid_control.ros.operate.access import Access, read_certificate, read_token
from liquid_control.ros.operate.camera import Camera
from liquid_control.ros.operate.commanding import Commanding
from liquid_control.ros.operate.messages import LARGEST
from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.operate.seat import HeartbeatConfig, Seat
from liquid_control.ros.operate.settings import OperatorNodeConfig
from liquid_control.ros.operate.view import View
from liquid_control.ros.operate.watching import Watching

STARTS_WITHIN, ENDS_WITHIN = 10.0, 2.0
PAGES = 16
"""Sockets of a kind at most."""
WRONG_TOKEN_WAITS = 1.0
PINGS = 10.0
"""A page that a network has lost without a word is forgotten after twice this [s]."""
CLOSES_WITHIN = 1.0
"""A page is given so long to answer the end of a socket [s]."""
COOKIE = "liquid_control_operator"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC = {
    "operate.js": "text/javascript",
    "operate_link.js": "text/javascript",
    "operate.css": "text/css",
}
PAGE, LOGIN = "operate.html", "operate_login.html"


class Server:
    """Starts with its construction and ends with `close`. `port`: that it listens on. Raises
    ConfigError for settings that cannot be used, an address in use included."""

    def __init__(
        self,
        config: OperatorNodeConfig,
        heartbeat: HeartbeatConfig,
        robot: Robot,
        view: View,
        camera: Camera,
        log: Callable[[str], None],
        now_ns: Callable[[], int],
    ) -> None:
        """`now_ns`: the clock of the pictures' stamps."""
        self._tls = read_certificate(config.certificate, config.key)
        token = read_token(config.token_file)
        self._access = Access(config.host, token, self._tls is not None)
        self._config, self._log = config, log
        self._commanding = Commanding(Seat(heartbeat), robot, log)
        self._watching = Watching(view, camera, config.picture_rate, now_ns, log)
        self._pages = {
            name: files("liquid_control").joinpath("report/templates", name).read_bytes()
            for name in (PAGE, LOGIN, *STATIC)
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="page", daemon=True)
        self._thread.start()
        try:
            self.port = self._from_outside(self._start(), STARTS_WITHIN)
        except OSError as error:
            self._end_thread()
            expected = f"an address and a port that are free ({error.strerror or error})"
            raise ConfigError("host, port", f"{config.host}:{config.port}", expected) from error

    @property
    def address(self) -> str:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"

    @property
    def objection(self) -> str:
        """Why no page may take control; empty where one may."""
        return self._commanding.seat.objection

    @objection.setter
    def objection(self, reason: str) -> None:
        self._commanding.seat.objection = reason

    def close(self) -> None:
        """Ends all connections. A vehicle that a page drives is taken over."""
        try:
            self._from_outside(self._stop(), ENDS_WITHIN)
        except concurrent.futures.TimeoutError:
            self._log("the page's server did not end in time")
        self._end_thread()

    def counts(self) -> dict[str, int]:
        """Pages that watch, and what the seat counted."""
        return {"watching": len(self._watching), **self._commanding.seat.counts}

    def _from_outside(self, work: Awaitable, patience: float):
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(patience)

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ENDS_WITHIN)

    async def _start(self) -> int:
        app = web.Application(client_max_size=4096, middlewares=[self._guarded])
        app.router.add_get("/", self._page)
        app.router.add_post("/enter", self._enter)
        app.router.add_get("/watch", self._watch)
        app.router.add_get("/command", self._command)
        for name in STATIC:
            app.router.add_get(f"/{name}", self._static)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self._config.host, self._config.port, ssl_context=self._tls
        )
        await site.start()
        self._looking = asyncio.create_task(self._watching.run(self._seat_facts))
        return self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self._commanding.close()
        self._looking.cancel()
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler) -> web.StreamResponse:
        try:
            if not self._access.is_our_host(request.host):
                raise web.HTTPForbidden(text="unknown Host")
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    def _is_known(self, request: web.Request) -> bool:
        return self._access.admits(request.cookies.get(COOKIE))

    def _admit(self, request: web.Request, others: int) -> None:
        """Raises an error of HTTP for a socket that is not wanted."""
        if not self._access.is_our_origin(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="foreign origin")
        if not self._is_known(request):
            raise web.HTTPUnauthorized(text="enter the token first")
        if others >= PAGES:
            raise web.HTTPServiceUnavailable(text=f"{PAGES} pages are open")

    async def _page(self, request: web.Request) -> web.Response:
        name = PAGE if self._is_known(request) else LOGIN
        return web.Response(body=self._pages[name], content_type="text/html", charset="utf-8")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.path.lstrip("/")
        return web.Response(body=self._pages[name], content_type=STATIC[name], charset="utf-8")

    async def _enter(self, request: web.Request) -> web.Response:
        if not self._access.is_our_origin(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="foreign origin")
        given = (await request.post()).get("token", "")
        cookie = self._access.enter(given) if isinstance(given, str) else None
        if cookie is None:
            await asyncio.sleep(WRONG_TOKEN_WAITS)
            raise web.HTTPUnauthorized(text="wrong token")
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            COOKIE, cookie, httponly=True, secure=self._tls is not None, samesite="Strict"
        )
        return response

    async def _command(self, request: web.Request) -> web.WebSocketResponse:
        return await self._socket(request, self._commanding)

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        return await self._socket(request, self._watching)

    async def _socket(
        self, request: web.Request, served: Commanding | Watching
    ) -> web.WebSocketResponse:
        self._admit(request, len(served))
        socket = web.WebSocketResponse(
            max_msg_size=LARGEST, compress=False, timeout=CLOSES_WITHIN, heartbeat=PINGS
        )
        await socket.prepare(request)
        try:
            await served.serve(socket)
        finally:
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        return socket

    def _seat_facts(self) -> dict[str, object]:
        taken, lost = self._commanding.seat.driver is not None, self._commanding.lost
        return {"seat": {"taken": taken, "lost": lost}}
