"""Environments of one process, in turn, in threads and after a fork, each held bit for bit against
one that is alone in a process."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading

import gymnasium
import numpy as np
import pytest

from liquid_control.config import WorldConfig
from liquid_control.sim.env import DrivingEnv

SEEDS, STEPS = (5, 9, 21), 8
ACTION = np.array([0.01], np.float32)
ALONE = """
import sys
sys.path.insert(0, sys.argv[2])
from test_several_environments import drive
print(*drive(int(sys.argv[1])))
"""


def make() -> DrivingEnv:
    return DrivingEnv(world=WorldConfig(length=60.0, trees=5))


def digest(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def drive(seed: int) -> list[str]:
    """Digests of an environment's pictures."""
    env = make()
    seen = [env.reset(seed=seed)[0], *(env.step(ACTION)[0] for _ in range(STEPS))]
    env.close()
    return [digest(one["image"]) for one in seen]


def drive_into(queue: multiprocessing.Queue, seed: int) -> None:
    queue.put(drive(seed))


@pytest.fixture(scope="module")
def alone() -> dict[int, list[str]]:
    found = {}
    for seed in SEEDS:
        command = [sys.executable, "-c", ALONE, str(seed), os.path.dirname(__file__)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found[seed] = done.stdout.split()
    assert len({one for pictures in found.values() for one in pictures}) == 3 * (STEPS + 1)
    return found


def test_in_turn(alone):
    vector = gymnasium.vector.SyncVectorEnv([make] * 3)
    seen = [vector.reset(seed=list(SEEDS))[0]["image"]]
    seen += [vector.step(np.tile(ACTION, (3, 1)))[0]["image"] for _ in range(STEPS)]
    vector.close()
    for place, seed in enumerate(SEEDS):
        assert [digest(pictures[place]) for pictures in seen] == alone[seed]


@pytest.mark.parametrize("how", ["close", "drop", "reset"])
def test_one_ends_while_another_goes_on(alone, how, tmp_path, monkeypatch):
    """MuJoCo writes its errors, of OpenGL too, to a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    stays, ends = make(), make()
    seen = [stays.reset(seed=5)[0]]
    for step in range(STEPS):
        if step % 3 == 0:
            if how != "reset":
                ends = make()
            ends.reset(seed=9 + step)
        elif step % 3 == 1:
            ends.step(ACTION)
        elif how == "close":
            ends.close()
        elif how == "drop":
            del ends
        seen.append(stays.step(ACTION)[0])
    stays.close()
    assert [digest(one["image"]) for one in seen] == alone[5]
    assert not list(tmp_path.iterdir())


def test_in_threads_at_once(alone):
    found: dict[int, list[str]] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: found.update({seed: drive(seed)}))
        for seed in SEEDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


def test_each_step_in_another_thread(alone):
    env, seen = make(), []

    def in_a_thread(call):
        thread = threading.Thread(target=lambda: seen.append(call()[0]))
        thread.start()
        thread.join()

    in_a_thread(lambda: env.reset(seed=21))
    for _ in range(STEPS):
        in_a_thread(lambda: env.step(ACTION))
    env.close()
    assert [digest(one["image"]) for one in seen] == alone[21]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_in_a_process_forked_while_another_draws(alone):
    context = multiprocessing.get_context("fork")
    env = make()
    env.reset(seed=5)
    queue = context.Queue()
    child = context.Process(target=drive_into, args=(queue, 9))
    child.start()
    assert queue.get(timeout=60) == alone[9]
    child.join()
    env.close()
    assert drive(21) == alone[21]
