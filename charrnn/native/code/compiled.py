"""Compiled code that is kept: in the process, and on disk for the next one.

    @compiled_once
    def sampling_address(shape: Shape) -> Code: ...    # (shape) → address

Compiling takes a third of a second, loading what was compiled before a thousandth. A file is named
after all that its code depends on. It holds machine code, so it is read only if it and its folder
are this user's and no other user can write there; one that is damaged is made anew. Where nothing
can be kept, everything is compiled each time.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path

import charrnn
from charrnn.errors import ReadWriteError
from charrnn.native import processor
from charrnn.native.code import machine
from charrnn.native.code.machine import Code
from charrnn.native.processor import Target
from charrnn.text import cache

__all__ = ["cached", "clear", "compiled_once", "entries", "source_digest"]

LARGEST = 32 << 20  # bytes of all files together
ABANDONED = 86_400  # seconds after which an incomplete file belongs to a crashed process
DIGEST_BYTES = hashlib.sha256().digest_size  # at the head of a file, of what follows


def compiled_once(make: Callable[..., Code]) -> Callable[..., int]:
    """Compile what a function makes once for each target and arguments; gives its address.

    The target is one of them although no caller names it, since the code depends on it as on the
    others (tests compile for several). Two threads that need the same code wait for one of them.

    Args:
        make: a function of hashable arguments, whose `repr` says all there is to know of them.
    """
    lock = threading.Lock()

    @functools.cache
    def address(target: Target | None, *arguments: object) -> int:
        assert target is not None, "callers ask whether there is a target"

        def whole() -> bytes:
            code = make(*arguments)
            return code.name.encode() + b"\0" + code.object_code()

        name = f"{make.__module__}.{make.__qualname__}"
        digest = source_digest()
        key = (name, arguments, target, machine.compiler(), digest)
        found = whole() if digest is None else cached(key, whole)
        symbol, _, object_code = found.partition(b"\0")
        return machine.load(object_code, symbol.decode())

    @functools.wraps(make)
    def compiled(*arguments: object) -> int:
        with lock:
            return address(processor.target(), *arguments)

    return compiled


def cached(key: object, make: Callable[[], bytes]) -> bytes:
    """What `make` gives: from the file of this key if there is one, which else is written.

    Args:
        key: its `repr` says all that the result depends on.
        make: compiles.
    """
    try:
        path = _folder() / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.o"
    except ReadWriteError:
        return make()
    content = _read(path)
    if content is None:
        content = make()
        _write(path, content)
    return content


def entries() -> dict[Path, os.stat_result]:
    """The files and what was found of each, the least recently used first.

    Folders, links and pipes are none of them. Other processes may delete a file at any time.
    """
    found = dict[Path, os.stat_result]()
    for path in _folder().glob("*.o"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[path] = status
    return dict(sorted(found.items(), key=lambda entry: entry[1].st_mtime_ns))


def clear() -> tuple[int, list[OSError]]:
    """Delete all files, but for those that can't be. Processes that have loaded them go on.

    Returns:
        number: of those that were deleted.
        failures: one for each other, which it names.
    """
    paths, failures = entries(), list[OSError]()
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            failures.append(error)
    _delete_abandoned()
    return len(paths) - len(failures), failures


def _folder() -> Path:
    return cache.location() / "code"


@functools.cache
def source_digest() -> str | None:
    """A fingerprint of the Python code that the machine code is made by.

    None where that code can't be read, as in a copy of the package that is frozen or a .zip.
    """
    package = Path(charrnn.__file__).parent
    rooms = [sorted((package / room).rglob("*.py")) for room in ("cells", "native")]
    if not all(rooms):
        return None
    digest = hashlib.sha256()
    try:
        # `config` has sizes of blocks.
        for path in (package / "config.py", *chain(*rooms)):
            digest.update(path.read_bytes())
    except OSError:
        return None
    return digest.hexdigest()


def _is_private(path: Path) -> bool:
    """Whether a file or folder is this user's, and no other user can write to it."""
    if not hasattr(os, "geteuid"):  # Windows, where a user's folders are that user's
        return True
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _read(path: Path) -> bytes | None:
    """What is kept in a file; None if it is not there, not to be trusted, or damaged."""
    try:
        if not all(_is_private(p) for p in (path.parent.parent, path.parent, path)):
            return None
        data = path.read_bytes()
        with suppress(OSError):
            os.utime(path)
    except OSError:
        return None
    digest, content = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == digest else None


def _write(path: Path, content: bytes) -> None:
    """Keep a file, if that can be done."""
    with suppress(OSError):
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(folder):
                return
        handle, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _delete_least_recent(keep=path)


def _delete_least_recent(keep: Path) -> None:
    """Delete files until all together have `LARGEST` bytes, but never `keep`."""
    _delete_abandoned()
    sizes = {path: status.st_size for path, status in entries().items()}
    for path in list(sizes):
        if sum(sizes.values()) > LARGEST and path != keep:
            del sizes[path]
            with suppress(OSError):  # another process did, or Windows does not while it is used
                path.unlink()


def _delete_abandoned() -> None:
    """Delete the incomplete files of crashed processes."""
    for path in _folder().glob(".*.new"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - ABANDONED:
                path.unlink()
