"""The server over real sockets: who is let in, what follows from what pages do and from their
end. The robot only notes its orders."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import time

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from liquid_control.errors import ConfigError
from liquid_control.ros.operate.seat import HeartbeatConfig
from liquid_control.ros.operate.server import PAGES

TOKEN = "a token of this robot"


class Page:
    """The command socket of a page that keeps to the protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.number, self.tick, self.session, self.answers = socket, 0, 0, "", []
        self.drives = False

    async def hear(self) -> None:
        said = await self.socket.receive_json(timeout=10)
        self.session = said.get("session", self.session)
        self.tick, self.drives = said.get("tick", self.tick), said.get("drives", self.drives)
        if "answer" in said:
            self.answers.append((said["accepted"], said["answer"]))

    async def until(self, condition) -> None:
        end = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < end
            await self.hear()

    async def say(self, kind: str, **more) -> None:
        self.number += 1
        said = {"session": self.session, "number": self.number, "tick": self.tick, "kind": kind}
        await self.socket.send_json(said | more)


def talk(server, work):
    """Runs `work(connect)`; `connect()` opens the command socket of a page."""

    async def run():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:

            async def connect() -> Page:
                origin = server.address.rstrip("/")
                socket = await session.ws_connect(f"{server.address}command", origin=origin)
                page = Page(socket)
                await page.until(lambda: page.tick)
                return page

            connect.session = session
            return await work(connect)

    return asyncio.run(run())


def refusal(server, path: str, **headers) -> int:
    async def work(connect):
        try:
            await connect.session.ws_connect(f"{server.address}{path}", headers=headers)
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        return 101

    return talk(server, work)


def test_a_page_drives_and_its_wishes_are_orders(serve):
    server = serve()

    async def work(connect):
        page = await connect()
        await page.say("engage")
        await page.until(lambda: page.answers)
        await page.say("claim")
        await page.until(lambda: page.drives)
        await page.say("beat", stick=[0.5, 1])
        for kind in ("engage", "acknowledge"):
            await page.say(kind)
            await page.until(lambda said=kind: said in page.answers[-1][1])
        await page.say("takeover")
        await page.until(lambda: page.answers[-1] == (True, "taken over"))
        return page.answers

    answers = talk(server, work)
    assert answers[0] == (False, "take control first")
    assert (True, "heard engage") in answers and (False, "heard acknowledge") in answers
    robot = server.robot
    assert robot.orders[:3] == ["engage", "acknowledge", "takeover"]
    assert [each for each in robot.sticks if each][0].steering == 0.5


def test_one_page_drives_the_others_may_stop_and_have_the_seat_when_it_leaves(serve):
    server = serve()

    async def work(connect):
        first, second = await connect(), await connect()
        await first.say("claim")
        await first.until(lambda: first.drives)
        await second.say("claim")
        await second.until(lambda: second.answers)
        assert second.answers == [(False, "another page drives")] and not second.drives
        await second.say("emergency_stop")
        await second.until(lambda: len(second.answers) == 2)
        await first.say("leave")
        await first.until(lambda: not first.drives)
        await second.say("claim")
        await second.until(lambda: second.drives)

    talk(server, work)
    assert server.robot.orders[:2] == ["emergency stop", "takeover"]


@pytest.mark.parametrize("end", ["closed", "killed", "silent", "fuzz", "binary", "huge"])
def test_however_a_page_ends_the_vehicle_is_taken_over(serve, end):
    server = serve(HeartbeatConfig(silent_after=0.2 if end == "silent" else 2.0))

    async def work(connect):
        page = await connect()
        await page.say("claim")
        await page.until(lambda: page.drives or server.robot.orders)
        if end == "closed":
            await page.socket.close()
        elif end == "killed":
            page.socket._response.connection.transport.abort()
        elif end == "fuzz":
            await page.socket.send_str('{"kind": "engage"}')
        elif end == "binary":
            await page.socket.send_bytes(b"\x00\xff")
        elif end == "huge":
            await page.socket.send_str("x" * 100_000)
        deadline = time.monotonic() + 10.0
        while not server.robot.orders:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    talk(server, work)
    assert set(server.robot.orders) == {"takeover"}


def test_foreign_origins_and_hosts_are_refused_and_so_are_too_many_pages(serve):
    server = serve()
    for path in ("command", "watch"):
        assert refusal(server, path) == 403
        assert refusal(server, path, Origin="http://evil.example") == 403
        evil = {"Origin": f"http://evil.example:{server.port}"}
        assert refusal(server, path, Host=f"evil.example:{server.port}", **evil) == 403

    async def work(connect):
        pages = [await connect() for _ in range(PAGES)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await connect()
        async with connect.session.get(server.address) as page:
            assert (
                page.status == 200
                and "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            )
            text = await page.text()
        for word in ("https://", "http://"):
            assert word not in text, "nothing comes from elsewhere"
        return pages

    talk(server, work)
    assert server.robot.orders == []


def test_with_token_and_certificate_other_addresses_are_served_and_the_token_is_needed(
    serve, tmp_path
):
    (tmp_path / "token").write_text(TOKEN)
    certificate, key = made_certificate(tmp_path)
    server = serve(
        host="0.0.0.0", token_file=str(tmp_path / "token"), certificate=certificate, key=key
    )
    trusted = ssl.create_default_context(cafile=certificate)
    address = f"https://127.0.0.1:{server.port}/"

    async def work(connect):
        session = connect.session

        async def enter(token: str, origin: str = address.rstrip("/")) -> int:
            async with session.post(
                f"{address}enter",
                data={"token": token},
                headers={"Origin": origin},
                ssl=trusted,
                allow_redirects=False,
            ) as answer:
                return answer.status

        async def open_socket(path: str) -> int:
            try:
                socket = await session.ws_connect(
                    f"{address}{path}", origin=address.rstrip("/"), ssl=trusted
                )
            except aiohttp.WSServerHandshakeError as error:
                return error.status
            await socket.close()
            return 101

        async with session.get(address, ssl=trusted) as page:
            assert 'type="password"' in await page.text()
        assert [await open_socket(path) for path in ("command", "watch")] == [401, 401]
        assert await enter(TOKEN[:-1]) == 401 and await enter(TOKEN, "https://evil.example") == 403
        assert await open_socket("command") == 401
        assert await enter(TOKEN) == 303
        assert [await open_socket(path) for path in ("command", "watch")] == [101, 101]
        [cookie] = session.cookie_jar
        assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Strict"
        async with session.get(address, ssl=trusted) as page:
            assert "TAKE OVER" in await page.text()

    talk(server, work)


def test_without_a_page_nothing_is_looked_at_and_a_slow_page_gets_the_newest_pictures_only(serve):
    server = serve(picture_rate=60.0)
    time.sleep(0.1)
    assert server.view.opened == 0 and server.camera.taken == 0

    async def work(connect):
        socket = await connect.session.ws_connect(
            f"{server.address}watch", origin=server.address.rstrip("/")
        )

        async def pictures(count: int) -> list[bytes]:
            found = []
            while len(found) < count:
                frame = await socket.receive(timeout=10)
                if frame.type is aiohttp.WSMsgType.BINARY:
                    found.append(frame.data)
            return found

        first = await pictures(2)
        assert [data[:6] for data in first] == [b"\0\0\0\1\xff\xd8", b"\0\0\0\2\xff\xd8"]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(pictures(1), 0.3)  # none until one has been seen
        await socket.send_json({"source": "saliency"})
        await socket.send_json({"seen": 1})
        while not (await pictures_or_facts(socket)).endswith(b"saliency"):
            await socket.send_json({"seen": 2})
        assert server.camera.chosen == {"saliency"} and server.view.is_open
        await socket.send_str('{"source": "/etc/passwd"}')
        await socket.receive(timeout=10)

    async def pictures_or_facts(socket) -> bytes:
        frame = await socket.receive(timeout=10)
        return frame.data if frame.type is aiohttp.WSMsgType.BINARY else b""

    talk(server, work)
    end = time.monotonic() + 10.0
    while server.view.is_open or server.camera.chosen:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_failure_of_what_is_shown_ends_neither_the_page_nor_the_server(serve):
    server = serve()
    server.view.failures = 1

    async def work(connect):
        socket = await connect.session.ws_connect(
            f"{server.address}watch", origin=server.address.rstrip("/")
        )
        frame = await socket.receive(timeout=10)
        while frame.type is not aiohttp.WSMsgType.TEXT:
            frame = await socket.receive(timeout=10)
        assert '"disengaged"' in frame.data

    talk(server, work)
    assert server.view.opened >= 2


def test_an_address_in_use_is_refused_with_the_address(serve):
    server = serve()
    with pytest.raises(ConfigError, match=f"host, port: got '127.0.0.1:{server.port}'"):
        serve(port=server.port)


def made_certificate(folder) -> tuple[str, str]:
    """Paths of a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "robot")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])
