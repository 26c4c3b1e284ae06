"""Signals are noted where Python lets them be."""

from __future__ import annotations

import os
import signal
import threading

import pytest

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
