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

__all__ = ["held", "refuse_held"]

HOLDER = f"{LOCK}.holder"  # the number of the process that holds it


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Inside, no other process trains in `folder`. A lock left by a killed process is no lock.

    Raises:
        LockedError: if another does; names the process.
        ReadWriteError: if the folder can't be written.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
        holder.unlink(missing_ok=True)
        with holder.open("x") as file:  # never through a link that leads elsewhere
            file.write(str(os.getpid()))
    except Timeout:
        raise _locked(folder) from None
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


def refuse_held(folder: Path) -> None:
    """See at once that no other process trains in `folder`.

    Raises:
        LockedError: if one does.
    """
    if (folder / LOCK).exists():
        with held(folder):
            pass


def _locked(folder: Path) -> LockedError:
    holder = ""
    with suppress(CharRNNError, OSError, ValueError):
        holder = f" by process {int(read_bytes(folder / HOLDER))}"
    return LockedError(f"{folder} is being trained{holder}", "wait for it, or stop it")
