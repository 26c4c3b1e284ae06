"""Signals that let the work in hand finish properly."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

__all__ = ["STOPPING", "noted", "postponed", "tidied"]

# Ctrl-C, what a system sends before it ends a process, and a terminal that is closed: Windows does
# not have that.
HANG_UP = getattr(signal, "SIGHUP", None)
STOPPING = (signal.SIGINT, signal.SIGTERM, *([HANG_UP] if HANG_UP else []))
# Seconds in which a signal that comes again is the same wish: `timeout` sends it to a process and
# then to its group, and a launcher passes on what its workers have received as well.
ECHO = 0.5

Handler = Callable[[int, FrameType | None], object] | int  # an int for one of the system's


@contextmanager
def noted(*numbers: signal.Signals) -> Iterator[list[int]]:
    """Note the first of these signals; let the next have its usual effect.

    The same signal at once is no second wish, see `ECHO`, nor is the end of a terminal: the system
    tells of it, and the shell once more. Signals that are ignored, as Ctrl-C is in a shell's
    background, stay ignored; those handled by something other than Python, in a program it is
    embedded in, are left to it. Python lets only the main thread handle signals: in another thread
    nothing is noted.

    Yields:
        received: empty until a signal arrives, then its number.
    """
    received: list[int] = []
    if not _is_main():
        yield received
        return
    usual = {number: signal.getsignal(number) for number in numbers}
    usual = {number: now for number, now in usual.items() if now not in (signal.SIG_IGN, None)}
    first = 0.0  # when it came

    # It stays in place after the first: what would restore another is interrupted by the next.
    def note(number: int, frame: FrameType | None) -> None:
        nonlocal first
        handler = usual[signal.Signals(number)]
        if not received:
            first = monotonic()
            received.append(number)
        elif number == HANG_UP or (number == received[0] and monotonic() < first + ECHO):
            return
        elif callable(handler):
            handler(number, frame)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)

    try:
        for number in usual:
            signal.signal(number, note)
        yield received
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def tidied(tidy: Callable[[], object]) -> Iterator[None]:
    """Call `tidy` before a signal ends the process within the block; SIGKILL still does so at once.

    Signals that are handled otherwise, or ignored, still are; Ctrl-C raises an exception.
    """
    numbers = STOPPING if _is_main() else ()
    fatal = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    process = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() == process:  # and not a copy of it, by a fork
            tidy()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    try:
        for number in fatal:
            signal.signal(number, end)
        yield
    finally:
        for number in fatal:
            if _handles(end, number):
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def postponed(on_interruption: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C raise nothing before the end of the block, where its first exception is raised.

    Python handles signals anywhere in the main thread, in a `finally` too, and only there: no code
    of it is sure to be run otherwise. Handlers are called when they always are. One that puts
    another in its own place ends the postponing.

    Args:
        on_interruption: called when Ctrl-C would have raised something, each time.
    """
    usual = signal.getsignal(signal.SIGINT) if _is_main() else None
    if not callable(usual):
        yield
        return
    within, interruptions = True, list[BaseException]()

    def postpone(number: int, frame: FrameType | None) -> None:
        try:
            usual(number, frame)
        except BaseException as interruption:
            if not within:  # another signal kept this from being taken away
                raise
            interruptions.append(interruption)
            on_interruption()

    try:
        signal.signal(signal.SIGINT, postpone)
        yield
    finally:
        try:
            now = signal.signal(signal.SIGINT, usual)
            if now is not postpone:
                signal.signal(signal.SIGINT, now)
        finally:
            within = False
        if interruptions:
            raise interruptions[0]


def _handles(handler: Handler, number: int) -> bool:
    """Whether a signal is still handled so, and by nothing that came later."""
    return signal.getsignal(number) is handler


def _is_main() -> bool:
    """Whether this is the thread that handles signals."""
    return threading.current_thread() is threading.main_thread()
