"""The node processes of a drive: started together, watched, and always ended. Uses of ROS only
its environment variables.

Each runs in a separate session, so that Ctrl-C reaches only the parent process, which then ends
them in order. The kernel kills it when the parent dies.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from liquid_control.errors import DriveError
from liquid_control.system.memory_use import status_bytes
from liquid_control.system.parent_death import end_with_parent, load_libc

DOMAINS = range(1, 102)
"""ROS domains that leave the ports of outgoing connections alone."""

PATIENCE = 6.0
"""Seconds between the signal to end and SIGKILL: more than a node needs to log where it hangs."""


@dataclasses.dataclass(frozen=True)
class Child:
    """What to start: `python -m module`, with these ROS parameters. `prefix`: a command that
    becomes it, in another network say."""

    name: str
    module: str
    parameters: Mapping[str, object]
    prefix: tuple[str, ...] = ()


class Children:
    """A context: starts the processes on entry, ends all of them on exit. Their output goes to
    `logs`/name.log."""

    def __init__(
        self, children: Iterable[Child], environment: Mapping[str, str], logs: Path
    ) -> None:
        self._children, self._environment, self._logs = (
            list(children),
            {**os.environ, **environment},
            logs,
        )
        self._running: dict[str, subprocess.Popen] = {}
        self._died: list[str] | None = None  # None until all are ended

    def __enter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            for child in self._children:
                self.start(child)
        except BaseException:
            self.end()
            raise
        return self

    def start(self, child: Child) -> None:
        """Starts one more process, or one of a name that ended. Its log is overwritten."""
        parameters = (
            self._logs / f"{child.name}.parameters.json"
        )  # JSON is YAML, and quotes whatever a path may hold
        parameters.write_text(
            json.dumps({"/**": {"ros__parameters": dict(child.parameters)}}, indent=1),
            encoding="utf-8",
        )
        command = [
            *child.prefix,
            sys.executable,
            "-m",
            child.module,
            "--ros-args",
            "--params-file",
            str(parameters),
        ]
        libc, parent = load_libc(), os.getpid()

        def follow_parent() -> None:
            os.setpgid(0, 0)
            end_with_parent(parent, libc)

        with open(self._logs / f"{child.name}.log", "wb") as log:
            self._running[child.name] = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=follow_parent,
            )

    def send_signal(self, name: str, signum: int) -> int:
        """Sends a process a signal, and returns when [ns of the steady clock] that began. One that
        ended gets none."""
        began = time.monotonic_ns()
        self._running[name].send_signal(signum)
        return began

    def await_end(self, name: str) -> None:
        """Waits until a signalled process ends; kills it after `PATIENCE`."""
        try:
            self._running[name].wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._running[name].kill()
            self._running[name].wait()

    def __exit__(self, *_) -> None:
        self.end()

    @property
    def pids(self) -> dict[str, int]:
        """Of those that run, by name."""
        return {
            name: process.pid for name, process in self._running.items() if process.poll() is None
        }

    def died(self) -> list[str]:
        """Names of processes that ended by themselves."""
        if self._died is not None:
            return self._died
        return [name for name, process in self._running.items() if process.poll() is not None]

    def raise_if_died(self) -> None:
        """Raises DriveError with the last words of a process that ended."""
        for name in self.died():
            raise DriveError(
                f"{name} ended with code {self._running[name].returncode}: {self.last_words(name)}"
            )

    def last_words(self, name: str) -> str:
        """The end of what a process wrote."""
        lines = (
            (self._logs / f"{name}.log")
            .read_text(encoding="utf-8", errors="replace")
            .strip()
            .splitlines()
        )
        return "\n  ".join(lines[-6:]) or "it said nothing"

    @property
    def exit_codes(self) -> dict[str, int]:
        """Of those that ended, by name. 0 is a clean end; anything else of one that did not die
        says how it failed in ending."""
        return {
            name: process.returncode
            for name, process in self._running.items()
            if process.poll() is not None
        }

    def memory_mb(self) -> dict[str, float]:
        """Largest resident memory so far [MB] of those that run, by name, where the kernel
        reports it."""
        peaks = {
            name: status_bytes(process.pid).get("VmHWM") for name, process in self._running.items()
        }
        return {name: round(peak / 2**20, 1) for name, peak in peaks.items() if peak is not None}

    def end(self) -> None:
        """Asks all to end, one after the other in the order they were started in, and kills those
        that do not.

        Not all at once: Fast DDS may hang or crash in a node that leaves in the same moment as
        another (see `process.PATIENCE`).
        """
        if self._died is None:
            self._died = self.died()
        for name, process in self._running.items():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                self.await_end(name)


class EnvironmentVariables:
    """A context in which environment variables are set: the middleware reads them at its start and
    when the first node is made."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._values}
        os.environ.update(self._values)

    def __exit__(self, *_) -> None:
        os.environ.update(
            {name: value for name, value in self._before.items() if value is not None}
        )
        for name in [name for name, value in self._before.items() if value is None]:
            del os.environ[name]


def localhost_only() -> dict[str, str]:
    """Environment variables that restrict nodes to this machine; Humble has no discovery range."""
    if os.environ.get("ROS_DISTRO") == "humble":
        return {"ROS_LOCALHOST_ONLY": "1"}
    return {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def isolated_environment() -> tuple[dict[str, str], socket.socket]:
    """Environment variables of a ROS domain that no other drive on this machine uses, restricted
    to localhost; and its claim, to be held as long.

    Raises DriveError when all domains are taken.
    """
    for domain in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(
                f"\0liquid_control/domain/{domain}"
            )  # abstract: gone with this process, whatever happens
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(
                    ("", 7400 + 250 * domain)
                )  # where participants of the domain listen for each other
        except OSError:
            claim.close()
            continue
        return {"ROS_DOMAIN_ID": str(domain), **localhost_only()}, claim
    raise DriveError("all ROS domains from 1 to 101 are in use on this machine")
