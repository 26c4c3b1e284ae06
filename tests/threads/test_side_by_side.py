"""Work that several threads share is done once, or says that it was not."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from charrnn import CharRNN, CharTokenizer
from charrnn.threads.side_by_side import run_side_by_side
from tests.conftest import small_config


def nothing() -> None:
    """Nobody waits for anybody here."""


def has_helpers() -> bool:
    """Whether helpers are to be had now, and two shares really run at the same time."""
    meeting = threading.Barrier(2, timeout=60)
    return run_side_by_side(lambda _: (meeting.wait(), None)[1], [0, 1], nothing)


def test_shares_run_at_the_same_time_the_last_in_this_thread() -> None:
    meeting, seen = threading.Barrier(3, timeout=60), dict[int, threading.Thread]()

    def work(share: int) -> None:
        meeting.wait()
        seen[share] = threading.current_thread()

    assert run_side_by_side(work, [1, 2, 3], nothing)
    assert sorted(seen) == [1, 2, 3]
    assert len(set(seen.values())) == 3
    assert seen[3] is threading.current_thread()


def test_a_single_share_needs_no_help() -> None:
    done: list[int] = []
    assert not run_side_by_side(done.append, [1], nothing)
    assert not done


def test_helpers_are_one_callers_at_a_time() -> None:
    found: list[bool] = []

    def work(share: int) -> None:
        if share:
            found.append(run_side_by_side(found.append, [True, True], nothing))

    assert run_side_by_side(work, [0, 1], nothing)
    assert found == [False]
    assert has_helpers()


def test_what_fails_in_this_thread_releases_the_helpers() -> None:
    """They neither wait for ever nor outlive the call."""
    released, helper_ended = threading.Event(), threading.Event()

    def work(share: int) -> None:
        if share:
            raise KeyboardInterrupt
        assert released.wait(60)
        helper_ended.set()

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(work, [0, 1], released.set)
    assert helper_ended.is_set()
    assert has_helpers()


def test_what_fails_in_a_helper_is_raised_here() -> None:
    """Nor is work that is half done taken for a whole."""
    released = threading.Event()

    def work(share: int) -> None:
        if not share:
            raise MemoryError("not here")
        assert released.wait(60)

    with pytest.raises(MemoryError, match="not here"):
        run_side_by_side(work, [0, 1], released.set)
    assert has_helpers()


def test_ctrl_c_while_helpers_are_waited_for_is_raised_when_they_have_ended() -> None:
    """They use memory that is the caller's again afterwards."""
    waited_for, ended = threading.Event(), list[int]()

    def work(share: int) -> None:
        if share:
            return waited_for.set()
        assert waited_for.wait(60)
        for _ in range(3):
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.1)
        ended.append(share)
        return None

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(work, [0, 1], nothing)
    assert ended == [0]
    assert has_helpers()


def test_ctrl_c_at_any_two_moments_lets_nobody_go_on_before_the_helper() -> None:
    """The first comes in this thread's share; the second at each line in turn, before or after."""
    usual, tracer = signal.signal(signal.SIGINT, signal.default_int_handler), sys.gettrace()
    try:
        lines = itertools.count(1)
        while _interrupted_at(next(lines)):
            assert has_helpers()
    finally:
        sys.settrace(tracer)
        signal.signal(signal.SIGINT, usual)
    assert next(lines) > 30, "each line was one of the moments"


def _interrupted_at(moment: int) -> bool:
    """Run with a second Ctrl-C at a line that this thread comes to; whether it came so far."""
    left, begun, ended = iter(range(moment, 0, -1)), list[int](), list[int]()

    def trace(_frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "line" and next(left, 0) == 1:
            signal.raise_signal(signal.SIGINT)
        return trace

    def work(share: int) -> None:
        if share:
            signal.raise_signal(signal.SIGINT)
            return
        begun.append(share)
        time.sleep(0.005)  # in which a caller who does not wait is gone
        ended.append(share)

    interrupted = False
    sys.settrace(trace)
    try:
        run_side_by_side(work, [0, 1], nothing)
    except KeyboardInterrupt:
        interrupted = begun == ended
    sys.settrace(None)
    assert interrupted, f"the helper had ended, also after Ctrl-C at line {moment}"
    return next(left, 0) == 0


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_where_no_more_threads_can_be_started_fewer_are_enough(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, started, done = threading.Thread.start, list[object](), list[int]()

    def refuse(self: threading.Thread) -> None:
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(self)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        found = run_side_by_side(done.append, [1, 2, 3, 4], nothing)
    assert found == (allowed > 0)
    assert sorted(done) == ([1, 2, 3, 4] if allowed else [])
    assert has_helpers()


def test_a_thread_that_outlives_the_program_writes_to_its_end(tmp_path: Path) -> None:
    config = small_config("lstm", hidden_size=512)
    CharRNN(config).save_pretrained(tmp_path / "model", CharTokenizer("\nabcdefghij"))
    code = (
        "import charrnn, threading, time\n"
        "model = charrnn.load('model')\n"
        "def write():\n"
        "    time.sleep(0.2)\n"
        "    print(len(model.generate(max_new_tokens=3000, seed=1)))\n"
        "threading.Thread(target=write).start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.strip() == "3000", done.stderr
