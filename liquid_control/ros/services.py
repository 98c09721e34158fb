"""`liquid-control install-service`: the nodes of drive.launch.py as systemd services, gate and
policy apart, which start with the machine. Needs no ROS."""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from liquid_control.config import check, path, several, switch, text
from liquid_control.errors import ConfigError
from liquid_control.ros import launching
from liquid_control.ros.launch_arguments import ROBOT
from liquid_control.ros.launching import NodeStart
from liquid_control.system.files import write_atomically
from liquid_control.system.verb import Verb

NAMES = {
    "safety_node": ("gate", "safety gate"),
    "policy_node": ("policy", "policy"),
    "recorder_node": ("recorder", "recorder"),
    "operator_node": ("operator", "operator's page"),
    "joystick_node": ("joystick", "joystick"),
}
"""Of a node's service, and what it is."""
WATCHDOG = {"safety_node": 2, "policy_node": 10}
"""Seconds without a sign of life after which a node is started again; of others `LONGEST`. Loading
a model takes some."""
LONGEST = 20
KEPT = ("AMENT_", "COLCON_", "CYCLONEDDS_", "FASTDDS_", "FASTRTPS_", "RMW_", "ROS_")
"""What the names of variables begin with that a node needs."""
KEPT_TOO = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")

UNIT = """\
# Written by: {command}
[Unit]
Description=liquid_control: {title}
{after}StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
{environment}
ExecStart={start}
WatchdogSec={watchdog}
Restart=always
RestartSec=1
TimeoutStartSec=120
TimeoutStopSec=10
# A terminal's launch may raise its priority and lock its memory; so may this.
LimitRTPRIO=50
LimitNICE=-10
LimitMEMLOCK=infinity
NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
"""


@dataclasses.dataclass(frozen=True)
class ServiceSettings:
    """Settings of `liquid-control install-service`."""

    arguments: tuple[str, ...] = several(
        (), "arguments of drive.launch.py: vehicle:=f1tenth operator:=true", positional=True
    )
    user: str = text("", "user that the nodes run as; empty: the one who calls this")
    units: Path = path(Path("/etc/systemd/system"), "folder for the services", writes="folder")
    config: Path = path(
        Path("/etc/liquid_control"), "folder for the nodes' parameters", writes="folder"
    )
    dry_run: bool = switch(False, "write nothing; print the files")

    def __post_init__(self) -> None:
        check(self)


def install(settings: ServiceSettings) -> dict:
    """Writes a service and a file of parameters for each node; returns `files`, their texts by
    path, and `commands`, which start them. The environment is the one of this call, so that no
    shell profile is read. Raises ConfigError for arguments that the launch file refuses, and for
    folders that may not be written."""
    texts: dict[Path, str] = {}
    starts = nodes(settings.arguments)
    for start in starts:
        parameters = settings.config / f"{NAMES[start.executable][0]}.parameters.yaml"
        own = {"/**": {"ros__parameters": dict(start.values)}}
        texts[parameters] = json.dumps(own, indent=1) + "\n"  # JSON is YAML
        texts[settings.units / _unit_name(start)] = unit(start, parameters, settings)
    if not settings.dry_run:
        for file, content in texts.items():
            _write(file, content)
    services = [_unit_name(start) for start in starts]
    return {
        "files": {str(file): content for file, content in texts.items()},
        "written": not settings.dry_run,
        "commands": [
            "sudo systemctl daemon-reload",
            f"sudo systemctl enable --now {' '.join(services)}",
            f"journalctl --follow {' '.join(f'--unit {name}' for name in services)}",
        ],
    }


def nodes(arguments: Sequence[str]) -> list[NodeStart]:
    """What drive.launch.py starts with these arguments. Raises ConfigError."""
    given = {name: argument.default for name, argument in ROBOT.items()}
    for word in arguments:
        name, separator, value = word.partition(":=")
        if not separator or name not in given:
            raise ConfigError("arguments", word, f"name:=value, one of {', '.join(sorted(ROBOT))}")
        choices = ROBOT[name].choices
        if choices and value not in choices:
            raise ConfigError(f"{name}:=", value, f"one of {', '.join(filter(None, choices))}")
        given[name] = value
    if not given["namespace"].startswith("/"):
        given["namespace"] = f"/{given['namespace']}"
    gate, policy, *page = launching.with_operator(given, *launching.drive(given))
    return [gate, policy, *launching.recorder(given, gate, policy), *page]


def unit(start: NodeStart, parameters: Path, settings: ServiceSettings) -> str:
    """The text of a node's service. A policy that dies is started again without the gate, which
    brakes meanwhile; none waits for another to be there."""
    words = [sys.executable, "-m", f"liquid_control.ros.{start.executable}", "--ros-args"]
    words += ["-r", f"__ns:={start.namespace}"] if start.namespace else []
    for file in (*start.files, parameters):
        words += ["--params-file", str(Path(file).absolute())]
    for name, topic in start.topics.items():
        words += ["-r", f"{name}:={topic}"]
    kept = {
        name: value
        for name, value in sorted(os.environ.items())
        if name in KEPT_TOO or name.startswith(KEPT)
    }
    first = start.executable == "safety_node"
    return UNIT.format(
        command="liquid-control install-service " + " ".join(map(quoted, settings.arguments)),
        title=NAMES[start.executable][1],
        after="After=network.target\n" if first else "After=liquid-control-gate.service\n",
        user=settings.user or getpass.getuser(),
        folder=str(Path.cwd()).replace("%", "%%"),  # to which the paths of parameters are relative
        environment="\n".join(f"Environment={quoted(f'{n}={v}')}" for n, v in kept.items()),
        start=" ".join(quoted(word, command=True) for word in words),
        watchdog=WATCHDOG.get(start.executable, LONGEST),
    )


def quoted(word: str, command: bool = False) -> str:
    """A word as systemd reads it: `%` and, in a command, `$` mean themselves. Raises ConfigError
    for a control character."""
    if any(ord(letter) < 32 for letter in word):
        raise ConfigError("a word of a service", word, "no control characters")
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    word = word.replace("$", "$$") if command else word
    return f'"{word}"' if not word or set(word) & set(" ;'\"\\\t") else word


def show(facts: Mapping) -> str:
    """The files, or their names where they are written, and what to do next."""
    lines = []
    for file, content in facts["files"].items():
        lines += [f"wrote {file}"] if facts["written"] else [f"==> {file}", content]
    return "\n".join([*lines, "next:", *(f"  {command}" for command in facts["commands"])])


def _unit_name(start: NodeStart) -> str:
    return f"liquid-control-{NAMES[start.executable][0]}.service"


def _write(file: Path, content: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(file) as partial:
            partial.write_text(content, encoding="utf-8")
            partial.chmod(0o644)
    except OSError as error:
        remedy = "a folder that you may write: sudo, --units and --config, or --dry-run"
        raise ConfigError(str(file), error.strerror, remedy) from None


VERB = Verb(ServiceSettings, install, show)
