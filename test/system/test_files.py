from __future__ import annotations

from contextlib import ExitStack

import pytest

from liquid_control.errors import ConfigError
from liquid_control.system.files import SUFFIX, clear_results, read_json, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_complete_and_leaves_nothing_else(tmp_path, durable):
    path = tmp_path / "answer.json"
    path.write_text("old")
    with write_atomically(path, durable) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == tmp_path
        assert partial.name.endswith(SUFFIX)
        assert list(tmp_path.glob("*.json")) == [path]
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "answer.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write_atomically(path) as partial:
        partial.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), write_atomically(tmp_path / "answer.json"):
        pass


def test_of_several_files_the_first_one_appears_last(tmp_path):
    index, part = tmp_path / "index.json", tmp_path / "part.bin"
    seen = []
    with ExitStack() as stack:
        stack.enter_context(write_atomically(index)).write_text("content")
        stack.callback(lambda: seen.append((index.exists(), part.exists())))
        stack.enter_context(write_atomically(part)).write_text("content")
    assert seen == [(False, True)]
    assert index.exists()


def test_of_several_files_none_appears_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), ExitStack() as stack:
        for name in ("index.json", "part.bin"):
            stack.enter_context(write_atomically(tmp_path / name)).write_text("content")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "null", '{"b": 1}', "\udcff", "[" * 100_000])
def test_a_damaged_file_of_an_earlier_run_is_refused_by_name(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="settings.json: got 'a damaged file'.*remove it"):
        read_json(path, "a")
    path.write_text('{"a": [1, 2]}')
    assert read_json(path, "a") == {"a": [1, 2]}


def test_results_are_cleared_and_nothing_else(tmp_path):
    for name in ("replay.mp4", "replay_2.mp4", "replay_of_mine.mp4", "notes.txt", "logs/a.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "report.html").mkdir()
    clear_results(tmp_path, "replay.mp4", "replay_[0-9]*.mp4", "report.html", "logs/*.log")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"replay_of_mine.mp4", "notes.txt", "logs", "report.html"}
    clear_results(tmp_path / "nowhere", "*")
