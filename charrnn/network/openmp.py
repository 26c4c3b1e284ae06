"""PyTorch's own threads, lent to compiled code: two pools of threads would fight for the cores."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from charrnn.native.machine import add_symbol
from charrnn.native.threads import OPENMP_NAMES

__all__ = ["library", "run"]


@functools.cache
def library() -> Any:
    """GNU's OpenMP runtime, if PyTorch has loaded it; others take no functions. Else None."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        found = ctypes.CDLL(str(path))
        found.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_uint] * 2
        found.GOMP_parallel.restype = None
        for name in OPENMP_NAMES:
            add_symbol(name, ctypes.cast(getattr(found, name), ctypes.c_void_p).value)
        return found
    return None


def run(function: int, arguments: Sequence[int], threads: int) -> None:
    """Call compiled code in `threads` threads at once, and wait for all.

    Args:
        function: its address, from `Code.compile`.
        arguments: in the order that `Code` was given their names.
        threads: how many.
    """
    array = (ctypes.c_int64 * len(arguments))(*arguments)
    library().GOMP_parallel(function, ctypes.addressof(array), threads, 0)
