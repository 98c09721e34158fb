"""Jobs side by side, in real processes: order, errors, what is finished after one, and what ends
with its parent."""

from __future__ import annotations

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from liquid_control.errors import ConfigError, ImageError
from liquid_control.system.jobs import processes, run_jobs

WORK = """
import os, signal, time
from liquid_control.errors import ConfigError

def square(number):
    return number * number

def refuse(number):
    if number == 1:
        raise ConfigError("number", number, "another one")
    time.sleep(0.5)
    return number

def die(number):
    os.kill(os.getpid(), signal.SIGKILL)

def identity(number):
    return number, os.getpid()
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A module that worker processes can import."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_of_test_jobs.py").write_text(WORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("work_of_test_jobs")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(work, workers):
    assert run_jobs(work.square, range(9), processes(workers)) == [n * n for n in range(9)]
    assert run_jobs(work.square, [], processes(workers)) == []


def test_more_jobs_than_are_under_way_are_all_done_once_and_on_every_worker(work):
    answers = run_jobs(work.identity, range(40), processes(2))
    assert [number for number, _ in answers] == list(range(40))
    assert 1 <= len({pid for _, pid in answers}) <= 2 and os.getpid() not in dict(answers).values()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_keep_returns_stands_in_place_of_a_result(work, workers):
    kept: list[int] = []

    def keep(index: int, result: int) -> str:
        kept.append(index)
        return f"{index}: {result}"

    assert run_jobs(work.square, [3, 4, 5], processes(workers), keep=keep) == [
        "0: 9",
        "1: 16",
        "2: 25",
    ]
    assert sorted(kept) == [0, 1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_error_arrives_as_it_was_raised(work, workers):
    with pytest.raises(ConfigError, match="number: got 1, expected another one"):
        run_jobs(work.refuse, [1, 2], processes(workers))


def test_jobs_that_have_begun_are_finished_and_kept_before_the_error_is_raised(work):
    kept: list[int] = []
    with pytest.raises(ConfigError):
        run_jobs(
            work.refuse, range(20), processes(2), keep=lambda index, result: kept.append(result)
        )
    assert 0 in kept and len(kept) <= 4  # two workers and the job that waits for one


def test_jobs_are_stopped_where_they_are_when_they_need_not_finish(work):
    kept: list[int] = []
    with pytest.raises(ConfigError):
        run_jobs(
            work.refuse,
            range(1, 4),
            processes(2, finish=False),
            keep=lambda index, result: kept.append(result),
        )
    assert kept == []


def test_an_error_of_keep_stops_the_rest(work):
    def keep(index: int, result: int) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        run_jobs(work.square, range(1000), processes(2), keep=keep)


def test_a_killed_worker_is_an_error_and_no_hang(work):
    from concurrent.futures.process import BrokenProcessPool

    with pytest.raises(BrokenProcessPool):
        run_jobs(work.die, range(4), processes(2))


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """Another engine behind the same function: the last job first."""

    def run(self, function, jobs, take) -> None:
        for index in reversed(range(len(jobs))):
            take(index, function(jobs[index]))


def test_another_engine_takes_the_place_of_the_processes(work):
    assert run_jobs(work.square, range(5), Elsewhere()) == [n * n for n in range(5)]


def test_errors_of_the_package_keep_their_class_message_and_fields():
    for error in (ConfigError("a.b", 3, "less"), ImageError("size", "2x2", "4x4")):
        rebuild, (kind, arguments, values) = error.__reduce__()
        again = rebuild(kind, arguments, values)
        assert type(again) is type(error) and str(again) == str(error)
        assert vars(again) == vars(error)


SLEEPERS = """
import os, time
from liquid_control.system.jobs import processes, run_jobs

def sleep(number):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)

if __name__ == "__main__":
    run_jobs(sleep, range(2), processes(2))
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(_lives(pid) for pid in workers):
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in workers)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


INTERRUPTED = """
import os, time
from liquid_control.system.jobs import processes, run_jobs

def nap(number):
    os.write(1, b"begun %d\\n" % number)
    time.sleep(1.0)
    return number

def keep(index, result):
    os.write(1, b"kept %d\\n" % result)

if __name__ == "__main__":
    try:
        run_jobs(nap, range(50), processes(2), keep=keep)
    except KeyboardInterrupt:
        os.write(1, b"interrupted\\n")
"""


def test_ctrl_c_keeps_what_has_begun_and_starts_nothing_more(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    run = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = [run.stdout.readline().split() for _ in range(2)]
    os.killpg(run.pid, signal.SIGINT)
    lines += [line.split() for line in run.stdout]
    assert run.wait() == 0 and lines[-1] == ["interrupted"]
    begun = {number for word, *number in lines if word == "begun" for number in number}
    kept = {number for word, *number in lines if word == "kept" for number in number}
    assert begun == kept and 2 <= len(begun) <= 3
