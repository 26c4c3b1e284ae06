"""A saver writes beside who asks it to, who is told what fails and can wait for it or not."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from charrnn.errors import LockedError, ReadWriteError
from charrnn.folder.files import write_files
from charrnn.folder.locking import FolderLock, locked, refuse_locked
from charrnn.training.saver import Saver
from tests.commands import wait_until
from tests.training.watching import waits_for_a_save

SECONDS = 600.0  # after which a test that hangs ends


def _free(folder: Path) -> bool:
    try:
        refuse_locked(folder)
    except LockedError:
        return False
    return True


def _again_and_again(call: Callable[[], None]) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        call()
        time.sleep(0.002)


def _fails_while_the_waiting_ends(folder: Path, moment: int) -> bool | None:
    """Whether `leave` raises what a save fails with; None if the save comes to fewer lines."""
    left, may_leave = iter(range(moment, 0, -1)), threading.Event()

    def trace(frame: FrameType, *_: object) -> Any:
        if frame.f_code.co_filename == Saver.begin.__code__.co_filename and next(left, 0) == 1:
            may_leave.set()
            time.sleep(0.01)  # in which the waiting ends, if nothing keeps it
        return trace

    def write() -> None:
        raise ReadWriteError("no space", "make room")

    with locked(folder) as lock:
        saver = Saver(lock)
        threading.settrace(trace)
        saver.begin(write)
        threading.settrace(None)
        threads = [thread for thread in threading.enumerate() if thread.name == "save"]
        wait_until(lambda: may_leave.is_set() or not any(one.is_alive() for one in threads))
        try:
            saver.leave(0)
            raised = False
        except ReadWriteError:
            raised = True
        for thread in threads:
            thread.join()
    return raised if may_leave.is_set() else None


def test_writing_goes_on_while_the_caller_does(tmp_path: Path) -> None:
    may_end, written = threading.Event(), []
    with locked(tmp_path) as lock:
        saver = Saver(lock)

        def write() -> None:
            assert may_end.wait(SECONDS)
            written.append(1)

        saver.begin(write)
        saver.check()
        assert not written
        may_end.set()
        saver.wait()
        assert written == [1]
        assert saver.seconds > 0
        saver.begin(partial(written.append, 2))
        saver.wait()
    assert written == [1, 2]
    assert not list(tmp_path.iterdir()), "no lock is left"


@pytest.mark.parametrize("how", ["check", "wait"])
def test_what_a_save_failed_with_is_raised_once(how: str, tmp_path: Path) -> None:
    with locked(tmp_path) as lock:
        saver = Saver(lock)
        (tmp_path / "a file").write_bytes(b"")
        saver.begin(partial(write_files, tmp_path / "a file" / "folder", {"b": b"1"}))
        ask = saver.wait if how == "wait" else partial(_again_and_again, saver.check)
        with pytest.raises(ReadWriteError, match="a file"):
            ask()
        saver.check()
        saver.wait()


def test_without_another_thread_it_writes_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with locked(tmp_path) as lock:
        saver = Saver(lock)
        saver.begin(partial(write_files, tmp_path, {"a": b"1"}))
        assert (tmp_path / "a").read_bytes() == b"1"
        saver.wait()
    assert _free(tmp_path)


def test_ctrl_c_ends_the_waiting_but_the_save_goes_on_and_holds_the_lock(tmp_path: Path) -> None:
    may_end, main = threading.Event(), threading.main_thread().ident
    assert main == threading.get_ident()

    def write() -> None:
        wait_until(lambda: waits_for_a_save(main))
        signal.pthread_kill(main, signal.SIGINT)
        assert may_end.wait(SECONDS)
        (tmp_path / "saved").touch()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with locked(tmp_path) as lock:
            saver = Saver(lock)
            saver.begin(write)
            with pytest.raises(KeyboardInterrupt):
                saver.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not _free(tmp_path)
    may_end.set()
    wait_until(lambda: _free(tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["saved"]
    saver.wait()


def test_a_wait_for_some_seconds_ends_and_the_save_goes_on(tmp_path: Path) -> None:
    may_end = threading.Event()
    with locked(tmp_path) as lock:
        saver = Saver(lock)
        saver.begin(lambda: may_end.wait(SECONDS))
        saver.leave(0.01)
        saver.wait()
    assert not _free(tmp_path)
    may_end.set()
    wait_until(lambda: _free(tmp_path))


def test_what_fails_when_nobody_waits_any_more_is_reported_by_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, reported = threading.Event(), list[object]()
    monkeypatch.setattr(threading, "excepthook", lambda hook: reported.append(hook.exc_type))

    def write() -> None:
        assert may_end.wait(SECONDS)
        raise ReadWriteError("no space", "make room")

    with locked(tmp_path) as lock:
        saver = Saver(lock)
        saver.begin(write)
        saver.leave(0.01)
    may_end.set()
    wait_until(lambda: reported == [ReadWriteError])


def test_what_fails_while_the_waiting_ends_is_raised_or_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waiting ends at each line in turn of the thread that has found out."""
    reported, raised = list[object](), list[bool]()
    monkeypatch.setattr(threading, "excepthook", lambda hook: reported.append(hook.exc_type))
    for moment in itertools.count(1):
        found = _fails_while_the_waiting_ends(tmp_path, moment)
        if found is None:
            break
        raised.append(found)
        assert sum(raised) + len(reported) == moment
    assert any(raised)
    assert reported


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_a_thread_that_does_not_start_is_not_waited_for(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise error

    with locked(tmp_path) as lock:
        saver = Saver(lock)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(error):
                saver.begin(bool)
        saver.wait()


def test_a_lock_that_cannot_be_released_is_no_reason_to_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: FolderLock) -> None:
        raise OSError(5, "Input/output error")

    with locked(tmp_path) as lock:
        saver = Saver(lock)
        with monkeypatch.context() as patch:
            patch.setattr(FolderLock, "let_go", fails)
            saver.begin(bool)
            with pytest.raises(OSError, match="Input/output"):
                saver.wait()
        lock.let_go()  # as the save could not


def test_a_copy_of_the_process_waits_for_no_save(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading\n"
        "from pathlib import Path\n"
        "from charrnn.folder.locking import locked\n"
        "from charrnn.training.saver import Saver\n"
        "may_end = threading.Event()\n"
        "with locked(Path()) as lock:\n"
        "    saver = Saver(lock)\n"
        "    saver.begin(lambda: may_end.wait(600))\n"
        "    if child := os.fork():\n"
        "        _, status = os.waitpid(child, 0)\n"
        "        may_end.set()\n"
        "        saver.wait()\n"
        "        print(os.waitstatus_to_exitcode(status))\n"
        "    else:\n"
        "        sys.exit(7)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert done.stdout == "7\n"
