"""One run at a time in a model folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.errors import CharRNNError, LockedError, ReadWriteError
from charrnn.folder.files import LOCK
from charrnn.folder.untrusted import read_bytes

__all__ = ["locked", "refuse_locked"]

HOLDER = f"{LOCK}.holder"  # holds the number of the process that has the lock


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in `folder`. The lock of a killed process is void.

    Raises:
        LockedError: if another process trains there; names it.
        ReadWriteError: if the folder can't be written.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
        holder.unlink(missing_ok=True)
        with holder.open("x") as file:  # "x" follows no link that leads elsewhere
            file.write(str(os.getpid()))
    except Timeout:
        raise _locked_error(folder) from None
    except OSError as error:
        lock.release()
        advice = "make room or check the disk and its permissions"
        raise ReadWriteError(f"{folder}: {error.strerror}", advice) from None
    try:
        yield
    finally:
        for path in (holder, folder / LOCK):
            with suppress(OSError):
                path.unlink()
        lock.release()


def refuse_locked(folder: Path) -> None:
    """Check early that no other process trains in `folder`.

    Raises:
        LockedError: if one does.
    """
    if (folder / LOCK).exists():
        with locked(folder):
            pass


def _locked_error(folder: Path) -> LockedError:
    holder = ""
    with suppress(CharRNNError, OSError, ValueError):
        number = int(read_bytes(folder / HOLDER))
        if number == os.getpid():
            advice = "leave that loop first"
            return LockedError(f"this program is already training a model in {folder}", advice)
        holder = f" by process {number}"
    found = f"a model is already being trained in {folder}{holder}"
    return LockedError(found, "wait until it ends, or stop it")
