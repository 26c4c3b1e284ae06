"""Saves that are written while training goes on.

    saver.begin(write)    # returns at once; `write` runs in a thread
    saver.wait()          # until it is done; raises what it failed with

Whoever waits may be interrupted by Ctrl-C; a save is not. A run that no longer waits lets go of
the lock on its folder, and the save holds it until it is done.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from threading import Thread

from charrnn.folder.locking import FolderLock
from charrnn.learning.hardware import clock

__all__ = ["Saver"]


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
        self._save: Future[None] | None = None

    def begin(self, write: Callable[[], object]) -> None:
        """Begin a save; the one before has been waited for."""
        assert self._save is None, "one save is written at a time"
        self._save = Future()
        self._lock.hold()
        atexit.register(self.wait)
        # A daemon, so that after a second Ctrl-C the process ends, even where the disk hangs.
        thread = Thread(target=self._work, args=(write, self._save), name="save", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system allows no more threads
            self._work(write, self._save)

    def _work(self, write: Callable[[], object], save: Future[None]) -> None:
        begin, failure = clock.now(), None
        try:
            write()
        except BaseException as error:
            failure = error
        self.seconds = clock.now() - begin
        self._lock.let_go()  # before anybody who waits goes on, and trains there again
        if failure is None:
            save.set_result(None)
        else:
            save.set_exception(failure)

    def check(self) -> None:
        """Raise what the last save failed with, if it is over.

        Raises:
            CharRNNError: as `wait`.
        """
        if self._save is not None and self._save.done():
            self.wait()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the last save is done, or only for some seconds.

        A wait that ends before, or that Ctrl-C interrupts, is not repeated.

        Raises:
            CharRNNError: what `write` failed with, once.
        """
        save, self._save = self._save, None
        if save is None:
            return
        atexit.unregister(self.wait)
        futures.wait([save], seconds)
        if save.done():
            save.result()
