"""Tells systemd that a service is ready and alive, where the process is one.

The protocol is one datagram of text to a socket that the environment names, see `man sd_notify`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

BEATS = 3
"""Signs of life in the time after which systemd takes the service for dead."""


class Service:
    """`period`: seconds between two signs of life, 0 where systemd does not watch.

    Without systemd nothing is sent. A message that cannot be sent is lost: then systemd acts as it
    does for a process that hangs.
    """

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        """`pid`: of this process; watching is meant for the one that the environment names."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        microseconds = environment.get("WATCHDOG_USEC", "") if self._address and watched else ""
        self.period = int(microseconds) / 1e6 / BEATS if microseconds.isdigit() else 0.0

    def ready(self) -> None:
        """It has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """A sign of life."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """It is about to end."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(text.encode(), self._address)
        except OSError:
            return
