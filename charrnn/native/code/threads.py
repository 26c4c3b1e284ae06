"""The threads that run machine code.

Sampling brings threads of its own: see `run_side_by_side`. In training the code asks for its
thread's number; `network.stack.cpu.team` runs it and answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int

__all__ = [
    "THREAD_COUNT",
    "THREAD_NUMBER",
    "run_side_by_side",
    "thread_count",
    "thread_number",
]

# What code calls to know its thread.
THREAD_NUMBER, THREAD_COUNT = "charrnn_thread_number", "charrnn_thread_count"

Share = TypeVar("Share")


def thread_number(code: Code) -> Int:
    """The number of the thread that runs the code, from 0."""
    return code.function(THREAD_NUMBER)


def thread_count(code: Code) -> Int:
    """How many threads run the code."""
    return code.function(THREAD_COUNT)


# Held while helpers run. Those of one caller keep all processors busy, so others do without.
_HELPERS_ARE_TAKEN = threading.Lock()


def run_side_by_side(
    work: Callable[[Share], None], shares: Sequence[Share], on_failure: Callable[[], None]
) -> bool:
    """Do all shares of some work, each in a thread of its own as far as there are threads.

    The calling thread does the last share, and those for which no thread could be started.

    Args:
        work: does one share.
        shares: of the work.
        on_failure: called as soon as a share fails, while others are still running: it must release
            threads that wait for the one that failed.

    Returns:
        done: False, with nothing done, if no other thread is to be had: there is one share only,
            the system or Python refuses, or another caller has helpers at the moment.

    Raises:
        BaseException: what a share raised, or Ctrl-C, after all have ended: until then they use the
            caller's memory.
    """
    if len(shares) < 2 or not _HELPERS_ARE_TAKEN.acquire(blocking=False):
        return False
    helpers: list[threading.Event] = []  # set when they have ended
    failures: list[BaseException] = []

    def help_with(share: Share, ended: threading.Event) -> None:
        try:
            work(share)
        except BaseException as error:
            on_failure()
            failures.append(error)
        finally:
            ended.set()

    try:
        try:
            for share in shares[:-1]:
                ended = threading.Event()
                threading.Thread(target=help_with, args=(share, ended), daemon=True).start()
                helpers.append(ended)
        except RuntimeError:  # no more threads: the system's limit, or Python is about to end
            if not helpers:
                return False
        for share in shares[len(helpers) :]:
            work(share)
    except BaseException:
        on_failure()
        raise
    finally:
        try:
            _wait_for(helpers)
        finally:
            _HELPERS_ARE_TAKEN.release()
    if failures:
        raise failures[0]
    return True


def _wait_for(events: Sequence[threading.Event]) -> None:
    """Wait until all are set, through all interruptions, the last of which is raised then.

    An interrupted `Thread.join` of Python 3.11 and 3.12 would take the thread for ended.
    """
    interruption: BaseException | None = None
    waiting = True
    while waiting:
        try:
            for event in events:
                event.wait()
            waiting = False
        except BaseException as error:
            interruption = error
    if interruption is not None:
        raise interruption
