"""Saves go on while training does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from charrnn.errors import ReadWriteError
from charrnn.training import saver as saver_module
from charrnn.training.saver import Saver

SECONDS = 60  # after which a test that hangs ends


def test_writing_goes_on_while_the_caller_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end = threading.Event(), threading.Event()
    written = []

    def slow(path: Path, files: Mapping[str, bytes]) -> None:
        began.set()
        assert may_end.wait(SECONDS)
        written.append((path, dict(files)))

    monkeypatch.setattr(saver_module, "write_files", slow)
    saver = Saver()
    saver.write(tmp_path, {"a": b"1"})
    assert began.wait(SECONDS)
    assert not written
    may_end.set()
    saver.write(tmp_path, {"a": b"2"})  # after the first
    saver.wait()
    assert written == [(tmp_path, {"a": b"1"}), (tmp_path, {"a": b"2"})]


@pytest.mark.parametrize("next_call", ["check", "wait", "write"])
def test_what_went_wrong_is_raised_once_by_the_next_call(tmp_path: Path, next_call: str) -> None:
    saver, nowhere = Saver(), tmp_path / "a file" / "folder"
    (tmp_path / "a file").write_bytes(b"")
    saver.write(nowhere, {"b": b"1"})
    saver.join()
    calls: dict[str, Callable[[], None]] = {
        "check": saver.check,
        "wait": saver.wait,
        "write": partial(saver.write, tmp_path, {"c": b"2"}),
    }
    with pytest.raises(ReadWriteError, match="a file"):
        calls[next_call]()
    assert not (tmp_path / "c").exists()
    saver.write(tmp_path, {"c": b"2"})
    saver.wait()
    assert (tmp_path / "c").read_bytes() == b"2"


def test_without_another_thread_it_writes_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    Saver().write(tmp_path, {"a": b"1"})
    assert (tmp_path / "a").read_bytes() == b"1"
