"""What systemd is told, by a socket that stands for it."""

from __future__ import annotations

import os
import socket

import pytest

from liquid_control.system.service import Service


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5.0)
        yield listener


def test_it_says_that_it_is_ready_alive_and_ending(systemd):
    service = Service({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "3000000"}, 7)
    for say in (service.ready, service.alive, service.stopping):
        say()
    assert [systemd.recv(99) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert service.period == 1.0


def test_an_abstract_address_is_heard_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0liquid-control-test-{os.getpid()}")
        listener.settimeout(5.0)
        Service({"NOTIFY_SOCKET": f"@liquid-control-test-{os.getpid()}"}, 7).ready()
        assert listener.recv(99) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "3000000"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "often"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"},
    ],
)
def test_without_systemd_or_for_another_process_nothing_is_due(environment):
    service = Service(environment, 7)
    assert service.period == 0.0
    service.ready()  # and a socket that is gone is no error
    service.alive()
