"""What the safety gate remembers over a restart: an emergency stop or another fault that is not
acknowledged, a takeover that is held, and that engaging takes a request.

A small file for each gate, written when one of these changes and absent while there is none of
them. An emergency stop is remembered until it is acknowledged; that it or a takeover is held, until
that ends or the machine starts anew. Another fault and the need of a request outlive a gate that
was killed or crashed; they end with a gate that was ended in order, because that ends a session.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from liquid_control.control.engagement import COMMANDING, DRIVING, State
from liquid_control.errors import ConfigError
from liquid_control.ros.own_folder import own_folder
from liquid_control.ros.takeover_topics import TAKEOVER_TOPICS
from liquid_control.system.files import damaged, read_json, write_atomically
from liquid_control.system.serial_thread import SerialThread

EMERGENCY = "emergency stop"
PRESSED = {"topic", "joystick"}
TAKEN = {*PRESSED, *TAKEOVER_TOPICS}
"""Where an emergency stop can be held, and a takeover."""
BEFORE = " (before the restart)"
NOTHING = "none"
"""The folder that stands for no memory."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
NO_HOME = "nothing is remembered over a restart: no home directory; set state_folder or ROS_HOME"
LARGEST = 65536
"""A larger file is not ours [bytes]."""


class Held(NamedTuple):
    """What the operator holds at one decision. `took_over`: a takeover was requested, if only for a
    moment; `takeover`, `pressed`: where a takeover and an emergency stop are held."""

    took_over: bool = False
    takeover: tuple[str, ...] = ()
    pressed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Remembered:
    """`fault`: the reason of the latched fault, empty without one; `emergency`: an emergency stop
    is a part of it. `takeover`, `pressed`: where a takeover and an emergency stop are held.
    `waits`: engaging takes a request."""

    fault: str = ""
    emergency: bool = False
    takeover: tuple[str, ...] = ()
    pressed: tuple[str, ...] = ()
    waits: bool = False

    def after(self, was: State, state: State, reason: str, held: Held) -> Remembered:
        """After one decision of the gate: its state before and now, its reason, and what the
        operator holds."""
        fault = state is State.FAULT
        left = was in COMMANDING and state is State.DISENGAGED
        waits = fault or left or held.took_over or (self.waits and state not in DRIVING)
        emergency = fault and (self.emergency or EMERGENCY in reason)
        return Remembered(reason if fault else "", emergency, held.takeover, held.pressed, waits)

    def after_end(self) -> Remembered:
        """After the gate was ended in order."""
        fault, waits = self.fault if self.emergency else "", self.emergency or bool(self.takeover)
        return dataclasses.replace(self, fault=fault, waits=waits)

    def after_boot(self) -> Remembered:
        """After the machine started anew."""
        ended = self.after_end()
        return dataclasses.replace(ended, takeover=(), pressed=(), waits=self.emergency)

    def after_restart(self) -> Remembered:
        """As the next gate has it: its fault says that it is an old one."""
        fault = self.fault and self.fault.removesuffix(BEFORE) + BEFORE
        return dataclasses.replace(self, fault=fault)

    @property
    def words(self) -> str:
        """For people; empty where nothing is remembered."""
        parts = [self.fault and f"fault: {self.fault}"]
        parts += [f"taken over by {source}" for source in self.takeover]
        return ", ".join(filter(None, parts)) or ("engaging takes a request" * self.waits)


class GateMemory:
    """`restored`: what the gate before this one left. `problem`: why nothing can be kept, empty
    where it can. A file that cannot be read counts as an emergency stop.

    Files are written in a thread: a slow disk does not hold the gate up.
    """

    def __init__(self, path: Path | None, problem: str = "") -> None:
        self.path, self.problem = path, problem
        self._thread = SerialThread("gate memory")
        self.restored = self._thread.call(load, path, boot()) if path else Remembered()
        self._now = self._written = self.restored
        self._state = State.DISENGAGED
        if path:
            self._thread.call(self._prepare)

    def note(self, state: State, reason: str, held: Held) -> None:
        """As `Remembered.after`; once for each decision."""
        self._keep(self._now.after(self._state, state, reason, held))
        self._state = state

    def end(self, in_order: bool = True) -> None:
        """The gate ends; not `in_order` if by an error. Waits until the file is written."""
        self._keep(self._now.after_end() if in_order else self._now)
        if self.path:
            self._thread.call(self._write)

    def _keep(self, now: Remembered) -> None:
        if self.path and now != self._now:
            self._now = now
            self._thread.later(self._write)

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            probe = self.path.with_name(f"{self.path.name}.probe")
            probe.touch()
            probe.unlink()
        except OSError as error:
            self.problem = f"{self.path.parent} cannot be written: {error.strerror}"

    def _write(self) -> None:
        """Writes what is to be kept now; calls that wait behind it find nothing to do."""
        now = self._now
        if now == self._written:
            return
        try:
            save(self.path, now, boot())
        except OSError as error:
            self.problem = f"{self.path} cannot be written: {error.strerror}"
        else:
            self._written, self.problem = now, ""


def open_memory(folder: str, name: str) -> GateMemory:
    """The memory of the gate with this full name; `folder` as for the parameter `state_folder`."""
    if folder == NOTHING:
        return GateMemory(None)
    try:
        return GateMemory(file_of(folder, name, os.environ))
    except RuntimeError:
        return GateMemory(None, NO_HOME)


def file_of(folder: str, name: str, environment: Mapping[str, str]) -> Path:
    """The file of the gate with this full name, in `folder` or where that is empty in
    $ROS_HOME/liquid_control or ~/.ros/liquid_control. Raises RuntimeError where there is no home
    directory."""
    place = Path(folder).expanduser() if folder else own_folder(environment)
    domain = environment.get("ROS_DOMAIN_ID") or "0"
    return place / f"gate_{domain}{name.replace('/', '.')}.json"


def boot() -> str:
    """Names the time since the machine started; empty where the kernel does not tell it."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def save(path: Path, now: Remembered, booted: str) -> None:
    """Raises OSError."""
    if now == Remembered():
        path.unlink(missing_ok=True)
        return
    text = json.dumps({**dataclasses.asdict(now), "boot": booted}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path, durable=True) as partial:
        partial.write_text(text, encoding="utf-8")


def load(path: Path, booted: str) -> Remembered:
    """What the gate before this one left. Raises nothing: a file that cannot be read counts as an
    emergency stop."""
    try:
        if not path.is_symlink() and not path.exists():
            return Remembered()
        found, before = _read(path)
    except (OSError, ConfigError) as error:
        cause = error.strerror if isinstance(error, OSError) else "damaged"
        return Remembered(f"{EMERGENCY}: {path} cannot be read ({cause})", True, waits=True)
    return (found if before == booted else found.after_boot()).after_restart()


def _read(path: Path) -> tuple[Remembered, str]:
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise damaged(path)
    names = [field.name for field in dataclasses.fields(Remembered)]
    found = read_json(path, *names, "boot")
    places = found["takeover"], found["pressed"]
    for each, known in zip(places, (TAKEN, PRESSED), strict=True):
        if not isinstance(each, list) or not set(map(str, each)) <= known:
            raise damaged(path)
    texts, switches = (found["fault"], found["boot"]), (found["emergency"], found["waits"])
    if not all(isinstance(text, str) for text in texts):
        raise damaged(path)
    if not all(isinstance(switch, bool) for switch in switches):
        raise damaged(path)
    return Remembered(texts[0], switches[0], *map(tuple, places), switches[1]), texts[1]
