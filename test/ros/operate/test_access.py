"""Who may open the page: addresses, tokens, certificates and origins, without sockets."""

from __future__ import annotations

import pytest

from liquid_control.errors import ConfigError
from liquid_control.ros.operate.access import (
    COOKIES,
    Access,
    is_loopback,
    read_certificate,
    read_token,
)

TOKEN = "a token of this robot"


def test_another_address_than_loopback_needs_token_and_certificate():
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert is_loopback(host) and not Access(host, None, False).needs_token
    for host in ("0.0.0.0", "::", "192.168.1.4", "robot", ""):
        for token, secure in ((None, False), (TOKEN, False), (None, True)):
            with pytest.raises(ConfigError, match="127.0.0.1, or (token_file|certificate)"):
                Access(host, token, secure)
        assert Access(host, TOKEN, True).needs_token


@pytest.mark.parametrize(
    "origin, host, ours",
    [
        ("http://127.0.0.1:8765", "127.0.0.1:8765", True),
        ("http://localhost:8765", "localhost:8765", True),
        ("http://[::1]:8765", "[::1]:8765", True),
        ("https://127.0.0.1:8765", "127.0.0.1:8765", False),
        ("http://127.0.0.1:9999", "127.0.0.1:8765", False),
        ("http://evil.example", "127.0.0.1:8765", False),
        ("http://evil.example:8765", "evil.example:8765", False),
        ("null", "127.0.0.1:8765", False),
        (None, "127.0.0.1:8765", False),
        ("", "", False),
    ],
)
def test_only_our_own_page_may_connect(origin, host, ours):
    """A foreign name that resolves to 127.0.0.1 is a foreign page, although its Host agrees."""
    assert Access("127.0.0.1", None, False).is_our_origin(origin, host) is ours


def test_with_a_token_a_browser_is_let_in_by_the_cookie_that_it_got_for_it():
    access = Access("0.0.0.0", TOKEN, True)
    assert access.is_our_origin("https://robot.example:8765", "robot.example:8765")
    for wrong in ("", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "ü" * 9, "\ud800"):
        assert access.enter(wrong) is None
    cookie = access.enter(TOKEN)
    assert access.admits(cookie) and TOKEN not in cookie
    for other in (None, "", TOKEN, cookie[:-1]):
        assert not access.admits(other)
    for _ in range(COOKIES):
        latest = access.enter(TOKEN)
    assert access.admits(latest) and not access.admits(cookie), "the oldest is forgotten"
    assert Access("127.0.0.1", None, False).enter("") is None


@pytest.mark.parametrize(
    "text", ["", "too short", "x" * 257, "one line of it\nand a second", "tökentökentöken"]
)
def test_a_token_that_is_none_is_refused_without_showing_it(text, tmp_path):
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="token_file") as raised:
        read_token(str(path))
    assert not text or text not in str(raised.value)


def test_a_token_is_read_without_the_end_of_its_line(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert read_token(str(path)) == TOKEN and read_token("") is None
    with pytest.raises(ConfigError, match="no_such"):
        read_token(str(tmp_path / "no_such"))


def test_a_certificate_that_is_none_is_refused(tmp_path):
    assert read_certificate("", "") is None
    path = tmp_path / "certificate.pem"
    path.write_text("nothing")
    for certificate, key in ((str(path), ""), (str(path), str(path)), ("", str(path))):
        with pytest.raises(ConfigError, match="certificate, key"):
            read_certificate(certificate, key)
