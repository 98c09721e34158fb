"""The folder of recordings: what is deleted first, and what never."""

from __future__ import annotations

from pathlib import Path

import pytest

from liquid_control.recordings.onboard.folder import MARKS, RecordingFolder
from liquid_control.recordings.onboard.marks import Mark

SIZE = 1000


@pytest.fixture
def folder(tmp_path):
    """With six recordings of `SIZE` bytes on successive days, the first and the fourth marked, and
    what is not the recorder's."""
    made = RecordingFolder(tmp_path / "recordings", quota=10**9, free=0)
    for day in range(1, 7):
        path = made.path / f"2026110{day}_120000_continuous"
        path.mkdir(parents=True)
        (path / "one.mcap").write_bytes(bytes(SIZE))
        if day in (1, 4):
            made.note(path, Mark(day, "takeover", "taken\nover"))
    for other in ("20261101_120000_best of", "my drive", "20261101_monday"):
        (made.path / other).mkdir()
        (made.path / other / "one.mcap").write_bytes(bytes(SIZE))
    (made.path / "notes.txt").write_text("mine")
    (made.path / "20261101_120000_linked").symlink_to(made.path / "my drive")
    return made


def days(paths) -> list[int]:
    return [int(Path(path).name[6:8]) for path in paths]


def test_the_oldest_without_a_mark_go_first_then_the_oldest_of_all(folder):
    assert days(one.path for one in folder.kept()) == [1, 2, 3, 4, 5, 6]
    assert folder.make_room() == []
    folder.quota = 4 * SIZE
    assert days(one.path for one in folder.make_room()) == [2, 3, 5]
    folder.quota = 1
    deleted = folder.make_room(current=folder.path / "20261106_120000_continuous")
    assert days(one.path for one in deleted) == [1, 4] and all(one.is_marked for one in deleted)
    left = sorted(path.name for path in folder.path.iterdir())
    assert left == [
        "20261101_120000_best of",
        "20261101_120000_linked",
        "20261101_monday",
        "20261106_120000_continuous",
        "my drive",
        "notes.txt",
    ]
    assert (folder.path / "my drive" / "one.mcap").exists()


def test_space_on_the_disk_is_kept_free(folder):
    folder.free = 2 * folder.disk_free()
    assert folder.left() < 0
    assert len(folder.make_room()) == 6, "and more cannot be done"


def test_marks_are_lines_of_text(folder):
    text = (folder.path / "20261101_120000_continuous" / MARKS).read_text()
    assert text == "0.000 takeover: taken over\n"


def test_names_do_not_collide(folder):
    first = folder.new("button")
    first.mkdir()
    second = folder.new("button")
    assert second != first and not second.exists() and second.parent == first.parent
