"""Ctrl-C that lets the work in hand finish properly."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["noted"]


@contextmanager
def noted(*numbers: signal.Signals) -> Iterator[list[int]]:
    """Note the first of these signals; let the next have its usual effect.

    Signals that are ignored, as Ctrl-C is in a shell's background, stay ignored; those handled by
    something other than Python, in a program it is embedded in, are left to it. Python lets only
    the main thread handle signals: in another thread nothing is noted.

    Yields:
        received: empty until a signal arrives, then its number.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    usual = {number: signal.getsignal(number) for number in numbers}
    usual = {number: now for number, now in usual.items() if now not in (signal.SIG_IGN, None)}

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        restore()

    for number in usual:
        if not received:
            signal.signal(number, note)
    try:
        yield received
    finally:
        restore()
