"""Who may open the page: where the server listens, the token, the cookie that stands for it, and
the pages from which a browser may connect. Pure: no sockets."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import ssl
from pathlib import Path

from liquid_control.errors import ConfigError

SHORTEST_TOKEN, LONGEST_TOKEN = 16, 256
LARGEST_FILE = 4096
COOKIES = 64
"""Browsers that are known at a time; the oldest has to enter its token again."""
LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: str) -> str | None:
    """The token in a file; None where there is no file. Raises ConfigError."""
    if not path:
        return None
    try:
        data = Path(path).expanduser().open("rb").read(LARGEST_FILE)
        token = data.decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("token_file", path, f"a file with a token in ASCII ({error})") from error
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN or not token.isprintable():
        expected = f"one line of {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters"
        raise ConfigError("token_file", f"{len(token)} characters", expected)
    return token


def read_certificate(certificate: str, key: str) -> ssl.SSLContext | None:
    """The server's side of TLS; None where no certificate is given. Raises ConfigError."""
    if not certificate and not key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(
            Path(certificate).expanduser(), Path(key).expanduser() if key else None, password=""
        )
    except (OSError, ValueError) as error:
        expected = f"a certificate chain and its key without a password, in PEM ({error})"
        raise ConfigError("certificate, key", f"{certificate!r}, {key!r}", expected) from error
    return context


class Access:
    """Raises ConfigError for an address other than loopback without token and certificate: what
    is sent on a network is read on it, and commands a vehicle."""

    def __init__(self, host: str, token: str | None, secure: bool) -> None:
        self._local = is_loopback(host)
        if not self._local and not (token and secure):
            missing = [
                name
                for name, there in (("token_file", token), ("certificate", secure))
                if not there
            ]
            expected = f"127.0.0.1, or {' and '.join(missing)} in addition"
            raise ConfigError("host", host, expected)
        self._token, self._scheme = token, "https" if secure else "http"
        self._cookies: dict[str, None] = {}

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def is_our_host(self, host: str) -> bool:
        """Whether a browser that sends this Host means this server. On loopback only names of
        loopback do: a foreign name that resolves to it belongs to another page."""
        return not self._local or host.rpartition(":")[0] in LOCAL_NAMES or host in LOCAL_NAMES

    def is_our_origin(self, origin: str | None, host: str) -> bool:
        """Whether a page that this server has sent connects, and none from elsewhere."""
        return origin == f"{self._scheme}://{host}" and self.is_our_host(host)

    def enter(self, token: str) -> str | None:
        """A cookie for the right token."""
        given = token.encode("utf-8", "replace")
        if self._token is None or not hmac.compare_digest(given, self._token.encode()):
            return None
        cookie = secrets.token_urlsafe(32)
        while len(self._cookies) >= COOKIES:
            self._cookies.pop(next(iter(self._cookies)))
        self._cookies[cookie] = None
        return cookie

    def admits(self, cookie: str | None) -> bool:
        """Whether a request with this cookie is let in."""
        return self._token is None or (cookie or "") in self._cookies
