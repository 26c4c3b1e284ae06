"""One run at a time in a model folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from charrnn.errors import LockedError, ReadWriteError
from charrnn.files import LOCK

__all__ = ["held"]

HOLDER = f"{LOCK}.holder"  # the lock itself is emptied by whoever tries it


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Inside, no other process trains in `folder`. A lock left by a killed process is no lock.

    Raises:
        LockedError: if another does; names the process.
        ReadWriteError: if the folder can't be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        (folder / HOLDER).write_text(str(os.getpid()))
    except Timeout:
        with suppress(OSError):
            holder = (folder / HOLDER).read_text()
            raise LockedError(
                f"{folder} is being trained by process {holder}", "wait for it, or stop it"
            ) from None
        raise LockedError(f"{folder} is being trained", "wait for it, or stop it") from None
    except OSError as error:
        lock.release()
        advice = "make room or check the disk and its permissions"
        raise ReadWriteError(f"{folder}: {error.strerror}", advice) from None
    try:
        yield
    finally:
        for name in (HOLDER, LOCK):
            (folder / name).unlink(missing_ok=True)
        lock.release()
