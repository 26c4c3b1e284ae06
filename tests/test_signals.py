"""Signals are noted where Python lets them be."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from charrnn.cli.app import app
from charrnn.signals import noted


def test_the_first_signal_is_noted_and_the_next_has_its_usual_effect() -> None:
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with noted(signal.SIGINT, signal.SIGTERM) as received:
            assert received == []
            os.kill(os.getpid(), signal.SIGINT)
            assert received == [signal.SIGINT]
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)


def test_a_handler_that_is_not_pythons_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda _: None)  # so Python says that it is another's
    with noted(signal.SIGTERM) as received:
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) is before
    assert received == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_thread_notes_nothing_and_runs_on() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[list[int]] = []

    def work() -> None:
        with noted(signal.SIGINT, signal.SIGTERM) as received:
            assert signal.getsignal(signal.SIGINT) is before
            found.append(received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[]]
    assert signal.getsignal(signal.SIGINT) is before


def test_commands_work_in_another_thread(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are called from a program with a window, or a server."""
    monkeypatch.chdir(home)
    codes: list[object] = []

    def work() -> None:
        shape = ["--rnn-size", "4", "--embed-size", "3", "--name", "thread"]
        for arguments in (
            ["train", "verse.txt", "--steps", "3", *shape],
            ["sample", "thread", "-n", "5", "--num-samples", "2"],
            ["eval", "thread", "verse.txt"],
            ["info", "thread"],
        ):
            with pytest.raises(SystemExit) as done:
                app(arguments)
            codes.append(done.value.code or 0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [0, 0, 0, 0]
