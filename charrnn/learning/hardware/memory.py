"""Freed memory that waits for the next update.

    with kept_memory(): ...

Every update asks for the same large buffers and frees them. The C library gives such pieces back
to the system, which clears each page before it lends it again: in a run of an LSTM 2×1024 that is a
seventh of the time, 2×256 a fiftieth.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from typing import Any

__all__ = ["kept_memory"]

# Parameters of glibc's mallopt, see malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
MAX_INT = 2**31 - 1
# What training leaves behind: where glibc's own thresholds stand once pieces of this size, the
# largest that they follow, have been freed.
USUAL = {MMAP_MAX: 65_536, MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}
_LOCK = Lock()
_inside = 0  # runs that are going on in this process
TAKEN = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@contextmanager
def kept_memory() -> Iterator[None]:
    """Inside, what is freed is kept; after, it is given back.

    It holds for the whole process, on Linux with glibc, unless the user has set any of its own
    settings.
    """
    global _inside
    library = _glibc()
    if library is None or any(name in os.environ for name in TAKEN):
        yield
        return
    with _LOCK:
        _inside += 1
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, MAX_INT)
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if not _inside:
                for parameter, value in USUAL.items():
                    library.mallopt(parameter, value)
                library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library, if it is glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    with suppress(AttributeError):
        library.gnu_get_libc_version  # noqa: B018
        library.mallopt.argtypes = [ctypes.c_int] * 2
        library.malloc_trim.argtypes = [ctypes.c_size_t]
        return library
    return None
