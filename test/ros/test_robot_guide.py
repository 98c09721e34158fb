"""The guide doc/robot.md: every command of it is run, in its order and in one folder, and prints
what the guide says.

What needs a robot is run with the simulated one: `MAPPED` has how. Sizes are those of a test:
`REDUCED` has what is appended. No step is passed over: a command that no row takes is an error, and
each has to end as `ENDS` says.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from guide import blocks, unseen
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from liquid_control.cli.main import main
from liquid_control.errors import DriveError
from liquid_control.recordings.formats import open_recording
from liquid_control.ros import launch_arguments, launching, parameters, undeclared
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.node_processes import Child, Children
from liquid_control.ros.pads import screen
from liquid_control.ros.pads.device import Device
from liquid_control.signals import SpeedSample
from liquid_control.stress.processes.operator_client import Pages, ScriptedPage
from liquid_control.stress.processes.operator_stage import answers, free_port

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "doc" / "robot.md").read_text()
SMALL_FIT = "--workers 1 --device cpu --steps 2 --core-fit.steps 2 --fit.batch 4 --frames 4"
GIVEN = "--mount.height 1.35 --mount.pitch 0.14 --mount.forward 1.5 --response-delay 0.2"
"""What is else estimated, which takes seconds for each recording; `inspect` of the guide does."""
REDUCED = {
    "joystick": "--seconds 0.1",
    "collect": "--roads 2 --world.length 100 --workers 1",
    "train recordings": f"{SMALL_FIT} {GIVEN} --rounds 0 --recovery-passes 1 --recovery-frames 100 "
    "--drawn-frames 100 --policy.encoder slim --preprocess.height 32 --preprocess.width 64",
    "evaluate": GIVEN,
    "improve": f"{SMALL_FIT} --roads 1",
    "drive": "--seconds 3 --no-video",
    "drive --by hand": "--seconds 8 --no-video --port {port}",
}
"""What is appended to a verb's flags; of a flag that is given twice the last one counts."""
ENDS = {"evaluate": {0, 1}, "improve": {0, 1}, "drive": {0, 1}, "drive --by hand": {0, 1}}
"""Exit codes; 0 for all others. A policy of four steps departs, and that is told by 1."""
ROBOTS = ("vehicle", "params")
"""Arguments of a launch that describe the robot, and not the simulated one."""
PATIENT = {
    "operator_node": {"heartbeat.silent_after": 2.0, "heartbeat.late_after": 2.0},
    "safety_node": {
        "gate.stale_after": 1.0,
        "engagement.proposal_stale_after": 1.0,
        "engagement.enable_stale_after": 2.0,
        "engagement.healthy_for": 0.3,
        "engagement.soft_time": 0.1,
    },
}
"""For a busy machine, on which no page is to be lost."""


def fastest(bag: Path) -> float:
    """The largest speed that was measured in a recording [m/s]."""
    with open_recording(bag) as recording:
        return max(one.speed for _, one in recording.samples() if isinstance(one, SpeedSample))


class Person:
    """Who sits at the page on this port: drives by hand, or lets the policy drive."""

    def __init__(self, port: int) -> None:
        self._port = port

    def drives_by_hand(self, until: Callable[[], bool]) -> None:
        """Holds the stick until `until()`; begins again where the page was lost."""
        with Pages(self._port) as pages:
            while not until():
                with contextlib.suppress(DriveError, aiohttp.ClientError):
                    self._turn(pages, until)

    def _turn(self, pages: Pages, until: Callable[[], bool]) -> None:
        with contextlib.closing(pages.open()) as page:
            page.claim()
            page.say("by_hand")
            engaged, asked_at = False, 0.0
            while page.drives and not until():
                page.say("beat", stick=[0.05, 0.4 * engaged])
                engaged |= any(text.startswith("already eng") for _, text in page.answers)
                if not engaged and time.monotonic() > asked_at + 0.3:
                    page.say("engage")
                    asked_at = time.monotonic()
                time.sleep(0.03)

    def engages_and_takes_over(self) -> list[str]:
        """Presses the buttons one after the other; returns what was accepted."""
        with Pages(self._port) as pages, contextlib.closing(pages.open()) as page:
            page.claim()
            for kind in ("takeover", "emergency_stop", "takeover", "acknowledge"):
                self._press(page, kind)
            end = time.monotonic() + 60.0
            while not self._press(page, "engage").startswith("already eng"):
                assert time.monotonic() < end, page.answers[-1]
            self._press(page, "takeover")
            return [text for accepted, text in page.answers if accepted]

    def _press(self, page: ScriptedPage, kind: str) -> str:
        """Returns the answer."""
        count, end = len(page.answers), time.monotonic() + 5.0
        page.say(kind)
        while len(page.answers) == count and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)
        return page.answers[-1][1]


class Day:
    """The reader: runs commands in a folder, on the ROS domain of the tests. `ran`: those that were
    run, each with the row of MAPPED that took it."""

    def __init__(self, folder: Path, probe, capsys, monkeypatch) -> None:
        self._folder, self._probe, self._capsys, self._patch = folder, probe, capsys, monkeypatch
        self._nodes = contextlib.ExitStack()
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROS_HOME": str(folder / "ros")}
        self._logs = folder / "logs"
        self._launches = 0
        self.ran: list[tuple[str, str]] = []

    def run(self, command: str) -> str:
        """What it printed."""
        for pattern, how in MAPPED.items():
            if match := re.fullmatch(pattern, command, re.DOTALL):
                self._capsys.readouterr()
                said = how(self, *match.groups()) or ""
                self.ran.append((command, pattern))
                return said + "".join(self._capsys.readouterr())
        raise AssertionError(f"no row of MAPPED takes: {command}")

    def close(self) -> None:
        self._nodes.close()

    def is_set_up(self) -> None:
        """`make setup` made what this test runs in: the target is there."""
        assert re.search(r"^setup:", (ROOT / "Makefile").read_text(), re.MULTILINE)

    def enter(self, name: str) -> None:
        self._folder = self._folder / name
        self._folder.mkdir()
        self._patch.chdir(self._folder)

    def shell(self, command: str) -> None:
        subprocess.run(["bash", "-euc", command], cwd=self._folder, check=True)

    def verb(self, line: str) -> None:
        """In this process."""
        words = self._words(line)
        name = next(
            each for each in sorted(REDUCED, key=len)[::-1] + [words[0]] if line.startswith(each)
        )
        given = [*words, *shlex.split(REDUCED.get(name, ""))]
        code = main(given)
        assert code in ENDS.get(name, {0}), (line, code, self._capsys.readouterr())

    def drive(self, line: str) -> str:
        """In a process of its own, which starts the nodes."""
        process = self._process("drive", line)
        said = process.communicate(timeout=120)[0]
        assert process.returncode in ENDS["drive"], said
        return said

    def drive_by_hand(self, line: str) -> str:
        """With a person at the page."""
        port = free_port()
        process = self._process("drive --by hand", line, port=port)
        self._probe.until(lambda: answers(port) or process.poll() is not None, "the page", 60.0)
        person = threading.Thread(
            target=Person(port).drives_by_hand, args=(lambda: process.poll() is not None,)
        )
        person.start()
        said = process.communicate(timeout=120)[0]
        person.join(30.0)
        assert process.returncode in ENDS["drive --by hand"], said
        bag = Path(re.search(r"--record (\S+)", line)[1])
        assert fastest(bag) > 0.3, "a person drove"
        return said

    def _process(self, name: str, line: str, **values) -> subprocess.Popen:
        words = [*self._words(line), *shlex.split(REDUCED[name].format(**values))]
        return subprocess.Popen(
            [sys.executable, "-m", "liquid_control", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )

    def launch(self, file: str, line: str) -> None:
        """The nodes of the robot's launch file with the simulated robot, after all that the robot's
        own arguments are checked for."""
        self._nodes.close()
        given = dict(word.split(":=") for word in shlex.split(line))
        launching.refuse_unknown(["x", file, *shlex.split(line)], file, launch_arguments.ROBOT)
        for start in self._starts(launch_arguments.ROBOT, launching.drive, given):
            undeclared.judge(start.executable, start.full_name, start.parameters, start.sections)
            parameters.read(NODES[start.executable], start.parameters)
        own = {name: value for name, value in given.items() if name not in ROBOTS}
        starts = self._starts(launch_arguments.SIM, launching.sim, own)
        self._port, self._launches = free_port(), self._launches + 1
        more = {name: dict(values) for name, values in PATIENT.items()}
        more["operator_node"]["port"] = self._port
        children = [
            Child(
                start.executable,
                f"liquid_control.ros.{start.executable}",
                {**start.parameters, **more.get(start.executable, {})},
            )
            for start in starts
        ]
        logs = self._logs / str(self._launches)
        self._nodes.enter_context(Children(children, self._environment, logs))
        self._probe.until(lambda: answers(self._port), "the page", 60.0)
        if "shadow" in given:
            self._drive_by_hand()
        if "model" in given:
            answered = " ".join(Person(self._port).engages_and_takes_over())
            assert "taken over" in answered and "already eng" in answered, answered

    def _drive_by_hand(self) -> None:
        end = time.monotonic() + 4.0
        Person(self._port).drives_by_hand(lambda: time.monotonic() > end)

    def _starts(self, table, make, given) -> list:
        whole = {name: argument.default for name, argument in table.items()} | given
        gate, *others = launching.with_operator(whole, *make(whole))
        return [gate, *others, *launching.recorder(whole, gate, others[0])]

    def look(self) -> str:
        """`doctor --live` at the nodes of the launch; a machine that is busy is not OK at once."""
        end = time.monotonic() + 60.0
        while main(["doctor", "--live", "--seconds", "2"]) and time.monotonic() < end:
            self._capsys.readouterr()
        return ""

    def set_parameter(self, node: str, name: str, value: str) -> None:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=float(value)).to_parameter_msg()]
        )
        answer = self._probe.call(SetParameters, f"{node}/set_parameters", request)
        assert answer.results[0].successful, answer

    def fetch(self, to: str) -> None:
        """What recorder_node of the launch wrote while a person drove, after its end."""
        self._drive_by_hand()
        self._nodes.close()
        shutil.copytree(Path(self._environment["ROS_HOME"]) / "liquid_control/recordings", to)
        [bag] = Path(to).iterdir()
        assert fastest(bag) > 0.3, "a person drove"

    def show_pad(self, line: str) -> None:
        """A pad of an Xbox is plugged in."""
        out, into = os.pipe()
        os.set_blocking(out, False)
        pad = Device(out, "Microsoft X-Box 360 pad", (8, 11), by_radio=False)
        self._patch.setattr(screen, "open_first", lambda: pad)
        self.verb(f"joystick {line}")
        os.close(into)

    def _words(self, line: str) -> list[str]:
        """With names that a shell would expand."""
        words = shlex.split(line)
        return [
            found
            for word in words
            for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
        ]


MAPPED = {
    r"make setup && export PATH=\S+": Day.is_set_up,
    r"mkdir day && cd (day)": Day.enter,
    r"(cat > \S+\.yaml <<'YAML'\n.*\nYAML)": Day.shell,
    r"ros2 launch liquid_control (drive\.launch\.py) (.*)": Day.launch,
    r"ros2 param set (\S+) (\S+) (\S+)": Day.set_parameter,
    r"scp -r robot:\.ros/liquid_control/recordings (\S+)": Day.fetch,
    r"liquid-control doctor --live": Day.look,
    r"liquid-control joystick (.*)": Day.show_pad,
    r"liquid-control (drive --by hand .*)": Day.drive_by_hand,
    r"liquid-control (drive .*)": Day.drive,
    r"liquid-control (.*)": Day.verb,
}
"""How each kind of command is run, by its first row that takes it whole."""


@pytest.fixture
def day(tmp_path, probe, capsys, monkeypatch):
    one = Day(tmp_path, probe, capsys, monkeypatch)
    yield one
    one.close()


@pytest.mark.timeout(900)
def test_every_command_of_the_guide_runs_and_prints_what_the_guide_says(day):
    steps = blocks(GUIDE)
    for step in steps:
        said = "".join(day.run(command) for command in step.commands)
        assert not unseen(step.seen, said), f"{step.heading}: {step.commands}\n{said}"
    commands, rows = zip(*day.ran, strict=True)
    assert commands == tuple(command for step in steps for command in step.commands)
    assert set(rows) == MAPPED.keys(), "no row is left over"
    assert len({step.heading for step in steps}) == 12, "every step has a command"
    verdicts = [Path(f"runs/round_{number}/verdict.json") for number in (1, 2, 3)]
    assert all(each.is_file() for each in verdicts)


PAGE = """## One
```bash
first --flag   # comment
second \\
    more
```
```text
rmse  0.5  True
```
## Two
```bash
cat > a.yaml <<'YAML'
key: 1   # kept
YAML
```
"""


def test_the_commands_of_a_page_are_those_of_its_blocks_with_what_is_below_them():
    one, two = blocks(PAGE)
    assert one.heading == "One" and one.commands == ("first --flag", "second more")
    assert one.seen == (("rmse",),)
    assert two.commands == ("cat > a.yaml <<'YAML'\nkey: 1   # kept\nYAML",) and not two.seen
    for wrong in ("```text\nalone\n```\n", PAGE + "```python\n1\n```\n"):
        with pytest.raises(ValueError, match="a block of"):
            blocks(wrong)


def test_an_excerpt_is_seen_where_its_words_are_in_one_line_whatever_the_numbers():
    seen = (("departures", "per", "road"), ("done",))
    assert not unseen(seen, "12 departures per 1 km of road\nall done 1.5")
    assert unseen(seen, "departures\nper road\ndone") == ["departures per road"]
    assert unseen(seen, "") == ["departures per road", "done"]


def test_a_command_that_no_row_takes_is_an_error(day):
    with pytest.raises(AssertionError, match="no row of MAPPED takes: rm -r ."):
        day.run("rm -r .")
    assert not day.ran
