"""`liquid-control soak operator`: the operator's page is killed, frozen, cut off, delayed, and sent
what it must not obey, while the policy drives under its eyes. The gate must take over in 0.3 s each
time, and nothing may be accepted that should not be.
"""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from liquid_control.config import check, number, path, several, switch
from liquid_control.errors import DriveError, MissingDependencyError
from liquid_control.ros.operate.messages import Kind, Malformed, read
from liquid_control.ros.operate.seat import Seat
from liquid_control.system.files import write_atomically
from liquid_control.system.verb import Verb

SECOND = "second page"
LOOKS, ATTEMPTS = 2.0, 20
"""How long a takeover is waited for [s], and how often a try begins again whose page was lost
before it happened, by the load of the machine."""


@dataclasses.dataclass(frozen=True)
class OperatorSoakSettings:
    """Kill, freeze, cut off and confuse the operator's page, and see that the vehicle is taken over
    in 0.3 s."""

    tries: int = number(100, 1, 100_000, "", "of each case")
    browser: bool = switch(True, "also try the cases of a real Chromium")
    frames: int = number(100_000, 0, 10**9, "", "damaged messages that must not be obeyed")
    only: tuple[str, ...] = several((), "only these cases")
    seed: int = number(0, 0, 2**31 - 1, "", "seed of the moments and of the damage")
    out: Path | None = path(None, "folder of operator.json and logs", writes="folder")

    def __post_init__(self) -> None:
        check(self)


def soak_operator(settings: OperatorSoakSettings) -> dict:
    """Facts by case; `wrong` must be empty. Raises DriveError when processes do not start,
    MissingDependencyError without ROS, aiohttp or Chromium."""
    try:
        from liquid_control.stress.processes import operator_cases
        from liquid_control.stress.processes.operator_client import Pages
        from liquid_control.stress.processes.operator_stage import Stage
    except ImportError as error:
        remedy = "Source a ROS 2 installation, and pip install 'liquid_control[operate]'"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    luck = random.Random(settings.seed)
    cases = [*operator_cases.CASES, SECOND]
    cases += operator_cases.IN_BROWSER if settings.browser else []
    cases = [name for name in cases if not settings.only or name in settings.only]
    facts: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        logs = (settings.out or Path(scratch)).resolve() / "logs"
        with Stage(logs) as stage, Pages(stage.port) as pages:
            for name in cases:
                tries = [
                    _try(name, stage, pages, luck)
                    for _ in tqdm(range(settings.tries), name, leave=False, disable=None)
                ]
                facts[name] = _facts(name, tries, operator_cases.WITHIN)
                _result(settings, facts, {"sent": 0, "refused": 0, "wrong": []})
    return _result(settings, facts, _fuzz(settings.frames, luck))


def _result(settings: OperatorSoakSettings, facts: dict, frames: dict) -> dict:
    """What is known so far, which is also written."""
    from liquid_control.stress.processes import operator_cases

    result = {
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "within_s": operator_cases.WITHIN,
        "cases": facts,
        "frames": frames,
        "wrong": [*_wrong(facts), *frames["wrong"]],
    }
    if settings.out:
        with write_atomically(settings.out / "operator.json") as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def _try(name: str, stage, pages, luck: random.Random) -> dict:
    """One try, begun again while its page is lost before anything happens to it."""
    from liquid_control.stress.processes.operator_cases import CASES, IN_BROWSER

    for early in range(ATTEMPTS):
        if name in IN_BROWSER:
            found = _in_browser(IN_BROWSER[name], stage, luck)
        elif name == SECOND:
            found = _second(stage, pages, luck)
        else:
            found = _scripted(name, CASES[name], stage, pages, luck)
        if found is not None:
            return found | {"early": early}
    raise DriveError(f"{name}: the page was lost {ATTEMPTS} times before: the machine is too slow")


def _engage(stage, page, luck: random.Random) -> bool:
    """Lets the policy drive under the eyes of a page; False where it was lost meanwhile."""
    try:
        page.claim()
    except DriveError:
        return False
    end = time.monotonic() + 10.0
    while not stage.drives and page.drives and time.monotonic() < end:
        page.say("engage")
        time.sleep(0.3)
    time.sleep(0.2 + luck.uniform(0.0, 0.1))
    return stage.drives and page.drives


def _scripted(name: str, case, stage, pages, luck: random.Random) -> dict | None:
    page = pages.open()
    try:
        if not _engage(stage, page, luck):
            return None
        began = case(stage, pages, page)
        stopped = stage.stopped_after(began, LOOKS)
        pages.network.cut, pages.network.delay = False, 0.0
        time.sleep(0.05)
        return {"stopped_s": stopped, "drives_again": stage.drives}
    finally:
        pages.network.cut, pages.network.delay = False, 0.0
        page.close()
        if name.startswith("server"):
            stage.signal_server(signal.SIGCONT)
            stage.restart_server()


def _second(stage, pages, luck: random.Random) -> dict | None:
    """A second page wants what only the first may; nothing changes."""
    page, other = pages.open(), pages.open()
    try:
        if not _engage(stage, page, luck):
            return None
        for kind in ("claim", "by_hand", "engage", "acknowledge", "leave"):
            other.say(kind)
        other.say("beat", stick=[1, 1])
        other.say("record", on=True)
        time.sleep(0.3)
        if not page.drives:
            return None
        accepted = [text for accepted, text in other.answers if accepted]
        return {"stopped_s": None if stage.drives else 0.0, "accepted": accepted}
    finally:
        other.close()
        page.close()


def _in_browser(case, stage, luck: random.Random) -> dict | None:
    from liquid_control.stress.browser import Browser

    with Browser() as browser:
        try:
            page = browser.open(f"http://127.0.0.1:{stage.port}/")
            page.until("!document.getElementById('claim').disabled", "the page")
            page.press("claim")
            page.press("engage")
        except DriveError:  # not loaded in time, or lost meanwhile
            return None
        end = time.monotonic() + 5.0
        while not stage.drives and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2 + luck.uniform(0.0, 0.1))
        if not stage.drives:
            return None
        began = case(browser, page)
        stopped = stage.stopped_after(began, LOOKS)
        if browser.process.poll() is None:
            browser.wake()
        time.sleep(0.3)
        return {"stopped_s": stopped, "drives_again": stage.drives}


def _facts(name: str, tries: list[dict], within: float) -> dict:
    times = [one["stopped_s"] for one in tries]
    known = [at for at in times if at is not None]
    right = [
        (at is None and not one["accepted"])
        if name == SECOND
        else (at is not None and at <= within and not one["drives_again"])
        for one, at in zip(tries, times, strict=True)
    ]
    return {
        "tries": len(tries),
        "as_expected": sum(right),
        "median_s": round(statistics.median(known), 4) if known else None,
        "slowest_s": round(max(known), 4) if known else None,
        "begun_again": sum(one["early"] for one in tries),
    }


def _wrong(facts: Mapping[str, dict]) -> Iterator[str]:
    for name, one in facts.items():
        if one["as_expected"] < one["tries"]:
            yield f"{name}: {one['as_expected']} of {one['tries']} as expected"


def _fuzz(count: int, luck: random.Random) -> dict:
    """Damaged messages to the page's seat: each ends the turn of the page, or is as valid as the
    one that it was made of."""
    seat, refused, valid, wrong = Seat(), 0, 0, []
    for index in tqdm(range(count), "frames", leave=False, disable=None):
        connection = seat.open()
        tick = seat.tick(connection, float(index))
        said = {"session": connection.session, "number": 1, "tick": tick, "kind": "claim"}
        seat.hear(connection, json.dumps(said), float(index))
        said |= {"number": 2, "kind": luck.choice(list(Kind)).value}
        said |= {"beat": {"stick": [0.5, 1]}, "record": {"on": True}}.get(said["kind"], {})
        data = _damaged(json.dumps(said), luck)
        try:
            meant = read(data, connection.session)
        except Malformed:
            meant = None
        outcome = seat.hear(connection, data, index + 0.01)
        in_order = meant is not None and meant.number == 2 and meant.tick == tick
        valid += in_order
        refused += not in_order
        if not in_order and (outcome.order is not None or seat.driver is connection):
            wrong.append(f"obeyed: {data!r}"[:200])
        seat.closed(connection)
    return {"sent": count, "refused": refused, "still_valid": valid, "wrong": wrong[:20]}


def _damaged(text: str, luck: random.Random) -> str | bytes | None:
    """A message with letters changed, lost, doubled or swapped; now and then something else."""
    if luck.random() < 0.05:
        return luck.choice([None, b"", b"\xff" * 9, "", "[]", "null", "{" * 300, "9" * 500])
    letters = list(text)
    for _ in range(luck.randint(1, 5)):
        at = luck.randrange(len(letters))
        letters[at] = luck.choice(
            ['"', "{", "}", "1", "e", ",", ":", "-", "\x00", "\ud800", "", " "]
        )
    cut = luck.randrange(len(letters)) if luck.random() < 0.2 else len(letters)
    return "".join(letters[:cut])


def _table(result: Mapping) -> str:
    rows = [
        f"{name.ljust(28)} {one['as_expected']} of {one['tries']} as expected"
        + (f", slowest {one['slowest_s']:.3f} s" if one["slowest_s"] is not None else "")
        for name, one in result["cases"].items()
    ]
    frames = result["frames"]
    rows.append(f"{frames['sent']} damaged messages, {frames['refused']} refused")
    return "\n".join([*rows, *result["wrong"]])


VERB = Verb(OperatorSoakSettings, soak_operator, _table, lambda result: not result["wrong"])
