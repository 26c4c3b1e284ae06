"""PyTorch's own threads, for compiled code: a second pool would fight with it for the cores."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from charrnn.native.machine import add_symbol
from charrnn.native.threads import OPENMP_NAMES

__all__ = ["available", "run"]


@functools.cache
def _library() -> Any:
    """The OpenMP runtime that PyTorch has loaded, if it is one that takes functions from us."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        library = ctypes.CDLL(str(path))
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_uint] * 2
        library.GOMP_parallel.restype = None
        for name in OPENMP_NAMES:
            add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
        return library
    return None


def available() -> bool:
    """Whether there are such threads."""
    return _library() is not None


def run(function: int, arguments: Sequence[int], threads: int) -> None:
    """Call compiled code in `threads` threads at once, and wait for all.

    Args:
        function: its address, from `Code.compile`.
        arguments: in the order that `Code` was given their names.
        threads: how many.
    """
    array = (ctypes.c_int64 * len(arguments))(*arguments)
    _library().GOMP_parallel(function, ctypes.addressof(array), threads, 0)
