"""Work divided among threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from charrnn.signals import postponed

__all__ = ["run_side_by_side"]

Share = TypeVar("Share")

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
    if len(shares) < 2:
        return False
    with postponed(on_failure):  # so that nothing below is left out, however often it comes
        return _run(work, shares, on_failure)


def _run(
    work: Callable[[Share], None], shares: Sequence[Share], on_failure: Callable[[], None]
) -> bool:
    """See `run_side_by_side`; Ctrl-C raises nothing here."""
    if not _HELPERS_ARE_TAKEN.acquire(blocking=False):
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
                arguments = help_with, share, ended
                run = copy_context().run  # what NumPy does about overflows is in it
                threading.Thread(target=run, args=arguments, daemon=True).start()
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

    Other signals than Ctrl-C have handlers that raise something, too, in some programs. An
    interrupted `Thread.join` of Python 3.11 and 3.12 would take the thread for ended.
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
