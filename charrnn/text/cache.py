"""Token ids of long texts on disk, so that training maps them instead of holding them in memory.

A file is named after its content and renamed into place when it is complete, so two processes may
build it at once. One that is not what its name says is made anew. When all files together exceed
`LARGEST`, the least recently used are deleted.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

from charrnn.errors import ReadWriteError

__all__ = [
    "Cleared",
    "cached_ids",
    "check",
    "clear",
    "clear_folder",
    "create",
    "delete_least_recent",
    "entries",
    "entries_of",
    "location",
]

PATTERN = "*.ids"
LARGEST = 8 << 30  # bytes of all files together
ABANDONED = 86_400  # seconds after which an incomplete file belongs to a crashed process


class Cleared(NamedTuple):
    """What became of files that were to be deleted.

    Attributes:
        number: of those that were.
        failures: one for each that could not be; it names the file.
    """

    number: int
    failures: list[OSError]


def location() -> Path:
    """The folder of the cache, which may not exist yet."""
    return platformdirs.user_cache_path("charrnn")


def create() -> None:
    """Make the folder. It holds people's texts, so no other user may look into it.

    Raises:
        ReadWriteError: if it can't be made.
    """
    with _errors_with_advice():
        location().mkdir(mode=0o700, parents=True, exist_ok=True)


def check() -> None:
    """See that the folder can be read, if there is one, and that there can be.

    Raises:
        ReadWriteError: if not.
    """
    with _errors_with_advice(), suppress(FileNotFoundError):
        os.scandir(location()).close()


def cached_ids(
    key: str, dtype: np.dtype, parts: Iterable[NDArray[np.integer]]
) -> NDArray[np.integer]:
    """The ids stored under `key`, mapped into memory; stored first if they are not there.

    Args:
        key: equal keys must stand for equal ids, for ever.
        dtype: the type of the ids in the file.
        parts: the ids, one array (n,) after the other; only read if they are not in the cache.

    Returns:
        ids: (N,).

    Raises:
        ReadWriteError: if the cache can't be written.
    """
    with _errors_with_advice():
        try:
            return _find(key, dtype)
        except FileNotFoundError:  # it never was there, or another process has just deleted it
            return _mapped(_build(key, dtype, parts), dtype)


def entries() -> dict[Path, os.stat_result]:
    """The files and what was found of each, the least recently used first."""
    return entries_of(location(), PATTERN)


def entries_of(folder: Path, pattern: str) -> dict[Path, os.stat_result]:
    """The files of a folder that fit a pattern and what was found of each, as `entries` gives them.

    Folders, links and pipes are none of the cache's. Other processes may delete a file at any time.
    """
    found: dict[Path, os.stat_result] = {}
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[path] = status
    return dict(sorted(found.items(), key=lambda entry: entry[1].st_mtime_ns))


def clear() -> Cleared:
    """Delete all files. Runs that have mapped them go on."""
    return clear_folder(location(), PATTERN)


def clear_folder(folder: Path, pattern: str) -> Cleared:
    """Delete all files of a folder that fit a pattern, but for those that can't be deleted."""
    paths, failures = entries_of(folder, pattern), list[OSError]()
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            failures.append(error)
    _delete_abandoned(folder)
    return Cleared(len(paths) - len(failures), failures)


def _find(key: str, dtype: np.dtype) -> NDArray[np.integer]:
    """The ids of `key`, of a file that is what its name says; one that is not will be replaced.

    Raises:
        FileNotFoundError: if there are none.
    """
    name = f"{key}-{'?' * 64}.ids"  # older versions gave shorter ones
    for path in entries_of(location(), name):
        with suppress(ValueError):  # of a file that is empty, or cut off within an id
            ids = _mapped(path, dtype)
            if path.stem == f"{key}-{hashlib.sha256(ids.data).hexdigest()}":
                return ids
    raise FileNotFoundError(key)


def _mapped(path: Path, dtype: np.dtype) -> NDArray[np.integer]:
    """The ids of a file, which outlive its deletion, as the most recently used."""
    ids = np.asarray(np.memmap(path, dtype, mode="r"))
    with suppress(OSError):
        os.utime(path)
    delete_least_recent(location(), PATTERN, LARGEST, keep=path)
    return ids


def _build(key: str, dtype: np.dtype, parts: Iterable[NDArray[np.integer]]) -> Path:
    create()
    digest, folder = hashlib.sha256(), location()
    handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                data = part.astype(dtype).data
                digest.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return Path(name).replace(folder / f"{key}-{digest.hexdigest()}.ids")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def delete_least_recent(folder: Path, pattern: str, largest: int, keep: Path) -> None:
    """Delete files of a folder until all together have `largest` bytes, but never `keep`."""
    _delete_abandoned(folder)
    sizes = {path: status.st_size for path, status in entries_of(folder, pattern).items()}
    for path in list(sizes):
        if sum(sizes.values()) > largest and path != keep:
            del sizes[path]
            with suppress(OSError):  # another process did, or Windows does not while it is mapped
                path.unlink()


def _delete_abandoned(folder: Path) -> None:
    """Delete the incomplete files of crashed processes."""
    for path in folder.glob(".*.new"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink()


@contextmanager
def _errors_with_advice() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadWriteError(
            f"{location()}: {error.strerror}",
            "make room there, or choose another place for caches with XDG_CACHE_HOME",
        ) from None
