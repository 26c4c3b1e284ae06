"""Signals are noted where Python lets them be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from charrnn import signals
from charrnn.cli.app import app
from charrnn.signals import STOPPING, noted, postponed


@pytest.fixture
def no_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signal is a wish of its own, however soon it comes."""
    monkeypatch.setattr(signals, "ECHO", 0)


@pytest.mark.usefixtures("no_echo")
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


def test_a_signal_that_comes_before_all_are_watched_is_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the second has its usual effect, whichever of them it is."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    terminated, install = list[int](), signal.signal

    def watched(number: int, handler: Any) -> Any:
        if number == signal.SIGTERM:
            monkeypatch.undo()
            signal.raise_signal(signal.SIGINT)
        return install(number, handler)

    try:
        install(signal.SIGTERM, lambda number, _: terminated.append(number))
        monkeypatch.setattr(signal, "signal", watched)
        with noted(signal.SIGINT, signal.SIGTERM) as received:
            assert received == [signal.SIGINT]
            signal.raise_signal(signal.SIGTERM)
            assert terminated == [signal.SIGTERM]
        assert received == [signal.SIGINT]
    finally:
        for number, handler in usual.items():
            install(number, handler)


def test_the_second_signal_ends_a_process_that_does_not_handle_it() -> None:
    code = (
        "import signal\n"
        "from charrnn import signals\n"
        "signals.ECHO = 0\n"
        "with signals.noted(signal.SIGTERM) as received:\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    print(received == [signal.SIGTERM], flush=True)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n"
    assert done.returncode not in (0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_same_signal_at_once_is_no_second_wish(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout` sends it twice, and a run once ended unsaved."""
    now, heard = [0.0], list[int]()
    monkeypatch.setattr(signals, "monotonic", lambda: now[0])
    usual = signal.signal(number, lambda number, _: heard.append(number))
    try:
        with noted(number) as received:
            for moment in (100.0, 100.0, 100.4):
                now[0] = moment
                signal.raise_signal(number)
                assert (received, heard) == ([number], [])
            now[0] = 100.6
            signal.raise_signal(number)
            assert (received, heard) == ([number], [number])
    finally:
        signal.signal(number, usual)


def test_a_closed_terminal_is_no_second_wish_to_stop() -> None:
    """Its end is told by the system and by the shell, which can come after a Ctrl-C, too."""
    heard = list[int]()
    usual = signal.signal(signal.SIGHUP, lambda number, _: heard.append(number))
    try:
        for first in STOPPING:
            with noted(*STOPPING) as received:
                for number in (first, signal.SIGHUP, signal.SIGHUP):
                    signal.raise_signal(number)
                assert (received, heard) == ([first], [])
    finally:
        signal.signal(signal.SIGHUP, usual)


@pytest.mark.usefixtures("no_echo")
def test_ctrl_c_is_raised_at_the_end_but_handlers_are_called_at_once() -> None:
    usual, done = signal.signal(signal.SIGINT, signal.default_int_handler), list[str]()

    def work(times: int) -> None:
        with postponed(lambda: done.append("interrupted")):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
            done.append("end")

    try:
        with noted(signal.SIGINT) as received:
            work(times=1)
            assert (received, done) == ([signal.SIGINT], ["end"])
            with pytest.raises(KeyboardInterrupt):
                work(times=2)
        assert done == ["end", "interrupted", "interrupted", "end"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with postponed(done.clear):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
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
