"""Token ids of long texts on the disk, so that training maps them instead of holding them.

A file is named after what it holds and put there by renaming, so two processes that build it at
once both end with a whole one. The least recently used go when all together grow past `LARGEST`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from charrnn.errors import ReadWriteError

__all__ = ["clear", "entries", "kept", "location", "made"]

LARGEST = 8 << 30  # bytes of all files together
ABANDONED = 86_400  # seconds after which a half-made file is a crashed process's


def location() -> Path:
    """The folder, which may not be there."""
    return platformdirs.user_cache_path("charrnn")


def made() -> Path:
    """The folder; nobody else may look into it, since it holds people's texts.

    Raises:
        ReadWriteError: if it can't be made.
    """
    with _told():
        location().mkdir(mode=0o700, parents=True, exist_ok=True)
    return location()


def kept(key: str, dtype: np.dtype, parts: Iterable[NDArray[np.integer]]) -> NDArray[np.integer]:
    """The ids that `key` stands for, mapped into memory.

    Args:
        key: names them for ever: equal keys, equal ids.
        dtype: of the file.
        parts: they, if they are not in the cache, one array (n,) after the other.

    Raises:
        ReadWriteError: if the cache can't be written.
    """
    with _told():
        path = next(_whole(key, dtype), None) or _build(key, dtype, parts)
        found = np.asarray(np.memmap(path, dtype, mode="r"))  # stays, should the file go now
        with suppress(OSError):
            os.utime(path)
        _shrink(keep=path)
        return found


def entries() -> list[Path]:
    """The files, the least recently used first."""
    used: dict[Path, int] = {}
    for path in location().glob("*.ids"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            used[path] = path.stat().st_mtime_ns
    return sorted(used, key=lambda path: used[path])


def clear() -> int:
    """Delete all files, and tell how many they were. Runs that have mapped them go on."""
    paths = entries()
    for path in paths:
        path.unlink(missing_ok=True)
    _sweep()
    return len(paths)


def _whole(key: str, dtype: np.dtype) -> Iterator[Path]:
    """The file of `key`, if its length is the one in its name."""
    for path in location().glob(f"{key}-*.ids"):
        if path.stat().st_size == int(path.stem.rpartition("-")[2]) * dtype.itemsize:
            yield path


def _build(key: str, dtype: np.dtype, parts: Iterable[NDArray[np.integer]]) -> Path:
    count, folder = 0, made()
    handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                count += len(part)
                file.write(part.astype(dtype).data)
            file.flush()
            os.fsync(file.fileno())
        return Path(name).replace(folder / f"{key}-{count}.ids")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _shrink(keep: Path) -> None:
    _sweep()
    with suppress(FileNotFoundError):  # another process shrinks it, too
        sizes = {path: path.stat().st_size for path in entries()}
        for path in list(sizes):
            if sum(sizes.values()) > LARGEST and path != keep:
                del sizes[path]
                with suppress(PermissionError):  # in use, on systems where that matters
                    path.unlink()


def _sweep() -> None:
    """Delete what crashed processes left half made."""
    for path in location().glob(".*.new"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadWriteError(
            f"{location()}: {error.strerror}",
            "make room there, or name another place for caches in XDG_CACHE_HOME",
        ) from None
