"""One run at a time in a model folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.errors import CharRNNError, LockedError, ReadWriteError
from charrnn.folder.files import LOCK
from charrnn.folder.untrusted import read_bytes

__all__ = ["FolderLock", "locked", "refuse_locked"]

HOLDER = f"{LOCK}.holder"  # holds the number of the process that has the lock
# The folders that are locked here, and by which process: a copy of it has none of the locks. That
# the holder has its number says little: the first process of another container has it, too.
HELD = set[tuple[int, str]]()


class FolderLock:
    """Keeps other processes from training in a folder, until all that hold it have let go.

    The lock of a killed process is void. A copy of the process, which `os.fork` made, does not have
    it and can't let go of it.

    Args:
        folder: which to lock; whoever makes the lock is the first to hold it.

    Raises:
        LockedError: if another process trains there; names it.
        ReadWriteError: if the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._process = os.getpid()
        self._held = (self._process, os.path.realpath(folder))
        self._files = (folder / HOLDER, folder / LOCK)
        self._lock = FileLock(folder / LOCK, thread_local=False)  # any thread may be the last
        self._holders, self._counting = 1, threading.Lock()
        holder = folder / HOLDER
        try:
            self._lock.acquire(timeout=0)
            holder.unlink(missing_ok=True)
            with holder.open("x") as file:  # "x" follows no link that leads elsewhere
                file.write(str(os.getpid()))
        except Timeout:
            raise _locked_error(folder) from None
        except OSError as error:
            if self._lock.is_locked:
                self._unlock()
            advice = "make room or check the disk and its permissions"
            raise ReadWriteError(f"{folder}: {error.strerror}", advice) from None
        HELD.add(self._held)

    def hold(self) -> None:
        """Hold it as well, while somebody else does."""
        with self._counting:
            self._holders += 1

    def let_go(self) -> None:
        """Hold it no longer; whoever lets go last unlocks the folder."""
        if os.getpid() != self._process:
            return
        with self._counting:
            self._holders -= 1
            if self._holders:
                return
        HELD.discard(self._held)
        self._unlock()

    def _unlock(self) -> None:
        for file in self._files:
            with suppress(OSError):
                file.unlink()
        self._lock.release()


@contextmanager
def locked(folder: Path) -> Iterator[FolderLock]:
    """Keep other processes from training in `folder`.

    Raises:
        CharRNNError: as `FolderLock`.
    """
    lock = FolderLock(folder)
    try:
        yield lock
    finally:
        lock.let_go()


def refuse_locked(folder: Path) -> None:
    """Check early that no other process trains in `folder`.

    Raises:
        LockedError: if one does.
    """
    if (folder / LOCK).exists():
        with locked(folder):
            pass


def _locked_error(folder: Path) -> LockedError:
    if (os.getpid(), os.path.realpath(folder)) in HELD:
        advice = "leave that loop, or wait until its last save is written"
        return LockedError(f"this program is already training a model in {folder}", advice)
    holder = ""
    with suppress(CharRNNError, OSError, ValueError):
        if (number := int(read_bytes(folder / HOLDER))) != os.getpid():
            holder = f" by process {number}"
    found = f"a model is already being trained in {folder}{holder}"
    return LockedError(found, "wait until it ends, or stop it")
