"""Two hosts in one machine: the policy in one network namespace, gate, robot and observer
in another, a virtual cable between them.

    python -m liquid_control.stress.processes.network MODEL PICTURES LOGS SECONDS

prints the facts of one case as JSON. A separate process, because Fast DDS reads the machine's
addresses only once.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from liquid_control.errors import DriveError
from liquid_control.ros.dds_transport import PROFILES
from liquid_control.stress.processes import deaths
from liquid_control.stress.processes.rig import Cast, Rig

CLONE_NEWNET = 0x40000000
ENVIRONMENT = {
    "ROS_DOMAIN_ID": "1",
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
    "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
}
"""As between machines: over the network alone, found by multicast. A new namespace has no other
participants."""

GATE, POLICY = "gate", "policy"


class Hosts:
    """A context in which this process, and what it starts, lives on the host "gate";
    `policy_prefix` starts a command on the other one.

    Raises DriveError where this machine does not allow it.
    """

    def __init__(self) -> None:
        self._names = {host: f"lc_{host}_{os.getpid()}" for host in (GATE, POLICY)}
        self._open = contextlib.ExitStack()

    @property
    def policy_prefix(self) -> tuple[str, ...]:
        return "ip", "netns", "exec", self._names[POLICY]

    def __enter__(self) -> Hosts:
        with contextlib.ExitStack() as stack:
            for number, (host, name) in enumerate(self._names.items(), 1):
                _ip("netns", "add", name)
                stack.callback(_ip, "netns", "delete", name)
                if host == GATE:
                    _ip(
                        "-n",
                        name,
                        "link",
                        "add",
                        "cable0",
                        "type",
                        "veth",
                        "peer",
                        "name",
                        "cable1",
                    )
                else:
                    _ip("-n", self._names[GATE], "link", "set", "cable1", "netns", name)
                    _ip("-n", name, "link", "set", "cable1", "name", "cable0")
                _ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", "cable0")
                for device in ("lo", "cable0"):
                    _ip("-n", name, "link", "set", device, "up")
            stack.enter_context(_inside(self._names[GATE]))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    def cable(self, plugged: bool) -> int:
        """Plugs the cable in or pulls it out; returns when [steady ns] that began."""
        began = time.monotonic_ns()
        _ip("link", "set", "cable0", "up" if plugged else "down")
        return began


def why_not() -> str:
    """What keeps this machine from having two hosts; empty when nothing does."""
    try:
        with Hosts():
            return ""
    except DriveError as error:
        return str(error)


def run_case(model: Path, pictures: Path, logs: Path, seconds: float) -> dict:
    """Facts of one case, from a separate process. Raises DriveError with the last output of that
    process."""
    words = [str(word) for word in (model, pictures, logs, seconds)]
    # Fast DDS 2 prefers a profile, which may restrict it to this machine, to the transports.
    environment = {name: value for name, value in os.environ.items() if name not in PROFILES}
    done = subprocess.run(
        [sys.executable, "-m", __name__, *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise DriveError(
            (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
        )
    return json.loads(done.stdout.splitlines()[-1])


def link_down(rig: Rig, hosts: Hosts, seconds: float) -> dict:
    """Pulls the cable for some seconds; control counts from the plug. `restart_s`: from there to
    the first proposal that comes through."""
    rig.engaged()
    time.sleep(random.Random(0).uniform(0.0, 0.2))
    began = hosts.cable(plugged=False)
    ramp = rig.measure(lambda: rig.observer.ramp_after(began), deaths.NOTICED)
    time.sleep(max(seconds - (time.monotonic_ns() - began) / 1e9, 0.0))
    plugged = hosts.cable(plugged=True)
    facts = deaths.control(rig, began, ramp, plugged)
    came = next((at for at, _ in rig.observer.proposals if at > plugged), None)
    return facts | {"restart_s": None if came is None else (came - plugged) / 1e9}


@contextlib.contextmanager
def _inside(name: str) -> Iterator[None]:
    """This thread, and threads and processes that it starts from now on, live in a namespace; the
    rest of the process does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        open("/proc/thread-self/ns/net", "rb") as before,
        open(f"/run/netns/{name}", "rb") as inside,
    ):
        if libc.setns(inside.fileno(), CLONE_NEWNET):
            raise DriveError(f"entering a network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.setns(before.fileno(), CLONE_NEWNET)


def _ip(*words: str) -> None:
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if program is None:
        raise DriveError("the program ip (Debian: iproute2) is not installed")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DriveError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def main() -> int:
    model, pictures, logs = map(Path, sys.argv[1:4])
    with (
        Hosts() as hosts,
        Rig(
            Cast(model, pictures, logs, policy_prefix=hosts.policy_prefix, environment=ENVIRONMENT)
        ) as rig,
    ):
        print(json.dumps(link_down(rig, hosts, float(sys.argv[4]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
