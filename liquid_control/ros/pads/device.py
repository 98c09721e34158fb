"""A joystick as the kernel has it, /dev/input/js*. Needs no ROS.

https://www.kernel.org/doc/html/latest/input/joydev/joystick-api.html: after opening, the state of
every axis and button comes as an event, then each change. A device that is unplugged, or whose
Bluetooth connection has ended, is gone at the next read.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from liquid_control.errors import JoystickError

EVENT = struct.Struct("=IhBB")
"""Time [ms], value, type, number."""
BUTTON, AXIS, INITIAL = 1, 2, 0x80
GET_AXES, GET_BUTTONS, GET_NAME = 0x80016A11, 0x80016A12, 0x80806A13
NAME_BYTES = 128
FULL = 32767
ONCE = 64
"""Events of one read."""
INPUT = Path("/dev/input")
SYSTEM = Path("/sys/class/input")
BLUETOOTH = "0005"
"""Type of bus, as in /sys/class/input/js0/device/id/bustype."""


class Device:
    """`axes` (1 to the left and up) and `buttons` as of the last `read`; `by_radio`: whether it is
    a Bluetooth device."""

    def __init__(self, fd: int, name: str, shape: tuple[int, int], by_radio: bool) -> None:
        """`fd`: of the device, not blocking."""
        self._fd, self.name, self.by_radio = fd, name, by_radio
        self.axes, self.buttons = [0.0] * shape[0], [False] * shape[1]
        self._rest = b""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of axes and of buttons."""
        return len(self.axes), len(self.buttons)

    def read(self) -> int:
        """Takes what has happened; returns the number of changes. Raises JoystickError when the
        device is gone."""
        changes = 0
        while True:
            try:
                data = os.read(self._fd, ONCE * EVENT.size)
            except BlockingIOError:
                return changes
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise JoystickError(f"{self.name} is gone ({reason})") from error
            if not data:
                raise JoystickError(f"{self.name} is gone")
            data = self._rest + data
            whole = len(data) - len(data) % EVENT.size
            self._rest = data[whole:]
            for _, value, kind, number in EVENT.iter_unpack(data[:whole]):
                changes += self._take(value, kind & ~INITIAL, number)
            if whole < ONCE * EVENT.size:
                return changes

    def _take(self, value: int, kind: int, number: int) -> bool:
        if kind == AXIS and number < len(self.axes):
            before, self.axes[number] = self.axes[number], max(-1.0, min(1.0, -value / FULL))
            return self.axes[number] != before
        if kind == BUTTON and number < len(self.buttons):
            before, self.buttons[number] = self.buttons[number], bool(value)
            return self.buttons[number] != before
        return False

    def close(self) -> None:
        os.close(self._fd)


def device_paths() -> list[Path]:
    """The joysticks of this machine."""
    return sorted(INPUT.glob("js*"), key=lambda path: (len(path.name), path.name))


def open_device(path: Path) -> Device:
    """Raises JoystickError where there is none, or it may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        help_for = {
            PermissionError: "; add the user to the group input",
            FileNotFoundError: "; is it plugged in?",
        }
        reason = f"{(error.strerror or '').lower()}{help_for.get(type(error), '')}"
        raise JoystickError(f"{path}: {reason}") from error
    try:
        name = fcntl.ioctl(fd, GET_NAME, bytes(NAME_BYTES)).partition(b"\0")[0]
        shape = tuple(fcntl.ioctl(fd, code, b"\0")[0] for code in (GET_AXES, GET_BUTTONS))
    except OSError as error:
        os.close(fd)
        raise JoystickError(f"{path}: got another file, expected /dev/input/js*") from error
    return Device(fd, name.decode(errors="replace"), shape, _bus(path.name) == BLUETOOTH)


def open_first(names_end: str = "") -> Device:
    """The first joystick with buttons, or the first whose name ends so. Raises JoystickError, with
    what there is."""
    seen = []
    for path in device_paths():
        try:
            device = open_device(path)
        except JoystickError as error:
            seen.append(str(error))
            continue
        if device.name.endswith(names_end) and (names_end or device.shape[1]):
            return device
        seen.append(f"{path}: {device.name}")
        device.close()
    there = f" ({'; '.join(seen)})" if seen else ""
    raise JoystickError(f"got no joystick in {INPUT}, expected one that is plugged in{there}")


def _bus(name: str) -> str:
    try:
        return (SYSTEM / name / "device" / "id" / "bustype").read_text().strip()
    except OSError:
        return ""
