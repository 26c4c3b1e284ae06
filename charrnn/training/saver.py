"""Saves that are written while training goes on.

    saver.begin(write)    # returns at once; `write` runs in a thread
    saver.wait()          # until it is done; raises what it failed with

Ctrl-C ends the waiting, not the save. A run that no longer waits lets go of the lock on its folder,
and the save holds it until it is done.
"""

from __future__ import annotations

import atexit
import math
from collections.abc import Callable
from threading import Event, Thread

from charrnn.folder.locking import FolderLock
from charrnn.learning.hardware import clock

__all__ = ["Saver"]

TURN = 0.1  # seconds of waiting, after which a signal is heard


class Saver:
    """Writes the saves of a run, one after the other.

    Args:
        lock: on the folder.

    Attributes:
        seconds: that the last save took.
    """

    def __init__(self, lock: FolderLock) -> None:
        self.seconds = 0.0
        self._lock = lock
        self._save: Thread | None = None  # the one that somebody will wait for
        self._done = Event()
        self._failures: list[BaseException] = []  # one at most; whoever takes it out raises it

    def begin(self, write: Callable[[], object]) -> None:
        """Begin a save; the one before has been waited for."""
        assert self._save is None, "one save is written at a time"
        # A daemon, so that after a second Ctrl-C the process ends, even where the disk hangs.
        self._save = Thread(target=self._work, args=(write,), name="save", daemon=True)
        self._done.clear()
        self._lock.hold()
        atexit.register(self.wait)
        try:
            self._save.start()
        except RuntimeError:  # the system allows no more threads
            self._work(write)

    def _work(self, write: Callable[[], object]) -> None:
        begin = clock.now()
        try:
            try:
                write()
            finally:
                self.seconds = clock.now() - begin
                self._lock.let_go()  # before anybody who waits goes on, and trains there again
        except BaseException as error:
            self._failures.append(error)
            if self._save is None:
                self._raise_failure()  # nobody waits any more, so Python reports it
        finally:
            self._done.set()

    def check(self) -> None:
        """Raise what the last save failed with, if it is over.

        Raises:
            CharRNNError: as `wait`.
        """
        if self._done.is_set():
            self.wait()

    def wait(self) -> None:
        """Wait until the last save is done.

        Raises:
            CharRNNError: what `write` failed with, once.
        """
        if self._save is not None:
            self._wait_at_most(math.inf)
            self._forget()

    def leave(self, seconds: float) -> None:
        """Wait for the save so long at most, then leave it to its thread.

        Raises:
            CharRNNError: as `wait`.
        """
        if self._save is not None:
            try:
                self._wait_at_most(seconds)
            finally:
                self._forget()

    def _wait_at_most(self, seconds: float) -> None:
        """Wait at most so long.

        Not with `join`: after a Ctrl-C in it, Python takes the thread for ended.
        """
        assert self._save is not None, "there is something to wait for"
        # Turns are short: no wait is woken by a signal that comes just before it begins.
        while self._save.is_alive() and seconds > 0:  # it is not alive in a copy of the process
            if self._done.wait(min(TURN, seconds)):
                self._save.join()  # what it still holds is freed before Python ends
            seconds -= TURN

    def _forget(self) -> None:
        # Before looking for a failure. `_work` notes its own before it looks at `_save`, so that
        # one of the two raises it.
        self._save = None
        atexit.unregister(self.wait)
        self._raise_failure()

    def _raise_failure(self) -> None:
        try:
            failure = self._failures.pop()
        except IndexError:
            return
        raise failure
