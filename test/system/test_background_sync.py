"""Files given to the disk by a thread."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from liquid_control.system import background_sync
from liquid_control.system.background_sync import BackgroundSync, names_to_disk


@pytest.fixture
def disk(monkeypatch):
    """A disk that is busy until it is set free; the descriptors that it was given, and the error
    that it answers with."""
    wait()  # for what other tests asked of it
    synced, free, error = [], threading.Event(), []

    def fdatasync(file: int) -> None:
        assert free.wait(10)
        if error:
            raise OSError(error.pop(), "the disk's error")
        synced.append(os.fstat(file).st_ino)

    monkeypatch.setattr(background_sync.os, "fdatasync", fdatasync)
    yield synced, free, error
    free.set()
    wait()


def wait() -> None:
    """Until the thread has done what it was asked for."""
    background_sync._thread(os.getpid()).call(lambda: None)


def test_a_busy_disk_holds_nobody_up_and_requests_that_wait_are_one(disk, tmp_path):
    synced, free, _ = disk
    with (tmp_path / "file").open("wb") as file:
        sync = BackgroundSync(file.fileno())
        for _ in range(100):
            sync.request()
    sync.close()  # after the file itself
    names_to_disk(tmp_path)
    assert synced == []
    free.set()
    wait()
    assert 2 <= len(synced) <= 3 and set(synced) == {(tmp_path / "file").stat().st_ino}


def test_an_error_of_the_disk_is_raised_by_the_next_request(disk, tmp_path):
    _, free, error = disk
    free.set()
    error.append(errno.EIO)
    with (tmp_path / "file").open("wb") as file:
        sync = BackgroundSync(file.fileno())
        sync.request()
        wait()
        with pytest.raises(OSError, match="the disk's error"):
            sync.request()
        sync.request()
        sync.close()
    wait()
